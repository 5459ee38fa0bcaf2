"""The example DAGs do what they promise, on a real scheduler, triggerer and API server."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.promises import DagPromise, TaskPromise, broken, load_promises
from airflow_provider_jobs.demo.rest import AirflowRest
from airflow_provider_jobs.demo.runs import FollowedRun
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(300)

PROMISES = load_promises(REPOSITORY / "dags")


@pytest.fixture(scope="module")
def runs(airflow: LocalAirflow) -> dict[str, FollowedRun]:
    """One ended run of every example, all started at once."""
    rest = airflow.rest
    for dag_id in PROMISES:
        rest.wait_for_dag(dag_id)
    runs = {dag_id: FollowedRun(rest, dag_id) for dag_id in PROMISES}
    for dag_id, run in runs.items():
        rest.wait_for_run(dag_id, run.run_id, timeout_seconds=150)
        run.look()
    return runs


@pytest.mark.parametrize(("dag_id", "promise"), PROMISES.items(), ids=PROMISES)
def test_an_example_keeps_its_promise(runs: dict[str, FollowedRun], dag_id: str, promise: DagPromise) -> None:
    missing = {
        task_id: lines
        for task_id, task in promise.tasks.items()
        if (lines := broken(task, runs[dag_id].outcome(task_id)))
    }
    assert not missing
    assert set(runs[dag_id].tasks) == set(promise.tasks)


def test_an_array_returns_its_outputs_by_index(runs: dict[str, FollowedRun]) -> None:
    counts = runs["gcp_batch_word_count"].outcome("count_words").returned
    assert sorted(counts) == [str(index) for index in range(8)]
    assert sum(count["words"] for count in counts.values()) == 6571


def test_the_job_of_a_success_is_in_xcom(rest: AirflowRest, runs: dict[str, FollowedRun]) -> None:
    run = runs["gcp_batch_word_count"]
    job = rest.xcom(run.dag_id, run.run_id, "count_words", key="job")
    assert job["backend"] == "gcp_batch"
    assert job["state"] == "SUCCEEDED"
    assert job["native_id"].startswith("projects/local-project/locations/europe-west1/jobs/")
    assert job["array"] == {"size": 8, "succeeded": 8, "failed": 0, "failed_indexes": ""}
    assert job["run_seconds"] >= 0


def test_the_job_of_a_failure_is_in_xcom_with_the_index_that_failed(
    rest: AirflowRest, runs: dict[str, FollowedRun]
) -> None:
    run = runs["gcp_batch_failing_index"]
    job = rest.xcom(run.dag_id, run.run_id, "check_stock", key="job")
    assert job["state"] == "FAILED"
    assert job["array"] == {"size": 8, "succeeded": 7, "failed": 1, "failed_indexes": "5"}


def test_the_exception_of_a_failure_says_index_code_and_last_lines(runs: dict[str, FollowedRun]) -> None:
    error = runs["gcp_batch_failing_index"].outcome("check_stock").error
    assert error.startswith("JobUserCodeError: ")
    for text in ("index 5", "code 3", "shelf 5 holds 37 boxes", "giving up: 3 boxes are missing"):
        assert text in error
    assert "shelf 4 is complete" not in error


def test_a_promise_that_is_not_kept_is_told(runs: dict[str, FollowedRun]) -> None:
    outcome = runs["gcp_batch_failing_index"].outcome("check_stock")
    wish = TaskPromise(state="success", backend="gcp_batch", array="8/8", log_contains=("all is well",))
    assert broken(wish, outcome) == [
        "state is failed, promised is success",
        "array is 7/8, promised is 8/8",
        "log does not say 'all is well'",
    ]
