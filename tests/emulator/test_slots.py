"""Tasks that count as one process together, and what else a machine with several commands needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import EndReason, JobState
from airflow_provider_jobs.emulator.logstore import LogLine, LogQuery, LogStore
from tests.emulator.engine import ended, job, lines, run, script, until


def test_tasks_that_wait_for_each_other_run_together_where_there_is_one_place(tmp_path: Path):
    meet = f"touch {tmp_path}/$INDEX; while [ $(ls {tmp_path} | wc -l) -lt 3 ]; do sleep 0.01; done"

    async def work(cloud: Cloud) -> None:
        together = await ended(cloud.submit(job(script(meet), tasks=3, one_slot=True)))
        assert together.state is JobState.SUCCEEDED

    run(work, max_processes=1)


def test_the_place_is_held_until_the_last_task_has_ended():
    async def work(cloud: Cloud) -> None:
        first = cloud.submit(job(script("sleep 0.$INDEX"), tasks=3, one_slot=True))
        await until(lambda: first.state is JobState.RUNNING)
        second = await ended(cloud.submit(job(script("true"))))
        assert first.run_ended_at
        assert second.run_started_at
        assert first.run_ended_at <= second.run_started_at

    run(work, max_processes=1)


def test_a_job_that_is_cancelled_while_it_waits_for_its_place_takes_none():
    async def work(cloud: Cloud) -> None:
        holder = cloud.submit(job(script("sleep 60")))
        await until(lambda: holder.state is JobState.RUNNING)
        waiting = cloud.submit(job(script("true"), tasks=2, one_slot=True))
        await until(lambda: waiting.state is JobState.SCHEDULED)
        await cloud.cancel(waiting)
        await cloud.cancel(holder)
        last = await ended(cloud.submit(job(script("true"), tasks=2, one_slot=True)))
        assert (waiting.state, last.state) == (JobState.CANCELLED, JobState.SUCCEEDED)

    run(work, max_processes=1)


def test_a_command_that_is_ended_from_outside_tells_its_own_code():
    async def work(cloud: Cloud) -> None:
        running = cloud.submit(job(script("trap 'exit 7' TERM; echo ready; sleep 60 & wait")))
        await until(lambda: lines(cloud, running) == ["ready"])
        cloud.interrupt(running, 0, reason=EndReason.PREEMPTED)
        end = (await ended(running)).tasks[0].end
        assert end is not None
        assert (end.reason, end.last_code) == (EndReason.PREEMPTED, 7)

    run(work)


@pytest.mark.parametrize("simulated", [True, False])
def test_a_simulated_sleep_is_ended_as_a_real_one(simulated: bool):
    async def work(cloud: Cloud) -> None:
        running = cloud.submit(job(script("sleep 60")))
        await until(lambda: simulated or bool(len(cloud._children)))
        await until(lambda: running.state is JobState.RUNNING)
        await cloud.cancel(running)
        end = running.tasks[0].end
        assert end is not None
        assert (end.reason, end.last_code) == (EndReason.CANCELLED, -15)

    run(work, simulate_sleep=simulated)


def test_whoever_replaces_what_ends_can_see_that_everything_is_being_ended():
    async def work(cloud: Cloud) -> None:
        seen: list[bool] = []

        async def again(*_: object) -> bool:
            seen.append(cloud.ending)
            return False

        done = await ended(cloud.submit(job(script("true"), again=again)))
        cloud.on_reset(lambda: seen.append(cloud.ending))
        await cloud.reset()
        assert done.ended
        assert (seen, cloud.ending) == ([False, True], False)

    run(work)


def test_lines_that_nobody_may_see_yet_can_be_asked_for(tmp_path: Path):
    store = LogStore(tmp_path / "lines.sqlite")
    store.delay_seconds = 3600
    late = store.append(LogLine("test", "u", 0, 0, 0, "stdout", "late"))
    assert list(store.read(LogQuery())) == []
    assert [line.text for line in store.read(LogQuery(unseen=True))] == ["late"]
    assert store.last_seq == late.seq
    store.close()
