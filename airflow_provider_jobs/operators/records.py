"""Where a task instance's submission is remembered from try to try: Airflow's task state store."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import ValidationError

from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.engine.leftover import leftover_of
from airflow_provider_jobs.engine.records import SubmissionRecord

log = logging.getLogger(__name__)
_KEY = "airflow_provider_jobs.submission"
_ANNOUNCED_KEY = "airflow_provider_jobs.announced"


class TaskStateRecords:
    """A :class:`~airflow_provider_jobs.engine.records.RecordStore` on ``context["task_state_store"]``.

    Airflow keeps it under the DAG run, task and map index; it outlives tries and is not cleared
    with the task.
    """

    def __init__(self, task_state_store: Any) -> None:
        self._store = task_state_store

    def load(self) -> SubmissionRecord | None:
        """Return the record, or ``None`` where there is none or it is of a version unknown here."""
        data = self._store.get(_KEY)
        if data is None:
            return None
        try:
            return SubmissionRecord.from_json(data)
        except ValidationError:
            log.warning("The record of an earlier submission cannot be read and is left aside")
            return None

    def save(self, record: SubmissionRecord) -> None:
        """Keep the record; it is in Airflow's database when this returns."""
        self._store.set(_KEY, record.to_json())

    def announce(self, owner: str) -> None:
        """Keep who is about to submit the first job; it is in Airflow's database when this returns."""
        self._store.set(_ANNOUNCED_KEY, owner)

    def announced(self) -> str | None:
        """Return who announced the first job, or ``None``."""
        owner = self._store.get(_ANNOUNCED_KEY)
        return owner if isinstance(owner, str) else None

    def count_failure(self, kind: FailureKind) -> None:
        """Remember that the task reports a failure of this kind."""
        if record := self.load():
            self.save(record.counting(kind))

    def mark_ended(self, outcome: JobOutcome) -> None:
        """Remember that the job has ended so, and is told of: the next job must be another."""
        if record := self.load():
            self.save(record.ended(leftover_of(outcome)))


def task_state_records(context: Any) -> TaskStateRecords | None:
    """Return the store of this task instance; ``None`` below Airflow 3.3, which has none."""
    store = context.get("task_state_store")
    return None if store is None else TaskStateRecords(store)
