"""One task instance, one job: write the intent, look for the job, submit, write the handle.

A process that dies at any instruction in here leaves behind a record and a deterministic name, from
which the next one finds the job instead of submitting another. Blocking; runs in a worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import AmbiguousError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.core.wire import Wire
from airflow_provider_jobs.engine.calls import T, repeat

SUBMIT_WITHIN_SECONDS = 300.0
_AMBIGUOUS_TRIES = 3


class SubmissionRecord(Wire):
    """What is remembered of a task instance's submission from try to try.

    :param ref: where it was sent
    :param generation: changes when a user clears the task, and only then
    :param phase: ``intent`` before the service was asked, ``submitted`` with a handle, ``ended``
        once the task has reported a failure of this job
    """

    version: Literal[1] = 1
    key: JobKey
    ref: BackendRef | None = None
    fingerprint: str
    try_number: int
    generation: int
    phase: Literal["intent", "submitted", "ended"] = "intent"
    handle: JobHandle | None = None


class RecordStore(Protocol):
    """Where the record is kept; it outlives the process and the try."""

    def load(self) -> SubmissionRecord | None:
        """Return the record of this task instance, or ``None``."""

    def save(self, record: SubmissionRecord) -> None:
        """Keep the record; it is durable when this returns."""


@dataclass(frozen=True)
class Claim:
    """Who submits: the task instance's key with the first attempt, its try, and its generation."""

    key: JobKey
    try_number: int
    generation: int


@dataclass(frozen=True)
class Submission:
    """The job of a task instance.

    :param adopted: whether it was there already
    :param notes: sentences for the log on what was found and why it was or was not taken
    """

    handle: JobHandle
    attempt: int
    adopted: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    handle: JobHandle
    report: JobReport

    @property
    def is_active(self) -> bool:
        return not (self.report.state or JobState.SUBMITTED).is_terminal


class Submitter:
    """Submits one spec for one claim, once.

    :param store: ``None`` where nothing outlives the try; each try then has a key of its own, and
        only jobs of earlier tries that still run are adopted
    """

    def __init__(
        self,
        backend: Backend,
        store: RecordStore | None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        within_seconds: float = SUBMIT_WITHIN_SECONDS,
    ) -> None:
        self._backend = backend
        self._store = store
        self._sleep = sleep
        self._within_seconds = within_seconds
        self._notes: list[str] = []

    def submit_once(self, spec: JobSpec, claim: Claim) -> Submission:
        """Return the job of this claim, submitted now or found. Idempotent.

        :raises BackendError: the service refuses, or was in trouble for longer than the bound
        """
        if self._store is None:
            return self._without_record(spec, claim)
        return self._with_record(self._store, spec, claim)

    def _with_record(self, store: RecordStore, spec: JobSpec, claim: Claim) -> Submission:
        record = store.load()
        key = record.key if record else claim.key
        found = self._look(key)
        if found and record is None:
            # An intent is always written first: it has been written since, or the job is not this run's.
            record = store.load()
        adopted = found is not None and self._is_ours(record, found, spec, claim)
        while not adopted and (found or (record and record.phase == "ended" and record.key == key)):
            key = key.next_attempt()
            found = self._look(key)
            if found:
                self._is_ours(None, found, spec, claim)
        intent = SubmissionRecord(
            key=key,
            ref=self._backend.ref,
            fingerprint=spec.fingerprint,
            try_number=claim.try_number,
            generation=claim.generation,
        )
        if not adopted:
            store.save(intent)
        handle = found.handle if found else self._submit(spec, key)
        store.save(intent.model_copy(update={"phase": "submitted", "handle": handle}))
        return Submission(handle, attempt=key.attempt, adopted=adopted, notes=tuple(self._notes))

    def find_running(self, claim: Claim) -> Submission | None:
        """Return the job of an earlier try that still runs and nobody is cancelling, or ``None``."""
        for earlier in range(claim.try_number - 1, 0, -1):
            key = claim.key.model_copy(update={"attempt": earlier})
            found = self._look(key)
            if found and found.is_active and not found.report.cancelling:
                note = f"Job {found.handle.name} of try {earlier} still runs; taking it over"
                return Submission(found.handle, attempt=earlier, adopted=True, notes=(note,))
        return None

    def _without_record(self, spec: JobSpec, claim: Claim) -> Submission:
        if running := self.find_running(claim):
            return running
        key = claim.key.model_copy(update={"attempt": claim.try_number})
        return Submission(
            self._submit(spec, key), attempt=key.attempt, adopted=False, notes=tuple(self._notes)
        )

    def _is_ours(self, record: SubmissionRecord | None, found: _Found, spec: JobSpec, claim: Claim) -> bool:
        """Decide whether the job that was found is this claim's; where it is not, cancel it and say why."""
        name, reason = found.handle.name, self._why_not(record, found, spec, claim)
        if reason is None:
            self._notes.append(f"Job {name} is there already; taking it over")
            return True
        if found.is_active and not found.report.cancelling:
            self._call(lambda: self._backend.cancel(found.handle, reason))
            reason += "; it is cancelled"
        self._notes.append(f"Job {name} is not taken over: {reason}")
        return False

    @staticmethod
    def _why_not(record: SubmissionRecord | None, found: _Found, spec: JobSpec, claim: Claim) -> str | None:
        if record is None:
            return "it was left behind by a deleted DAG run of the same name"
        if record.generation != claim.generation:
            return "the task was cleared since"
        if record.phase == "ended":
            return "its failure was already reported"
        if found.report.cancelling:
            return "it is being cancelled"
        if record.fingerprint != spec.fingerprint:
            return "the task's arguments have changed since"
        state = found.report.state
        if state in (JobState.FAILED, JobState.CANCELLED) and record.try_number != claim.try_number:
            return f"it has ended as {state.value}"
        return None

    def _look(self, key: JobKey) -> _Found | None:
        handle = self._call(lambda: self._backend.find(key))
        if handle is None:
            return None
        (report,) = self._call(lambda: self._backend.describe([handle]))
        return _Found(handle, report) if report.found else None

    def _submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Submit; where the answer is lost, look before sending again."""
        for _ in range(_AMBIGUOUS_TRIES):
            try:
                return self._call(lambda: self._backend.submit(spec, key), is_idempotent=False)
            except AmbiguousError as error:
                last = error
                self._notes.append(f"The answer to the submission was lost ({error}); looking for the job")
            if found := self._call(lambda: self._backend.find(key)):
                return found
        raise last

    def _call(self, call: Callable[[], T], *, is_idempotent: bool = True) -> T:
        return repeat(
            call, within_seconds=self._within_seconds, sleep=self._sleep, is_idempotent=is_idempotent
        )
