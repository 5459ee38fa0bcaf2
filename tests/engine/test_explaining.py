"""A job that waits says why: after a while, and again when the reason is another one."""

from __future__ import annotations

import asyncio

from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.engine.clockwork import START, Heard, groups_on, new_fake, run, submitted

QUEUED = JobState.QUEUED


def test_a_waiting_job_is_explained_after_a_while_and_again_when_the_reason_changes() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> None:
        handle = submitted(fake)
        fake.move(handle, QUEUED)
        fake.job(handle).reason = "no quota"
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        await asyncio.sleep(100)
        assert fake.calls["explain"] == 0
        await asyncio.sleep(300)
        fake.job(handle).reason = "no zone"
        await asyncio.sleep(300)
        waiting.cancel()

    run(main())
    told = [note.split(": ")[1] for note in heard.notes if "has not started" in note]
    assert told == ["no quota", "no zone"]


def test_a_reason_that_differs_in_numbers_alone_is_told_once_and_its_latest_words_are_kept() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> JobOutcome:
        handle = submitted(fake)
        fake.move(handle, QUEUED)
        plan = WaitPlan(handle=handle, queue_deadline=START.add(minutes=12))
        waiting = asyncio.ensure_future(wait_for_job(plan, groups_on(fake), heard))
        for nodes in range(9, 0, -1):
            fake.job(handle).reason = f"{nodes} nodes are starting"
            await asyncio.sleep(70)
        return await waiting

    outcome = run(main())
    told = [note.split(": ")[1] for note in heard.notes if "has not started" in note]
    assert len(told) == 1
    assert fake.calls["explain"] > len(told) + 5
    assert outcome.explanation == "1 nodes are starting"


def test_a_reason_that_comes_back_is_told_again() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> None:
        handle = submitted(fake)
        fake.move(handle, QUEUED)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        for reason in ("no quota", "no zone", None, "no zone", "no quota"):
            fake.job(handle).reason = reason
            await asyncio.sleep(200)
        waiting.cancel()

    run(main())
    told = [note.split(": ")[1] for note in heard.notes if "has not started" in note]
    assert told == ["no quota", "no zone", "no quota"]
