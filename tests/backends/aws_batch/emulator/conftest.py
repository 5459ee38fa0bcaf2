"""One local cloud for all tests of the dialect, emptied before each, and clients that nobody here wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from airflow_provider_jobs.emulator.process import LocalCloud

REGION = "eu-west-1"
GROUP = "/aws/batch/job"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/token"
ENDED = ("SUCCEEDED", "FAILED")

Client = Any


@pytest.fixture(scope="session")
def server() -> Iterator[LocalCloud]:
    secrets = {SECRET: '{"user": "me", "password": "s3cret"}', PARAMETER: "from the store"}
    arguments = ("--dialect", "aws_batch", "--kill-grace-seconds", "0.3")
    with LocalCloud(*arguments, secrets=secrets) as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


def client(
    cloud: LocalCloud, service: str, *, region: str = REGION, key: str = "anything", checked: bool = True
) -> Client:
    """A client of the vendor's that sends each request once; unchecked it sends what the model forbids."""
    return boto3.client(
        service,
        endpoint_url=cloud.http,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="anything",
        config=Config(retries={"max_attempts": 0}, read_timeout=20, parameter_validation=checked),
    )


@pytest.fixture
def batch(cloud: LocalCloud) -> Client:
    return client(cloud, "batch")


@pytest.fixture
def logs(cloud: LocalCloud) -> Client:
    return client(cloud, "logs")


def needs(vcpus: float = 1, memory: int = 128, **more: int) -> list[dict[str, str]]:
    asked = {"VCPU": vcpus, "MEMORY": memory, **more}
    return [{"type": kind, "value": f"{value:g}"} for kind, value in asked.items()]


def container(script: str = "true", **more: Any) -> dict[str, Any]:
    """Properties of one container on EC2 that runs a script."""
    command = ["sh", "-c", script]
    return {"image": "busybox:1.36", "command": command, "resourceRequirements": needs(), **more}


def define(batch: Client, script: str = "true", *, name: str = "work", **more: Any) -> str:
    """Register a definition of one container; its name and revision."""
    own = {key: more.pop(key) for key in list(more) if key in _OF_DEFINITION}
    made = batch.register_job_definition(
        jobDefinitionName=name, type="container", containerProperties=container(script, **more), **own
    )
    return f"{name}:{made['revision']}"


_OF_DEFINITION = {"retryStrategy", "timeout", "parameters", "tags", "platformCapabilities", "propagateTags"}


def submit(
    batch: Client, script: str = "true", *, name: str = "job", queue: str = "default", **more: Any
) -> str:
    """Submit a job that runs a script, or another definition; its id."""
    definition = more.pop("jobDefinition", None) or define(batch, script)
    return batch.submit_job(jobName=name, jobQueue=queue, jobDefinition=definition, **more)["jobId"]


def describe(batch: Client, job_id: str) -> dict[str, Any]:
    (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
    return job


def until(batch: Client, job_id: str, *statuses: str) -> dict[str, Any]:
    """Poll until the job has one of these statuses; another end is an error."""
    wanted = statuses or ENDED
    while (job := describe(batch, job_id))["status"] not in wanted:
        assert job["status"] not in ENDED, job
        time.sleep(0.01)
    return job


def run(batch: Client, script: str = "true", **more: Any) -> dict[str, Any]:
    """Submit a job and wait for its end."""
    return until(batch, submit(batch, script, **more))


def lines(logs: Client, job: dict[str, Any], *, group: str = GROUP) -> list[str]:
    """What the latest attempt of a job wrote."""
    stream = job["container"]["logStreamName"]
    found = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    return [event["message"] for event in found["events"]]


def variables(logs: Client, job: dict[str, Any]) -> dict[str, str]:
    """The variables that a job which ran ``env`` saw."""
    return dict(line.split("=", 1) for line in lines(logs, job) if "=" in line)


def make_environment(batch: Client, name: str, *, kind: str = "EC2", vcpus: int = 4, **more: Any) -> str:
    """Create a compute environment and wait until it is settled; its name."""
    own = {"subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    if "FARGATE" not in kind:
        own |= {"minvCpus": 0, "instanceTypes": ["optimal"], "instanceRole": "ecsInstanceRole"}
    resources = {"type": kind, "maxvCpus": vcpus, **own, **more.pop("computeResources", {})}
    batch.create_compute_environment(
        computeEnvironmentName=name, type="MANAGED", computeResources=resources, **more
    )
    settled(lambda: environment(batch, name))
    return name


def make_queue(batch: Client, name: str = "small", *environments: str, vcpus: int = 4, **more: Any) -> str:
    """Create a queue on environments, or on one of its own, and wait until it is settled; its name."""
    names = environments or (make_environment(batch, f"{name}-machines", vcpus=vcpus),)
    order = [{"order": number, "computeEnvironment": each} for number, each in enumerate(names)]
    batch.create_job_queue(**{"jobQueueName": name, "priority": 1, "computeEnvironmentOrder": order, **more})
    settled(lambda: queue(batch, name))
    return name


def environment(batch: Client, name: str) -> dict[str, Any] | None:
    found = batch.describe_compute_environments(computeEnvironments=[name])["computeEnvironments"]
    return found[0] if found else None


def queue(batch: Client, name: str) -> dict[str, Any] | None:
    found = batch.describe_job_queues(jobQueues=[name])["jobQueues"]
    return found[0] if found else None


def settled(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """Poll until nothing is being created, updated or deleted; what there is then, if anything."""
    while (found := look()) and found["status"] in ("CREATING", "UPDATING", "DELETING"):
        time.sleep(0.01)
    return found
