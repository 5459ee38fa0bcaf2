"""google-api-python-client, built from the discovery documents in its package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from airflow_provider_jobs.emulator.process import LocalCloud

PARENT = "projects/p/locations/us-central1"
JOB = {
    "taskGroups": [{"taskCount": "2", "taskSpec": {"runnables": [{"script": {"text": "echo hi"}}]}}],
    "logsPolicy": {"destination": "CLOUD_LOGGING"},
}


@contextlib.contextmanager
def api(cloud: LocalCloud, name: str, version: str) -> Iterator[Any]:
    with discovery.build(
        name,
        version,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": cloud.http},
        static_discovery=True,
        cache_discovery=False,
    ) as made:
        yield made


@pytest.fixture
def locations(cloud: LocalCloud) -> Iterator[Any]:
    with api(cloud, "batch", "v1") as made:
        yield made.projects().locations()


def test_every_method_of_jobs_tasks_and_operations_answers(locations: Any):
    jobs = locations.jobs()
    job = jobs.create(parent=PARENT, jobId="job-1", body=JOB).execute()
    assert job["status"] == {"state": "QUEUED", "runDuration": "0s"}
    while (job := jobs.get(name=job["name"]).execute())["status"]["state"] != "SUCCEEDED":
        pass
    assert jobs.list(parent=PARENT, pageSize=10, orderBy="name").execute()["jobs"][0]["uid"] == job["uid"]
    group = f"{job['name']}/taskGroups/group0"
    listed = jobs.taskGroups().tasks().list(parent=group, filter="State=SUCCEEDED").execute()["tasks"]
    assert len(listed) == 2
    assert jobs.taskGroups().tasks().get(name=f"{group}/tasks/0").execute() == listed[0]
    operation = jobs.delete(name=job["name"], reason="done").execute()
    assert operation["metadata"]["@type"] == "type.googleapis.com/google.cloud.batch.v1.OperationMetadata"
    while not (operation := locations.operations().get(name=operation["name"]).execute()).get("done"):
        pass
    assert operation["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert locations.list(name="projects/p").execute()["locations"]


def test_an_unknown_field_is_refused_by_name(locations: Any):
    body = {"taskGroups": [{"taskSpek": {}}]}
    with pytest.raises(HttpError) as caught:
        locations.jobs().create(parent=PARENT, jobId="job-1", body=body).execute()
    assert caught.value.status_code == 400
    assert 'Unknown name "taskSpek"' in caught.value.reason
    assert "Cannot find field." in caught.value.reason


def test_an_error_has_the_form_of_the_service(locations: Any):
    with pytest.raises(HttpError) as caught:
        locations.jobs().get(name=f"{PARENT}/jobs/nope").execute()
    assert caught.value.status_code == 404
    assert b'"status": "NOT_FOUND"' in caught.value.content


def test_entries_are_listed(cloud: LocalCloud, locations: Any):
    job = locations.jobs().create(parent=PARENT, jobId="job-1", body=JOB).execute()
    body = {
        "resourceNames": ["projects/p"],
        "filter": f'labels.job_uid="{job["uid"]}" log_id("batch_task_logs")',
        "orderBy": "timestamp desc",
        "pageSize": 10,
    }
    with api(cloud, "logging", "v2") as logging:
        while len(found := logging.entries().list(body=body).execute().get("entries", [])) < 2:
            pass
    assert [(entry["textPayload"], entry["severity"]) for entry in found] == [("hi", "INFO")] * 2
