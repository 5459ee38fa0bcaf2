"""Compute environments and scheduling policies: create, update, delete, describe.

It exists to answer these as Batch does. It must not place jobs.
https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateComputeEnvironment.html
"""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import paging
from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused, rejected
from airflow_provider_jobs.backends.aws_batch.emulator.names import RESOURCE_NAME
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement
from airflow_provider_jobs.backends.aws_batch.emulator.resources import (
    FARGATE_TYPES,
    ComputeEnvironment,
    environment_detail,
)
from airflow_provider_jobs.backends.aws_batch.emulator.tags_api import check_tags
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import World

#: How long queues and environments stay in CREATING, UPDATING and DELETING.
TRANSITION_SECONDS = 0.1
_PAGE = 100
_HEALTHY = "ComputeEnvironment Healthy"
_NOT_ON_FARGATE = (
    "minvCpus", "desiredvCpus", "instanceTypes", "imageId", "ec2KeyPair", "instanceRole", "tags",
    "placementGroup", "bidPercentage", "spotIamFleetRole", "launchTemplate", "ec2Configuration",
    "allocationStrategy",
)  # fmt: skip


def find_environment(world: World, reference: str) -> ComputeEnvironment | None:
    """The compute environment of this name or ARN."""
    return world.shelf.environments.get(world.place.short(reference, "compute-environment") or "")


