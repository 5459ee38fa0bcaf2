"""How far a job is goes into XCom without a request for every word of it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.triggers import progress_log
from airflow_provider_jobs.triggers.progress_log import ProgressLog


def at(fraction: float) -> JobProgress:
    return JobProgress(at=pendulum.datetime(2030, 1, 1), fraction=fraction, index=0, index_fraction=fraction)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What was written, in order."""
    found: list[float | None] = []
    monkeypatch.setattr(progress_log, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(progress_log, "write_progress", lambda told, ti: found.append(told.fraction))
    return found


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for offers no event
        await asyncio.sleep(0.005)


def test_a_job_that_reports_a_hundred_times_at_once_is_written_with_its_last_word(
    written: list[float | None],
) -> None:
    async def main() -> None:
        log = ProgressLog(object())
        for step in range(101):
            log.progress(at(step / 100))
        await until(lambda: written)
        await log.stop()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert written == [1.0]


def test_what_is_reported_while_one_is_written_is_written_after_it(
    written: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write(told: JobProgress, ti: object) -> None:
        begun.set()
        go_on.wait(10)
        written.append(told.fraction)

    monkeypatch.setattr(progress_log, "write_progress", write)

    async def main() -> None:
        log = ProgressLog(object())
        log.progress(at(0.1))
        await until(begun.is_set)
        log.progress(at(0.2))
        log.progress(at(0.3))
        go_on.set()
        await until(lambda: len(written) == 2)
        await log.stop()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert written == [0.1, 0.3]


def test_trouble_with_xcom_is_none_of_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_log, "PAUSE_SECONDS", 0.0)
    tried: list[float | None] = []

    def refuse(told: JobProgress, ti: object) -> None:
        tried.append(told.fraction)
        raise RuntimeError("the API server does not answer")

    monkeypatch.setattr(progress_log, "write_progress", refuse)

    async def main() -> None:
        log = ProgressLog(object())
        for step in (1, 2):
            log.progress(at(step / 10))
            await until(lambda step=step: len(tried) == step)
        await log.stop()

    asyncio.run(asyncio.wait_for(main(), 10))
    assert tried == [0.1, 0.2]


def test_nothing_is_written_where_the_task_pushes_no_xcom(written: list[float | None]) -> None:
    async def main() -> None:
        log = ProgressLog(None)
        log.progress(at(0.5))
        await asyncio.sleep(0)
        await log.stop()

    asyncio.run(main())
    assert written == []
