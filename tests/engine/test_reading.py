"""The loop that reads logs: who comes first where a quota has no room for all; nothing is lost by it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from functools import partial

import pytest

from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogPage
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.leftover import _outputs
from airflow_provider_jobs.engine.members import PORTION
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


@pytest.mark.parametrize(("has_budget", "seconds"), [(True, 2.0), (False, 8.0)])
def test_where_the_backend_keeps_the_quota_more_is_read_at_once(has_budget: bool, seconds: float) -> None:
    fake, heard = new_fake(logs_have_budget=has_budget, logs_floor_seconds=2), Heard()
    fake.page_size = 100

    async def main() -> float:
        (handle,) = running(fake, 1)
        fake.write(handle, *map(str, range(500)))
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        while len(heard.lines) < 500:  # noqa: ASYNC110 - the clock jumps to what happens next
            await asyncio.sleep(0.5)
        waiting.cancel()
        return asyncio.get_running_loop().time()

    assert run(main()) <= seconds + 0.5
    assert [line.message for line in heard.lines] == list(map(str, range(500)))


class Slow(Heard):
    """A listener that the others in the loop can be told by: who had a turn after which line."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[int] = []

    async def others(self) -> None:
        while len(self.lines) < 1000:
            self.turns.append(len(self.lines))
            await asyncio.sleep(0)


def test_others_have_their_turn_while_a_task_takes_very_many_lines() -> None:
    fake, heard = new_fake(), Slow()

    async def main() -> None:
        (handle,) = running(fake, 1)
        fake.write(handle, *map(str, range(1000)))
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        while not heard.lines:  # noqa: ASYNC110 - the clock jumps to what happens next
            await asyncio.sleep(0)
        await heard.others()
        waiting.cancel()

    run(main())
    steps = [after - before for before, after in itertools.pairwise(heard.turns)]
    assert max(steps) <= PORTION


def test_no_more_is_read_for_a_task_than_it_takes() -> None:
    fake, heard = new_fake(logs_have_budget=True), Heard()
    fake.page_size = 1000
    most = 0

    async def main() -> None:
        nonlocal most
        (handle,) = running(fake, 1)
        fake.write(handle, *map(str, range(10_000)))
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        while len(heard.lines) < 10_000:
            most = max(most, fake.calls["read_logs"] * 1000 - len(heard.lines))
            await asyncio.sleep(0.001)
        waiting.cancel()

    run(main())
    # One page that is being taken, and the next.
    assert most <= 2000
