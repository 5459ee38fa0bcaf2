"""What a retry submits on a real Airflow: the failed indexes alone, another machine, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import wait_until
from airflow_provider_jobs.emulator.process import LocalCloud

pytestmark = pytest.mark.timeout(300)

BACKENDS = ["aws_batch", "azure_batch", "cloud_run", "gcp_batch", "kubernetes"]
FAILED_INDEXES, PREEMPTED, POLICY = "e2e_failed_indexes", "e2e_preempted", "e2e_retry_policy"


@dataclass(frozen=True)
class Seen:
    """A task at its end: the XComs, the log of its last try, and how many tasks its service was given."""

    state: str | None
    tries: int
    returned: Any
    job: dict[str, Any]
    log: str
    reasons: list[str]
    sizes: list[int]


@pytest.fixture(scope="module")
def seen(
    airflow: LocalAirflow, cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Seen]:
    """The runs of all DAGs here, started at once."""
    rest, memory = airflow.rest, tmp_path_factory.mktemp("memory")
    for dag_id in (FAILED_INDEXES, PREEMPTED, POLICY):
        rest.wait_for_dag(dag_id)
    before = {job["uid"] for job in cloud.admin.jobs()}
    runs = {
        dag_id: rest.trigger(dag_id, conf={"memory": str(memory)})
        for dag_id in (FAILED_INDEXES, PREEMPTED, POLICY)
    }
    _take_machine_away(cloud, memory / "preempted", before)
    for dag_id, run_id in runs.items():
        rest.wait_for_run(dag_id, run_id, timeout_seconds=150)
    made = [job for job in cloud.admin.jobs() if job["uid"] not in before]
    found = {}
    for dag_id, run_id in runs.items():
        for ti in rest.task_instances(dag_id, run_id):
            task_id, tries = ti["task_id"], ti["try_number"]
            job = rest.xcom(dag_id, run_id, task_id, key="job")
            found[f"{dag_id}.{task_id}"] = Seen(
                ti["state"],
                tries,
                rest.xcom(dag_id, run_id, task_id),
                job,
                rest.log_text(dag_id, run_id, task_id, try_number=tries),
                [
                    record["reason"]
                    for record in rest.log_records(dag_id, run_id, task_id, try_number=tries)
                    if record.get("reason")
                ],
                sorted(sum(each["tasks"].values()) for each in made if each["dialect"] == job["backend"]),
            )
    return found


def _take_machine_away(cloud: LocalCloud, memory: Path, before: set[str]) -> None:
    wait_until(memory.exists, describe=lambda: "the job that is preempted did not start", timeout_seconds=90)
    [job] = [
        job
        for job in cloud.admin.jobs()
        if job["uid"] not in before and "preempted" in job["name"] and job["tasks"].get("running")
    ]
    cloud.admin.interrupt(job["uid"], 0, reason="preempted")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_retry_runs_the_failed_index_alone_under_its_own_number(
    seen: dict[str, Seen], backend: str
) -> None:
    task = seen[f"{FAILED_INDEXES}.on_{backend}"]
    assert (task.state, task.tries) == ("success", 2)
    assert "index 2 of 5 runs" in task.log
    assert "index 1 of 5 runs" not in task.log
    assert "Only indexes 2 are submitted" in task.log
    if backend != "gcp_batch":  # the other DAGs make jobs there too
        assert sum(task.sizes) == 6


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_summary_and_the_result_merge_the_attempts(seen: dict[str, Seen], backend: str) -> None:
    task = seen[f"{FAILED_INDEXES}.on_{backend}"]
    assert task.returned == {str(index): {"index": index} for index in range(5)}
    assert task.job["array"] == {"size": 5, "succeeded": 5, "failed": 0, "failed_indexes": ""}
    assert task.job["attempts"] == 2


def test_a_machine_that_is_taken_away_costs_no_try(seen: dict[str, Seen]) -> None:
    task = seen[f"{PREEMPTED}.run"]
    assert (task.state, task.tries) == ("success", 1)
    assert task.returned == {"arrived": True}
    assert task.job["attempts"] == 2
    assert "was preempted; it is submitted again (1 of 1 preemption_retries)" in task.log


def test_a_retry_policy_counts_by_cause_and_sets_the_delay(seen: dict[str, Seen]) -> None:
    task = seen[f"{POLICY}.run"]
    assert (task.state, task.tries) == ("failed", 2)
    assert "USER_CODE: failure 2, and 1 retries are allowed" in task.reasons
