from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from tests.backends.cloud_run.emulator.conftest import JOB, PARENT, Clients, container, job, violations

TASKS = "job.template.template"
BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "job.template"),
    ({"template": {}}, TASKS),
    ({"template": {"template": {}}}, f"{TASKS}.containers"),
    (job(*[container(name=f"c{n}") for n in range(11)]), f"{TASKS}.containers"),
    (job(container(image="")), f"{TASKS}.containers[0].image"),
    (job(container(image="Not An Image")), f"{TASKS}.containers[0].image"),
    (job(container(name="Upper")), f"{TASKS}.containers[0].name"),
    (job(container(), container()), f"{TASKS}.containers"),
    (job(container(name="a"), container(name="a")), f"{TASKS}.containers"),
    (job(container(name="a", depends_on=["b"])), f"{TASKS}.containers[0].depends_on"),
    (
        job(container(name="a", depends_on=["b"]), container(name="b", depends_on=["a"])),
        f"{TASKS}.containers",
    ),
    (job("true", execution={"task_count": 10_001}), "job.template.task_count"),
    (job("true", execution={"task_count": -1}), "job.template.task_count"),
    (job("true", execution={"parallelism": -1}), "job.template.parallelism"),
    (job("true", max_retries=11), f"{TASKS}.max_retries"),
    (job("true", timeout="604801s"), f"{TASKS}.timeout"),
    (job("true", timeout="0s"), f"{TASKS}.timeout"),
    (job(container(env=[{"name": "", "value": "x"}])), f"{TASKS}.containers[0].env[0].name"),
    (job(container(env=[{"name": "A=B", "value": "x"}])), f"{TASKS}.containers[0].env[0].name"),
    (job(container(env=[{"name": "A"}, {"name": "A"}])), f"{TASKS}.containers[0].env[1].name"),
    (job(container(env=[{"name": "CLOUD_RUN_TASK_INDEX"}])), f"{TASKS}.containers[0].env[0].name"),
    (
        job(container(env=[{"name": "A", "value": "x" * 32_769}])),
        f"{TASKS}.containers[0].env[0].value",
    ),
    (
        job(container(env=[{"name": "A", "value_source": {"secret_key_ref": {}}}])),
        f"{TASKS}.containers[0].env[0].value_source.secret_key_ref.secret",
    ),
    (
        job(container(resources={"limits": {"cpu": "3"}})),
        f"{TASKS}.containers[0].resources.limits.cpu",
    ),
    (
        job(container(resources={"limits": {"cpu": "4", "memory": "1Gi"}})),
        f"{TASKS}.containers[0].resources.limits.memory",
    ),
    (
        job(container(resources={"limits": {"memory": "64Gi"}})),
        f"{TASKS}.containers[0].resources.limits.memory",
    ),
    (
        job(container(resources={"limits": {"cpu": "1", "memory": "8Gi"}})),
        f"{TASKS}.containers[0].resources.limits.memory",
    ),
    (
        job(container(resources={"limits": {"disk": "1Gi"}})),
        f"{TASKS}.containers[0].resources.limits.disk",
    ),
    (
        job(container(volume_mounts=[{"name": "v", "mount_path": "/v"}])),
        f"{TASKS}.containers[0].volume_mounts[0].name",
    ),
    ({**job("true"), "labels": {"run.googleapis.com/x": "y"}}, "job.labels"),
    ({**job("true"), "labels": {"Upper": "y"}}, "job.labels"),
    ({**job("true"), "labels": {f"l{n}": "" for n in range(65)}}, "job.labels"),
    ({**job("true"), "annotations": {"serving.knative.dev/x": "y"}}, "job.annotations"),
    (job("true", execution={"labels": {"a": "Upper"}}), "job.template.labels"),
    ({**job("true"), "name": JOB}, "job.name"),
    (
        {**job("true"), "start_execution_token": "x" * 58},
        "job.start_execution_token or run_execution_token",
    ),
]


@pytest.mark.parametrize(("wrong", "field"), BAD, ids=[f"{n}: {field}" for n, (_, field) in enumerate(BAD)])
def test_a_job_that_cannot_be_is_refused_by_field(either: Clients, wrong: dict[str, Any], field: str):
    with pytest.raises(exceptions.BadRequest) as caught:
        either.create(wrong)
    assert f"Violation in CreateJobRequest.{field}: " in caught.value.message
    assert violations(caught.value) == [f"CreateJobRequest.{field}"]
    assert list(either.jobs.list_jobs(parent=PARENT)) == []


@pytest.mark.parametrize("job_id", ["", "Upper", "under_score", "1st", "end-", "x" * 64])
def test_a_name_that_cannot_be_is_refused(either: Clients, job_id: str):
    with pytest.raises((exceptions.BadRequest, exceptions.MethodNotAllowed, exceptions.NotFound)) as caught:
        either.create(job("true"), job_id)
    assert "Maximum length is 63 characters" in caught.value.message


def test_a_value_is_never_repeated_in_an_error(either: Clients):
    wrong = job(container(env=[{"name": "TOKEN", "value": "hush" * 10_000}]))
    with pytest.raises(exceptions.BadRequest) as caught:
        either.create(wrong)
    assert "hush" not in str(caught.value)


def test_an_update_is_validated_as_a_create_is(either: Clients):
    either.create(job("true"))
    with pytest.raises(exceptions.BadRequest, match=r"Violation in UpdateJobRequest\.job\.template"):
        either.jobs.update_job(job=run_v2.Job(job("true", timeout="0s"), name=JOB))


def test_the_largest_and_the_longest_are_allowed(run: Clients):
    tasks = {"max_retries": 10, "timeout": "604800s"}
    created = run.create(job("true", execution={"task_count": 10_000}, **tasks), "x" * 63)
    assert created.template.task_count == 10_000


def test_a_region_that_is_not_there_cannot_be_told_from_a_closed_one(either: Clients):
    with pytest.raises(exceptions.Forbidden, match="Location nowhere1 is not found or access is"):
        either.jobs.get_job(name="projects/p/locations/nowhere1/jobs/j")


def test_a_name_of_another_form_is_refused(run: Clients):
    with pytest.raises(exceptions.BadRequest, match="Invalid resource field value"):
        run.jobs.get_job(name="job-1")
