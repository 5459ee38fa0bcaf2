"""Triggerers die, restart and take each other's work over: no job is cancelled and no line of it is lost."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest
from pendulum import DateTime

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest, wait_until
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.e2e.tasks import TaskOfRun

pytestmark = pytest.mark.timeout(300)

DAG = "e2e_ends_run"
FIRST, SECOND = "triggerer", "second triggerer"


@dataclass(frozen=True)
class Seen:
    """A task that outlived several triggerers, and the jobs of its first and its second attempt."""

    state: str
    job: dict[str, Any]
    next_job: dict[str, Any] | None
    events: list[str]


@pytest.fixture(scope="module")
def seen(airflow: LocalAirflow, cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The end of a task that is followed by one triggerer after another.

    The first is killed and started again. Then its loop stands still until a second has taken over, and goes
    on. Then the second is ended as a deployment ends it.
    """
    rest, gate = airflow.rest, tmp_path_factory.mktemp("restarts") / "gate"
    rest.wait_for_dag(DAG)
    task = TaskOfRun(DAG, rest.trigger(DAG, conf={"gate": str(gate)}), "wait")
    try:
        _wait_until_followed(rest, task)
        airflow.kill_component(FIRST)
        airflow.start_component(FIRST)
        _wait_until_followed(rest, task)
        with _loop_stands_still(airflow.component_pids[FIRST]):
            airflow.start_component("triggerer", as_name=SECOND)
            _wait_until_followed(rest, task)
        _wait_until_first_lets_go(rest, task)
        airflow.stop_component(SECOND)
        _wait_until_followed(rest, task)
    finally:
        gate.touch()
        _leave_one_triggerer(airflow)
    state = rest.wait_for_run(task.dag_id, task.run_id, timeout_seconds=60)
    events = [str(record["event"]) for record in rest.log_records(*task.place)]
    return Seen(state, task.job(cloud) or {}, replace(task, attempt=2).job(cloud), events)


def _wait_until_followed(rest: AirflowRest, task: TaskOfRun) -> None:
    """Wait until a line that the job says from now on is in the task's log."""
    now = DateTime.now("UTC")
    wait_until(
        lambda: any(
            "says line" in str(record["event"]) and DateTime.fromisoformat(record["timestamp"]) > now
            for record in rest.log_records(*task.place)
        ),
        describe=lambda: f"nobody follows the job since {now}: {rest.log_text(*task.place)}",
        timeout_seconds=60,
    )


def _wait_until_first_lets_go(rest: AirflowRest, task: TaskOfRun) -> None:
    """Wait until the trigger has ended where it was taken away; where it was killed, nothing says so."""
    wait_until(
        lambda: "trigger completed" in rest.log_text(*task.place),
        describe=lambda: f"the trigger has not ended: {rest.log_text(*task.place)}",
        timeout_seconds=30,
    )


@contextmanager
def _loop_stands_still(triggerer: int) -> Iterator[None]:
    """Stop the process in which a triggerer runs its triggers, as a blocked loop or a paused machine does."""
    [runner] = psutil.Process(triggerer).children()
    os.kill(runner.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(runner.pid, signal.SIGCONT)


def _leave_one_triggerer(airflow: LocalAirflow) -> None:
    if SECOND in airflow.component_pids:
        airflow.kill_component(SECOND)
    if FIRST not in airflow.component_pids:
        airflow.start_component(FIRST)


def test_no_end_of_a_triggerer_ends_the_job(seen: Seen) -> None:
    assert seen.state == "success"
    assert seen.job["state"] == "succeeded"
    assert seen.next_job is None


@pytest.mark.parametrize("index", range(3))
def test_no_line_of_the_job_is_lost(seen: Seen, index: int) -> None:
    said = [event for event in seen.events if event.startswith(f"index {index} ")]
    [count] = [int(match[1]) for event in said if (match := re.search(r"gate after (\d+) lines", event))]
    missing = {f"index {index} says line {number}" for number in range(count)} - set(said)
    assert count > 10
    assert not missing


def test_no_line_of_the_job_is_shown_twice(seen: Seen) -> None:
    said = [event for event in seen.events if event.startswith("index ")]
    assert len(said) == len(set(said))
