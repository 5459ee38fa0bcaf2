"""The engine inside the test's own process, without a wire: for promises about jobs rather than messages."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import AttemptEnd, AttemptPlan, Command, Job, JobSpec, Step
from airflow_provider_jobs.emulator.logstore import LogQuery
from airflow_provider_jobs.emulator.settings import Settings

ResultT = TypeVar("ResultT")
_numbers = itertools.count(1)


def run(work: Callable[[Cloud], Awaitable[ResultT]], **settings: Any) -> ResultT:
    """Run a test's coroutine with a fresh engine, and end the engine."""

    async def whole() -> ResultT:
        async with engine(**settings) as cloud:
            return await asyncio.wait_for(work(cloud), timeout=60)

    return asyncio.run(whole())


@contextlib.asynccontextmanager
async def engine(**settings: Any) -> AsyncIterator[Cloud]:
    with tempfile.TemporaryDirectory() as directory:
        chosen = {"kill_grace_seconds": 0.5, **settings}
        cloud = Cloud(Settings(**chosen), data_dir=Path(directory))
        try:
            yield cloud
        finally:
            await cloud.stop()


def script(text: str, **options: Any) -> Step:
    return Step(Command(script=text), **options)


def barrier() -> Step:
    return Step(None)


def job(
    *steps: Step,
    tasks: int = 1,
    parallelism: int | None = None,
    retries: int = 0,
    time_limit_seconds: float | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> JobSpec:
    """A spec whose steps see INDEX and ATTEMPT."""
    number = next(_numbers)

    def plan(index: int, attempt: int) -> AttemptPlan:
        shared = {"INDEX": str(index), "ATTEMPT": str(attempt), **(environment or {})}
        made = [Step(**{**vars(step), "env": {**shared, **step.env}}) for step in steps]
        return AttemptPlan(made, time_limit_seconds=time_limit_seconds)

    def retry(end: AttemptEnd, attempt: int) -> bool:
        return attempt < retries

    chosen: dict[str, Any] = {"plan": plan, "retry": retry, **options}
    return JobSpec(
        dialect="test",
        name=f"job-{number}",
        uid=f"uid-{number}",
        task_count=tasks,
        parallelism=parallelism or tasks,
        **chosen,
    )


async def ended(job: Job) -> Job:
    await until(lambda: job.ended)
    return job


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the bound is on the whole test."""
    while not condition():  # noqa: ASYNC110 - what is waited for offers no event
        await asyncio.sleep(0.005)


def lines(cloud: Cloud, job: Job, stream: str = "stdout") -> list[str]:
    found = cloud.logs.read(LogQuery(job_uids=[job.spec.uid]))
    return [line.text for line in found if line.stream == stream]


class Calls:
    """How many functions of this package were called."""

    count = 0


@contextlib.contextmanager
def counted() -> Iterator[Calls]:
    """Count what this package does on this thread, where a clock would count what the machine does."""
    calls = Calls()

    def look(frame: FrameType, event: str, _: Any) -> None:
        calls.count += event == "call" and "airflow_provider_jobs" in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(before)
