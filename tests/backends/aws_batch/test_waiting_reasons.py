"""Why a job waits, as the real client hears it from the local cloud and a person is told it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.conftest import REF, new_key
from tests.backends.aws_batch.test_explain import SPEC, waiting

ENDLESS = JobSpec(image="busybox", script="exec sleep 600")


def told_with(backend: AwsBatchBackend, handle: JobHandle, word: str) -> str:
    """Return the explanation once it holds a word."""
    while word not in (told := backend.explain(handle) or ""):
        pass
    return told


def settled(describe: Callable[[], dict[str, Any]]) -> None:
    """Return when what was made or changed is so."""
    while describe()["status"] in ("CREATING", "UPDATING"):
        pass


@pytest.fixture
def small(quiet_cloud: LocalCloud, backend: AwsBatchBackend) -> AwsBatchBackend:
    """Return a backend whose queue runs on a compute environment of its own with four vCPUs."""
    batch = backend.hook.batch
    resources = {
        "type": "EC2",
        "minvCpus": 0,
        "maxvCpus": 4,
        "subnets": ["subnet-1"],
        "securityGroupIds": ["sg-1"],
        "instanceRole": "ecsInstanceRole",
        "instanceTypes": ["m5"],
    }
    batch.create_compute_environment(
        computeEnvironmentName="small", type="MANAGED", state="ENABLED", computeResources=resources
    )
    settled(lambda: environment(backend))
    order = [{"order": 1, "computeEnvironment": "small"}]
    batch.create_job_queue(jobQueueName="small", priority=1, computeEnvironmentOrder=order)
    settled(lambda: batch.describe_job_queues(jobQueues=["small"])["jobQueues"][0])
    return AwsBatchBackend(REF.model_copy(update={"scope": {"job_queue": "small"}}))


def environment(backend: AwsBatchBackend) -> dict[str, Any]:
    """Return the description of the small compute environment."""
    (found,) = backend.hook.batch.describe_compute_environments(computeEnvironments=["small"])[
        "computeEnvironments"
    ]
    return dict(found)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", "Allow more instance types"),
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", "raise its maxvCpus"),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", "bigger instance types"),
        ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS", "AWSBatchServiceRole"),
        ("MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED", "launch template"),
        ("ACTION_REQUIRED", "Describe them"),
        ("UNDETERMINED", "no quota of EC2 is used up"),
    ],
)
def test_each_reason_of_a_blocked_queue_is_told_with_what_to_do(
    quiet_cloud: LocalCloud, backend: AwsBatchBackend, reason: str, words: str
) -> None:
    quiet_cloud.admin.hold("assigned", reason=reason)
    told = told_with(backend, waiting(backend), reason)
    assert words in told
    assert f"The service says: {reason} " in told


def test_a_job_behind_one_that_blocks_the_queue_is_told_which_and_why(small: AwsBatchBackend) -> None:
    first = small.submit(SPEC.model_copy(update={"cpu": 8.0, "memory": "1Gi"}), new_key())
    assert "wants more processors" in told_with(small, first, "MAX_RESOURCE")
    second = waiting(small)
    assert "statusReason" not in small.hook.get_job(second.native_id)
    told = told_with(small, second, "blocks the queue")
    assert f"Jobs before it in its queue: 1. The first of them, {first.name} ({first.native_id}), " in told
    assert "raise its maxvCpus" in told


def test_a_compute_environment_at_its_most_vcpus_is_told(small: AwsBatchBackend) -> None:
    running = small.submit(ENDLESS.model_copy(update={"cpu": 4.0, "memory": "1Gi"}), new_key())
    while small.describe([running])[0].native_state != "RUNNING":
        pass
    assert environment(small)["computeResources"]["desiredvCpus"] == 4
    told = told_with(small, waiting(small), "has all of its 4 vCPUs in use")
    assert "Wait, or raise its maxvCpus" in told
    small.cancel(running, "the test is over")


def test_a_compute_environment_that_is_invalid_is_told_with_the_services_reason(
    small: AwsBatchBackend,
) -> None:
    blocked = small.submit(SPEC.model_copy(update={"cpu": 8.0, "memory": "1Gi"}), new_key())
    small.hook.batch.update_compute_environment(
        computeEnvironment="small", computeResources={"subnets": ["nowhere"]}
    )
    told = told_with(small, blocked, "ACTION_REQUIRED")
    assert (
        "Compute environment small is INVALID: CLIENT_ERROR - The subnet ID 'nowhere' does not exist" in told
    )
    assert "ACTION_REQUIRED - CE(s) associated with the job queue are invalid." in told


def test_an_array_tells_what_blocks_its_first_child(small: AwsBatchBackend) -> None:
    large = SPEC.model_copy(update={"cpu": 8.0, "memory": "1Gi", "array_size": 3})
    assert "wants more processors" in told_with(small, small.submit(large, new_key()), "MAX_RESOURCE")
