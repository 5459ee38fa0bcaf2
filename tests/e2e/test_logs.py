"""What stands in a task's log while its job runs and after, read as a user's browser reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import wait_until

pytestmark = pytest.mark.timeout(450)

DAG = "e2e_logs"
DEFERRED = ("gcp_batch", "cloud_run", "aws_batch", "azure_batch", "kubernetes")
# Where the service keeps both streams in one log, it does not tell them apart.
TOLD_APART = ("gcp_batch", "cloud_run", "azure_batch")
TASKS = (*DEFERRED, "in_a_worker", "woken_to_fail")
INDEXES = range(3)
SAID = ("is at the gate", "warns", "is through the gate")

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Seen:
    """The log of every task while its job was at the gate, and at the end."""

    began: pendulum.DateTime
    gate_opened: pendulum.DateTime
    states_at_the_gate: dict[str, str | None]
    at_the_gate: dict[str, Records]
    at_the_end: dict[str, Records]


def of_index(records: Records, index: int, said: str) -> Records:
    """Return the records that show this line."""
    return [record for record in records if record["event"] == f"index {index} {said}"]


@pytest.fixture(scope="module")
def seen(airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    rest, gate = airflow.rest, tmp_path_factory.mktemp("logs") / "gate"
    rest.wait_for_dag(DAG)
    began = pendulum.now("UTC")
    run_id = rest.trigger(DAG, conf={"gate": str(gate)})

    def records(task_id: str) -> Records:
        return rest.log_records(DAG, run_id, task_id)

    def missing() -> list[str]:
        return [
            f"{task_id}: index {index} {said}"
            for task_id in TASKS
            for index in INDEXES
            for said in SAID[:2]
            if not of_index(records(task_id), index, said)
        ]

    def told() -> str:
        texts = {line.partition(":")[0]: "" for line in missing()}
        return "\n".join(f"{task_id}: {rest.log_text(DAG, run_id, task_id)}" for task_id in texts)

    try:
        wait_until(lambda: not missing(), describe=told, timeout_seconds=180)
        at_the_gate = {task_id: records(task_id) for task_id in TASKS}
        states = {task_id: rest.task_state(DAG, run_id, task_id) for task_id in TASKS}
    finally:
        gate_opened = pendulum.now("UTC")
        gate.touch()
    rest.wait_for_run(DAG, run_id, timeout_seconds=120)
    return Seen(began, gate_opened, states, at_the_gate, {task_id: records(task_id) for task_id in TASKS})


@pytest.mark.parametrize("task_id", TASKS)
def test_lines_of_every_index_are_shown_before_the_job_ends(seen: Seen, task_id: str) -> None:
    expected = "running" if task_id == "in_a_worker" else "deferred"
    assert seen.states_at_the_gate[task_id] == expected
    for index in INDEXES:
        assert not of_index(seen.at_the_gate[task_id], index, "is through the gate")


@pytest.mark.parametrize("task_id", TASKS)
def test_a_line_bears_its_index_its_stream_and_the_time_at_which_it_was_written(
    seen: Seen, task_id: str
) -> None:
    for index in INDEXES:
        [first] = of_index(seen.at_the_gate[task_id], index, "is at the gate")
        [last] = of_index(seen.at_the_end[task_id], index, "is through the gate")
        assert (first["index"], first["stream"], first["level"]) == (index, "stdout", "info")
        assert seen.began <= pendulum.parse(first["timestamp"]) < seen.gate_opened
        # Azure Batch tells times of files in whole seconds.
        assert pendulum.parse(last["timestamp"]) > seen.gate_opened.subtract(seconds=1)


@pytest.mark.parametrize("task_id", TOLD_APART)
def test_what_is_written_to_stderr_is_a_warning(seen: Seen, task_id: str) -> None:
    for index in INDEXES:
        [record] = of_index(seen.at_the_gate[task_id], index, "warns")
        assert (record["index"], record["stream"], record["level"]) == (index, "stderr", "warning")


@pytest.mark.parametrize("task_id", TASKS)
def test_the_log_is_one_story_without_a_second_copy(seen: Seen, task_id: str) -> None:
    records = seen.at_the_end[task_id]
    for index in INDEXES:
        assert [len(of_index(records, index, said)) for said in SAID] == [1, 1, 1]
        before, after = (records.index(of_index(records, index, said)[0]) for said in (SAID[0], SAID[2]))
        assert before < after
    [counted] = [n for n, record in enumerate(records) if "indexes succeeded" in str(record["event"])]
    lines = [n for n, record in enumerate(records) if str(record["event"]).endswith("through the gate")]
    assert max(lines) < counted
