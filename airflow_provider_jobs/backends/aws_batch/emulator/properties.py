"""What a job definition says a job runs: checked, and merged with what a submission overrides.

It exists so that definition and override follow the same rules. Everything here is plain data in the
service's own shapes. It must not run or store anything.
https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import requirements
from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused
from airflow_provider_jobs.backends.aws_batch.emulator.names import node_range

Properties = dict[str, Any]

MAX_CONTAINERS = 10
_RESERVED_PREFIX = "AWS_BATCH"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@#-]{0,254}")
#: What of a container only EC2 has, and what only Fargate has.
_EC2_ONLY = ("ulimits", "instanceType")
_FARGATE_ONLY = (
    "networkConfiguration",
    "fargatePlatformConfiguration",
    "ephemeralStorage",
    "runtimePlatform",
)
_FARGATE_LOG_DRIVERS = frozenset({"awslogs", "splunk"})


def check_definition(definition: Mapping[str, Any]) -> None:
    """Raises StatusError unless the properties fit the definition's type and platform."""
    platforms = definition.get("platformCapabilities", [])
    fargate = "FARGATE" in platforms
    if definition["type"] == "multinode":
        if fargate:
            raise refused("Multi-node parallel jobs are not supported on Fargate.")
        _check_nodes(definition.get("nodeProperties"))
        return
    kinds = [kind for kind in ("containerProperties", "ecsProperties", "eksProperties") if kind in definition]
    if len(kinds) != 1 or "nodeProperties" in definition:
        raise refused("Exactly one of containerProperties, ecsProperties and eksProperties must be provided")
    if kinds == ["containerProperties"]:
        check_container(definition["containerProperties"], fargate=fargate)
    elif kinds == ["ecsProperties"]:
        _check_ecs(definition["ecsProperties"], fargate=fargate)
    else:
        if platforms:
            raise refused("platformCapabilities is not applicable for EKS.")
        _check_eks(definition["eksProperties"])


def check_container(container: Mapping[str, Any], *, fargate: bool) -> None:
    """Raises StatusError unless one container of ECS is complete and fits its platform."""
    _check_image(container)
    check_environment(container.get("environment", ()))
    requirements.check(container, fargate=fargate)
    for name in _EC2_ONLY if fargate else _FARGATE_ONLY:
        if container.get(name):
            raise refused(f"{name} not applicable for {'Fargate' if fargate else 'EC2'}.")
    if not fargate:
        return
    if container.get("privileged"):
        raise refused("privileged not applicable for Fargate.")
    if not container.get("executionRoleArn"):
        raise refused("executionRoleArn is required for Fargate.")
    driver = container.get("logConfiguration", {}).get("logDriver", "awslogs")
    if driver not in _FARGATE_LOG_DRIVERS:
        raise refused(f"Log driver {driver} is not supported on Fargate.")


def check_environment(variables: Sequence[Mapping[str, str]], *, key: str = "name") -> None:
    """Raises StatusError for a variable whose name is missing or belongs to Batch."""
    for variable in variables:
        if not variable.get(key):
            raise refused("Environment variable name cannot be empty.")
        if variable[key].startswith(_RESERVED_PREFIX):
            raise refused(f"Environment variable names cannot start with {_RESERVED_PREFIX}.")


def _check_image(container: Mapping[str, Any]) -> None:
    image = container.get("image")
    if not image:
        raise refused("Container image is required.")
    if not _IMAGE.fullmatch(image):
        raise refused("Container image is not valid.")


