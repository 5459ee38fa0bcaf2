"""The trigger ends the task where it may, wakes a worker where it must, and cancels only for the user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_jobs.core.errors import UnavailableError
from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine import group
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.contract.fake import FakeBackend
from tests.engine.clockwork import START, groups_on, new_fake, run, submitted


@asynccontextmanager
async def triggerer(fake: FakeBackend) -> AsyncIterator[None]:
    """Let triggers of this loop reach the fake."""
    loop = asyncio.get_running_loop()
    group._GROUPS_BY_LOOP[loop] = groups_on(fake)
    try:
        yield
    finally:
        del group._GROUPS_BY_LOOP[loop]


def trigger_for(
    fake: FakeBackend, *, ends_success: bool = True, pushes_xcom: bool = False, spec: Any = None, **plan: Any
) -> JobTrigger:
    wait = WaitPlan(handle=submitted(fake, **(spec or {})), **plan)
    return JobTrigger(plan=wait.to_json(), ends_success=ends_success, pushes_xcom=pushes_xcom)


def event_of(fake: FakeBackend, **kwargs: Any) -> tuple[TriggerEvent, float]:
    async def main() -> tuple[TriggerEvent, float]:
        async with triggerer(fake):
            events = [event async for event in trigger_for(fake, **kwargs).run()]
            assert len(events) == 1
            return events[0], asyncio.get_running_loop().time()

    return run(main())


def failing(index: int, code: int) -> dict[str, Any]:
    return {"array_size": 8, "options": {"fake": {"exit_codes": {str(index): code}}}}


def test_a_success_ends_the_task() -> None:
    event, _ = event_of(new_fake(), pushes_xcom=False)
    assert isinstance(event, TaskSuccessEvent)


def test_a_success_whose_xcoms_cannot_be_written_wakes_a_worker_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = new_fake()

    async def main() -> TriggerEvent:
        async with triggerer(fake):
            trigger = trigger_for(fake, pushes_xcom=True)
            # There is no Airflow around this test that would take them.
            trigger._task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
            return await trigger.run().__anext__()

    event = run(main())
    assert not isinstance(event, TaskSuccessEvent)
    assert JobOutcome.from_json(event.payload["outcome"]).state is JobState.SUCCEEDED
    assert "cannot be written here" in caplog.text


def test_a_trigger_that_runs_for_no_task_instance_hands_a_success_to_its_caller_without_a_complaint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    event, _ = event_of(new_fake(), pushes_xcom=True)
    assert JobOutcome.from_json(event.payload["outcome"]).state is JobState.SUCCEEDED
    assert caplog.text == ""


def test_a_success_that_needs_a_worker_wakes_one() -> None:
    event, _ = event_of(new_fake(), ends_success=False)
    assert not isinstance(event, TaskSuccessEvent)
    assert JobOutcome.from_json(event.payload["outcome"]).state is JobState.SUCCEEDED


def test_a_failure_wakes_a_worker_with_all_it_needs() -> None:
    event, _ = event_of(new_fake(), spec=failing(5, 3))
    outcome = JobOutcome.from_json(event.payload["outcome"])
    assert (outcome.failures[0].index, outcome.failures[0].exit_code) == (5, 3)


def test_what_airflow_writes_of_an_event_into_the_log_is_one_short_line() -> None:
    event, _ = event_of(new_fake(), spec=failing(5, 3))
    native_id = JobOutcome.from_json(event.payload["outcome"]).handle.native_id
    assert repr(event) == f"TriggerEvent<{native_id} FAILED>"
    assert event.model_dump(mode="json")["payload"] == dict(event.payload)


@pytest.mark.parametrize(
    ("fail_when", "is_success"), [("any", False), ("all", True), (0.5, True), (0.125, False)]
)
def test_fail_when_decides_how_many_failed_indexes_are_too_many(fail_when: Any, is_success: bool) -> None:
    event, _ = event_of(new_fake(), spec=failing(5, 3), fail_when=fail_when)
    assert isinstance(event, TaskSuccessEvent) is is_success


def test_an_event_that_wakes_a_worker_is_held_back_until_the_deferral_is_old_enough() -> None:
    event, seconds = event_of(new_fake(), spec=failing(0, 1), wakes_from=START.add(seconds=40))
    assert isinstance(event, TriggerEvent)
    assert seconds >= 40


def test_what_the_trigger_is_made_of_survives_serialization() -> None:
    trigger = trigger_for(new_fake(), fail_when=0.5)
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_jobs.triggers.job.JobTrigger"
    assert JobTrigger(**kwargs).serialize() == (path, kwargs)
    with_names = {**kwargs, "named_secrets": ["connection api"]}
    assert JobTrigger(**with_names).serialize() == (path, with_names)


def test_a_killed_task_cancels_its_job_and_waits_until_it_has_ended() -> None:
    fake = new_fake()

    async def main() -> None:
        async with triggerer(fake):
            trigger = trigger_for(fake)
            await trigger.on_kill()

    run(main())
    assert [reason for _, reason in fake.cancelled] == ["killed in Airflow"]
    assert [job.state for job in fake.jobs.values()] == [JobState.CANCELLED]


def test_airflow_may_cancel_a_trigger_again_and_again_while_its_job_is_cancelled() -> None:
    fake = new_fake()
    fake.refuse("cancel", UnavailableError("503"), times=3)

    async def main() -> None:
        async with triggerer(fake):
            killing = asyncio.ensure_future(trigger_for(fake).on_kill())
            for _ in range(4):
                await asyncio.sleep(0.3)
                killing.cancel("user-action")
            await asyncio.sleep(60)

    run(main())
    assert [job.state for job in fake.jobs.values()] == [JobState.CANCELLED]


def test_a_killed_task_leaves_its_job_where_on_kill_says_so() -> None:
    fake = new_fake()

    async def main() -> None:
        async with triggerer(fake):
            await trigger_for(fake, on_kill="leave").on_kill()

    run(main())
    assert fake.cancelled == []


def test_a_triggerer_that_stops_cancels_no_job() -> None:
    fake = new_fake()

    async def main() -> None:
        async with triggerer(fake):
            trigger = trigger_for(fake, spec={"options": {"fake": {"states": ["RUNNING"]}}})
            events = trigger.run()
            running = asyncio.ensure_future(events.__anext__())
            await asyncio.sleep(30)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await trigger.cleanup()

    run(main())
    assert fake.cancelled == []
