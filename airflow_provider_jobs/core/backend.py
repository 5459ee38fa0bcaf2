"""The cut: what a service must be able to do for the engine, written once with the vendor's blocking client.

A backend never sleeps, loops, retries, or logs to a task. Every method raises only errors of
:mod:`airflow_provider_jobs.core.errors`. Methods may be called from several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.spec import JobSpec


@dataclass(frozen=True)
class Limits:
    """What a service allows, as far as the engine must know it.

    :param describe_chunk: the most handles in one ``describe``
    :param describe_floor_seconds: the least time between two describes of one group
    :param logs_chunk: the most cursors in one ``read_logs``
    :param logs_floor_seconds: the least time between two log reads of one group
    :param logs_have_budget: whether the backend itself keeps the service's quota of log reads, so that one
        which did not bring everything may be followed by the next at once
    :param late_logs_seconds: how long after the end of a job its last lines are waited for at most
    :param quiet_logs_seconds: with no new line for this long after the end, the log is complete
    :param find_lag_seconds: how long after its submission a job may be missing from ``find``; above 0 where
        the service names its jobs itself, so that two submissions of one key are two jobs
    """

    describe_chunk: int
    describe_floor_seconds: float = 1.0
    logs_chunk: int = 100
    logs_floor_seconds: float = 1.0
    logs_have_budget: bool = False
    late_logs_seconds: float = 30.0
    quiet_logs_seconds: float = 5.0
    find_lag_seconds: float = 0.0


class Backend(Protocol):
    """One service, one connection, one scope."""

    ref: BackendRef
    limits: Limits

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Submit the job in one request; the native name follows from the key.

        Idempotent: where a job of this key exists already, its handle is returned.

        :raises AmbiguousError: sent, and the answer never came; use :meth:`find`
        """

    def find(self, key: JobKey) -> JobHandle | None:
        """Return the job of this key in any state, or ``None``; the oldest where there are several."""

    def describe(self, handles: Sequence[JobHandle]) -> Iterable[JobReport]:
        """Return one report for every handle, in any order and in as few calls as the service allows.

        They may be made one by one, as they are taken: of thousands, most are looked at once and forgotten.
        Where a call fails, the reports that came before it count, and the next describe asks for the others.

        A job that is gone is a report with ``found=False``, not an error.

        :param handles: at most ``limits.describe_chunk``
        """

    def cancel(self, handle: JobHandle, reason: str) -> None:
        """Ask the service to stop the job. Idempotent; gone or finished is fine."""

    def delete(self, handle: JobHandle) -> None:
        """Remove the service's record of the job. Idempotent; gone is fine."""

    def read_logs(self, cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
        """Return the next lines of every job, in the order of the cursors and in few calls where it can be.

        No two cursors speak of one job. Where a read has no room for all of them, or a quota none for the
        calls, those at the beginning come first, and the pages of the others say ``unread`` and ``more``.

        :param cursors: at most ``limits.logs_chunk``
        """

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the job is not running yet, in words a person can act on, or ``None``.

        :mod:`airflow_provider_jobs.core.explanations` makes them, and tells whether they are another reason.
        """


@runtime_checkable
class Watches(Protocol):
    """What a backend can besides, whose service tells of changes by itself.

    Asking with ``describe`` remains underneath, for what a watch has missed.
    """

    def watch(self) -> Iterator[Sequence[str]]:
        """Yield native ids of jobs that may have changed, as the service tells it, until the connection ends.

        Blocking, and called by one thread at a time, again and again; each goes on where the last has ended.
        No ids mean that it goes on, so that who listens can look whether that is still wanted.
        While it runs, ``describe`` answers from what it has seen, and makes no call for a job it knows.

        :raises AccessDenied: this connection may not watch; it is not asked for it again
        """

    def stop_watching(self) -> None:
        """End a watch that is under way, from another thread. Idempotent; it returns soon after."""
