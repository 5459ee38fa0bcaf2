"""What Airflow keeps secret is not in the log of a task whose job prints it."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest
from tests.e2e.conftest import API_KEY, PASSWORD

pytestmark = pytest.mark.timeout(300)

DAG = "e2e_secrets"
SUBMIT_FROM = ["worker", "triggerer"]


@pytest.fixture(scope="module")
def run(airflow: LocalAirflow) -> str:
    """The id of a run that has ended."""
    for submit_from in SUBMIT_FROM:
        airflow.rest.set_variable(f"e2e_api_key_{submit_from}", f"{API_KEY}-{submit_from}")
    airflow.rest.wait_for_dag(DAG)
    run_id = airflow.rest.trigger(DAG)
    airflow.rest.wait_for_run(DAG, run_id, timeout_seconds=120)
    return run_id


@pytest.mark.parametrize("submit_from", SUBMIT_FROM)
def test_neither_lines_of_the_job_nor_the_exception_tell_it(
    rest: AirflowRest, run: str, submit_from: str
) -> None:
    task_id = f"tells_from_{submit_from}"
    assert rest.task_state(DAG, run, task_id) == "failed"
    log = rest.log_text(DAG, run, task_id)
    assert log.count("the password is ***") >= 2, "a line, and the last lines in the exception"
    assert log.count("the key is ***") >= 2
    records = json.dumps(rest.log_records(DAG, run, task_id))
    assert PASSWORD not in records
    assert API_KEY not in records
