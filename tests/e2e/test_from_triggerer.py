"""Tasks that are submitted from the triggerer: one job each, whatever a retry or a kill does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest, wait_until
from airflow_provider_jobs.emulator.process import LocalCloud

pytestmark = pytest.mark.timeout(300)

BACKENDS = ["aws_batch", "azure_batch", "cloud_run", "gcp_batch", "kubernetes"]
DAG = "e2e_from_triggerer"


@pytest.fixture(scope="module")
def run(airflow: LocalAirflow, cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a run that has ended."""
    memory = tmp_path_factory.mktemp("memory")
    airflow.rest.wait_for_dag(DAG)
    run_id = airflow.rest.trigger(DAG, conf={"memory": str(memory)})
    airflow.rest.wait_for_run(DAG, run_id, timeout_seconds=150)
    return run_id


def instance(rest: AirflowRest, run_id: str, task_id: str) -> dict[str, Any]:
    [found] = [each for each in rest.task_instances(DAG, run_id) if each["task_id"] == task_id]
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_retry_runs_the_failed_index_alone_and_the_result_is_whole(
    rest: AirflowRest, run: str, backend: str
) -> None:
    task = instance(rest, run, f"on_{backend}")
    assert (task["state"], task["try_number"]) == ("success", 2)
    assert rest.xcom(DAG, run, f"on_{backend}") == {str(index): {"index": index} for index in range(4)}
    job = rest.xcom(DAG, run, f"on_{backend}", key="job")
    assert job["array"] == {"size": 4, "succeeded": 4, "failed": 0, "failed_indexes": ""}
    assert job["attempts"] == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_templates_are_rendered_in_the_triggerer(rest: AirflowRest, run: str, backend: str) -> None:
    log = rest.log_text(DAG, run, f"on_{backend}", try_number=2)
    assert f"hello from {backend} for {run}" in log
    assert "index 2 of 4 runs" in log
    assert "index 1 of 4 runs" not in log


def test_a_refused_submission_fails_at_once_and_says_why(rest: AirflowRest, run: str) -> None:
    task = instance(rest, run, "refused")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "region: 'no region at all'" in rest.log_text(DAG, run, "refused")


def test_a_task_whose_argument_only_a_worker_knows_begins_there(rest: AirflowRest, run: str) -> None:
    assert instance(rest, run, "begins_on_a_worker")["state"] == "success"
    assert rest.xcom(DAG, run, "begins_on_a_worker") == {"0": {"got": 1}, "1": {"got": 2}}


def test_a_task_that_is_marked_failed_leaves_no_job_behind(
    rest: AirflowRest, cloud: LocalCloud, tmp_path: Path
) -> None:
    rest.wait_for_dag(DAG)
    before = {job["uid"] for job in cloud.admin.jobs()}
    rule = cloud.admin.hold("scheduled", dialect="aws_batch")
    try:
        run_id = rest.trigger(DAG, conf={"memory": str(tmp_path)})
        rest.wait_for_task(DAG, run_id, "on_aws_batch", state="deferred", timeout_seconds=60)
        rest.mark_run(DAG, run_id, state="failed")

        def is_over() -> bool:
            made = [job for job in cloud.admin.jobs() if job["uid"] not in before]
            return all(job["state"] in ("cancelled", "failed", "succeeded") for job in made)

        wait_until(is_over, describe=lambda: str(cloud.admin.jobs()), timeout_seconds=60)
    finally:
        cloud.admin.release(rule)
