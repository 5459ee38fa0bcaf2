from __future__ import annotations

import pytest
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import (
    Clients,
    condition,
    container,
    entries,
    job,
    lines,
)


def test_a_container_sees_the_service_s_variables_and_its_own_alone(
    run: Clients, logging: LoggingServiceV2Client
):
    own = container("env | sort", env=[{"name": "OWN", "value": "a b"}])
    execution = run.execute(job(own, execution={"task_count": 2}))
    found = [
        line for line in lines(logging, execution) if not line.startswith(("PWD=", "HOME=", "PATH=", "_="))
    ]
    short = execution.name.rpartition("/")[2]
    for index in range(2):
        assert f"CLOUD_RUN_TASK_INDEX={index}" in found
    assert sorted(set(found)) == sorted(
        [
            "CLOUD_RUN_JOB=job-1",
            f"CLOUD_RUN_EXECUTION={short}",
            "CLOUD_RUN_TASK_ATTEMPT=0",
            "CLOUD_RUN_TASK_COUNT=2",
            "CLOUD_RUN_TASK_INDEX=0",
            "CLOUD_RUN_TASK_INDEX=1",
            "LANG=C.UTF-8",
            "OWN=a b",
            *(line for line in found if line.startswith("SHLVL=")),
        ]
    )


@pytest.mark.parametrize("reference", ["token", "projects/p/secrets/token"])
def test_a_secret_is_a_variable_of_the_container(
    run: Clients, logging: LoggingServiceV2Client, reference: str
):
    source = {"secret_key_ref": {"secret": reference, "version": "latest"}}
    own = container('echo "$TOKEN" | wc -c', env=[{"name": "TOKEN", "value_source": source}])
    assert lines(logging, run.execute(job(own))) == ["13"]


def test_a_secret_that_is_not_there_fails_the_task_at_once(run: Clients):
    source = {"secret_key_ref": {"secret": "missing", "version": "7"}}
    own = container(env=[{"name": "TOKEN", "value_source": source}])
    execution = run.execute(job(own, max_retries=3))
    message = condition(execution, "Completed").message
    assert "projects/p/secrets/missing/versions/7" in message
    assert execution.retried_count == 0


def test_containers_without_a_command_run_their_image_which_does_nothing_here(run: Clients):
    assert run.execute(job({"image": "busybox"})).succeeded_count == 1


def test_images_are_recorded(cloud: LocalCloud, run: Clients):
    execution = run.execute(job(container(image="gcr.io/p/one:1")))
    assert cloud.admin.job(execution.uid)["images"] == ["gcr.io/p/one:1"]


def test_a_helper_is_started_before_and_ended_after_those_that_depend_on_it(
    run: Clients, logging: LoggingServiceV2Client
):
    helper = container("echo up; exec sleep 60", name="helper")
    main = container("sleep 0.3; echo done", name="main", depends_on=["helper"])
    execution = run.execute(job(main, helper))
    assert execution.succeeded_count == 1
    found = [(entry.labels["container_name"], entry.text_payload) for entry in entries(logging, execution)]
    assert found[:2] == [("helper", "up"), ("main", "done")]
    assert ("main", "Container called exit(0).") in found


def test_containers_that_nobody_depends_on_all_run_to_their_end(
    run: Clients, logging: LoggingServiceV2Client
):
    execution = run.execute(job(container("echo a", name="a"), container("sleep 0.2; echo b", name="b")))
    assert sorted(lines(logging, execution)) == ["a", "b"]


@pytest.mark.parametrize("failing", ["main", "helper"])
def test_a_container_that_fails_fails_the_task(run: Clients, failing: str):
    scripts = {"main": "sleep 0.5", "helper": "exec sleep 60", failing: "exit 5"}
    main = container(scripts["main"], name="main", depends_on=["helper"])
    execution = run.execute(job(container(scripts["helper"], name="helper"), main))
    assert execution.failed_count == 1
    (task,) = run.tasks_of(execution)
    assert task.last_attempt_result.exit_code == 5
