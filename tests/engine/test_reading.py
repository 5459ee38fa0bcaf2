"""The loop that reads logs: who comes first where a quota has no room for all; nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogPage
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.leftover import _outputs
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.contract.fake import FakeBackend
from tests.engine.clockwork import Heard, groups_on, new_fake, run, submitted

JOBS = 12
ROOM = 3


class Narrow(FakeBackend):
    """A service with room for few jobs in one read; those at the beginning come first."""

    room = ROOM

    def read_logs(self, cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
        pages = list(super().read_logs(cursors[: self.room]))
        for cursor in cursors[self.room :]:
            native_id = cursor.handle.native_id
            pages.append(LogPage(native_id=native_id, position=cursor.position, more=True, unread=True))
        return pages


def narrow(**limits: float) -> Narrow:
    fake = new_fake(**limits)
    made = Narrow(limits=fake.limits)
    made.clock = fake.clock
    return made


def running(fake: FakeBackend, count: int) -> list[JobHandle]:
    handles = [submitted(fake, task_id=f"t{n}") for n in range(count)]
    for handle in handles:
        fake.move(handle, JobState.RUNNING)
    return handles


def test_jobs_that_a_read_had_no_room_for_come_first_in_the_next() -> None:
    fake = narrow()
    heard = [Heard() for _ in range(JOBS)]

    async def main() -> list[int]:
        groups, handles = groups_on(fake), running(fake, JOBS)
        for handle in handles:
            fake.write(handle, "one")
        waiting = [
            asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups, each))
            for handle, each in zip(handles, heard, strict=True)
        ]
        rounds = []
        for _ in range(JOBS // ROOM):
            await asyncio.sleep(fake.limits.logs_floor_seconds)
            rounds.append(sum(bool(each.lines) for each in heard))
        for task in waiting:
            task.cancel()
        return rounds

    assert run(main()) == [3, 6, 9, 12]


def test_the_last_lines_of_a_job_come_before_its_turn() -> None:
    fake, heard = narrow(quiet_logs_seconds=0), Heard()

    async def main() -> tuple[float, float]:
        groups, handles = groups_on(fake), running(fake, JOBS)
        others = [
            asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups, Heard()))
            for handle in handles[:-1]
        ]
        last = asyncio.ensure_future(
            wait_for_job(WaitPlan(handle=handles[-1], poll_seconds=1), groups, heard)
        )
        await asyncio.sleep(20)
        fake.write(handles[-1], "the last line")
        fake.move(handles[-1], JobState.SUCCEEDED)
        ended = asyncio.get_running_loop().time()
        await last
        for task in others:
            task.cancel()
        return ended, asyncio.get_running_loop().time()

    ended, told = run(main())
    assert [line.message for line in heard.lines] == ["the last line"]
    assert told - ended <= 2 * fake.limits.logs_floor_seconds + 1


def test_a_job_is_not_taken_for_read_while_there_is_no_room_for_it() -> None:
    fake, heard = narrow(late_logs_seconds=10, quiet_logs_seconds=0), Heard()
    fake.room = 0

    async def main() -> float:
        handle = submitted(fake)
        fake.write(handle, "the last line")
        fake.move(handle, JobState.SUCCEEDED)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        await asyncio.sleep(100)
        assert not waiting.done()
        fake.room = 1
        await waiting
        return asyncio.get_running_loop().time()

    assert run(main()) <= 110
    assert [line.message for line in heard.lines] == ["the last line"]


def test_results_of_an_earlier_try_are_read_in_pauses_and_not_in_a_rush() -> None:
    fake = narrow()
    handle = submitted(fake)
    fake.write(handle, '::airflow::{"outputs": {"rows": 3}}')
    refused = 0

    def ask(call: partial[LogPage]) -> LogPage:
        nonlocal refused
        fake.room = 0
        with pytest.raises(ThrottledError):
            call()
        refused += 1
        fake.room = 1
        return call()

    assert _outputs(fake, ask, handle) == {0: {"rows": 3}}  # type: ignore[arg-type]
    assert refused