class Environments:
    """Makes and changes compute environments."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    async def create(self, world: World, asked: Parameters) -> dict[str, Any]:
        name = asked["computeEnvironmentName"]
        if not RESOURCE_NAME.fullmatch(name):
            raise refused("computeEnvironmentName should match valid pattern")
        if name in world.shelf.environments:
            raise rejected("Object already exists")
        check_tags(asked.get("tags", {}))
        _check_resources(asked)
        arn = world.place.arn("compute-environment", name)
        detail = environment_detail(name, arn=arn) | asked
        if "eksConfiguration" in asked:
            detail["containerOrchestrationType"] = "EKS"
            del detail["ecsClusterArn"]
        detail.setdefault(
            "serviceRole",
            f"arn:{world.place.partition}:iam::{world.place.account}:role/aws-service-role/"
            "batch.amazonaws.com/AWSServiceRoleForBatch",
        )
        environment = world.shelf.environments[name] = ComputeEnvironment(detail)
        self._settle(environment)
        return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}

    async def update(self, world: World, asked: Parameters) -> dict[str, Any]:
        """Change the members that are given; those of ``computeResources`` one by one."""
        environment = find_environment(world, asked["computeEnvironment"])
        if environment is None:
            raise rejected(f"{asked['computeEnvironment']} does not exist")
        detail = environment.detail
        resources = asked.pop("computeResources", None)
        if resources is not None and detail["type"] == "UNMANAGED":
            raise refused("computeResources is not applicable for UNMANAGED compute environments.")
        if resources is not None:
            detail["computeResources"] = {**detail["computeResources"], **resources}
        detail |= {key: value for key, value in asked.items() if key != "computeEnvironment"}
        detail |= {"status": "UPDATING", "statusReason": "ComputeEnvironment Updating"}
        self._settle(environment)
        return {"computeEnvironmentName": environment.name, "computeEnvironmentArn": environment.arn}

    async def delete(self, world: World, asked: Parameters) -> dict[str, Any]:
        environment = find_environment(world, asked["computeEnvironment"])
        if environment is None:
            return {}
        if environment.detail["state"] != "DISABLED":
            raise rejected("Cannot delete, resource is in ENABLED state.")
        if any(environment in queue.environments for queue in world.shelf.queues.values()):
            raise rejected("Cannot delete, found existing JobQueue relationship")
        environment.detail |= {"status": "DELETING", "statusReason": "ComputeEnvironment Deleting"}
        loop = asyncio.get_running_loop()
        loop.call_later(TRANSITION_SECONDS, world.shelf.environments.pop, environment.name, None)
        return {}

    async def describe(self, world: World, asked: Parameters) -> dict[str, Any]:
        wanted = asked.get("computeEnvironments")
        if wanted:
            found = [find_environment(world, reference) for reference in wanted]
            return {"computeEnvironments": [self._shown(each) for each in found if each is not None]}
        details = [self._shown(each) for each in world.shelf.environments.values()]
        size = min(asked.get("maxResults") or _PAGE, _PAGE)
        page, token = paging.page(details, size=size, token=asked.get("nextToken"), context="environments")
        return {"computeEnvironments": page, "nextToken": token}

    def _shown(self, environment: ComputeEnvironment) -> dict[str, Any]:
        """The description; managed machines grow with what jobs want, between the least and the most."""
        resources = environment.detail.get("computeResources", {})
        if environment.on_fargate or "maxvCpus" not in resources:
            return environment.detail
        least = max(resources.get("minvCpus", 0), ceil(self._placement.demand(environment)))
        wanted = {**resources, "desiredvCpus": min(least, resources["maxvCpus"])}
        return {**environment.detail, "computeResources": wanted}

    def _settle(self, environment: ComputeEnvironment) -> None:
        """A change takes a moment; then it turns out whether the environment can work."""

        def settled() -> None:
            if environment.detail["status"] not in ("CREATING", "UPDATING"):
                return
            problem = _problem(environment)
            environment.detail |= {
                "status": "INVALID" if problem else "VALID",
                "statusReason": problem or _HEALTHY,
            }
            self._placement.changed()

        asyncio.get_running_loop().call_later(TRANSITION_SECONDS, settled)


def _check_resources(asked: Parameters) -> None:
    """Raises StatusError unless a managed environment says what it needs to be made."""
    resources = asked.get("computeResources")
    if asked["type"] == "UNMANAGED":
        if resources is not None:
            raise refused("computeResources is not applicable for UNMANAGED compute environments.")
        return
    if resources is None:
        raise refused("computeResources must be provided for a MANAGED compute environment")
    if not resources.get("subnets"):
        raise refused("Resource subnets is required.")
    if resources["type"] in FARGATE_TYPES:
        _check_fargate(resources)
    else:
        _check_machines(resources)


def _check_fargate(resources: dict[str, Any]) -> None:
    for name in _NOT_ON_FARGATE:
        if name in resources:
            raise refused(f"{name} is not applicable for Fargate.")
    if not resources.get("securityGroupIds"):
        raise refused("Resource securityGroupIds is required.")


def _check_machines(resources: dict[str, Any]) -> None:
    if not resources.get("instanceRole"):
        raise refused("Instance role is required.")
    if "minvCpus" not in resources:
        raise refused("Resource minvCpus is required.")
    least = resources["minvCpus"]
    if not least <= resources.get("desiredvCpus", least) <= resources["maxvCpus"]:
        raise refused("minvCpus <= desiredvCpus <= maxvCpus must hold.")


def _problem(environment: ComputeEnvironment) -> str | None:
    """What the service would find wrong when it makes the environment: names that cannot be anything."""
    detail = environment.detail
    role = detail.get("serviceRole", "arn:")
    if not role.startswith("arn:"):
        return f"CLIENT_ERROR - The service role {role} cannot be assumed"
    for subnet in detail.get("computeResources", {}).get("subnets", ()):
        if not subnet.startswith("subnet-"):
            return f"CLIENT_ERROR - The subnet ID '{subnet}' does not exist"
    return None


async def create_policy(world: World, asked: Parameters) -> dict[str, Any]:
    name = asked["name"]
    if not RESOURCE_NAME.fullmatch(name):
        raise refused("Scheduling policy name should match valid pattern")
    if name in world.shelf.policies:
        raise rejected("Object already exists")
    arn = world.place.arn("scheduling-policy", name)
    world.shelf.policies[name] = {
        "tags": {},
        "fairsharePolicy": {"shareDistribution": []},
        **asked,
        "arn": arn,
    }
    return {"name": name, "arn": arn}


async def update_policy(world: World, asked: Parameters) -> dict[str, Any]:
    policy = next((each for each in world.shelf.policies.values() if each["arn"] == asked["arn"]), None)
    if policy is None:
        raise rejected(f"{asked['arn']} does not exist")
    policy |= {key: value for key, value in asked.items() if key != "arn"}
    return {}


async def delete_policy(world: World, asked: Parameters) -> dict[str, Any]:
    arn = asked["arn"]
    if any(queue.detail.get("schedulingPolicyArn") == arn for queue in world.shelf.queues.values()):
        raise rejected("Cannot delete, found existing JobQueue relationship")
    for name in [name for name, policy in world.shelf.policies.items() if policy["arn"] == arn]:
        del world.shelf.policies[name]
    return {}


async def describe_policies(world: World, asked: Parameters) -> dict[str, Any]:
    found = [policy for policy in world.shelf.policies.values() if policy["arn"] in asked["arns"]]
    return {"schedulingPolicies": found}


async def list_policies(world: World, _: Parameters) -> dict[str, Any]:
    return {"schedulingPolicies": [{"arn": policy["arn"]} for policy in world.shelf.policies.values()]}
