"""The ``gcloud run jobs`` command against the local cloud: nobody here wrote that client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.conftest import service_is_absent

Gcloud = Callable[..., Any]
REGION = ("--region", "us-central1")
ECHO = ("--image", "busybox", "--command", "sh", "--args", "-c,echo $A $CLOUD_RUN_TASK_INDEX")


@pytest.fixture
def gcloud(cloud: LocalCloud, tmp_path: Path) -> Gcloud:
    """Runs gcloud and returns what it printed as JSON, or the whole result with ``fails=True``.

    The command puts the region before the host name of Cloud Run. So the local cloud is its proxy, and the
    host name one that only the proxy needs to know.
    """
    command = shutil.which("gcloud")
    if command is None:
        service_is_absent("gcloud is not installed")
    host, _, port = cloud.http.removeprefix("http://").partition(":")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "1",
        "CLOUDSDK_CORE_PROJECT": "p",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": host,
        "CLOUDSDK_PROXY_PORT": port,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": "http://run.localhost/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE": "http://serviceusage.localhost/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": "http://logging.localhost/",
    }

    def call(*arguments: str, fails: bool = False, text: bool = False) -> Any:
        done = subprocess.run(
            [command, *(() if text else ("--format=json",)), "run", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr
        if fails:
            return done
        return done.stdout if text else json.loads(done.stdout or "null")

    return call


def test_a_job_is_created_executed_described_and_deleted(gcloud: Gcloud):
    flags = ("--tasks", "2", "--set-env-vars", "A=job", "--set-secrets", "S=token:latest")
    job = gcloud("jobs", "create", "job-1", *ECHO, *flags, *REGION)
    assert job["status"]["conditions"][0]["status"] == "True"
    overrides = ("--update-env-vars", "A=run", "--tasks", "3")
    execution = gcloud("jobs", "execute", "job-1", "--wait", *overrides, *REGION)
    assert execution["status"]["succeededCount"] == 3
    name = execution["metadata"]["name"]
    told = gcloud("jobs", "describe", "job-1", *REGION)
    assert told["status"]["latestCreatedExecution"]["name"] == name
    assert [item["metadata"]["name"] for item in gcloud("jobs", "list")] == ["job-1"]
    logs = gcloud("jobs", "logs", "read", "job-1", *REGION, text=True)
    assert sorted(line[20:] for line in logs.splitlines()) == ["run 0", "run 1", "run 2"]
    gcloud("jobs", "delete", "job-1", *REGION)
    assert gcloud("jobs", "list", *REGION) == []
    assert "Cannot find job [job-1]" in gcloud("jobs", "describe", "job-1", *REGION, fails=True).stderr


def test_a_job_is_deployed_and_updated(gcloud: Gcloud):
    gcloud("jobs", "deploy", "job-1", *ECHO, *REGION)
    gcloud("jobs", "deploy", "job-1", *ECHO, "--task-timeout", "5m", *REGION)
    updated = gcloud("jobs", "update", "job-1", "--parallelism", "2", "--labels", "team=a", *REGION)
    assert updated["metadata"]["generation"] == 3
    assert updated["metadata"]["labels"]["team"] == "a"
    spec = updated["spec"]["template"]["spec"]
    assert (spec["parallelism"], spec["template"]["spec"]["timeoutSeconds"]) == (2, "300")


def test_executions_and_tasks_are_listed_described_and_deleted(gcloud: Gcloud):
    gcloud("jobs", "create", "job-1", *ECHO, "--tasks", "2", *REGION)
    name = gcloud("jobs", "execute", "job-1", "--wait", *REGION)["metadata"]["name"]
    listed = gcloud("jobs", "executions", "list", "--job", "job-1", *REGION)
    assert [item["metadata"]["name"] for item in listed] == [name]
    told = gcloud("jobs", "executions", "describe", name, *REGION, text=True)
    assert "2 tasks completed successfully" in told
    tasks = gcloud("jobs", "executions", "tasks", "list", "--execution", name, "--succeeded", *REGION)
    assert [task["status"]["index"] for task in tasks] == [0, 1]
    task = gcloud("jobs", "executions", "tasks", "describe", f"{name}-task1", *REGION)
    assert task["metadata"]["labels"]["run.googleapis.com/runningState"] == "Succeeded"
    gcloud("jobs", "executions", "delete", name, *REGION)
    assert gcloud("jobs", "executions", "list", "--job", "job-1", *REGION) == []


def test_an_execution_is_cancelled(gcloud: Gcloud):
    flags = ("--image", "busybox", "--command", "sleep", "--args", "60", "--execute-now")
    gcloud("jobs", "create", "job-1", *flags, *REGION)
    (execution,) = gcloud("jobs", "executions", "list", *REGION)
    name = execution["metadata"]["name"]
    gcloud("jobs", "executions", "cancel", name, *REGION, text=True)
    while "completionTime" not in (told := gcloud("jobs", "executions", "describe", name, *REGION))["status"]:
        pass
    assert told["status"]["cancelledCount"] == 1
    said = gcloud("jobs", "executions", "cancel", name, *REGION, fails=True).stderr
    assert "cannot be cancelled because it is not running" in said


def test_a_failed_execution_is_told_of(gcloud: Gcloud):
    flags = ("--image", "busybox", "--command", "false", "--max-retries", "0")
    gcloud("jobs", "create", "job-1", *flags, *REGION)
    said = gcloud("jobs", "execute", "job-1", "--wait", *REGION, fails=True).stderr
    assert "The execution failed." in said


def test_mistakes_are_told_as_the_service_tells_them(gcloud: Gcloud):
    gcloud("jobs", "create", "job-1", *ECHO, *REGION)
    assert "already exists" in gcloud("jobs", "create", "job-1", *ECHO, *REGION, fails=True).stderr
    said = gcloud("jobs", "create", "job-2", *ECHO, "--cpu", "3", *REGION, fails=True).stderr
    assert "containers[0].resources.limits.cpu: Invalid value specified for cpu." in said


def test_several_containers_are_created(gcloud: Gcloud):
    main = ("--container", "main", "--image", "busybox", "--command", "true", "--depends-on", "side")
    side = ("--container", "side", "--image", "busybox", "--command", "sleep", "--args", "60")
    job = gcloud("jobs", "create", "job-1", *REGION, *main, *side)
    spec = job["spec"]["template"]["spec"]["template"]["spec"]
    assert [container["name"] for container in spec["containers"]] == ["main", "side"]
    assert gcloud("jobs", "execute", "job-1", "--wait", *REGION)["status"]["succeededCount"] == 1


def test_regions_are_kept_apart(gcloud: Gcloud):
    gcloud("jobs", "create", "job-1", *ECHO, *REGION)
    gcloud("jobs", "create", "job-1", *ECHO, "--region", "europe-west1")
    assert len(gcloud("jobs", "list")) == 2
    assert len(gcloud("jobs", "list", "--region", "europe-west1")) == 1
    gcloud("jobs", "delete", "job-1", "--region", "europe-west1")
    assert gcloud("jobs", "describe", "job-1", *REGION)["metadata"]["name"] == "job-1"
    assert "us-central1" in gcloud("regions", "list", text=True)
