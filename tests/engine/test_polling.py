"""Many jobs of one group are asked for together, young ones often; what has not changed costs nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import AccessDenied, UnavailableError
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobOutcome, JobReport
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine import calls
from airflow_provider_jobs.engine.group import EXPLAIN_PAUSE_SECONDS, IDLE_SECONDS, PollGroups
from airflow_provider_jobs.engine.members import PORTION, ServiceTrouble
from airflow_provider_jobs.engine.pacing import Pacing
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.contract.fake import FakeBackend
from tests.engine.clockwork import STEADY, Heard, Inline, groups_on, new_fake, now, run, submitted

RUNNING, SUCCEEDED, QUEUED = JobState.RUNNING, JobState.SUCCEEDED, JobState.QUEUED
INTERVAL_SECONDS = 30.0


def handles_of(fake: FakeBackend, count: int, state: JobState = RUNNING) -> list[JobHandle]:
    """Submit so many jobs, which stay in one state."""
    handles = [submitted(fake, task_id=f"t{number}") for number in range(count)]
    for handle in handles:
        fake.move(handle, state)
    return handles


async def waiting_for(
    groups: PollGroups, handles: Sequence[JobHandle], *, heard: Heard | None = None
) -> list[asyncio.Task[JobOutcome]]:
    return [
        asyncio.ensure_future(
            wait_for_job(
                WaitPlan(handle=handle, poll_seconds=INTERVAL_SECONDS, log_indexes="none"),
                groups,
                heard or Heard(),
            )
        )
        for handle in handles
    ]


async def stop(waiting: Sequence[asyncio.Task[JobOutcome]]) -> None:
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(("jobs", "chunk"), [(100, 100), (1_000, 100), (1_000, 1_000), (950, 100)])
def test_a_round_costs_as_many_calls_as_there_are_full_chunks(jobs: int, chunk: int) -> None:
    fake = new_fake(describe_chunk=chunk)

    async def main() -> int:
        waiting = await waiting_for(groups_on(fake), handles_of(fake, jobs))
        await asyncio.sleep(INTERVAL_SECONDS * 1.5)
        before = fake.calls["describe"]
        await asyncio.sleep(INTERVAL_SECONDS * 10)
        await stop(waiting)
        return fake.calls["describe"] - before

    assert run(main()) == 10 * -(-jobs // chunk)


def test_jobs_that_came_one_after_the_other_are_soon_asked_for_together() -> None:
    fake = new_fake(describe_chunk=100)

    async def main() -> int:
        groups, waiting = groups_on(fake), []
        for handle in handles_of(fake, 50):
            waiting += await waiting_for(groups, [handle])
            await asyncio.sleep(0.5)
        await asyncio.sleep(INTERVAL_SECONDS)
        before = fake.calls["describe"]
        await asyncio.sleep(INTERVAL_SECONDS * 4)
        await stop(waiting)
        return fake.calls["describe"] - before

    assert run(main()) == 4


def test_a_report_that_says_nothing_new_wakes_nobody() -> None:
    fake = new_fake()

    async def main() -> int:
        groups = groups_on(fake)
        (handle,) = handles_of(fake, 1)
        group = groups.lend(handle.ref)
        member = group.join(handle, wants_logs=False, base_seconds=1.0)
        updates = 0
        while await member.next_update(60.0):
            updates += 1
        group.leave(member)
        return updates

    assert run(main()) == 1
    assert fake.calls["describe"] > 50


class OneByOne(FakeBackend):
    """Makes each report when it is taken, and breaks off where a test wants it to.

    ``breaks_after`` are numbers of reports after which a describe is refused, one for each describe.
    ``at_report`` is called before each.
    """

    def __init__(self, ref: BackendRef | None = None, *, limits: Limits | None = None) -> None:
        super().__init__(ref, limits=limits)
        self.breaks_after: list[int] = []
        self.at_report: Callable[[], None] = lambda: None

    def describe(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        breaks_after = self.breaks_after.pop(0) if self.breaks_after else len(handles)
        for report in super().describe(handles)[:breaks_after]:
            self.at_report()
            yield report
        if breaks_after < len(handles):
            raise UnavailableError("slow down")


def new_one_by_one() -> OneByOne:
    limits = Limits(describe_chunk=1_000, describe_floor_seconds=0, logs_floor_seconds=0)
    return OneByOne(new_fake().ref, limits=limits)


def test_of_a_thousand_jobs_the_first_are_told_before_the_last_are_looked_at() -> None:
    fake, heard, told = new_one_by_one(), Heard(), []
    fake.at_report = lambda: told.append(len(heard.notes))

    async def main() -> None:
        waiting = await waiting_for(groups_on(fake), handles_of(fake, 1_000), heard=heard)
        await asyncio.sleep(1.0)
        await stop(waiting)

    run(main())
    assert len(heard.notes) == len(told) == 1_000
    assert all(reports - notes <= 4 * PORTION for reports, notes in enumerate(told))


def test_what_came_before_a_call_failed_is_told_and_only_the_rest_is_asked_for_again() -> None:
    fake, heard = new_one_by_one(), Heard()
    fake.breaks_after = [70, 0, 20]

    async def main() -> list[JobHandle]:
        handles = handles_of(fake, 100, SUCCEEDED)
        waiting = await waiting_for(groups_on(fake), handles, heard=heard)
        outcomes = await asyncio.gather(*waiting)
        assert {outcome.state for outcome in outcomes} == {SUCCEEDED}
        return handles

    handles = run(main())
    assert [len(asked) for asked in fake.described] == [100, 30, 30, 10]
    assert set(fake.described[1]) == {handle.native_id for handle in handles} - set(fake.described[0][:70])
    # Those who had their answer hear of no trouble, the others of its begin and, once each, of its end.
    assert sum("cannot be asked" in warning for warning in heard.warnings) == 30
    assert sum("answers again" in note for note in heard.notes) == 30


def test_a_group_with_nobody_left_asks_nothing_and_keeps_its_client_for_a_while() -> None:
    fake, opened = new_fake(), []

    def open_backend(ref: object) -> FakeBackend:
        opened.append(ref)
        return fake

    async def main() -> tuple[int, int, int]:
        groups = PollGroups(open_backend, now=now, pacing=STEADY, executor=Inline())
        first, second = handles_of(fake, 2)
        waiting = await waiting_for(groups, [first])
        await asyncio.sleep(3)
        await stop(waiting)
        before = fake.calls["describe"]
        await asyncio.sleep(IDLE_SECONDS / 2)
        idle_calls = fake.calls["describe"] - before
        waiting = await waiting_for(groups, [second])
        await asyncio.sleep(5)
        await stop(waiting)
        while_kept = len(opened)
        await asyncio.sleep(IDLE_SECONDS * 2)
        waiting = await waiting_for(groups, [second])
        await asyncio.sleep(5)
        await stop(waiting)
        return idle_calls, while_kept, len(opened)

    assert run(main()) == (0, 1, 2)


def test_one_who_leaves_stops_nobody_else() -> None:
    fake = new_fake()

    async def main() -> JobState:
        groups = groups_on(fake)
        stays, leaves = handles_of(fake, 2)
        staying, leaving = await waiting_for(groups, [stays, leaves])
        await asyncio.sleep(5)
        await stop([leaving])
        fake.move(stays, SUCCEEDED)
        return (await staying).state

    assert run(main()) is SUCCEEDED


def test_where_jobs_end_the_others_are_looked_at_sooner() -> None:
    fake = new_fake()

    async def main() -> int:
        first, second = handles_of(fake, 2)
        waiting = await waiting_for(groups_on(fake), [first, second])
        await asyncio.sleep(INTERVAL_SECONDS * 1.5)
        fake.move(first, SUCCEEDED)
        await asyncio.sleep(INTERVAL_SECONDS * 0.5 + 1)
        before = fake.calls["describe"]
        await asyncio.sleep(INTERVAL_SECONDS)
        await stop(waiting)
        return fake.calls["describe"] - before

    assert run(main()) == 2


def test_trouble_pauses_the_whole_group_and_a_newcomer_does_not_break_the_pause() -> None:
    fake = new_fake()
    fake.refuse("describe", UnavailableError("503"), times=1_000)

    async def main() -> int:
        groups, waiting = groups_on(fake), []
        for handle in handles_of(fake, 60):
            waiting += await waiting_for(groups, [handle])
            await asyncio.sleep(1)
        await stop(waiting)
        return fake.calls["describe"]

    assert run(main()) <= 10


# Why a job does not start


def test_many_jobs_in_one_queue_are_explained_one_after_the_other() -> None:
    fake = new_fake()
    count, seconds = 300, 120

    async def main() -> int:
        waiting = await waiting_for(groups_on(fake), handles_of(fake, count, QUEUED))
        await asyncio.sleep(WaitPlan.model_fields["explain_after_seconds"].default + seconds)
        await stop(waiting)
        return fake.calls["explain"]

    assert run(main()) <= seconds / EXPLAIN_PAUSE_SECONDS + 1


# Logs that nobody wants to see


class Telling(FakeBackend):
    """A service that tells of changes. ``tell`` is what it says; an error ends the watch."""

    def __init__(self) -> None:
        super().__init__(limits=Limits(describe_chunk=100, describe_floor_seconds=0, logs_floor_seconds=0))
        self.watches = 0
        self.stopped = threading.Event()
        self.news: list[str] = []
        self.has_news = threading.Event()
        self.denied = False
        self.is_watched, self.was_asked = threading.Event(), threading.Event()
        self.before = lambda method: self.was_asked.set()

    def watch(self) -> Iterator[Sequence[str]]:
        self.watches += 1
        self.is_watched.set()
        if self.denied:
            raise AccessDenied("no right to watch")
        while not self.stopped.is_set():
            if self.has_news.wait(0.01):
                self.has_news.clear()
                yield tuple(self.news)

    def stop_watching(self) -> None:
        self.stopped.set()

    def tell(self, handle: JobHandle) -> None:
        self.news = [handle.native_id]
        self.has_news.set()

    def wait_until_followed(self) -> None:
        """Return once a group both watches and has asked for its jobs."""
        assert self.is_watched.wait(30)
        assert self.was_asked.wait(30)


def in_real_time(fake: FakeBackend) -> PollGroups:
    return PollGroups(lambda ref: fake, pacing=Pacing(phase=0))


def test_a_change_that_is_told_has_its_job_looked_at_long_before_its_turn() -> None:
    fake = Telling()

    async def main() -> JobState:
        first, second = handles_of(fake, 2)
        groups = in_real_time(fake)
        waiting = await waiting_for(groups, [first, second])
        await asyncio.to_thread(fake.wait_until_followed)
        fake.move(second, SUCCEEDED)
        fake.tell(second)
        outcome = await asyncio.wait_for(waiting[1], INTERVAL_SECONDS / 2)
        await stop(waiting)
        return outcome.state

    assert asyncio.run(main()) is SUCCEEDED
    assert fake.stopped.is_set()


def test_who_may_not_watch_is_polled_and_does_not_ask_for_it_again() -> None:
    fake = Telling()
    fake.denied = True

    async def main() -> None:
        waiting = await waiting_for(in_real_time(fake), handles_of(fake, 1))
        await asyncio.to_thread(fake.wait_until_followed)
        await asyncio.sleep(0.2)
        await stop(waiting)

    asyncio.run(main())
    assert fake.watches == 1


# Calls of which many may come at once


def test_many_cancels_at_once_hold_up_no_look_at_other_jobs() -> None:
    fake = new_fake(describe_floor_seconds=0)
    is_blocked, done = threading.Event(), threading.Event()

    def block(method: str) -> None:
        if method == "cancel":
            is_blocked.set()
            done.wait(30)

    fake.before = block

    async def main() -> int:
        groups = in_real_time(fake)
        (handle,) = handles_of(fake, 1)
        group = groups.lend(handle.ref)
        cancels = [
            asyncio.ensure_future(
                group.calls.run_in_turn(lambda backend: backend.cancel(handle, "killed in Airflow"))
            )
            for _ in range(4 * calls.THREADS_PER_GROUP)
        ]
        await asyncio.to_thread(is_blocked.wait, 30)
        member = group.join(handle, wants_logs=False)
        update = await member.next_update(20.0)
        done.set()
        await asyncio.gather(*cancels)
        group.leave(member)
        assert update is not None
        assert not isinstance(update, ServiceTrouble)
        return fake.calls["cancel"]

    assert asyncio.run(main()) == 4 * calls.THREADS_PER_GROUP


# When
