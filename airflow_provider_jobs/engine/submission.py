"""One task instance, one job: write the intent, look for the job, submit, write the handle.

A process that dies at any instruction in here leaves behind a record and a job that can be found, from
which the next one goes on instead of submitting another. With a record the very first try does not look:
the answer to a submission is the job of its key where there is one, and whose it is stands on it. Blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_jobs.core.errors import AmbiguousError, InvalidArgument, JobsError, SubmissionStopped
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.engine.asking import Service
from airflow_provider_jobs.engine.claims import Claim, Found, Known, Stamp, is_of, why_not
from airflow_provider_jobs.engine.leftover import Leftover, Outputs, read_leftover
from airflow_provider_jobs.engine.records import RecordStore, SubmissionRecord


@dataclass(frozen=True)
class Submission:
    """The job of a task instance.

    :param attempt: how many jobs were submitted for the task instance, with this one
    :param adopted: whether it was there already
    :param notes: sentences for the log on what was found and why it was or was not taken
    :param array_size: of the whole array, of which the job may run a part
    :param earlier_outputs: what the indexes reported that have succeeded in earlier jobs
    """

    handle: JobHandle
    attempt: int
    adopted: bool
    notes: tuple[str, ...] = ()
    array_size: int = 1
    earlier_outputs: Outputs | None = None


@dataclass(frozen=True)
class _Search:
    """Where a search has ended: at the job that is taken over, or at an attempt that is free.

    :param unreported: the jobs before it that have ended badly without anybody having told
    """

    key: JobKey
    ours: Found | None
    unreported: tuple[Found, ...] = ()


class Submitter:
    """Submits one spec for one claim, once.

    :param store: ``None`` where nothing outlives the try; what the jobs say of themselves then decides alone,
        and of earlier tries only jobs that still run are adopted
    :param parts: whether a retry of an array submits only what has not succeeded
    :param withdraws: whether a job is cancelled whose submission a time limit breaks off
    :param is_only_place: whether the job can be nowhere but on this service
    :param is_stopped: whether the task was killed, so that nothing may be sent any more
    """

    def __init__(
        self,
        service: Service,
        store: RecordStore | None,
        *,
        parts: bool = False,
        withdraws: bool = True,
        is_only_place: bool = True,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._service = service
        self._store = store
        self._parts = parts
        self._withdraws = withdraws
        self._is_only_place = is_only_place
        self._is_stopped = is_stopped
        self._notes: list[str] = []
        self._sent: JobKey | None = None

    def submit_once(self, spec: JobSpec, claim: Claim) -> Submission:
        """Return the job of this claim, submitted now or found. Idempotent.

        :raises BackendError: the service refuses, or was in trouble for longer than the bound
        :raises SubmissionStopped: the task was killed before anything was sent
        """
        try:
            if self._store is None:
                return self._without_record(spec, claim)
            return self._with_record(self._store, spec, claim)
        except Exception:
            raise
        except BaseException:
            # Airflow's time limit comes as one of these, at any instruction.
            if self._sent is not None and self._withdraws:
                self._withdraw(self._sent)
            raise

    def find_running(self, spec: JobSpec, claim: Claim) -> Submission | None:
        """Return the job of an earlier try that still runs and is this claim's, or ``None``.

        For where there is no record. What runs and is not this claim's is cancelled.
        """
        return self._judge(self._seen(claim), spec, claim)[0]

    def find_own(self, claim: Claim) -> JobHandle | None:
        """Return the job that this very claim has submitted without a record, or ``None``."""
        own = [found.handle for found in self._seen(claim).values() if is_of(found, claim)]
        return own[-1] if own else None

    # With a record

    def _with_record(self, store: RecordStore, spec: JobSpec, claim: Claim) -> Submission:
        record = store.load()
        if record is None and claim.is_first and self._is_only_place:
            if taken := self._at_once(store, spec, claim):
                return taken
            record = store.load()
        search = self._search(store, record, spec, claim)
        history = record if record and record.generation == claim.generation else None
        leftover = self._applicable(history.leftover, spec) if history else None
        if search.unreported:
            leftover = self._read_leftover(spec, search.unreported, before=leftover)
        intent = SubmissionRecord(
            key=search.key,
            ref=self._service.ref,
            generation=claim.generation,
            leftover=leftover,
            failures=history.failures if history else {},
        )
        if search.ours:
            handle = search.ours.handle
        else:
            store.save(intent)
            handle = self._submit_part(spec, search.key, claim, leftover)
        store.save(intent.model_copy(update={"phase": "submitted", "handle": handle}))
        return self._submission(handle, search.key, spec, leftover, adopted=search.ours is not None)

    def _at_once(self, store: RecordStore, spec: JobSpec, claim: Claim) -> Submission | None:
        """Submit without a look where nothing can have been submitted before.

        ``None`` where the answer is somebody else's job. The announcement has a place of its own: a process
        that stood still and goes on only when the task was tried again would overwrite the later record.
        """
        store.announce(claim.owner)
        record = SubmissionRecord(key=claim.key, ref=self._service.ref, generation=claim.generation)
        try:
            handle = self._submit_part(spec, claim.key, claim, None)
        except JobsError:
            if store.load() is None:
                store.save(record)
            raise
        if Stamp.read(handle.stamp) != claim.stamp(spec):
            return None
        store.save(record.model_copy(update={"phase": "submitted", "handle": handle}))
        return self._submission(handle, claim.key, spec, None, adopted=False)

    def _search(
        self, store: RecordStore, record: SubmissionRecord | None, spec: JobSpec, claim: Claim
    ) -> _Search:
        """Look for the job at the attempt of the record and after it."""
        key = record.key if record else claim.key
        announced = None if record or claim.is_first else store.announced()
        if record:
            found = self._recorded(record)
        else:
            found = self._service.look(key, is_expected=announced is not None)
        if found and record is None:
            # Who submits says so first: it has been said since, or the job is not this run's.
            record, announced = store.load(), store.announced()
        unreported: list[Found] = []
        while True:
            is_recorded = (record is not None and record.key == key) or _is_from(found, announced)
            is_reported = is_recorded and record is not None and record.phase == "ended"
            if found:
                known = Known(is_of_this_run=is_recorded, is_reported=is_reported)
                if self._is_ours(found, spec, claim, known):
                    return _Search(key, found, tuple(unreported))
                if is_recorded and not is_reported and _counts(found, spec, claim):
                    unreported.append(found)
            elif not is_reported:
                return _Search(key, None, tuple(unreported))
            key = key.next_attempt()
            found = self._service.look(key)

    def _applicable(self, leftover: Leftover | None, spec: JobSpec) -> Leftover | None:
        """Return what was left to run where that holds for what is asked for now."""
        if leftover is None or not self._parts:
            return None
        if leftover.fingerprint != spec.fingerprint:
            self._notes.append("All indexes count as not run, since the task's arguments have changed")
            return None
        return leftover

    def _recorded(self, record: SubmissionRecord) -> Found | None:
        """Look for the job that a record speaks of."""
        handle, ref = record.handle, self._service.ref
        if handle and (handle.ref.backend, handle.ref.conn_id) == (ref.backend, ref.conn_id):
            return self._service.patiently(
                lambda: self._service.describe(handle), is_expected=record.phase != "ended"
            )
        # Somebody may have sent it just before dying.
        return self._service.look(record.key, is_expected=record.phase == "intent")

    # Without a record

    def _without_record(self, spec: JobSpec, claim: Claim) -> Submission:
        seen = self._seen(claim)
        taken, ended = self._judge(seen, spec, claim)
        if taken:
            return taken
        # Not after a number that is free: under that one a submission may have been broken off half way.
        key = claim.key.model_copy(update={"attempt": max(seen, default=0) + 1})
        leftover = self._read_leftover(spec, ended)
        handle = self._submit_part(spec, key, claim, leftover)
        return self._submission(handle, key, spec, leftover, adopted=False)

    def _seen(self, claim: Claim) -> dict[int, Found]:
        """Return the jobs of the task instance by attempt."""
        seen: dict[int, Found] = {}
        attempt = 1
        while (found := self._look_at(claim, attempt)) or attempt <= claim.earlier_attempts:
            if found:
                seen[attempt] = found
            attempt += 1
        # Somebody may have sent one just before dying.
        free = max(seen, default=0) + 1
        if not claim.is_first and (found := self._look_at(claim, free, is_expected=True)):
            seen[free] = found
        return seen

    def _look_at(self, claim: Claim, attempt: int, *, is_expected: bool = False) -> Found | None:
        return self._service.look(claim.key.model_copy(update={"attempt": attempt}), is_expected=is_expected)

    def _judge(
        self, seen: Mapping[int, Found], spec: JobSpec, claim: Claim
    ) -> tuple[Submission | None, list[Found]]:
        """Return the job that is taken over, and those that have ended for good, the newest first."""
        known = Known(is_of_this_run=not claim.is_first, takes_success=False)
        ended: list[Found] = []
        taken: int | None = None
        for attempt in sorted(seen, reverse=True):
            found = seen[attempt]
            if taken is None and (found.is_active or is_of(found, claim)):
                taken = attempt if self._is_ours(found, spec, claim, known) else None
            elif found.is_active:
                self._service.cancel(found.handle, "a newer job of the task is followed")
            elif known.is_of_this_run and _counts(found, spec, claim):
                ended.append(found)
        if taken is None:
            return None, ended
        handle, key = seen[taken].handle, claim.key.model_copy(update={"attempt": taken})
        leftover = self._read_leftover(spec, ended) if handle.indexes is not None else None
        return self._submission(handle, key, spec, leftover, adopted=True), ended

    def _read_leftover(
        self, spec: JobSpec, ended: Sequence[Found], *, before: Leftover | None = None
    ) -> Leftover | None:
        """Return what jobs that have ended left to run.

        :param before: what was left before them
        """
        if not self._parts or spec.array_size == 1:
            return None
        left = read_leftover(self._service.backend, self._service.call, ended, size=spec.array_size)
        if left is None or before is None:
            return left
        return left.model_copy(update={"outputs": {**before.outputs, **left.outputs}})

    # What is there

    def _is_ours(self, found: Found, spec: JobSpec, claim: Claim, known: Known) -> bool:
        """Decide whether the job that was found is this claim's; where it is not, cancel it and say why."""
        name, reason = found.handle.name, why_not(found, claim, spec, known)
        if reason is None:
            self._notes.append(f"Job {name} is there already ({found.state.value}); taking it over")
            return True
        if found.is_active and not found.report.cancelling:
            self._service.cancel(found.handle, reason)
            reason += "; it is cancelled"
        self._notes.append(f"Job {name} is not taken over: {reason}")
        return False

    # Submitting

    def _submit_part(self, spec: JobSpec, key: JobKey, claim: Claim, leftover: Leftover | None) -> JobHandle:
        """Submit what is left to run; everything where the service has no room for the list of it."""
        stamped = spec.model_copy(update={"stamp": claim.stamp(spec).text})
        if leftover is None:
            return self._submit(stamped, key)
        self._notes.append(f"Only indexes {leftover.indexes} are submitted; the others have succeeded")
        try:
            return self._submit(leftover.part_of(stamped), key)
        except InvalidArgument as error:
            self._notes.append(f"All indexes are submitted, since their list is refused: {error}")
            return self._submit(stamped, key)

    def _submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Submit until there is an answer; where one is lost, look before sending again."""

        def attempt() -> JobHandle:
            if self._is_stopped():
                raise SubmissionStopped("the task was killed before its job was submitted")
            self._sent = key
            try:
                return self._service.backend.submit(spec, key)
            except AmbiguousError as error:
                self._notes.append(f"The answer to the submission was lost ({error}); looking for the job")
                if found := self._service.find(key, is_expected=True):
                    return found
                raise

        return self._elected(self._service.call(attempt), key)

    def _elected(self, handle: JobHandle, key: JobKey) -> JobHandle:
        """Return the oldest job of a key where several processes submitted one, and cancel ours if it is not.

        Each of them sees this in the end, and only the younger goes.
        """
        if not self._service.names_jobs_itself:
            return handle
        oldest = self._service.find(key, is_expected=True)
        if oldest is None or oldest.native_id == handle.native_id:
            return handle
        self._service.cancel(handle, "another process has submitted the same job before")
        self._notes.append(f"Job {handle.native_id} is a twin of {oldest.native_id}, and is cancelled")
        return oldest

    def _withdraw(self, key: JobKey) -> None:
        if handle := self._service.find(key, is_expected=True):
            self._service.cancel(handle, "its submission was broken off")

    def _submission(
        self, handle: JobHandle, key: JobKey, spec: JobSpec, leftover: Leftover | None, *, adopted: bool
    ) -> Submission:
        return Submission(
            handle,
            attempt=key.attempt,
            adopted=adopted,
            notes=tuple(self._notes),
            array_size=spec.array_size if leftover and handle.indexes is not None else handle.size,
            earlier_outputs=leftover.outputs if leftover and handle.indexes is not None else None,
        )


def _counts(found: Found, spec: JobSpec, claim: Claim) -> bool:
    """Return whether a job has ended that ran what is asked for now, or a part of it."""
    stamp = Stamp.read(found.handle.stamp)
    return not found.is_active and stamp is not None and stamp[:2] == claim.stamp(spec)[:2]


def _is_from(found: Found | None, owner: str | None) -> bool:
    """Return whether a job was submitted by who announced it."""
    stamp = Stamp.read(found.handle.stamp) if found else None
    return stamp is not None and stamp.owner == owner
