"""What a waiting task weighs in a triggerer, counted by the bytes that Python was asked for."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc

import pytest

from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.triggers.following import FollowingTrigger
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.engine.clockwork import START, new_fake, run, submitted
from tests.triggers.test_job import triggerer

JOBS = 300
MOST_BYTES = 8 * 1024

NAME = "a-dag-of-a-usual-name-a-task-of-a-usual-name-0123456789abcdef"
PLACE = "projects/a-project-of-a-usual-name/locations/europe-west1/jobs"


def long_handle(number: int, handle: JobHandle) -> JobHandle:
    """Return the handle with the addresses that a service has."""
    return handle.model_copy(
        update={
            "ref": BackendRef(
                backend="fake", conn_id="fake_default", scope={"project_id": "p", "region": "r"}
            ),
            "console_url": f"https://console.cloud.google.com/{PLACE}/{NAME}-{number}/details?project=p",
            "logs_url": f"https://console.cloud.google.com/{PLACE}/{NAME}-{number}/logs?project=p",
            "cancel_command": f"gcloud batch jobs cancel {PLACE}/{NAME}-{number}",
            "stamp": "0123456789abcdef-1-0123456789abcdef",
        }
    )


@pytest.mark.parametrize("log_indexes", ["none", "all"])
def test_a_waiting_task_weighs_at_most_eight_kilobytes(log_indexes: str) -> None:
    fake = new_fake()
    texts = []
    for number in range(JOBS):
        handle = submitted(fake, task_id=f"t{number}")
        fake.move(handle, JobState.RUNNING)
        plan = WaitPlan.model_validate(
            {"handle": long_handle(number, handle), "log_indexes": log_indexes, "wakes_from": START}
        )
        texts.append(json.dumps(plan.to_json()))

    async def follow(trigger: FollowingTrigger) -> None:
        async for _ in trigger.run():
            pass

    async def main() -> float:
        async with triggerer(fake):
            gc.collect()
            tracemalloc.start(1)
            before, _ = tracemalloc.get_traced_memory()
            # As Airflow makes them: from text that is forgotten afterwards.
            waiting = [
                asyncio.ensure_future(
                    follow(JobTrigger(plan=json.loads(text), ends_success=True, pushes_xcom=True))
                )
                for text in texts
            ]
            await asyncio.sleep(5)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return (after - before) / JOBS

    weight = run(main())
    assert fake.calls["describe"] > 1
    assert 1_000 < weight <= MOST_BYTES
