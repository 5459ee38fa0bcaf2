"""A triggerer that submits: one job whatever becomes of the process, and none left after a kill."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_provider_jobs.core.errors import InvalidRequest
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.group import poll_groups
from airflow_provider_jobs.triggers import submitting, task_state
from airflow_provider_jobs.triggers.submitting import SubmitTrigger
from tests.contract.fake import FakeBackend
from tests.operators.fake_service import FakeJobOperator, fake_service


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBackend]:
    # Nobody can be asked for the state of a task here, so that a kill counts as one.
    monkeypatch.setattr(task_state, "_PAUSE_SECONDS", 0.0)
    with fake_service() as service:
        yield service


class Triggerer:
    """Makes the trigger of one try again and again, as triggerers that die do."""

    def __init__(self, *, task_id: str = "t", **settings: Any) -> None:
        self.settings = settings
        self.ti = SimpleNamespace(
            dag_id="d", run_id="r", task_id=task_id, map_index=-1, try_number=1, id=uuid.uuid4()
        )

    def trigger(self, **states: Any) -> SubmitTrigger:
        made = SubmitTrigger(
            operator=f"{FakeJobOperator.__module__}:{FakeJobOperator.__qualname__}",
            settings={"deferrable": True, "submit_from": "triggerer", **self.settings},
            ends_success=True,
            pushes_xcom=False,
            script_of_states={"states": ["SUCCEEDED"], **states},
        )
        _, kwargs = made.serialize()
        again = SubmitTrigger(**kwargs)
        again.task_instance = self.ti  # type: ignore[assignment]
        return again


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 60))


async def first_event(trigger: SubmitTrigger) -> TriggerEvent:
    return await anext(trigger.run())


async def submit_and_die(fake: FakeBackend, triggerer: Triggerer) -> None:
    """Let a triggerer end, without a word, as soon as it follows its job."""
    follows = threading.Event()
    fake.before = lambda method: follows.set() if method == "describe" and fake.jobs else None
    before = asyncio.ensure_future(first_event(triggerer.trigger(states=["RUNNING"])))
    await asyncio.to_thread(follows.wait, 30)
    before.cancel()


def test_a_success_needs_no_worker(fake: FakeBackend) -> None:
    assert isinstance(run(first_event(Triggerer().trigger())), TaskSuccessEvent)
    assert len(fake.jobs) == 1


def test_a_failure_wakes_a_worker_that_knows_where_the_try_began(fake: FakeBackend) -> None:
    event = run(first_event(Triggerer().trigger(exit_codes={"0": 3})))
    assert event.payload["in_triggerer"] is True
    assert JobOutcome.from_json(event.payload["outcome"]).failures[0].exit_code == 3


def test_a_refusal_wakes_a_worker_with_the_reason(fake: FakeBackend) -> None:
    fake.refuse("submit", InvalidRequest("no such machine type"))
    event = run(first_event(Triggerer().trigger()))
    failure = Failure.from_json(event.payload["refused"])
    assert (failure.kind, failure.retryable) == (FailureKind.CONFIG, False)
    assert "no such machine type" in failure.message


def test_a_triggerer_that_starts_again_follows_the_job_of_the_one_before(fake: FakeBackend) -> None:
    triggerer = Triggerer()

    async def main() -> TriggerEvent:
        await submit_and_die(fake, triggerer)
        fake.move(next(iter(fake.jobs.values())).handle, JobState.SUCCEEDED)
        return await first_event(triggerer.trigger(states=["RUNNING"]))

    assert isinstance(run(main()), TaskSuccessEvent)
    assert len(fake.jobs) == 1
    assert fake.cancelled == []


def test_many_submissions_of_a_connection_share_a_client_and_go_out_as_many_at_a_time_as_is_set(
    fake: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__SUBMISSIONS_PER_CONNECTION", "2")
    submitting._pool.cache_clear()
    opened: list[object] = []
    under_way, most = 0, 0
    lock = threading.Lock()

    def enter(method: str) -> None:
        nonlocal under_way, most
        if method != "submit":
            return
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1

    fake.before = enter

    async def main() -> list[TriggerEvent]:
        groups = poll_groups()
        make = groups.shared._open_backend
        groups.shared._open_backend = lambda ref: (opened.append(ref), make(ref))[1]
        triggers = [Triggerer(task_id=f"t{number}").trigger() for number in range(8)]
        return await asyncio.gather(*map(first_event, triggers))

    try:
        events = run(main())
    finally:
        submitting._pool.cache_clear()
    assert all(isinstance(event, TaskSuccessEvent) for event in events)
    assert len(fake.jobs) == 8
    assert most == 2
    assert len(opened) == 1


def killed_while(fake: FakeBackend, triggerer: Triggerer, method: str) -> None:
    """Kill the task while the trigger is within a call of its service."""
    is_within, may_go_on = threading.Event(), threading.Event()

    def stop_there(called: str) -> None:
        if called == method and not is_within.is_set():
            is_within.set()
            may_go_on.wait(30)

    fake.before = stop_there

    async def main() -> None:
        trigger = triggerer.trigger(states=["RUNNING"])
        running = asyncio.ensure_future(first_event(trigger))
        await asyncio.to_thread(is_within.wait, 30)
        running.cancel()
        killed = asyncio.ensure_future(trigger.on_kill())
        await asyncio.sleep(0.05)
        may_go_on.set()
        await killed

    run(main())


def test_a_kill_within_the_submission_cancels_what_it_has_sent(fake: FakeBackend) -> None:
    killed_while(fake, Triggerer(), "submit")
    assert [job.state for job in fake.jobs.values()] == [JobState.CANCELLED]


def test_a_kill_before_the_submission_sends_nothing(fake: FakeBackend) -> None:
    killed_while(fake, Triggerer(), "find")
    assert not fake.jobs


def test_a_kill_that_another_triggerer_hears_of_cancels_the_job(fake: FakeBackend) -> None:
    triggerer = Triggerer()

    async def main() -> None:
        await submit_and_die(fake, triggerer)
        await triggerer.trigger(states=["RUNNING"]).on_kill()

    run(main())
    assert [job.state for job in fake.jobs.values()] == [JobState.CANCELLED]


def test_on_kill_leave_keeps_the_job(fake: FakeBackend) -> None:
    killed_while(fake, Triggerer(on_kill="leave"), "submit")
    assert len(fake.jobs) == 1
    assert fake.cancelled == []
