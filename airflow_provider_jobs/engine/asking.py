"""One service as a submission asks it: again until it answers, and patiently where it lags behind."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import CredentialsExpired
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.engine.calls import T, repeat
from airflow_provider_jobs.engine.claims import Found

# An outage of ten minutes fails no task.
SUBMIT_WITHIN_SECONDS = 900.0
# How often a job is looked for within the time in which its service may not show it yet.
_LOOKS = 10


class Service:
    """Asks one backend. Blocking.

    :param reopen: makes the backend anew, since it reads its connection once
    :param within_seconds: for how long trouble is borne
    """

    def __init__(
        self,
        backend: Backend,
        *,
        reopen: Callable[[], Backend] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        within_seconds: float = SUBMIT_WITHIN_SECONDS,
    ) -> None:
        self.backend = backend
        self._reopen = reopen
        self._sleep = sleep
        self._within_seconds = within_seconds

    @property
    def ref(self) -> BackendRef:
        """Return which service, connection and scope this is."""
        return self.backend.ref

    @property
    def names_jobs_itself(self) -> bool:
        """Return whether two submissions of one key can be two jobs."""
        return self.backend.limits.find_lag_seconds > 0

    def call(self, call: Callable[[], T]) -> T:
        """Call until there is an answer, with new credentials where they have expired.

        :raises BackendError: the service refuses, or was in trouble for longer than the bound
        """

        def ask() -> T:
            try:
                return call()
            except CredentialsExpired:
                if self._reopen:
                    self.backend = self._reopen()
                raise

        return repeat(ask, within_seconds=self._within_seconds, sleep=self._sleep)

    def find(self, key: JobKey, *, is_expected: bool) -> JobHandle | None:
        """Find the job of a key.

        :param is_expected: whether there may be one that its service does not show yet
        """
        return self.patiently(lambda: self.call(lambda: self.backend.find(key)), is_expected=is_expected)

    def look(self, key: JobKey, *, is_expected: bool = False) -> Found | None:
        """Find the job of a key, and how it is."""
        handle = self.find(key, is_expected=is_expected)
        return self.describe(handle) if handle else None

    def describe(self, handle: JobHandle) -> Found | None:
        """Return how a job is, ``None`` where it is gone."""
        (report,) = self.call(lambda: self.backend.describe([handle]))
        return Found(handle, report) if report.found else None

    def patiently(self, look: Callable[[], T | None], *, is_expected: bool) -> T | None:
        """Look once, or for as long as the service may not show what is there."""
        lag_seconds = self.backend.limits.find_lag_seconds if is_expected else 0.0
        waited_seconds = 0.0
        while (found := look()) is None and waited_seconds < lag_seconds:
            self._sleep(lag_seconds / _LOOKS)
            waited_seconds += lag_seconds / _LOOKS
        return found

    def cancel(self, handle: JobHandle, reason: str) -> None:
        """Ask for the end of a job."""
        self.call(lambda: self.backend.cancel(handle, reason))
