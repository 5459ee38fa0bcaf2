"""Files of jobs through a real Airflow: brought by one worker, collected by another, kept over a retry."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest

pytestmark = pytest.mark.timeout(300)

DAG = "e2e_files"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worker's own files are."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "source.txt").write_text("one two")
    return folder


@pytest.fixture(scope="module")
def run(airflow: LocalAirflow, folder: Path) -> str:
    """The id of a run that has ended."""
    airflow.rest.wait_for_dag(DAG)
    conf = {"source": str(folder / "source.txt"), "destination": f"file://{folder}/copied.txt"}
    run_id = airflow.rest.trigger(DAG, conf=conf)
    airflow.rest.wait_for_run(DAG, run_id, timeout_seconds=150)
    return run_id


def states(rest: AirflowRest, run: str) -> dict[str, tuple[str, int]]:
    return {each["task_id"]: (each["state"], each["try_number"]) for each in rest.task_instances(DAG, run)}


def test_the_files_of_indexes_from_two_tries_are_collected_together(rest: AirflowRest, run: str) -> None:
    assert states(rest, run)["retried"] == ("success", 2)
    job = rest.xcom(DAG, run, "retried", key="job")
    assert sorted(job["output_files"]) == ["0", "1", "2"]
    for files in job["output_files"].values():
        assert Path(files["copy.txt"].removeprefix("file://")).read_text() == "one two"
    log = rest.log_text(DAG, run, "retried", try_number=2)
    assert "index 1 runs" in log
    assert log.count("The job's files are below file://") == 1
    assert "index 0 runs" not in log


def test_a_triggerer_puts_an_input_into_a_file_too(rest: AirflowRest, run: str) -> None:
    assert states(rest, run)["large_from_triggerer"] == ("success", 1)
    assert rest.xcom(DAG, run, "large_from_triggerer") == {"bytes": 20_002}


def test_a_task_with_files_begins_on_a_worker_and_says_so(rest: AirflowRest, run: str, folder: Path) -> None:
    assert states(rest, run)["files_from_triggerer"] == ("success", 1)
    log = rest.log_text(DAG, run, "files_from_triggerer")
    assert log.count('submit_from="triggerer" does not hold here: a worker brings input_files') == 1
    job = rest.xcom(DAG, run, "files_from_triggerer", key="job")
    assert job["output_files"] == {"copy.txt": f"file://{folder}/copied.txt"}
    assert (folder / "copied.txt").read_text() == "one two"
