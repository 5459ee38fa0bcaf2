"""A loop whose clock jumps to the next timer, and a wall clock that goes with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

import pendulum

from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobEvent, JobHandle, LogLine
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.pacing import Pacing
from tests.contract.fake import FakeBackend

T = TypeVar("T")
START = pendulum.datetime(2030, 1, 1)
LIMITS = Limits(
    describe_chunk=100,
    describe_floor_seconds=1,
    logs_floor_seconds=2,
    late_logs_seconds=30,
    quiet_logs_seconds=5,
)
STEADY = Pacing(phase=0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while anything runs, and jumps to the next timer otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._jumped_seconds = 0.0
        self._in_threads: set[asyncio.Future[Any]] = set()
        self._wait_for_events = self._selector.select
        self._selector.select = self._jump  # type: ignore[method-assign]

    def time(self) -> float:
        return self._jumped_seconds

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads.add(future)
        future.add_done_callback(self._in_threads.discard)
        return future

    def _jump(self, timeout: float | None = None) -> Any:
        events = self._wait_for_events(0 if timeout == 0 or not self._in_threads else None)
        if not events and timeout:
            # At least a microsecond: a step that rounding swallows would never reach its timer.
            self._jumped_seconds += max(timeout, 1e-6)
        return events


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in no time."""
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, 100_000))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def now() -> pendulum.DateTime:
    """Return the wall clock of the running loop."""
    return START.add(seconds=asyncio.get_running_loop().time())


class Inline(Executor):
    """Runs each call at once: a clock that jumps would not wait for a thread."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands on whatever is raised
            future.set_exception(error)
        return future


def groups_on(fake: FakeBackend) -> PollGroups:
    """Return poll groups whose every backend is this one."""
    return PollGroups(lambda ref: fake, now=now, pacing=STEADY, executor=Inline())


def new_fake(**limits: float) -> FakeBackend:
    """Return a backend in memory with floors as a service has them."""
    fake = FakeBackend(limits=Limits(**{**LIMITS.__dict__, **limits}))  # type: ignore[arg-type]
    fake.clock = _service_now
    return fake


def _service_now() -> pendulum.DateTime:
    try:
        return now()
    except RuntimeError:
        return START  # no loop runs yet


def submitted(fake: FakeBackend, *, task_id: str = "t", **spec: Any) -> JobHandle:
    """Submit a job and return its handle, dated by the clock that jumps."""
    key = JobKey(dag_id="d", run_id="r", task_id=task_id)
    handle = fake.submit(JobSpec(image="busybox", command=("true",), **spec), key)
    return handle.model_copy(update={"submitted_at": START})


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.events: list[JobEvent] = []
        self.progresses: list[JobProgress] = []

    def line(self, line: LogLine) -> None:
        self.lines.append(line)

    def note(self, text: str, *, warning: bool = False) -> None:
        (self.warnings if warning else self.notes).append(text)

    def event(self, event: JobEvent) -> None:
        self.events.append(event)

    def progress(self, progress: JobProgress) -> None:
        self.progresses.append(progress)


REF = BackendRef(backend="fake", conn_id="fake_default", scope={"project_id": "p"})
