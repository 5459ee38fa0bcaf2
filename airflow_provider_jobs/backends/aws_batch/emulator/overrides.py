"""A definition's properties with what a submission changes of them.

It exists because each kind of job is overridden by a member of its own. It must not change a definition.
https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused
from airflow_provider_jobs.backends.aws_batch.emulator.names import node_range
from airflow_provider_jobs.backends.aws_batch.emulator.properties import (
    check_container,
    check_environment,
    merge_named,
    override_container,
)
from airflow_provider_jobs.backends.aws_batch.emulator.resources import JobDefinition
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters

_KINDS = ("containerProperties", "ecsProperties", "eksProperties", "nodeProperties")
#: Which member of a submission changes which member of a definition.
_CHANGES = {
    "containerOverrides": "containerProperties",
    "ecsPropertiesOverride": "ecsProperties",
    "eksPropertiesOverride": "eksProperties",
    "nodeOverrides": "nodeProperties",
}


@dataclass(frozen=True)
class Overridden:
    """Properties after the change, and the change of each container by its name."""

    properties: dict[str, Any]
    by_container: dict[str, dict[str, Any]]


def overridden(definition: JobDefinition, asked: Parameters) -> Overridden:
    """Raises StatusError for a change that this kind of job does not have, or that may not be."""
    properties = copy.deepcopy(
        {kind: definition.detail[kind] for kind in _KINDS if kind in definition.detail}
    )
    changes: dict[str, dict[str, Any]] = {}
    for name, kind in _CHANGES.items():
        # Clients send empty overrides with every job.
        if not asked.get(name):
            continue
        if kind not in properties:
            raise refused(f"{name} not applicable for this type of job.")
        properties[kind] = _APPLY[name](properties[kind], asked[name], changes)
    if "containerOverrides" in asked and "containerProperties" in properties:
        check_container(properties["containerProperties"], fargate=definition.for_fargate)
    return Overridden(properties, changes)


def _container(
    container: Mapping[str, Any], override: Mapping[str, Any], changes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    _check(override)
    changes["default"] = dict(override)
    return override_container(container, override)


def _ecs(
    ecs: Mapping[str, Any], override: Mapping[str, Any], changes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    tasks = override.get("taskProperties", [])
    if len(tasks) != 1:
        raise refused("ecsPropertiesOverride must have exactly one element in taskProperties.")
    (task,) = ecs["taskProperties"]
    by_name = {each.get("name", "default"): each for each in task["containers"]}
    for change in tasks[0].get("containers", ()):
        name = change.get("name", "default")
        if name not in by_name:
            raise refused("ecsPropertiesOverride names a container that the job definition does not have.")
        _check(change)
        changes[name] = dict(change)
        by_name[name] = override_container(by_name[name], change)
    return {**ecs, "taskProperties": [{**task, "containers": list(by_name.values())}]}


def _eks(
    eks: Mapping[str, Any], override: Mapping[str, Any], changes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    pod = dict(eks["podProperties"])
    asked = override.get("podProperties", {})
    for kind in ("containers", "initContainers"):
        given = pod.get(kind, [])
        for number, change in enumerate(asked.get(kind, ())):
            check_environment(change.get("env", ()))
            # A single container may go without its name.
            index = _position(given, change.get("name"), number)
            changes[given[index].get("name", "Default")] = dict(change)
            merged = {**given[index], **{key: value for key, value in change.items() if key != "env"}}
            if "env" in change:
                merged["env"] = merge_named(given[index].get("env", ()), change["env"])
            given[index] = merged
    if "metadata" in asked:
        pod["metadata"] = {**pod.get("metadata", {}), **asked["metadata"]}
    return {**eks, "podProperties": pod}


def _position(given: list[dict[str, Any]], name: str | None, number: int) -> int:
    found = [index for index, each in enumerate(given) if each.get("name") == name]
    if found:
        return found[0]
    if name is None and number < len(given):
        return number
    raise refused("eksPropertiesOverride names a container that the job definition does not have.")


def _nodes(
    nodes: Mapping[str, Any], override: Mapping[str, Any], changes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    count = override.get("numNodes", nodes["numNodes"])
    ranges = [dict(each) for each in nodes["nodeRangeProperties"]]
    if "numNodes" in override:
        _check_count(nodes, count)
    for change in override.get("nodePropertyOverrides", ()):
        targets = change["targetNodes"]
        same = [each for each in ranges if _same(each["targetNodes"], targets, count - 1)]
        if not same:
            raise refused(
                f"NodeOverride targets should match job definition. Non matching targets - {targets}"
            )
        (own,) = same[:1]
        if "containerOverrides" in change:
            own["container"] = _container(own.get("container", {}), change["containerOverrides"], changes)
        if "ecsPropertiesOverride" in change:
            own["ecsProperties"] = _ecs(own["ecsProperties"], change["ecsPropertiesOverride"], changes)
        if "eksPropertiesOverride" in change:
            own["eksProperties"] = _eks(own["eksProperties"], change["eksPropertiesOverride"], changes)
        if "instanceTypes" in change:
            own["instanceTypes"] = change["instanceTypes"]
    return {**nodes, "numNodes": count, "nodeRangeProperties": ranges}


def _check_count(nodes: Mapping[str, Any], count: int) -> None:
    """The conditions that the reference of NodeOverrides names."""
    open_ended = [
        each["targetNodes"] for each in nodes["nodeRangeProperties"] if each["targetNodes"].endswith(":")
    ]
    if not open_ended:
        raise refused("numNodes can be overridden only if a node range has an open upper boundary.")
    if count < 1 or any(int(each.removesuffix(":") or 0) >= count for each in open_ended):
        raise refused("The lower boundary of a node range must be less than the overridden numNodes.")
    if nodes["mainNode"] >= count:
        raise refused("mainNode must be less than the overridden numNodes.")


def _same(one: str, other: str, last: int) -> bool:
    return node_range(one, last) == node_range(other, last)


def _check(override: Mapping[str, Any]) -> None:
    check_environment(override.get("environment", ()))
    if "" in override.get("command", ()):
        raise refused("Container command can't contain an empty string.")


_APPLY = {
    "containerOverrides": _container,
    "ecsPropertiesOverride": _ecs,
    "eksPropertiesOverride": _eks,
    "nodeOverrides": _nodes,
}
