"""Job queues, compute environments, scheduling policies, and the room that jobs find in them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    Client,
    client,
    define,
    describe,
    environment,
    make_environment,
    make_queue,
    needs,
    queue,
    run,
    settled,
    submit,
    until,
)

LONG = "exec sleep 600"


def _update(batch: Client, name: str, **changes: Any) -> None:
    batch.update_compute_environment(computeEnvironment=name, **changes)
    settled(lambda: environment(batch, name))


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-2", "cn-north-1"])
def test_queues_of_each_kind_are_there_in_every_region(cloud: LocalCloud, region: str):
    batch = client(cloud, "batch", region=region)
    found = {each["jobQueueName"]: each for each in batch.describe_job_queues()["jobQueues"]}
    kinds = {
        each["computeEnvironmentName"]: each["computeResources"]["type"]
        for each in batch.describe_compute_environments()["computeEnvironments"]
    }
    assert kinds == {"default": "EC2", "spot": "SPOT", "fargate": "FARGATE", "fargate-spot": "FARGATE_SPOT"}
    assert set(found) == set(kinds)
    assert {(each["state"], each["status"]) for each in found.values()} == {("ENABLED", "VALID")}
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    arn = f"arn:{partition}:batch:{region}:123456789012:job-queue/default"
    assert found["default"]["jobQueueArn"] == arn


def test_a_queue_lives_from_creation_to_deletion(batch: Client):
    machines = make_environment(batch, "machines")
    order = [{"order": 1, "computeEnvironment": machines}]
    made = batch.create_job_queue(jobQueueName="mine", priority=5, computeEnvironmentOrder=order)
    creating = queue(batch, "mine")
    assert creating is not None
    assert creating["status"] == "CREATING"
    assert settled(lambda: queue(batch, made["jobQueueArn"]))["status"] == "VALID"
    with pytest.raises(ClientError, match="resource is in ENABLED state"):
        batch.delete_job_queue(jobQueue="mine")
    batch.update_job_queue(jobQueue="mine", state="DISABLED", priority=7)
    changed = settled(lambda: queue(batch, "mine"))
    assert (changed["state"], changed["priority"]) == ("DISABLED", 7)
    batch.delete_job_queue(jobQueue="mine")
    assert settled(lambda: queue(batch, "mine")) is None
    batch.delete_job_queue(jobQueue="mine")


def test_a_deleted_queue_ends_its_jobs(batch: Client):
    make_queue(batch, "mine")
    job_id = submit(batch, LONG, queue="mine")
    until(batch, job_id, "RUNNING")
    batch.update_job_queue(jobQueue="mine", state="DISABLED")
    settled(lambda: queue(batch, "mine"))
    batch.delete_job_queue(jobQueue="mine")
    assert until(batch, job_id)["statusReason"] == "JobQueue deleted"


def test_a_disabled_queue_takes_no_jobs_and_lets_the_others_finish(batch: Client):
    make_queue(batch, "mine")
    job_id = submit(batch, "sleep 0.2", queue="mine")
    batch.update_job_queue(jobQueue="mine", state="DISABLED")
    with pytest.raises(ClientError, match="not in ENABLED state"):
        submit(batch, queue="mine")
    assert until(batch, job_id)["status"] == "SUCCEEDED"


def test_an_environment_lives_from_creation_to_deletion(batch: Client):
    make_queue(batch, "mine", make_environment(batch, "machines"))
    with pytest.raises(ClientError, match="resource is in ENABLED state"):
        batch.delete_compute_environment(computeEnvironment="machines")
    _update(batch, "machines", state="DISABLED", computeResources={"maxvCpus": 9})
    changed = environment(batch, "machines")
    assert changed is not None
    assert changed["computeResources"]["maxvCpus"] == 9
    assert changed["computeResources"]["instanceTypes"] == ["optimal"]
    with pytest.raises(ClientError, match="found existing JobQueue relationship"):
        batch.delete_compute_environment(computeEnvironment="machines")
    batch.update_job_queue(jobQueue="mine", state="DISABLED")
    settled(lambda: queue(batch, "mine"))
    batch.delete_job_queue(jobQueue="mine")
    settled(lambda: queue(batch, "mine"))
    batch.delete_compute_environment(computeEnvironment="machines")
    assert settled(lambda: environment(batch, "machines")) is None


def test_an_environment_that_cannot_work_becomes_invalid_and_says_why(batch: Client):
    make_environment(batch, "broken", computeResources={"subnets": ["nowhere"]})
    found = environment(batch, "broken")
    assert found is not None
    assert (found["status"], found["statusReason"]) == (
        "INVALID",
        "CLIENT_ERROR - The subnet ID 'nowhere' does not exist",
    )
    with pytest.raises(ClientError, match="not in VALID status"):
        make_queue(batch, "mine", "broken")


def test_jobs_wait_for_vcpus_in_the_order_in_which_they_came(batch: Client):
    make_queue(batch, vcpus=2)
    first, second, third = (submit(batch, LONG, queue="small") for _ in range(3))
    for job_id in (first, second):
        until(batch, job_id, "RUNNING")
    assert until(batch, third, "RUNNABLE")["status"] == "RUNNABLE"
    assert "statusReason" not in describe(batch, third)
    batch.terminate_job(jobId=first, reason="make room")
    until(batch, third, "RUNNING")


def test_a_large_job_at_the_head_holds_up_the_small_ones_behind_it(batch: Client):
    make_queue(batch, vcpus=4)
    running = submit(batch, LONG, queue="small", containerOverrides={"resourceRequirements": needs(3)})
    until(batch, running, "RUNNING")
    large = submit(batch, queue="small", containerOverrides={"resourceRequirements": needs(4)})
    until(batch, large, "RUNNABLE")
    behind = submit(batch, queue="small")
    assert until(batch, behind, "RUNNABLE")["status"] == "RUNNABLE"
    batch.terminate_job(jobId=running, reason="make room")
    assert until(batch, behind)["startedAt"] >= until(batch, large)["startedAt"]


def test_a_job_that_is_too_large_for_ever_says_so(batch: Client):
    make_queue(batch, vcpus=2)
    job_id = submit(batch, queue="small", containerOverrides={"resourceRequirements": needs(3)})
    job = until(batch, job_id, "RUNNABLE")
    assert job["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - ")
    _update(batch, "small-machines", computeResources={"maxvCpus": 3})
    assert until(batch, job_id)["status"] == "SUCCEEDED"


def test_a_job_that_no_machine_fits_says_so(batch: Client):
    machines = make_environment(batch, "cpus", computeResources={"instanceTypes": ["c7i.large"]})
    make_queue(batch, "mine", machines)
    overrides = {"resourceRequirements": needs(1, 128, GPU=1)}
    job = until(batch, submit(batch, queue="mine", containerOverrides=overrides), "RUNNABLE")
    assert job["statusReason"].startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")
    assert run(batch, containerOverrides=overrides)["status"] == "SUCCEEDED"


def test_a_job_that_is_kept_from_a_machine_speaks_of_capacity(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("assigned", job="spot/*")
    job = until(batch, submit(batch, queue="spot"), "RUNNABLE")
    assert job["statusReason"].startswith("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - ")


def test_jobs_wait_while_their_environment_is_disabled_or_invalid(batch: Client):
    make_queue(batch, vcpus=2)
    _update(batch, "small-machines", state="DISABLED")
    job_id = submit(batch, queue="small")
    until(batch, job_id, "RUNNABLE")
    _update(batch, "small-machines", state="ENABLED", serviceRole="no-arn")
    job = until(batch, job_id, "RUNNABLE")
    assert job["statusReason"].startswith("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS ")
    _update(batch, "small-machines", serviceRole="arn:aws:iam::123456789012:role/batch")
    assert until(batch, job_id)["status"] == "SUCCEEDED"


def test_environments_are_tried_in_their_order(batch: Client):
    first, second = make_environment(batch, "first", vcpus=1), make_environment(batch, "second", vcpus=1)
    make_queue(batch, "mine", first, second)
    jobs = [submit(batch, LONG, queue="mine") for _ in range(2)]
    arns = [until(batch, job_id, "RUNNING")["container"]["taskArn"] for job_id in jobs]
    assert ["AWSBatch-first-" in arns[0], "AWSBatch-second-" in arns[1]] == [True, True]


def test_a_queue_of_higher_priority_is_served_first(batch: Client):
    machines = make_environment(batch, "machines", vcpus=1)
    make_queue(batch, "low", machines, priority=1)
    make_queue(batch, "high", machines, priority=9)
    running = submit(batch, LONG, queue="low")
    until(batch, running, "RUNNING")
    low, high = submit(batch, queue="low"), submit(batch, queue="high")
    for job_id in (low, high):
        until(batch, job_id, "RUNNABLE")
    batch.terminate_job(jobId=running, reason="make room")
    assert until(batch, high)["startedAt"] <= until(batch, low)["startedAt"]


def test_a_fair_share_queue_asks_for_shares_and_gives_each_its_turn(batch: Client):
    arn = batch.create_scheduling_policy(name="fair")["arn"]
    make_queue(batch, "shared", vcpus=1, schedulingPolicyArn=arn)
    with pytest.raises(ClientError, match="Fairshare identifier must be provided"):
        submit(batch, queue="shared")
    running = submit(batch, LONG, queue="shared", shareIdentifier="a")
    until(batch, running, "RUNNING")
    waiting = [
        submit(batch, queue="shared", shareIdentifier="a", schedulingPriorityOverride=priority)
        for priority in (1, 5)
    ]
    for job_id in waiting:
        until(batch, job_id, "RUNNABLE")
    batch.terminate_job(jobId=running, reason="make room")
    low, high = (until(batch, job_id) for job_id in waiting)
    assert high["startedAt"] <= low["startedAt"]
    assert (high["shareIdentifier"], high["schedulingPriority"]) == ("a", 5)


def test_a_plain_queue_takes_no_shares(batch: Client):
    with pytest.raises(ClientError, match="need a queue with a scheduling policy"):
        submit(batch, shareIdentifier="a")


def test_a_snapshot_shows_what_waits_at_the_front(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("assigned")
    jobs = [submit(batch) for _ in range(3)]
    for job_id in jobs:
        until(batch, job_id, "RUNNABLE")
    front = batch.get_job_queue_snapshot(jobQueue="default")["frontOfQueue"]["jobs"]
    assert [each["jobArn"].rpartition("/")[2] for each in front] == jobs


def test_a_definition_needs_a_queue_of_its_platform(batch: Client):
    with pytest.raises(ClientError, match="platform capability FARGATE"):
        submit(batch, queue="fargate", jobDefinition=define(batch))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"computeEnvironmentName": "a b"}, "valid pattern"),
        ({"computeEnvironmentName": "default"}, "already exists"),
        ({"computeResources": None}, "computeResources must be provided"),
        ({"computeResources": {"type": "FARGATE", "maxvCpus": 4}}, "subnets is required"),
        (
            {"computeResources": {"type": "FARGATE", "maxvCpus": 4, "subnets": ["subnet-1"]}},
            "securityGroupIds is required",
        ),
        (
            {"computeResources": {"type": "FARGATE", "maxvCpus": 4, "subnets": ["subnet-1"], "minvCpus": 0}},
            "minvCpus is not applicable for Fargate",
        ),
        (
            {"computeResources": {"type": "EC2", "maxvCpus": 4, "subnets": ["subnet-1"]}},
            "Instance role is required",
        ),
        (
            {
                "computeResources": {
                    "type": "EC2", "maxvCpus": 4, "subnets": ["subnet-1"], "instanceRole": "r",
                }
            },
            "Resource minvCpus is required",
        ),
        ({"type": "OTHER"}, "enum value set"),
    ],
)  # fmt: skip
def test_environments_that_cannot_be_are_refused(batch: Client, changes: dict[str, Any], said: str):
    asked = {"computeEnvironmentName": "new", "type": "MANAGED", **changes}
    with pytest.raises(ClientError, match=said):
        batch.create_compute_environment(**{key: value for key, value in asked.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jobQueueName": "a b"}, "valid pattern"),
        ({"jobQueueName": "default"}, "already exists"),
        ({"computeEnvironmentOrder": []}, "between 1 and 3"),
        ({"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "gone"}]}, "does not exist"),
        (
            {
                "computeEnvironmentOrder": [
                    {"order": 1, "computeEnvironment": "default"},
                    {"order": 2, "computeEnvironment": "fargate"},
                ]
            },
            "cannot be mixed",
        ),
        ({"schedulingPolicyArn": "arn:aws:batch:eu-west-1:123456789012:scheduling-policy/x"}, "not exist"),
    ],
)
def test_queues_that_cannot_be_are_refused(batch: Client, changes: dict[str, Any], said: str):
    order = [{"order": 1, "computeEnvironment": "default"}]
    asked = {"jobQueueName": "new", "priority": 1, "computeEnvironmentOrder": order, **changes}
    with pytest.raises(ClientError, match=said):
        batch.create_job_queue(**asked)


def test_policies_can_be_read_changed_and_deleted(batch: Client):
    arn = batch.create_scheduling_policy(name="fair", fairsharePolicy={"computeReservation": 10})["arn"]
    assert batch.list_scheduling_policies()["schedulingPolicies"] == [{"arn": arn}]
    batch.update_scheduling_policy(arn=arn, fairsharePolicy={"computeReservation": 20})
    (policy,) = batch.describe_scheduling_policies(arns=[arn, "other"])["schedulingPolicies"]
    assert policy["fairsharePolicy"] == {"computeReservation": 20}
    batch.delete_scheduling_policy(arn=arn)
    assert batch.list_scheduling_policies()["schedulingPolicies"] == []
