"""What is remembered of a task instance's submissions from try to try, where anything can be."""

from __future__ import annotations

from typing import Literal, Protocol

from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.wire import Wire
from airflow_provider_jobs.engine.leftover import Leftover


class SubmissionRecord(Wire):
    """What is remembered.

    :param ref: where it was sent
    :param generation: changes when a user clears the task, and only then
    :param phase: ``intent`` before the service was asked, ``submitted`` with a handle, ``ended``
        once the task has reported a failure of this job
    :param leftover: of an array, the part that this job runs, or once it has ended, that the next is to run;
        ``None`` for everything
    :param failures: how often the task has failed since it was cleared, by cause
    """

    version: Literal[1] = 1
    key: JobKey
    ref: BackendRef | None = None
    generation: int
    phase: Literal["intent", "submitted", "ended"] = "intent"
    handle: JobHandle | None = None
    leftover: Leftover | None = None
    failures: dict[FailureKind, int] = {}

    def counting(self, kind: FailureKind) -> SubmissionRecord:
        """Return what is remembered once the task has reported a failure of this kind."""
        return self.model_copy(update={"failures": {**self.failures, kind: self.failures.get(kind, 0) + 1}})

    def ended(self, leftover: Leftover | None) -> SubmissionRecord:
        """Return what is remembered once the job is over and known to be, so that the next must be another.

        :param leftover: what is left to run then
        """
        return self.model_copy(update={"phase": "ended", "leftover": leftover})


class RecordStore(Protocol):
    """Where the record is kept; it outlives the process and the try."""

    def load(self) -> SubmissionRecord | None:
        """Return the record of this task instance, or ``None``."""

    def save(self, record: SubmissionRecord) -> None:
        """Keep the record; it is durable when this returns."""

    def announce(self, owner: str) -> None:
        """Keep who is about to submit the very first job, beside the record; durable when this returns."""

    def announced(self) -> str | None:
        """Return who announced the first job, or ``None``. It counts only while there is no record."""
