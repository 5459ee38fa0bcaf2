"""What a user sees of a task while it waits, and what happens to its job when the user ends the wait."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest, wait_until
from airflow_provider_jobs.emulator.process import LocalCloud

pytestmark = pytest.mark.timeout(300)

DAG = "e2e_gate"
TASK = "wait"
AT_THE_GATE = [f"index {index} is at the gate" for index in range(3)]
THROUGH_THE_GATE = [f"index {index} is through the gate" for index in range(3)]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that does not exist yet; its jobs wait until it does."""
    return tmp_path / "gate"


def start_and_wait_for_logs(rest: AirflowRest, gate: Path) -> str:
    rest.wait_for_dag(DAG)
    run_id = rest.trigger(DAG, conf={"gate": str(gate)})
    rest.wait_for_task(DAG, run_id, TASK, state="deferred", timeout_seconds=60)
    wait_until(
        lambda: all(line in rest.log_text(DAG, run_id, TASK) for line in AT_THE_GATE),
        describe=lambda: f"no line of every index in {rest.log_text(DAG, run_id, TASK)}",
        timeout_seconds=60,
    )
    return run_id


@dataclass(frozen=True)
class SeenRun:
    """One run, as it was seen while its job waited at the gate and after its end."""

    run_id: str
    deferred_log: str
    state_after_reading: str | None
    gate_opened: pendulum.DateTime
    state: str
    records: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory) -> SeenRun:
    rest, gate = airflow.rest, tmp_path_factory.mktemp("seen") / "gate"
    run_id = start_and_wait_for_logs(rest, gate)
    deferred_log = rest.log_text(DAG, run_id, TASK)
    state_after_reading = rest.task_state(DAG, run_id, TASK)
    gate_opened = pendulum.now("UTC")
    gate.touch()
    return SeenRun(
        run_id=run_id,
        deferred_log=deferred_log,
        state_after_reading=state_after_reading,
        gate_opened=gate_opened,
        state=rest.wait_for_run(DAG, run_id, timeout_seconds=90),
        records=rest.log_records(DAG, run_id, TASK),
    )


def test_lines_of_every_index_are_in_the_log_while_the_task_is_deferred(seen: SeenRun) -> None:
    assert all(line in seen.deferred_log for line in AT_THE_GATE)
    assert not any(line in seen.deferred_log for line in THROUGH_THE_GATE)
    assert seen.state_after_reading == "deferred"


def test_every_line_is_in_the_log_once_at_the_end(seen: SeenRun) -> None:
    events = [record["event"] for record in seen.records]
    assert seen.state == "success"
    for line in [*AT_THE_GATE, *THROUGH_THE_GATE]:
        assert sum(line in event for event in events) == 1


def test_lines_carry_the_index_and_the_time_at_which_the_job_wrote_them(seen: SeenRun) -> None:
    for index in range(3):
        [before] = [record for record in seen.records if AT_THE_GATE[index] in record["event"]]
        [after] = [record for record in seen.records if THROUGH_THE_GATE[index] in record["event"]]
        assert pendulum.parse(before["timestamp"]) < seen.gate_opened <= pendulum.parse(after["timestamp"])
        assert before["index"] == after["index"] == index


def test_a_job_that_reports_nothing_returns_nothing(rest: AirflowRest, seen: SeenRun) -> None:
    assert rest.xcom(DAG, seen.run_id, TASK) is None
    assert rest.xcom(DAG, seen.run_id, TASK, key="job")["state"] == "SUCCEEDED"


def test_a_cleared_success_runs_a_new_job(rest: AirflowRest, cloud: LocalCloud, gate: Path) -> None:
    gate.touch()
    rest.wait_for_dag(DAG)
    run_id = rest.trigger(DAG, conf={"gate": str(gate)})
    rest.wait_for_run(DAG, run_id, timeout_seconds=90)
    first = rest.xcom(DAG, run_id, TASK, key="job")["native_id"]

    rest.clear(DAG, run_id, TASK)
    rest.wait_for_run(DAG, run_id, timeout_seconds=90)
    second = rest.xcom(DAG, run_id, TASK, key="job")["native_id"]
    assert rest.task_state(DAG, run_id, TASK) == "success"
    assert second != first
