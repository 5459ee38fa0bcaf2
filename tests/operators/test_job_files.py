"""Files and large inputs of jobs on the local cloud of all five services, through the real clients."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.exceptions import JobUserCodeError
from airflow_provider_jobs.operators import ContainerJobOperator
from tests.contract.world import local_cloud
from tests.operators.fake_service import Task, TaskInstance

SERVICES: dict[str, dict[str, Any]] = {
    "gcp_batch": {"project_id": "local-project", "region": "europe-west1"},
    "cloud_run": {"project_id": "local-project", "region": "europe-west1"},
    "aws_batch": {"region_name": "eu-west-1", "job_queue": "default"},
    "azure_batch": {"pool_id": "default"},
    "kubernetes": {"namespace": "default"},
}


@pytest.fixture(scope="module", autouse=True)
def _cloud() -> Iterator[None]:
    with local_cloud():
        yield


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the worker and the jobs see alike."""
    folder = tmp_path / "storage"
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__STORAGE_PATH", f"file://{folder}")
    return folder


@pytest.fixture(autouse=True)
def _run_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TaskInstance, "run_id", uuid.uuid4().hex)


def run(service: str, task: Task | None = None, **arguments: Any) -> dict[str, Any]:
    """Run a task in this process and return the record of its job."""
    told: list[dict[str, Any]] = []
    operator = ContainerJobOperator(
        task_id="t",
        backend=service,
        targets={service: SERVICES[service]},
        image="busybox:1.36",
        deferrable=False,
        stream_logs=False,
        do_xcom_push=False,
        on_job_end=lambda context, job: told.append(job),
        **arguments,
    )
    (task or Task()).run(operator)
    return told[-1]


def content(address: str) -> str:
    return Path(address.removeprefix("file://")).read_text()


def test_a_job_reads_the_files_it_is_given_and_leaves_those_that_are_collected(
    service: str, tmp_path: Path
) -> None:
    source = tmp_path / "words.txt"
    source.write_text("one two")
    job = run(
        service,
        script='cd "$JOB_OUTPUT_DIR"; cat "$JOB_INPUT_DIR/texts/words.txt" > copy.txt; : > not.log',
        input_files={"texts/words.txt": str(source)},
        output_files=["*.txt"],
    )
    assert list(job["output_files"]) == ["copy.txt"]
    assert content(job["output_files"]["copy.txt"]) == "one two"


def test_each_index_of_an_array_leaves_its_own_files(service: str) -> None:
    job = run(
        service,
        command=["/bin/sh", "-c", 'echo "$JOB_INDEX: $JOB_INPUT" > "$JOB_OUTPUT_DIR/said"'],
        inputs=["a", "b"],
        array_size=2,
        output_files=["said"],
    )
    said = {index: content(files["said"]) for index, files in job["output_files"].items()}
    assert said == {"0": '0: "a"\n', "1": '1: "b"\n'}


def test_an_input_over_a_services_limit_is_in_the_same_variable_all_the_same(service: str) -> None:
    values = ["x" * 60_000, "y" * 20]
    job = run(
        service,
        script='printf %s "$JOB_INPUT" > "$JOB_OUTPUT_DIR/input"',
        inputs=values,
        array_size=2,
        output_files=["input"],
    )
    seen = [json.loads(content(job["output_files"][index]["input"])) for index in ("0", "1")]
    assert seen == values


def test_an_input_that_no_variable_holds_is_read_from_a_file(service: str) -> None:
    value = {"text": "ä" * 200_000}
    job = run(
        service,
        script='cd "$JOB_OUTPUT_DIR"; cp "$JOB_INPUT_FILE" input; echo "${JOB_INPUT-unset}" > variable',
        input=value,
        output_files=["input", "variable"],
    )
    assert json.loads(content(job["output_files"]["input"])) == value
    assert content(job["output_files"]["variable"]) == "unset\n"


def test_a_file_that_is_missing_fails_the_task_and_a_retry_runs_the_job_again(service: str) -> None:
    task = Task()
    script = 'cd "$JOB_OUTPUT_DIR"; if [ -e seen ]; then : > model; else : > seen; fi'
    with pytest.raises(JobUserCodeError, match=r"no 'model' in JOB_OUTPUT_DIR"):
        run(service, task, script=script, output_files=["model"])
    job = run(service, task, script=script, output_files=["model"])
    assert (job["attempts"], list(job["output_files"])) == (2, ["model"])


def test_trouble_of_a_storage_at_the_end_costs_no_second_job(service: str, tmp_path: Path) -> None:
    task, script = Task(), ': > "$JOB_OUTPUT_DIR/model"'
    (tmp_path / "models").touch()
    with pytest.raises(OSError, match="models"):
        run(service, task, script=script, output_files={"model": f"file://{tmp_path}/models/"})
    (tmp_path / "models").unlink()
    job = run(service, task, script=script, output_files={"model": f"file://{tmp_path}/models/"})
    assert (job["attempts"], (tmp_path / "models/model").exists()) == (1, True)
