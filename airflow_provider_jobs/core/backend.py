"""The cut: what a service must be able to do for the engine, written once with the vendor's blocking client.

A backend never sleeps, loops, retries, or logs to a task. Every method raises only errors of
:mod:`airflow_provider_jobs.core.errors`. Methods may be called from several threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.spec import JobSpec


@dataclass(frozen=True)
class Limits:
    """What a service allows, as far as the engine must know it.

    :param describe_chunk: the most handles in one ``describe``
    :param describe_floor_seconds: the least time between two describes of one group
    :param logs_floor_seconds: the least time between two log reads of one group
    :param late_logs_seconds: how long after the end of a job its last lines are waited for at most
    :param quiet_logs_seconds: with no new line for this long after the end, the log is complete
    :param find_lag_seconds: how long after its submission a job may be missing from ``find``; above 0 where
        the service names its jobs itself, so that two submissions of one key are two jobs
    """

    describe_chunk: int
    describe_floor_seconds: float = 1.0
    logs_floor_seconds: float = 1.0
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

    def describe(self, handles: Sequence[JobHandle]) -> Sequence[JobReport]:
        """Return one report for every handle, in as few calls as the service allows.

        A job that is gone is a report with ``found=False``, not an error.

        :param handles: at most ``limits.describe_chunk``
        """

    def cancel(self, handle: JobHandle, reason: str) -> None:
        """Ask the service to stop the job. Idempotent; gone or finished is fine."""

    def delete(self, handle: JobHandle) -> None:
        """Remove the service's record of the job. Idempotent; gone is fine."""

    def read_logs(self, cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
        """Return the next lines of every job, in the order of the cursors and in few calls where it can be.

        No two cursors speak of one job.
        """

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the job is not running yet, in words a person can act on, or ``None``."""
