"""The ``gcloud`` command against the local cloud: nobody here wrote that client."""

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
PLACE = ("--location", "us-central1")


@pytest.fixture
def gcloud(cloud: LocalCloud, tmp_path: Path) -> Gcloud:
    """Runs gcloud and returns what it printed as JSON, or the whole result with ``fails=True``."""
    command = shutil.which("gcloud")
    if command is None:
        service_is_absent("gcloud is not installed")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "1",
        "CLOUDSDK_CORE_PROJECT": "p",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_BATCH": f"{cloud.http}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": f"{cloud.http}/",
    }

    def call(*arguments: str, fails: bool = False) -> Any:
        done = subprocess.run(
            [command, *arguments, "--format", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done if fails else json.loads(done.stdout or "null")

    return call


@pytest.fixture
def config(tmp_path: Path) -> str:
    spec = {"runnables": [{"script": {"text": "echo from gcloud $BATCH_TASK_INDEX"}}]}
    job = {"taskGroups": [{"taskCount": 2, "taskSpec": spec}], "logsPolicy": {"destination": "CLOUD_LOGGING"}}
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    return str(path)


def test_a_job_is_submitted_described_listed_and_deleted(gcloud: Gcloud, config: str):
    job = gcloud("batch", "jobs", "submit", "job-1", *PLACE, "--config", config)
    assert job["status"]["state"] == "QUEUED"
    while (told := gcloud("batch", "jobs", "describe", "job-1", *PLACE))["status"]["state"] != "SUCCEEDED":
        assert told["status"]["state"] in ("QUEUED", "SCHEDULED", "RUNNING")
    assert told["status"]["taskGroups"]["group0"]["counts"] == {"SUCCEEDED": "2"}
    assert [found["name"] for found in gcloud("batch", "jobs", "list", *PLACE)] == [job["name"]]
    assert [found["name"] for found in gcloud("batch", "jobs", "list")] == [job["name"]]
    gcloud("batch", "jobs", "delete", "job-1", *PLACE, "--quiet")
    refused = gcloud("batch", "jobs", "describe", "job-1", *PLACE, fails=True)
    assert "was not found" in refused.stderr


def test_a_job_is_submitted_from_flags(gcloud: Gcloud):
    flags = ("--container-image-uri", "busybox", "--container-commands-file", "/dev/null")
    job = gcloud("batch", "jobs", "submit", "job-1", *PLACE, *flags)
    assert job["taskGroups"][0]["taskSpec"]["runnables"][0]["container"]["imageUri"] == "busybox"


def test_tasks_are_listed_and_described(gcloud: Gcloud, config: str):
    gcloud("batch", "jobs", "submit", "job-1", *PLACE, "--config", config)
    listed = gcloud("batch", "tasks", "list", "--job", "job-1", *PLACE)
    assert [task["name"].rpartition("/")[2] for task in listed] == ["0", "1"]
    told = gcloud("batch", "tasks", "describe", "1", "--task_group", "group0", "--job", "job-1", *PLACE)
    assert told["name"].endswith("/taskGroups/group0/tasks/1")


def test_a_job_is_cancelled(gcloud: Gcloud, tmp_path: Path):
    path = tmp_path / "long.json"
    path.write_text(
        json.dumps({"taskGroups": [{"taskSpec": {"runnables": [{"script": {"text": "sleep 60"}}]}}]})
    )
    gcloud("batch", "jobs", "submit", "job-1", *PLACE, "--config", str(path))
    gcloud("batch", "jobs", "cancel", "job-1", *PLACE, "--quiet")
    while (state := gcloud("batch", "jobs", "describe", "job-1", *PLACE)["status"]["state"]) != "CANCELLED":
        assert state == "CANCELLATION_IN_PROGRESS"


def test_logs_are_read_with_a_filter(gcloud: Gcloud, config: str):
    job = gcloud("batch", "jobs", "submit", "job-1", *PLACE, "--config", config)
    query = f'logName="projects/p/logs/batch_task_logs" AND labels.job_uid="{job["uid"]}" AND severity>=INFO'
    while len(found := gcloud("logging", "read", query, "--order", "asc", "--limit", "10")) < 2:
        pass
    assert sorted(entry["textPayload"] for entry in found) == ["from gcloud 0", "from gcloud 1"]
    assert gcloud("logging", "read", query, "--freshness", "1h", "--limit", "1")


def test_mistakes_are_told_as_the_service_tells_them(gcloud: Gcloud, config: str):
    said = gcloud("batch", "jobs", "submit", "Job", *PLACE, "--config", config, fails=True).stderr
    assert "must match the pattern" in said
    nowhere = ("--location", "us-nowhere1")
    said = gcloud("batch", "jobs", "submit", "job-1", *nowhere, "--config", config, fails=True).stderr
    assert "Location us-nowhere1 is not found or access is unauthorized." in said
    said = gcloud("logging", "read", "((", fails=True).stderr
    assert "Unparseable filter" in said
