"""How far a job is goes into XCom without a request for every word of it."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.core.models import JobHandle
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


class TestAJobThatTheTriggererHasSubmitted:
    handle = JobHandle.model_validate(
        {
            "ref": {"backend": "kubernetes", "conn_id": "c"},
            "native_id": "n/j",
            "name": "j",
            "submitted_at": "2030-01-01T00:00:00Z",
            "console_url": "https://console/j",
            "logs_url": "https://console/j/logs",
        }
    )

    @pytest.fixture
    def xcoms(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What was written last under each key."""
        found: dict[str, Any] = {}
        monkeypatch.setattr(progress_log, "INTRODUCTION_SECONDS", 0.05)
        monkeypatch.setattr(progress_log, "push_xcom", lambda ti, key, value: found.update({key: value}))
        return found

    def test_it_is_written_with_its_links_once_it_is_followed_for_a_while(
        self, xcoms: dict[str, Any]
    ) -> None:
        async def main() -> None:
            log = ProgressLog(SimpleNamespace(try_number=2), self.handle)
            await until(lambda: len(xcoms) == 3)
            await log.stop()

        asyncio.run(asyncio.wait_for(main(), 10))
        assert JobProgress.from_json(xcoms["job_progress"]).handle == self.handle
        assert not JobProgress.from_json(xcoms["job_progress"]).is_told
        links = (xcoms["_link_ConsoleLink"], xcoms["_link_LogsLink"])
        assert links == ("https://console/j", "https://console/j/logs")

    def test_one_that_ends_before_costs_no_request(self, xcoms: dict[str, Any]) -> None:
        async def main() -> None:
            log = ProgressLog(SimpleNamespace(try_number=2), self.handle)
            await log.stop()
            await asyncio.sleep(0.1)

        asyncio.run(main())
        assert xcoms == {}

    def test_what_it_reports_says_at_once_which_job_it_is(self, xcoms: dict[str, Any]) -> None:
        async def main() -> None:
            log = ProgressLog(SimpleNamespace(try_number=2), self.handle)
            log.progress(at(0.5))
            await until(lambda: xcoms)
            await log.stop()

        asyncio.run(asyncio.wait_for(main(), 10))
        told = JobProgress.from_json(xcoms["job_progress"])
        assert (told.fraction, told.handle, told.try_number) == (0.5, self.handle, 2)

    def test_secrets_are_hidden_in_what_it_says_and_no_address_is_broken_by_it(
        self, xcoms: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress_log, "redact", lambda text: text and text.replace("console", "***"))
        said = at(0.5).model_copy(update={"message": "the password is console", "handle": self.handle})
        progress_log.write_progress(said, object())
        told = JobProgress.from_json(xcoms["job_progress"])
        assert (told.message, told.handle) == ("the password is ***", self.handle)
