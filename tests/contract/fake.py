"""A backend in memory whose jobs go through the states a test tells it.

It exists for tests above the cut: the engine and the operators meet a backend that throttles,
loses an answer or forgets a job exactly when a test wants it to. It must keep the contract of
:class:`airflow_provider_jobs.core.backend.Backend` itself, so the contract suite runs over it too.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pendulum
from pydantic import BaseModel

from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import NotFound
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.identity import JobKey, job_name
from airflow_provider_jobs.core.models import (
    ArrayCounts,
    BackendRef,
    JobHandle,
    JobReport,
    LogCursor,
    LogLine,
    LogPage,
)
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState

QUICK = (JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED)


class Script(BaseModel):
    """How the jobs of a spec behave, given in ``spec.options["fake"]``.

    :param states: what each describe reports in turn; the last one stays
    :param lines: what every index writes once the job runs
    :param exit_codes: index to exit code; such a job ends FAILED where its states say SUCCEEDED
    """

    states: tuple[JobState, ...] = QUICK
    lines: tuple[str, ...] = ()
    exit_codes: dict[int, int] = {}


@dataclass
class FakeJob:
    """One job of the fake."""

    key: JobKey
    spec: JobSpec
    handle: JobHandle
    script: Script
    upcoming: deque[JobState]
    state: JobState | None = JobState.SUBMITTED
    lines: list[LogLine] = field(default_factory=list)
    failures: tuple[Failure, ...] = ()
    reason: str | None = None
    cancelling: bool = False
    spoke: bool = False
    started_at: pendulum.DateTime | None = None
    ended_at: pendulum.DateTime | None = None


class FakeBackend:
    """An in-memory service. Every method is safe in several threads.

    With ``names_jobs_itself`` every submission is another job, which ``lag_finds`` finds miss at first.
    ``clock`` is the service's. ``calls`` counts method calls, ``cancelled`` keeps ``(native_id, reason)``,
    and ``before`` is called with the method's name outside of the lock, so that a test can block or record
    there.
    """

    def __init__(
        self,
        ref: BackendRef | None = None,
        *,
        limits: Limits | None = None,
        states: Sequence[JobState] = QUICK,
    ) -> None:
        self.ref = ref or BackendRef(backend="fake", conn_id="fake_default", scope={"project_id": "p"})
        self.limits = limits or Limits(describe_chunk=100, describe_floor_seconds=0, logs_floor_seconds=0)
        self.states = tuple(states)
        self.jobs: dict[str, FakeJob] = {}
        self.calls: Counter[str] = Counter()
        self.described: list[tuple[str, ...]] = []
        self.cancelled: list[tuple[str, str]] = []
        self.before: Callable[[str], None] = lambda method: None
        self.page_size = 1000
        self.names_jobs_itself = False
        # What each index of a job was given, as the service says at its end.
        self.gives: dict[str, float] = {}
        self.lag_finds = 0
        self.hidden_finds: Counter[str] = Counter()
        self._refusals: dict[str, deque[Exception]] = defaultdict(deque)
        self._lost: dict[str, deque[Exception]] = defaultdict(deque)
        self._lock = threading.RLock()
        self.clock: Callable[[], pendulum.DateTime] = lambda: pendulum.now("UTC")
        self._clock = pendulum.from_timestamp(0)

    # What a test tells the service.

    def refuse(self, method: str, error: Exception, *, times: int = 1) -> None:
        """Let the next calls of a method raise, without doing anything."""
        self._refusals[method].extend([error] * times)

    def lose_answer(self, method: str, error: Exception, *, times: int = 1) -> None:
        """Let the next calls of a method do their work and then raise."""
        self._lost[method].extend([error] * times)

    def play(self, handle: JobHandle, *states: JobState) -> None:
        """Replace what the next describes report, one state each."""
        with self._lock:
            self.job(handle).upcoming = deque(states)

    def move(self, handle: JobHandle, state: JobState | None, *, failures: Iterable[Failure] = ()) -> None:
        """Put the job into a state at once; ``None`` is a word that nobody knows."""
        with self._lock:
            job = self.job(handle)
            job.upcoming.clear()
            job.failures = tuple(failures) or job.failures
            self._enter(job, state)

    def write(self, handle: JobHandle, *messages: str, index: int | None = 0) -> None:
        """Let an index write lines."""
        with self._lock:
            job = self.job(handle)
            job.lines.extend(
                LogLine(timestamp=self._tick(), message=message, index=index) for message in messages
            )

    def forget(self, handle: JobHandle) -> None:
        """Delete the job behind everybody's back."""
        with self._lock:
            del self.jobs[handle.native_id]

    def job(self, handle: JobHandle) -> FakeJob:
        """Return the job of a handle."""
        return self.jobs[handle.native_id]

    # The backend.

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        with self._call("submit"):
            name = job_name(key, 63)
            native_id = f"{'/'.join(self.ref.scope.values())}/{name}"
            if self.names_jobs_itself:
                native_id = f"{native_id}-{len(self.jobs)}"
                self.hidden_finds[native_id] = self.lag_finds
            if native_id not in self.jobs:
                self.jobs[native_id] = self._new_job(spec, key, native_id=native_id)
            return self.jobs[native_id].handle

    def find(self, key: JobKey) -> JobHandle | None:
        with self._call("find"):
            ours = [job.handle for job in self.jobs.values() if job.key == key]
            for handle in ours:
                self.hidden_finds[handle.native_id] -= 1
            return next((handle for handle in ours if self.hidden_finds[handle.native_id] < 0), None)

    def describe(self, handles: Sequence[JobHandle]) -> Sequence[JobReport]:
        with self._call("describe"):
            assert len(handles) <= self.limits.describe_chunk
            self.described.append(tuple(handle.native_id for handle in handles))
            return [self._report(handle) for handle in handles]

    def cancel(self, handle: JobHandle, reason: str) -> None:
        with self._call("cancel"):
            self.cancelled.append((handle.native_id, reason))
            job = self.jobs.get(handle.native_id)
            if job is None or job.cancelling or (job.state is not None and job.state.is_terminal):
                return
            job.cancelling = True
            job.upcoming = deque([job.state or JobState.SUBMITTED, JobState.CANCELLED])

    def delete(self, handle: JobHandle) -> None:
        with self._call("delete"):
            self.jobs.pop(handle.native_id, None)

    def read_logs(self, cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
        with self._call("read_logs"):
            return [self._page(cursor) for cursor in cursors]

    def explain(self, handle: JobHandle) -> str | None:
        with self._call("explain"):
            job = self.jobs.get(handle.native_id)
            if job is None:
                raise NotFound(f"no job {handle.native_id}", call="explain")
            return job.reason

    # Inside.

    def _call(self, method: str) -> _Call:
        return _Call(self, method)

    def _new_job(self, spec: JobSpec, key: JobKey, *, native_id: str) -> FakeJob:
        options = spec.options.get("fake")
        script = Script.model_validate(options) if options else Script(states=self.states)
        handle = JobHandle(
            ref=self.ref,
            native_id=native_id,
            name=native_id.rpartition("/")[2],
            size=spec.task_count,
            indexes=spec.indexes,
            submitted_at=pendulum.now("UTC"),
            console_url=f"https://console.example/{native_id}",
            logs_url=f"https://console.example/{native_id}/logs",
            stamp=spec.stamp,
            cancel_command=f"cloud stop {native_id}",
        )
        return FakeJob(key, spec, handle, script, deque(script.states))

    def _report(self, handle: JobHandle) -> JobReport:
        job = self.jobs.get(handle.native_id)
        if job is None:
            return JobReport(native_id=handle.native_id, found=False)
        if job.upcoming:
            self._enter(job, job.upcoming.popleft())
        return JobReport(
            native_id=handle.native_id,
            state=job.state,
            native_state=job.state.value if job.state else "NEVER_HEARD",
            detail=job.reason,
            array=_counts(job),
            failures=job.failures if job.state is JobState.FAILED else (),
            started_at=job.started_at,
            ended_at=job.ended_at,
            cancelling=job.cancelling and not (job.state and job.state.is_terminal),
            **(self.gives if job.ended_at else {}),
        )

    def _enter(self, job: FakeJob, state: JobState | None) -> None:
        if state is JobState.SUCCEEDED and job.script.exit_codes:
            state = JobState.FAILED
        job.state = state
        if state in (JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED):
            job.started_at = job.started_at or self._tick()
            self._speak(job)
        if state is not None and state.is_terminal:
            job.ended_at = job.ended_at or self._tick()
        if state is JobState.FAILED and not job.failures:
            job.failures = _failures(job, job.script.exit_codes or {0: 1})

    def _speak(self, job: FakeJob) -> None:
        if job.spoke:
            return
        job.spoke = True
        for message in job.script.lines:
            for task in range(job.handle.size):
                self.write(job.handle, message, index=job.handle.original_index(task))

    def _page(self, cursor: LogCursor) -> LogPage:
        job = self.jobs.get(cursor.handle.native_id)
        lines = job.lines if job else []
        begin = cursor.position if isinstance(cursor.position, int) else 0
        end = min(begin + self.page_size, len(lines))
        return LogPage(
            native_id=cursor.handle.native_id,
            lines=tuple(lines[begin:end]),
            position=end,
            more=end < len(lines),
        )

    def _tick(self) -> pendulum.DateTime:
        self._clock = max(self.clock(), self._clock.add(microseconds=1))
        return self._clock


class _Call:
    """Counts a call, raises what the test wants raised before or after it, and holds the lock."""

    def __init__(self, fake: FakeBackend, method: str) -> None:
        self._fake = fake
        self._method = method

    def __enter__(self) -> None:
        self._fake.before(self._method)
        self._fake._lock.acquire()
        self._fake.calls[self._method] += 1
        if refusals := self._fake._refusals[self._method]:
            self._fake._lock.release()
            raise refusals.popleft()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        lost = self._fake._lost[self._method]
        error = lost.popleft() if lost and kind is None else None
        self._fake._lock.release()
        if error is not None:
            raise error


def _failures(job: FakeJob, exit_codes: Mapping[int, int]) -> tuple[Failure, ...]:
    return tuple(
        Failure(
            kind=FailureKind.USER_CODE,
            retryable=True,
            message=f"index {index} exited with code {code}",
            index=index,
            exit_code=code,
            native_reason=f"exit code {code}",
            console_url=job.handle.console_url,
        )
        for index, code in sorted(exit_codes.items())
    )


def _counts(job: FakeJob) -> ArrayCounts:
    size, state = job.handle.size, job.state
    failed = tuple(sorted({f.index for f in job.failures if f.index is not None}))
    if state is JobState.SUCCEEDED:
        return ArrayCounts(size=size, succeeded=size)
    if state is JobState.FAILED:
        return ArrayCounts(size=size, succeeded=size - len(failed), failed=len(failed), failed_indexes=failed)
    return ArrayCounts(size=size, running=size if state is JobState.RUNNING else 0)
