from __future__ import annotations

import uuid
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.gcp_batch.emulator.conftest import PARENT, run, script, spec, submit, tasks, until


def test_a_new_job_is_queued_and_carries_what_the_service_fills_in(either: batch_v1.BatchServiceClient):
    job = submit(either, spec("true", group={"task_count": 3}))
    assert job.name == f"{PARENT}/jobs/job-1"
    assert job.uid.startswith("job-1-")
    assert job.status.state.name == "QUEUED"
    assert not job.status.status_events
    assert job.create_time == job.update_time
    group = job.task_groups[0]
    assert group.name.endswith("/locations/us-central1/jobs/job-1/taskGroups/group0")
    assert group.name.split("/")[1].isdigit()
    assert (group.task_count, group.parallelism) == (3, 3)
    assert group.task_spec.compute_resource.cpu_milli == 2000
    assert group.task_spec.compute_resource.memory_mib == 2000
    policy = job.allocation_policy
    assert policy.location.allowed_locations[:2] == ["regions/us-central1", "zones/us-central1-a"]
    assert policy.labels["batch-job-id"] == "job-1"
    assert policy.service_account.email.endswith("-compute@developer.gserviceaccount.com")
    assert policy.instances[0].policy.provisioning_model.name == "STANDARD"


def test_a_job_goes_through_the_service_s_states_and_tells_each_in_the_service_s_words(
    either: batch_v1.BatchServiceClient,
):
    job = run(either, spec("true", group={"task_count": 2}))
    number = job.task_groups[0].name.split("/")[1]
    name = f"projects/{number}/locations/us-central1/jobs/job-1"
    told = [(event.type_, event.description) for event in job.status.status_events]
    steps = [("QUEUED", "SCHEDULED"), ("SCHEDULED", "RUNNING"), ("RUNNING", "SUCCEEDED")]
    assert told == [
        ("STATUS_CHANGED", f"Job state is set from {before} to {after} for job {name}.")
        for before, after in steps
    ]
    times = [event.event_time for event in job.status.status_events]
    assert sorted(times) == times
    assert job.update_time >= times[-1]
    assert job.status.run_duration.total_seconds() > 0
    status = job.status.task_groups["group0"]
    assert dict(status.counts) == {"SUCCEEDED": 2}
    assert status.instances[0].machine_type


def test_tasks_tell_their_states_with_times_and_the_exit_code_of_a_failure(
    either: batch_v1.BatchServiceClient,
):
    job = run(either, spec("exit $BATCH_TASK_INDEX", group={"task_count": 2}))
    assert job.status.state.name == "FAILED"
    good, bad = tasks(either, job)
    assert [event.task_state.name for event in good.status.status_events] == [
        "ASSIGNED",
        "RUNNING",
        "SUCCEEDED",
    ]
    assert [event.task_state.name for event in bad.status.status_events] == ["ASSIGNED", "RUNNING", "FAILED"]
    last = bad.status.status_events[-1]
    assert last.task_execution.exit_code == 1
    assert last.type_ == "STATUS_CHANGED"
    assert last.description.startswith("Task state is updated from RUNNING to FAILED on zones/us-central1-")
    assert last.description.endswith(" with exit code 1.")
    described = job.status.status_events[-1].description
    assert "Job failed due to task failure. Specifically, task with index 1 failed due to" in described
    assert described.endswith(f'the following task event: "{last.description}"')
    assert either.get_task(name=bad.name) == bad
    by_id = f"{job.name}/taskGroups/group0/tasks/1"
    assert either.get_task(name=by_id) == bad


def test_states_are_seen_while_the_job_waits_and_runs(cloud: LocalCloud, either: batch_v1.BatchServiceClient):
    rule = cloud.admin.hold("scheduled")
    job = submit(either, spec("sleep 60", group={"task_count": 2, "parallelism": 1}))
    assert either.get_job(name=job.name).status.state.name == "QUEUED"
    assert tasks(either, job) == []
    cloud.admin.release(rule)
    running = until(either, job.name, "RUNNING")
    assert dict(running.status.task_groups["group0"].counts) == {"RUNNING": 1, "PENDING": 1}