def _check_ecs(ecs: Mapping[str, Any], *, fargate: bool) -> None:
    tasks = ecs["taskProperties"]
    if len(tasks) != 1:
        raise refused("ecsProperties must have exactly one element in taskProperties.")
    (task,) = tasks
    containers = task["containers"]
    if not 1 <= len(containers) <= MAX_CONTAINERS:
        raise refused(f"A task must have between 1 and {MAX_CONTAINERS} containers.")
    if fargate and not task.get("executionRoleArn"):
        raise refused("executionRoleArn is required for Fargate.")
    names = [container.get("name", "default") for container in containers]
    if len(set(names)) != len(names):
        raise refused("Container names must be unique.")
    if not any(container.get("essential", True) for container in containers):
        raise refused("At least one container must be essential.")
    for container in containers:
        _check_image(container)
        check_environment(container.get("environment", ()))
        _check_order(container, {each.get("name"): each for each in containers})
    asked = [requirements.of_container(container) for container in containers]
    if fargate:
        together = requirements.total(asked)
        merged = [{"type": kind, "value": str(together[kind])} for kind in ("VCPU", "MEMORY")]
        requirements.check({"resourceRequirements": merged}, fargate=True)
    elif any("MEMORY" not in each for each in asked):
        raise refused("Memory is not provided.")


def _check_order(container: Mapping[str, Any], by_name: Mapping[str | None, Mapping[str, Any]]) -> None:
    """Containers may wait for each other to start, and for those that are not essential to end."""
    for dependency in container.get("dependsOn", ()):
        other = by_name.get(dependency.get("containerName"))
        if other is None or other is container:
            raise refused("A container depends on one that the task does not have.")
        condition = dependency.get("condition", "START")
        if condition not in ("START", "COMPLETE", "SUCCESS"):
            raise refused("Container dependency condition is not valid.")
        if condition != "START" and other.get("essential", True):
            raise refused(f"Condition {condition} can't be set on an essential container.")


def _check_eks(eks: Mapping[str, Any]) -> None:
    pod = eks.get("podProperties", {})
    containers = pod.get("containers", [])
    if not 1 <= len(containers) <= MAX_CONTAINERS or len(pod.get("initContainers", ())) > MAX_CONTAINERS:
        raise refused(f"A pod must have between 1 and {MAX_CONTAINERS} containers.")
    for container in (*containers, *pod.get("initContainers", ())):
        _check_image(container)
        check_environment(container.get("env", ()))


def _check_nodes(nodes: Mapping[str, Any] | None) -> None:
    if nodes is None:
        raise refused("nodeProperties is required for multi-node parallel jobs.")
    count, main = nodes["numNodes"], nodes["mainNode"]
    if not 0 <= main < count:
        raise refused("mainNode must be less than numNodes.")
    covered: set[int] = set()
    for each in nodes["nodeRangeProperties"]:
        span = node_range(each["targetNodes"], count - 1)
        if span is None:
            raise refused("targetNodes is not valid.")
        covered |= set(span)
        if "eksProperties" in each:
            _check_eks(each["eksProperties"])
        elif "ecsProperties" in each:
            _check_ecs(each["ecsProperties"], fargate=False)
        elif "container" in each:
            check_container(each["container"], fargate=False)
        else:
            raise refused("Each node range must have a container.")
    if covered != set(range(count)):
        raise refused("Node ranges must account for all nodes.")


def of_node(nodes: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    """The range that a node takes its properties from: of nested ranges the innermost."""
    last = nodes["numNodes"] - 1
    spans = [(node_range(each["targetNodes"], last) or (), each) for each in nodes["nodeRangeProperties"]]
    return min((pair for pair in spans if index in pair[0]), key=lambda pair: len(pair[0]))[1]


def override_container(container: Mapping[str, Any], override: Mapping[str, Any]) -> Properties:
    """A container with what a submission changes of it; variables are merged by name."""
    merged: Properties = {**container}
    for name in ("vcpus", "memory", "command", "instanceType"):
        if name in override:
            merged[name] = override[name]
    if "environment" in override:
        merged["environment"] = merge_named(container.get("environment", ()), override["environment"])
    if "resourceRequirements" in override:
        merged["resourceRequirements"] = merge_named(
            container.get("resourceRequirements", ()), override["resourceRequirements"], key="type"
        )
    return merged


def merge_named(
    given: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]], *, key: str = "name"
) -> list[Mapping[str, Any]]:
    """Both lists in one, a change in the place of what it changes."""
    return list({each[key]: each for each in (*given, *changes)}.values())
