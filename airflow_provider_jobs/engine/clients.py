"""Backends that several submissions share, since a client is dear to make, above all its credentials."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.engine.calls import OpenBackend

# A connection that was changed is read again after this time at the latest.
SHARED_SECONDS = 300.0


class SharedBackends:
    """One backend for each reference, made at its first use and anew from time to time. Thread-safe.

    :param open_backend: makes one; blocking
    :param clock: seconds that only grow
    """

    def __init__(self, open_backend: OpenBackend, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_backend = open_backend
        self._clock = clock
        self._opened: dict[BackendRef, tuple[Backend, float]] = {}
        self._lock = threading.Lock()

    def open(self, ref: BackendRef) -> Backend:
        """Return the backend of this reference. Blocking."""
        with self._lock:
            backend, opened_at = self._opened.get(ref, (None, 0.0))
            if backend is not None and self._clock() - opened_at < SHARED_SECONDS:
                return backend
            return self._make(ref)

    def reopen(self, ref: BackendRef) -> Backend:
        """Return a new backend of this reference, for all from now on. Blocking."""
        with self._lock:
            return self._make(ref)

    def _make(self, ref: BackendRef) -> Backend:
        now = self._clock()
        # What has not been asked for in time goes with it, so that the number of them stays bounded.
        self._opened = {
            each: opened for each, opened in self._opened.items() if now - opened[1] < SHARED_SECONDS
        }
        backend = self._open_backend(ref)
        self._opened[ref] = (backend, now)
        return backend