def test_the_same_id_twice_is_refused_unless_the_request_id_is_the_same(either: batch_v1.BatchServiceClient):
    request = batch_v1.CreateJobRequest(
        parent=PARENT, job_id="job-1", job=batch_v1.Job(spec("true")), request_id=str(uuid.uuid4())
    )
    first = either.create_job(request)
    assert either.create_job(request).uid == first.uid
    request.request_id = str(uuid.uuid4())
    with pytest.raises(exceptions.Conflict, match=r'Resource "projects/p/.*/jobs/job-1" already exists'):
        either.create_job(request)
    request.request_id = ""
    with pytest.raises(exceptions.Conflict):
        either.create_job(request)
    assert len(list(either.list_jobs(parent=PARENT))) == 1


def test_a_job_without_an_id_is_given_one(either: batch_v1.BatchServiceClient):
    names = {submit(either, spec("true"), "").name for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith(f"{PARENT}/jobs/j-") for name in names)


def test_a_project_is_the_same_by_id_and_by_number(either: batch_v1.BatchServiceClient):
    job = submit(either, spec("true"))
    numbered = job.task_groups[0].name.partition("/taskGroups")[0]
    assert either.get_job(name=numbered).uid == job.uid
    assert either.get_job(name=numbered).name == job.name


SECRET_JOB = spec(script("true"))
BAD_JOBS: dict[str, tuple[dict[str, Any], str]] = {
    "no task group": ({}, "task_groups"),
    "two task groups": ({"task_groups": [*SECRET_JOB["task_groups"]] * 2}, "task_groups"),
    "no runnable": (spec(), "runnables"),
    "an empty runnable": (spec({}), "runnables[0]"),
    "an empty script": (spec({"script": {}}), "runnables[0].script"),
    "an image with spaces": (spec({"container": {"image_uri": "my image"}}), "image_uri"),
    "no image": (spec({"container": {"image_uri": ""}}), "image_uri"),
    "an image in capitals": (spec({"container": {"image_uri": "BusyBox"}}), "image_uri"),
    "a negative number of tasks": (spec("true", group={"task_count": -1}), "task_count"),
    "too many tasks": (spec("true", group={"task_count": 100_001}), "task_count"),
    "negative parallelism": (spec("true", group={"parallelism": -1}), "parallelism"),
    "in order and parallel": (
        spec("true", group={"parallelism": 2, "scheduling_policy": "IN_ORDER"}),
        "parallelism",
    ),
    "environments that do not fit the count": (
        spec("true", group={"task_count": 3, "task_environments": [{}, {}]}),
        "task_count",
    ),
    "too many environments": (spec("true", group={"task_environments": [{}] * 201}), "task_environments"),
    "a negative time limit": (spec("true", max_run_duration="-1s"), "max_run_duration"),
    "a negative timeout": (spec(script("true", timeout="-0.5s")), "runnables[0].timeout"),
    "too many retries": (spec("true", max_retry_count=11), "max_retry_count"),
    "negative retries": (spec("true", max_retry_count=-1), "max_retry_count"),
    "negative memory": (spec("true", compute_resource={"memory_mib": -1}), "memory_mib"),
    "two lifecycle policies": (
        spec(
            "true", lifecycle_policies=[{"action": "RETRY_TASK", "action_condition": {"exit_codes": [1]}}] * 2
        ),
        "lifecycle_policies",
    ),
    "a priority out of range": (spec("true", job={"priority": 100}), "priority"),
    "a reserved label": (spec("true", job={"labels": {"goog-x": "y"}}), "labels"),
    "a label in capitals": (spec("true", job={"labels": {"Team": "y"}}), "labels"),
    "a variable with an equals sign": (
        spec(script("true", environment={"variables": {"A=B": "c"}})),
        "environment.variables",
    ),
    "a place in another region": (
        spec("true", job={"allocation_policy": {"location": {"allowed_locations": ["regions/us-west1"]}}}),
        "allowed_locations",
    ),
    "a log path that is not given": (spec("true", job={"logs_policy": {"destination": "PATH"}}), "logs_path"),
}


