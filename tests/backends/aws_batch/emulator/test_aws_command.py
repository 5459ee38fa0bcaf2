"""The ``aws`` command against the local cloud: nobody here wrote that client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import GROUP, container
from tests.conftest import service_is_absent

Aws = Callable[..., Any]


@pytest.fixture
def aws(cloud: LocalCloud, tmp_path: Path) -> Aws:
    """Runs aws and returns what it printed as JSON, or the whole result with ``fails=True``."""
    command = Path(sys.executable).with_name("aws")
    if not command.exists():
        service_is_absent("the aws command is not installed")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": cloud.http,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }

    def run(*arguments: str, fails: bool = False) -> Any:
        done = subprocess.run(
            [str(command), *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if fails:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


@pytest.fixture
def definition(aws: Aws) -> str:
    script = 'echo "hello from $AWS_BATCH_JOB_ARRAY_INDEX"; exit ${CODE:-0}'
    properties = json.dumps(container(script))
    made = aws(
        "batch", "register-job-definition", "--job-definition-name", "work", "--type", "container",
        "--container-properties", properties,
    )  # fmt: skip
    return f"{made['jobDefinitionName']}:{made['revision']}"


def _submit(aws: Aws, definition: str, *more: str) -> str:
    job = ("--job-name", "job", "--job-queue", "default", "--job-definition", definition)
    return aws("batch", "submit-job", *job, *more)["jobId"]


def _until_ended(aws: Aws, job_id: str) -> dict[str, Any]:
    while True:
        (job,) = aws("batch", "describe-jobs", "--jobs", job_id)["jobs"]
        if job["status"] in ("SUCCEEDED", "FAILED"):
            return job


def test_a_job_is_submitted_described_and_its_log_tailed(aws: Aws, definition: str):
    job = _until_ended(aws, _submit(aws, definition))
    assert job["status"] == "SUCCEEDED"
    stream = job["container"]["logStreamName"]
    found = aws("logs", "get-log-events", "--log-group-name", GROUP, "--log-stream-name", stream)
    assert [event["message"] for event in found["events"]] == ["hello from "]


def test_an_array_is_submitted_and_its_children_are_listed(aws: Aws, definition: str):
    parent = _until_ended(aws, _submit(aws, definition, "--array-properties", "size=2"))
    children = aws("batch", "list-jobs", "--array-job-id", parent["jobId"], "--job-status", "SUCCEEDED")
    assert [child["arrayProperties"]["index"] for child in children["jobSummaryList"]] == [0, 1]
    events = aws("logs", "filter-log-events", "--log-group-name", GROUP)["events"]
    assert sorted(event["message"] for event in events) == ["hello from 0", "hello from 1"]


def test_overrides_retries_and_filters_are_understood(aws: Aws, definition: str):
    overrides = '{"environment": [{"name": "CODE", "value": "3"}]}'
    more = ("--container-overrides", overrides, "--retry-strategy", "attempts=2")
    job = _until_ended(aws, _submit(aws, definition, *more))
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [3, 3]
    listed = aws("batch", "list-jobs", "--job-queue", "default", "--filters", "name=JOB_NAME,values=j*")
    assert [each["jobId"] for each in listed["jobSummaryList"]] == [job["jobId"]]


def test_a_job_is_cancelled_and_terminated(cloud: LocalCloud, aws: Aws, definition: str):
    cloud.admin.hold("assigned")
    waiting = _submit(aws, definition)
    aws("batch", "cancel-job", "--job-id", waiting, "--reason", "by hand")
    assert _until_ended(aws, waiting)["statusReason"] == "by hand"
    other = _submit(aws, definition)
    aws("batch", "terminate-job", "--job-id", other, "--reason", "by hand, too")
    assert _until_ended(aws, other)["statusReason"] == "by hand, too"


def test_queues_definitions_and_environments_are_described(aws: Aws, definition: str):
    queues = aws("batch", "describe-job-queues")["jobQueues"]
    assert {queue["jobQueueName"] for queue in queues} == {"default", "spot", "fargate", "fargate-spot"}
    assert len(aws("batch", "describe-compute-environments")["computeEnvironments"]) == 4
    found = aws("batch", "describe-job-definitions", "--status", "ACTIVE")["jobDefinitions"]
    assert [f"{each['jobDefinitionName']}:{each['revision']}" for each in found] == [definition]
    aws("batch", "deregister-job-definition", "--job-definition", definition)
    assert aws("batch", "describe-job-definitions", "--status", "ACTIVE")["jobDefinitions"] == []


def test_tags_are_written_and_read(aws: Aws, definition: str):
    arn = f"arn:aws:batch:eu-west-1:123456789012:job-definition/{definition}"
    aws("batch", "tag-resource", "--resource-arn", arn, "--tags", "team=a")
    assert aws("batch", "list-tags-for-resource", "--resource-arn", arn) == {"tags": {"team": "a"}}


def test_groups_and_streams_are_listed(aws: Aws, definition: str):
    _until_ended(aws, _submit(aws, definition))
    assert [group["logGroupName"] for group in aws("logs", "describe-log-groups")["logGroups"]] == [GROUP]
    assert len(aws("logs", "describe-log-streams", "--log-group-name", GROUP)["logStreams"]) == 1


def test_an_error_is_shown_as_from_the_service(aws: Aws):
    done = aws(
        "batch", "submit-job", "--job-name", "x", "--job-queue", "gone", "--job-definition", "d", fails=True
    )
    assert done.returncode != 0
    assert "(ClientException) when calling the SubmitJob operation: JobQueue gone not found." in done.stderr


def test_the_caller_is_told_who_it_is(aws: Aws):
    assert aws("sts", "get-caller-identity")["Account"] == "123456789012"
