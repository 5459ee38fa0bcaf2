"""When a log is read, and for how long, once its job has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import LogCursor, LogPage
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.engine.clockwork import Heard, groups_on, new_fake, run
from tests.engine.test_polling import handles_of, waiting_for

RUNNING, SUCCEEDED, QUEUED = JobState.RUNNING, JobState.SUCCEEDED, JobState.QUEUED
INTERVAL_SECONDS = 30.0


def test_without_stream_logs_the_log_is_read_once_the_job_has_ended_for_its_results() -> None:
    fake = new_fake(quiet_logs_seconds=0)

    async def main() -> tuple[int, object]:
        (handle,) = handles_of(fake, 1)
        waiting = (await waiting_for(groups_on(fake), [handle]))[0]
        fake.write(handle, "one", '::airflow::{"outputs": {"rows": 3}}')
        await asyncio.sleep(INTERVAL_SECONDS * 5)
        before = fake.calls["read_logs"]
        fake.move(handle, SUCCEEDED)
        return before, (await waiting).result()

    assert run(main()) == (0, {"rows": 3})


def test_where_the_last_lines_are_never_late_one_read_after_the_end_suffices() -> None:
    fake = new_fake(quiet_logs_seconds=0)

    async def main() -> float:
        (handle,) = handles_of(fake, 1, SUCCEEDED)
        await (await waiting_for(groups_on(fake), [handle]))[0]
        return asyncio.get_running_loop().time()

    assert run(main()) < 1
    assert fake.calls["read_logs"] == 1


def test_a_read_that_began_before_the_end_does_not_stand_for_the_last_lines() -> None:
    fake = new_fake(quiet_logs_seconds=0)
    heard = Heard()

    async def main() -> None:
        (handle,) = handles_of(fake, 1)
        fake.write(handle, "before")
        read = fake.read_logs

        def end_while_reading(cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
            pages = read(cursors)
            if fake.calls["read_logs"] == 1:
                fake.write(handle, "the last line")
                fake.move(handle, SUCCEEDED)
            return pages

        fake.read_logs = end_while_reading  # type: ignore[method-assign]
        await wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard)

    run(main())
    assert [line.message for line in heard.lines] == ["before", "the last line"]


# Changes that the service tells by itself


def test_lines_that_are_known_to_be_there_are_waited_for_while_the_service_throttles() -> None:
    fake, heard = new_fake(), Heard()
    fake.page_size = 1

    async def main() -> None:
        (handle,) = handles_of(fake, 1)
        fake.write(handle, "first", "second")
        read, begun = fake.read_logs, asyncio.get_running_loop().time

        def throttled(cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
            if heard.lines and begun() < 120:
                raise ThrottledError("slow down")
            return read(cursors)

        fake.read_logs = throttled  # type: ignore[method-assign]
        fake.move(handle, SUCCEEDED)
        await wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard)

    run(main())
    assert [line.message for line in heard.lines] == ["first", "second"]
