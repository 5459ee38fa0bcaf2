"""What a dialect may put before an attempt and after it."""

from __future__ import annotations

import asyncio

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    AttemptEnd,
    AttemptRefused,
    EndReason,
    Job,
    JobState,
    TaskState,
)
from tests.emulator.engine import ended, job, lines, run, script, until


def test_a_task_waits_at_its_gate_before_it_is_assigned():
    async def work(cloud: Cloud) -> tuple[TaskState, TaskState]:
        opened = asyncio.Event()

        async def gate(index: int, attempt: int) -> None:
            await opened.wait()

        submitted = cloud.submit(job(script("true"), gate=gate))
        await until(lambda: submitted.state is JobState.SCHEDULED)
        await asyncio.sleep(0)
        before = submitted.tasks[0].state
        opened.set()
        done: Job = await ended(submitted)
        return before, done.tasks[0].state

    assert run(work) == (TaskState.PENDING, TaskState.SUCCEEDED)


def test_a_task_that_its_gate_refuses_fails_without_having_run():
    async def gate(index: int, attempt: int) -> None:
        raise AttemptRefused("never", exit_code=7)

    async def work(cloud: Cloud) -> tuple[Job, list[str]]:
        done: Job = await ended(cloud.submit(job(script("echo ran"), gate=gate)))
        return done, lines(cloud, done)

    done, said = run(work)
    assert done.state is JobState.FAILED
    assert done.tasks[0].end == AttemptEnd(EndReason.REFUSED, 7, "never")
    assert [event.before for event in done.tasks[0].events] == [TaskState.PENDING]
    assert said == []


def test_a_task_at_its_gate_can_be_interrupted_and_cancelled():
    async def closed(index: int, attempt: int) -> None:
        await asyncio.get_running_loop().create_future()

    async def work(cloud: Cloud) -> tuple[AttemptEnd | None, TaskState]:
        interrupted, cancelled = (cloud.submit(job(script("true"), gate=closed)) for _ in range(2))
        await until(lambda: cloud.interrupt(interrupted, 0, reason=EndReason.CANCELLED))
        await cloud.cancel(cancelled)
        done: Job = await ended(interrupted)
        return done.tasks[0].end, cancelled.tasks[0].state

    end, state = run(work)
    assert end == AttemptEnd(EndReason.CANCELLED)
    assert state is TaskState.UNEXECUTED


def test_the_gate_is_asked_again_for_every_attempt():
    asked: list[tuple[int, int]] = []

    async def gate(index: int, attempt: int) -> None:
        asked.append((index, attempt))

    async def work(cloud: Cloud) -> Job:
        done: Job = await ended(cloud.submit(job(script("false"), gate=gate, retries=2)))
        return done

    assert run(work).state is JobState.FAILED
    assert asked == [(0, 0), (0, 1), (0, 2)]


def test_another_attempt_can_follow_a_success():
    async def again(index: int, attempt: int, end: AttemptEnd) -> bool:
        return attempt < 1

    async def work(cloud: Cloud) -> tuple[Job, list[str]]:
        done: Job = await ended(cloud.submit(job(script('echo "$ATTEMPT"'), again=again)))
        return done, lines(cloud, done)

    done, said = run(work)
    assert done.state is JobState.SUCCEEDED
    assert said == ["0", "1"]


def test_a_stopped_job_does_not_wait_for_a_decision():
    async def undecided(index: int, attempt: int, end: AttemptEnd) -> bool:
        return await asyncio.get_running_loop().create_future()

    async def work(cloud: Cloud) -> JobState:
        submitted = cloud.submit(job(script("true"), again=undecided))
        await until(lambda: submitted.tasks[0].state is TaskState.SUCCEEDED)
        await cloud.cancel(submitted)
        return submitted.state

    assert run(work) is JobState.CANCELLED
