"""When a job is looked at next."""

from __future__ import annotations

import asyncio

from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.pacing import Pacing
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.engine.clockwork import START, Heard, groups_on, new_fake, run
from tests.engine.test_polling import handles_of, stop

RUNNING, SUCCEEDED, QUEUED = JobState.RUNNING, JobState.SUCCEEDED, JobState.QUEUED
INTERVAL_SECONDS = 30.0


def test_old_jobs_are_looked_at_less_often_than_young_ones_and_all_on_one_grid() -> None:
    pacing = Pacing(phase=0)
    intervals = [pacing.interval_seconds(age) for age in (0, 30, 60, 200, 400, 3_600)]
    assert intervals == [1.0, 1.0, 1.875, 7.5, 15.0, 30.0]
    looks = {pacing.next_look(100.0 + late, 30.0) for late in (0.0, 0.5, 3.0, 7.0)}
    assert looks == {120.0}


def test_a_services_floor_and_the_users_interval_are_kept() -> None:
    pacing = Pacing(phase=0)
    assert pacing.interval_seconds(0, least_seconds=2.0) == 2.0
    assert pacing.interval_seconds(0, base_seconds=45.0) == 45.0
    assert pacing.interval_seconds(0, base_seconds=0.2) == 1.0


def test_groups_do_not_ask_in_step() -> None:
    looks = {Pacing().next_look(100.0, 30.0) for _ in range(20)}
    assert len(looks) == 20


def test_the_age_of_a_job_counts_from_its_submission() -> None:
    fake = new_fake()

    async def main() -> int:
        (handle,) = handles_of(fake, 1)
        old = handle.model_copy(update={"submitted_at": START.subtract(hours=1)})
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=old), groups_on(fake), Heard()))
        await asyncio.sleep(65)
        await stop([waiting])
        return fake.calls["describe"]

    assert run(main()) == 3
