"""Job definitions: revisions, what they must hold, tags."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.backends.aws_batch.emulator.conftest import Client, container, define, describe, needs, run, submit

ROLE = "arn:aws:iam::123456789012:role/execution"


def _all(batch: Client, **asked: Any) -> list[tuple[str, int, str]]:
    pages = batch.get_paginator("describe_job_definitions").paginate(**asked)
    return [
        (each["jobDefinitionName"], each["revision"], each["status"])
        for page in pages
        for each in page["jobDefinitions"]
    ]


def test_each_registration_is_a_further_revision(batch: Client):
    arns = [
        batch.register_job_definition(
            jobDefinitionName="a", type="container", containerProperties=container()
        )["jobDefinitionArn"]
        for _ in range(3)
    ]
    assert arns == [f"arn:aws:batch:eu-west-1:123456789012:job-definition/a:{n}" for n in (1, 2, 3)]
    define(batch, name="b")
    assert _all(batch) == [("a", 3, "ACTIVE"), ("a", 2, "ACTIVE"), ("a", 1, "ACTIVE"), ("b", 1, "ACTIVE")]


def test_numbers_are_not_used_again_after_deregistration(batch: Client):
    first = define(batch)
    batch.deregister_job_definition(jobDefinition=first)
    batch.deregister_job_definition(jobDefinition=first)
    assert define(batch) == "work:2"
    assert _all(batch, status="INACTIVE") == [("work", 1, "INACTIVE")]
    assert _all(batch, jobDefinitionName="work", status="ACTIVE") == [("work", 2, "ACTIVE")]


def test_definitions_are_described_by_reference_and_in_pages(batch: Client):
    for number in range(5):
        define(batch, name=f"d{number}")
    found = batch.describe_job_definitions(jobDefinitions=["d1:1", "d9:1"])["jobDefinitions"]
    assert [each["jobDefinitionName"] for each in found] == ["d1"]
    page = batch.describe_job_definitions(maxResults=2)
    assert len(page["jobDefinitions"]) == 2
    rest = batch.describe_job_definitions(maxResults=9, nextToken=page["nextToken"])
    assert len(rest["jobDefinitions"]) == 3
    with pytest.raises(ClientError, match="nextToken is invalid"):
        batch.describe_job_definitions(nextToken="made up")


def test_a_definition_is_described_as_it_was_registered(batch: Client):
    define(batch, "x", tags={"team": "a"}, timeout={"attemptDurationSeconds": 60}, parameters={"p": "v"})
    (found,) = batch.describe_job_definitions(jobDefinitionName="work")["jobDefinitions"]
    assert found["containerProperties"] == container("x")
    assert (found["tags"], found["timeout"], found["parameters"]) == (
        {"team": "a"},
        {"attemptDurationSeconds": 60},
        {"p": "v"},
    )
    assert (found["type"], found["platformCapabilities"], found["containerOrchestrationType"]) == (
        "container",
        ["EC2"],
        "ECS",
    )


@pytest.mark.parametrize(
    "reference",
    [
        "work",
        "work:1",
        "arn:aws:batch:eu-west-1:123456789012:job-definition/work",
        "arn:aws:batch:eu-west-1:123456789012:job-definition/work:1",
    ],
)
def test_a_job_names_its_definition_in_four_ways(batch: Client, reference: str):
    define(batch)
    assert describe(batch, submit(batch, jobDefinition=reference))["jobDefinition"].endswith("/work:1")


def test_without_a_revision_the_latest_active_one_is_used(batch: Client):
    for _ in range(3):
        define(batch)
    batch.deregister_job_definition(jobDefinition="work:3")
    assert run(batch, jobDefinition="work")["jobDefinition"].endswith("work:2")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("gone", "JobDefinition name gone does not exist or is not in ACTIVE status"),
        ("work:1", "JobDefinition name work:1 does not exist or is not in ACTIVE status"),
        ("work:7", "does not exist or is not in ACTIVE status"),
        ("arn:aws:batch:eu-west-1:123456789012:job-definition/gone:1", "not found"),
        ("arn:aws:batch:us-east-1:123456789012:job-definition/work:2", "not found"),
    ],
)
def test_a_definition_that_is_not_active_cannot_be_used(batch: Client, reference: str, said: str):
    for _ in range(2):
        define(batch)
    batch.deregister_job_definition(jobDefinition="work:1")
    with pytest.raises(ClientError, match=said):
        submit(batch, jobDefinition=reference)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "a b"}, "valid pattern"),
        ({"name": "x" * 129}, "valid pattern"),
        ({"image": ""}, "image is required"),
        ({"image": "a b"}, "image is not valid"),
        ({"resourceRequirements": []}, "vCPU is not provided"),
        ({"resourceRequirements": needs()[:1]}, "Memory is not provided"),
        ({"resourceRequirements": needs(1, 3)}, "at least 4 MiB"),
        ({"resourceRequirements": needs(0.5)}, "whole number"),
        ({"resourceRequirements": [*needs(), *needs()]}, "must not name a type twice"),
        ({"resourceRequirements": [{"type": "VCPU", "value": "many"}]}, "VCPU is not a number"),
        ({"environment": [{"name": "AWS_BATCH_X", "value": "1"}]}, "cannot start with AWS_BATCH"),
        (
            {"networkConfiguration": {"assignPublicIp": "ENABLED"}},
            "networkConfiguration not applicable for EC2",
        ),
        ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60 seconds"),
        ({"tags": {"aws:x": "1"}}, "cannot start with aws:"),
        ({"tags": {str(number): "1" for number in range(51)}}, "Too many tags"),
    ],
)
def test_definitions_that_cannot_be_are_refused(batch: Client, changes: dict[str, Any], said: str):
    with pytest.raises(ClientError, match=said):
        define(batch, **changes)


def _on_fargate(batch: Client, **changes: Any) -> str:
    own = {"executionRoleArn": ROLE, "resourceRequirements": needs(0.25, 512), **changes}
    return define(batch, platformCapabilities=["FARGATE"], **own)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"executionRoleArn": ""}, "executionRoleArn is required for Fargate"),
        ({"privileged": True}, "privileged not applicable for Fargate"),
        ({"ulimits": [{"name": "nofile", "hardLimit": 1, "softLimit": 1}]}, "ulimits not applicable"),
        ({"resourceRequirements": needs(3, 8192)}, r"\(3 vCPU, 8192 MiB\) not valid"),
        ({"resourceRequirements": needs(1, 1024)}, r"\(1 vCPU, 1024 MiB\) not valid"),
        ({"resourceRequirements": needs(0.25, 512, GPU=1)}, "GPU is not applicable"),
        ({"vcpus": 1, "memory": 2048}, "not applicable for Fargate, use resourceRequirements"),
        ({"logConfiguration": {"logDriver": "syslog"}}, "not supported on Fargate"),
    ],
)
def test_what_fargate_has_not_is_refused(batch: Client, changes: dict[str, Any], said: str):
    with pytest.raises(ClientError, match=said):
        _on_fargate(batch, **changes)


@pytest.mark.parametrize(
    ("vcpus", "memory"),
    [(0.25, 2048), (0.5, 4096), (1, 3072), (2, 16384), (4, 8192), (8, 61440), (16, 122880), (32, 249856)],
)
def test_the_pairs_that_fargate_has_are_taken(batch: Client, vcpus: float, memory: int):
    assert _on_fargate(batch, resourceRequirements=needs(vcpus, memory))


def test_the_fields_of_old_are_taken_on_ec2(batch: Client):
    properties = {"image": "busybox", "vcpus": 2, "memory": 256, "command": ["true"]}
    batch.register_job_definition(jobDefinitionName="old", type="container", containerProperties=properties)
    job = run(batch, jobDefinition="old", containerOverrides={"memory": 512})
    assert (job["container"]["vcpus"], job["container"]["memory"]) == (2, 512)


@pytest.mark.parametrize("given", [{}, {"ecsProperties": {"taskProperties": []}, "containerProperties": {}}])
def test_a_definition_has_properties_of_exactly_one_kind(batch: Client, given: dict[str, Any]):
    with pytest.raises(ClientError, match="Exactly one of"):
        batch.register_job_definition(jobDefinitionName="x", type="container", **given)


def test_tags_are_read_added_and_removed_on_everything(batch: Client):
    define(batch)
    job = run(batch, tags={"a": "1"})
    assert job["tags"] == {"a": "1"}
    arns = [
        job["jobArn"],
        job["jobDefinition"],
        job["jobQueue"],
        "arn:aws:batch:eu-west-1:123456789012:compute-environment/default",
    ]
    for arn in arns:
        batch.tag_resource(resourceArn=arn, tags={"b": "2", "c": "3"})
        batch.untag_resource(resourceArn=arn, tagKeys=["b", "a"])
        assert batch.list_tags_for_resource(resourceArn=arn)["tags"] == {"c": "3"}
    assert describe(batch, job["jobId"])["tags"] == {"c": "3"}
    with pytest.raises(ClientError, match="not found"):
        batch.list_tags_for_resource(resourceArn=f"{arns[0]}x")
