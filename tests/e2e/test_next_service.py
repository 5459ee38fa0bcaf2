"""A job finds no room on one cloud, waits too long on the next, and runs on the third."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest
from airflow_provider_jobs.emulator.process import LocalCloud

pytestmark = pytest.mark.timeout(300)

DAG = "e2e_next_service"
QUOTA = "Quota CPUS exceeded. Limit: 8.0 in region europe-west1."


@dataclass(frozen=True)
class Seen:
    """The run as it was seen at its end."""

    state: str
    log: str
    job: dict[str, Any]
    remote: list[dict[str, Any]]


@pytest.fixture(scope="module")
def seen(airflow: LocalAirflow, cloud: LocalCloud) -> Seen:
    rest: AirflowRest = airflow.rest
    rest.wait_for_dag(DAG)
    before = {job["uid"] for job in cloud.admin.jobs()}
    error = {"code": "RESOURCE_EXHAUSTED", "message": QUOTA}
    cloud.admin.add_fault(method="google.cloud.batch.v1.BatchService/CreateJob", times=1, error=error)
    rule = cloud.admin.hold("scheduled", dialect="aws_batch")
    try:
        run_id = rest.trigger(DAG)
        state = rest.wait_for_run(DAG, run_id, timeout_seconds=150)
    finally:
        cloud.admin.release(rule)
        cloud.admin.clear_faults()
    remote = [job for job in cloud.admin.jobs() if job["uid"] not in before]
    return Seen(state, rest.log_text(DAG, run_id, "run"), rest.xcom(DAG, run_id, "run", key="job"), remote)


def test_the_task_succeeds_where_there_is_room(seen: Seen) -> None:
    assert seen.state == "success"
    assert seen.job["backend"] == "kubernetes"
    assert seen.job["array"]["succeeded"] == 2


def test_the_log_tells_why_each_service_before_was_left(seen: Seen) -> None:
    assert "gcp_batch has no room for the job" in seen.log
    assert QUOTA in seen.log
    assert "it did not start before queue_timeout and was cancelled; kubernetes is tried" in seen.log
    assert "index 1 has found room" in seen.log


def test_the_job_before_was_cancelled_and_nothing_runs_on(seen: Seen) -> None:
    states = {job["state"] for job in seen.remote if job["dialect"] == "aws_batch"}
    assert states == {"cancelled"}
    assert not [job for job in seen.remote if job["dialect"] == "gcp_batch"]
