"""The same requests to moto's server and to the local cloud, where moto answers as the service does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    GROUP,
    Client,
    client,
    container,
    make_queue,
    run,
    until,
)
from tests.moto_server import moto_server

ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Moto's server, in which jobs end at once without a container."""
    with moto_server(tmp_path_factory.mktemp("moto")) as address:
        yield SimpleNamespace(http=address)


@pytest.fixture
def both(cloud: LocalCloud, moto: Any) -> list[Client]:
    """A client of each, with a queue ``small``."""
    role = client(moto, "iam").create_role(
        RoleName=f"batch-{time.monotonic_ns()}", AssumeRolePolicyDocument="{}"
    )["Role"]["Arn"]
    name = f"machines-{time.monotonic_ns()}"
    other = client(moto, "batch")
    arn = other.create_compute_environment(
        computeEnvironmentName=name, type="UNMANAGED", state="ENABLED", serviceRole=role
    )["computeEnvironmentArn"]
    if not other.describe_job_queues(jobQueues=["small"])["jobQueues"]:
        order = [{"order": 1, "computeEnvironment": arn}]
        other.create_job_queue(
            jobQueueName="small", state="ENABLED", priority=1, computeEnvironmentOrder=order
        )
    own = client(cloud, "batch")
    make_queue(own)
    return [own, other]


def _array(batch: Client) -> dict[str, Any]:
    batch.register_job_definition(
        jobDefinitionName="work", type="container", containerProperties=container("true")
    )
    asked = {"jobName": "array", "jobQueue": "small", "jobDefinition": "work"}
    job_id = batch.submit_job(**asked, arrayProperties={"size": 3})["jobId"]
    return until(batch, job_id)


def test_children_have_the_same_ids_and_are_listed_by_their_parent(both: list[Client]):
    seen = []
    for batch in both:
        parent = _array(batch)
        listed = batch.list_jobs(arrayJobId=parent["jobId"], jobStatus="SUCCEEDED")["jobSummaryList"]
        seen.append(sorted(child["jobId"].replace(parent["jobId"], "id") for child in listed))
    assert seen[0] == seen[1] == ["id:0", "id:1", "id:2"]


def test_a_parent_counts_its_children_alike(both: list[Client]):
    counts = [_array(batch)["arrayProperties"] for batch in both]
    assert {each["size"] for each in counts} == {3}
    assert {each["statusSummary"]["SUCCEEDED"] for each in counts} == {3}


def test_names_of_resources_are_written_alike(both: list[Client]):
    own, other = (_array(batch) for batch in both)
    for name in ("jobArn", "jobQueue", "jobDefinition"):
        assert _form(own, name) == _form(other, name)


def _form(job: dict[str, Any], name: str) -> str:
    head, _, revision = job[name].replace(job["jobId"], "id").rpartition(":")
    return f"{head}:{'n' if revision.isdecimal() else revision}"


def test_members_of_a_description_that_moto_knows_are_there(both: list[Client]):
    own, other = (_array(batch) for batch in both)
    # A parent runs nothing itself; and the service shows the fields of old only where they were used.
    assert set(other) - set(own) <= {"startedAt", "statusReason", "retryStrategy"}
    assert set(other["container"]) - set(own["container"]) <= {
        "logStreamName", "privileged", "readonlyRootFilesystem", "vcpus", "memory",
    }  # fmt: skip


def test_lists_filter_by_name_alike(both: list[Client]):
    seen = []
    for batch in both:
        _array(batch)
        named = [{"name": "JOB_NAME", "values": ["array"]}]
        found = batch.list_jobs(jobQueue="small", filters=named)["jobSummaryList"]
        # Moto lists children of arrays, too, which the service does not.
        seen.append({job["jobName"] for job in found if ":" not in job["jobId"]})
    assert seen[0] == seen[1] == {"array"}


def _pages(logs: Client, group: str, stream: str) -> tuple[list[list[str]], bool]:
    """The pages of a stream from its head, and whether the last token repeats."""
    pages: list[list[str]] = []
    asked = {"logGroupName": group, "logStreamName": stream, "startFromHead": True, "limit": 2}
    answer = logs.get_log_events(**asked)
    while answer["events"]:
        pages.append([event["message"] for event in answer["events"]])
        token = answer["nextForwardToken"]
        answer = logs.get_log_events(**asked, nextToken=token)
    return pages, answer["nextForwardToken"] == token


def test_pages_of_a_log_and_the_repeated_token_are_alike(cloud: LocalCloud, moto: Any):
    own = client(cloud, "logs")
    job = run(client(cloud, "batch"), "for n in 1 2 3 4 5; do echo $n; done")
    other = client(moto, "logs")
    other.create_log_group(logGroupName=GROUP)
    other.create_log_stream(logGroupName=GROUP, logStreamName="stream")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": str(number)} for number in range(1, 6)]
    other.put_log_events(logGroupName=GROUP, logStreamName="stream", logEvents=events)
    expected = ([["1", "2"], ["3", "4"], ["5"]], True)
    assert _pages(own, GROUP, job["container"]["logStreamName"]) == expected
    assert _pages(other, GROUP, "stream") == expected
