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
CONTAINER = {"image": "busybox", "command": ["sh", "-c"], "args": ["echo hi"]}
JOB = {"template": {"taskCount": 2, "template": {"containers": [CONTAINER], "maxRetries": 0}}}
MANIFEST = {
    "apiVersion": "run.googleapis.com/v1",
    "kind": "Job",
    "metadata": {"name": "job-1", "namespace": "p"},
    "spec": {"template": {"spec": {"taskCount": 2, "template": {"spec": {"containers": [CONTAINER]}}}}},
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
    with api(cloud, "run", "v2") as made:
        yield made.projects().locations()


@pytest.fixture
def namespaces(cloud: LocalCloud) -> Iterator[Any]:
    with api(cloud, "run", "v1") as made:
        yield made.namespaces()


def ended(locations: Any, operation: dict[str, Any]) -> dict[str, Any]:
    while not operation.get("done"):
        operation = locations.operations().get(name=operation["name"]).execute()
    return operation


def completed(namespaces: Any, name: str) -> dict[str, Any]:
    """The execution at its end, in version 1."""
    while "completionTime" not in (found := namespaces.executions().get(name=name).execute())["status"]:
        pass
    return found


def test_every_method_of_version_2_answers(locations: Any):
    jobs = locations.jobs()
    executions = jobs.executions()
    job = ended(locations, jobs.create(parent=PARENT, jobId="job-1", body=JOB).execute())["response"]
    assert job.pop("@type") == "type.googleapis.com/google.cloud.run.v2.Job"
    assert jobs.get(name=job["name"]).execute() == job
    assert jobs.list(parent=PARENT, pageSize=10).execute()["jobs"] == [job]
    changed = ended(locations, jobs.patch(name=job["name"], body={**JOB, "labels": {"a": "b"}}).execute())
    assert (changed["response"]["labels"], changed["response"]["generation"]) == ({"a": "b"}, "2")
    body = {"overrides": {"taskCount": 3, "timeout": "60s"}}
    execution = ended(locations, jobs.run(name=job["name"], body=body).execute())["response"]
    assert (execution["taskCount"], execution["succeededCount"]) == (3, 3)
    assert executions.get(name=execution["name"]).execute()["uid"] == execution["uid"]
    assert len(executions.list(parent=job["name"]).execute()["executions"]) == 1
    listed = executions.tasks().list(parent=execution["name"]).execute()["tasks"]
    assert [task.get("index", 0) for task in listed] == [0, 1, 2]
    assert executions.tasks().get(name=listed[2]["name"]).execute() == listed[2]
    ended(locations, executions.delete(name=execution["name"]).execute())
    deleted = ended(locations, jobs.delete(name=job["name"]).execute())["response"]
    assert deleted["deleteTime"] < deleted["expireTime"]
    assert jobs.list(parent=PARENT).execute() == {}
    assert locations.operations().list(name=PARENT).execute()["operations"]


def test_a_running_execution_is_cancelled(locations: Any):
    jobs = locations.jobs()
    long = {"template": {"template": {"containers": [{**CONTAINER, "args": ["sleep 60"]}]}}}
    ended(locations, jobs.create(parent=PARENT, jobId="job-1", body=long).execute())
    operation = jobs.run(name=f"{PARENT}/jobs/job-1", body={}).execute()
    name = operation["metadata"]["name"]
    cancelled = ended(locations, jobs.executions().cancel(name=name, body={}).execute())["response"]
    assert cancelled["cancelledCount"] == 1
    assert "error" not in ended(locations, operation)


def test_the_operation_of_a_failure_has_the_form_of_the_service(locations: Any):
    failing = {"template": {"template": {"containers": [{**CONTAINER, "args": ["exit 4"]}], "maxRetries": 0}}}
    jobs = locations.jobs()
    ended(locations, jobs.create(parent=PARENT, jobId="job-1", body=failing).execute())
    operation = ended(locations, jobs.run(name=f"{PARENT}/jobs/job-1", body={}).execute())
    assert operation["error"]["code"] == 10
    assert operation["metadata"]["failedCount"] == 1
    assert "response" not in operation


def test_an_unknown_field_is_refused_by_name(locations: Any, namespaces: Any):
    with pytest.raises(HttpError) as caught:
        locations.jobs().create(parent=PARENT, jobId="job-1", body={"templat": {}}).execute()
    assert 'Unknown name "templat"' in caught.value.reason
    wrong = {**MANIFEST, "spec": {"templat": {}}}
    with pytest.raises(HttpError) as caught:
        namespaces.jobs().create(parent="namespaces/p", body=wrong).execute()
    assert """Unknown name "templat" at 'spec': Cannot find field.""" in caught.value.reason


def test_every_method_of_version_1_answers(namespaces: Any):
    jobs, executions, tasks = namespaces.jobs(), namespaces.executions(), namespaces.tasks()
    created = jobs.create(parent="namespaces/p", body=MANIFEST).execute()
    assert created["spec"]["template"]["spec"]["template"]["spec"]["timeoutSeconds"] == "600"
    job = jobs.get(name="namespaces/p/jobs/job-1").execute()
    assert job["status"]["conditions"][0]["status"] == "True"
    assert jobs.list(parent="namespaces/p").execute()["items"] == [job]
    job["spec"]["template"]["spec"]["taskCount"] = 1
    assert jobs.replaceJob(name="namespaces/p/jobs/job-1", body=job).execute()["metadata"]["generation"] == 2
    body = {"overrides": {"taskCount": 2, "timeoutSeconds": 60}}
    name = jobs.run(name="namespaces/p/jobs/job-1", body=body).execute()["metadata"]["name"]
    while (
        "completionTime"
        not in (found := executions.get(name=f"namespaces/p/executions/{name}").execute())["status"]
    ):
        pass
    assert found["status"]["succeededCount"] == 2
    assert found["spec"]["template"]["spec"]["timeoutSeconds"] == "60"
    selector = "run.googleapis.com/job=job-1"
    listed = executions.list(parent="namespaces/p", labelSelector=selector).execute()["items"]
    assert [item["metadata"]["name"] for item in listed] == [name]
    selector = f"run.googleapis.com/execution={name},run.googleapis.com/runningState in (Succeeded)"
    first = tasks.list(parent="namespaces/p", labelSelector=selector, limit=1).execute()
    following = first["metadata"]["continue"]
    second = tasks.list(
        parent="namespaces/p", labelSelector=selector, limit=1, **{"continue": following}
    ).execute()
    assert [page["items"][0]["status"]["index"] for page in (first, second)] == [0, 1]
    task = tasks.get(name=f"namespaces/p/tasks/{name}-task1").execute()
    assert task["status"]["lastAttemptResult"] == {"status": {}}
    assert executions.delete(name=f"namespaces/p/executions/{name}").execute() == {"status": "Success"}
    assert jobs.delete(name="namespaces/p/jobs/job-1").execute() == {"status": "Success"}
    assert jobs.list(parent="namespaces/p").execute()["items"] == []


def test_what_one_version_created_the_other_shows(locations: Any, namespaces: Any):
    rich = {
        **CONTAINER,
        "name": "main",
        "dependsOn": ["side"],
        "env": [{"name": "S", "valueSource": {"secretKeyRef": {"secret": "token"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    tasks = {
        "containers": [rich, {**CONTAINER, "name": "side"}],
        "volumes": [{"name": "v", "secret": {"secret": "token", "items": [{"path": "t", "version": "1"}]}}],
        "maxRetries": 2,
        "timeout": "90s",
    }
    body = {"template": {"template": tasks}, "labels": {"team": "a"}}
    created = ended(locations, locations.jobs().create(parent=PARENT, jobId="job-1", body=body).execute())
    shown = namespaces.jobs().get(name="namespaces/p/jobs/job-1").execute()
    template = shown["spec"]["template"]
    assert template["metadata"]["annotations"]["run.googleapis.com/container-dependencies"] == (
        '{"main": ["side"]}'
    )
    assert template["spec"]["template"]["spec"]["volumes"] == [
        {"name": "v", "secret": {"secretName": "token", "items": [{"key": "1", "path": "t"}]}}
    ]
    namespaces.jobs().replaceJob(name="namespaces/p/jobs/job-1", body=shown).execute()
    after = locations.jobs().get(name=f"{PARENT}/jobs/job-1").execute()
    assert after["template"] == created["response"]["template"]
    assert after["labels"] == {"team": "a"}
    assert after["generation"] == "1"


def test_an_older_version_of_a_job_is_not_written_over_a_newer(namespaces: Any):
    created = namespaces.jobs().create(parent="namespaces/p", body=MANIFEST).execute()
    created["spec"]["template"]["spec"]["taskCount"] = 3
    namespaces.jobs().replaceJob(name="namespaces/p/jobs/job-1", body=created).execute()
    with pytest.raises(HttpError) as caught:
        namespaces.jobs().replaceJob(name="namespaces/p/jobs/job-1", body=created).execute()
    assert caught.value.status_code == 409
    assert "was specified but current version is" in caught.value.reason


def test_version_1_tells_of_a_wrong_field_by_its_own_path(namespaces: Any):
    wrong = {**MANIFEST, "metadata": {"name": "Wrong_Name"}}
    with pytest.raises(HttpError) as caught:
        namespaces.jobs().create(parent="namespaces/p", body=wrong).execute()
    assert caught.value.error_details[0]["fieldViolations"][0]["field"] == "metadata.name"
    spec = {"containers": [{"image": ""}], "timeoutSeconds": "60"}
    wrong = {**MANIFEST, "spec": {"template": {"spec": {"template": {"spec": spec}}}}}
    with pytest.raises(HttpError) as caught:
        namespaces.jobs().create(parent="namespaces/p", body=wrong).execute()
    field = "spec.template.spec.template.spec.containers[0].image"
    assert caught.value.error_details[0]["fieldViolations"][0]["field"] == field


def test_a_missing_resource_is_told_of_in_both_versions(locations: Any, namespaces: Any):
    calls = [
        locations.jobs().get(name=f"{PARENT}/jobs/nope"),
        namespaces.jobs().get(name="namespaces/p/jobs/nope"),
        namespaces.executions().get(name="namespaces/p/executions/nope"),
        namespaces.tasks().get(name="namespaces/p/tasks/nope-task0"),
    ]
    for call in calls:
        with pytest.raises(HttpError) as caught:
            call.execute()
        assert caught.value.status_code == 404
        assert b'"status": "NOT_FOUND"' in caught.value.content


def test_a_job_is_only_validated_when_that_is_asked_for(namespaces: Any):
    namespaces.jobs().create(parent="namespaces/p", body=MANIFEST, dryRun="all").execute()
    assert namespaces.jobs().list(parent="namespaces/p").execute()["items"] == []


def test_an_execution_is_cancelled_in_version_1(namespaces: Any):
    spec = {"containers": [{**CONTAINER, "args": ["sleep 60"]}]}
    manifest = {**MANIFEST, "spec": {"template": {"spec": {"template": {"spec": spec}}}}}
    namespaces.jobs().create(parent="namespaces/p", body=manifest).execute()
    name = namespaces.jobs().run(name="namespaces/p/jobs/job-1", body={}).execute()["metadata"]["name"]
    full = f"namespaces/p/executions/{name}"
    namespaces.executions().cancel(name=full, body={}).execute()
    found = completed(namespaces, full)
    first = found["status"]["conditions"][0]
    assert (first["type"], first["status"], first["reason"]) == ("Completed", "False", "Cancelled")
    assert found["status"]["cancelledCount"] == 1
    with pytest.raises(HttpError, match="cannot be cancelled because it is not running"):
        namespaces.executions().cancel(name=full, body={}).execute()


def test_entries_are_listed(cloud: LocalCloud, locations: Any):
    ended(locations, locations.jobs().create(parent=PARENT, jobId="job-1", body=JOB).execute())
    operation = ended(locations, locations.jobs().run(name=f"{PARENT}/jobs/job-1", body={}).execute())
    name = operation["response"]["name"].rpartition("/")[2]
    body = {
        "resourceNames": ["projects/p"],
        "filter": f'labels."run.googleapis.com/execution_name"="{name}" log_id("run.googleapis.com/stdout")',
    }
    with api(cloud, "logging", "v2") as logging:
        found = logging.entries().list(body=body).execute()["entries"]
    assert [entry["textPayload"] for entry in found] == ["hi", "hi"]