@pytest.mark.parametrize(("job", "field"), BAD_JOBS.values(), ids=BAD_JOBS.keys())
def test_a_job_that_cannot_be_is_refused_and_leaves_nothing(
    either: batch_v1.BatchServiceClient, job: dict[str, Any], field: str
):
    with pytest.raises(exceptions.BadRequest) as caught:
        submit(either, job)
    assert f"{field} field is invalid." in caught.value.message
    assert list(either.list_jobs(parent=PARENT)) == []


@pytest.mark.parametrize("job_id", ["Job", "1job", "job-", "-job", "job_1", "a" * 64, "jöb", "job 1"])
def test_an_id_that_breaks_the_pattern_is_refused(either: batch_v1.BatchServiceClient, job_id: str):
    with pytest.raises(exceptions.BadRequest, match=r"must match the pattern \^\[a-z\]"):
        submit(either, spec("true"), job_id)


@pytest.mark.parametrize("job_id", ["a", "a" * 63, "a-b", "a1"])
def test_an_id_that_keeps_it_is_taken(either: batch_v1.BatchServiceClient, job_id: str):
    assert submit(either, spec("true"), job_id).name.endswith(f"/jobs/{job_id}")


@pytest.mark.parametrize("request_id", ["not-a-uuid", "00000000-0000-0000-0000-000000000000"])
def test_a_request_id_that_is_no_uuid_is_refused(either: batch_v1.BatchServiceClient, request_id: str):
    request = batch_v1.CreateJobRequest(parent=PARENT, job=batch_v1.Job(spec("true")), request_id=request_id)
    with pytest.raises(exceptions.BadRequest, match="request_id field is invalid"):
        either.create_job(request)


GOOD_IMAGES = [
    "busybox",
    "busybox:1.36",
    "europe-docker.pkg.dev/p/r/resize:3",
    "gcr.io/p/image@sha256:" + "0" * 64,
    "localhost:5000/a/b_c/d-e:tag.1",
    "registry.example.com/team/app",
]


@pytest.mark.parametrize("image", GOOD_IMAGES)
def test_an_image_is_recorded(cloud: LocalCloud, batch: batch_v1.BatchServiceClient, image: str):
    submit(batch, spec({"container": {"image_uri": image, "commands": ["true"]}}))
    assert cloud.admin.jobs()[0]["images"] == [image]


def test_a_location_that_does_not_exist_is_answered_like_one_that_is_closed(
    either: batch_v1.BatchServiceClient,
):
    with pytest.raises(exceptions.Forbidden) as caught:
        either.create_job(
            parent="projects/p/locations/us-nowhere1", job=batch_v1.Job(spec("true")), job_id="a"
        )
    assert "Location us-nowhere1 is not found or access is unauthorized." in caught.value.message
    assert caught.value.reason == "LOCATION_POLICY_VIOLATED"


def test_what_is_not_there_is_not_found(either: batch_v1.BatchServiceClient):
    job = submit(either, spec("true"))
    missing = [
        lambda: either.get_job(name=f"{PARENT}/jobs/nope"),
        lambda: either.delete_job(name=f"{PARENT}/jobs/nope"),
        lambda: either.cancel_job(name=f"{PARENT}/jobs/nope"),
        lambda: either.get_task(name=f"{job.name}/taskGroups/group0/tasks/1"),
        lambda: either.get_task(name=f"{job.name}/taskGroups/group1/tasks/0"),
        lambda: list(either.list_tasks(parent=f"{PARENT}/jobs/nope/taskGroups/group0")),
        lambda: either.get_job(name="projects/p/locations/us-east1/jobs/job-1"),
        lambda: either.get_job(name="projects/q/locations/us-central1/jobs/job-1"),
    ]
    for ask in missing:
        with pytest.raises(exceptions.NotFound, match="was not found"):
            ask()


def test_a_job_is_created_in_one_place_not_in_every(either: batch_v1.BatchServiceClient):
    with pytest.raises(exceptions.Forbidden, match="Location - is not found"):
        either.create_job(parent="projects/p/locations/-", job=batch_v1.Job(spec("true")))


def test_a_name_that_is_none_is_refused(batch: batch_v1.BatchServiceClient):
    for ask in (
        lambda: batch.get_job(name="nonsense"),
        lambda: batch.create_job(parent="projects/p", job=batch_v1.Job(spec("true"))),
    ):
        with pytest.raises(exceptions.BadRequest, match="Invalid resource field value"):
            ask()
