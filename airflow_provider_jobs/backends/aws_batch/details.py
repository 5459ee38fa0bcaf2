"""What the service tells about a job, read in one way whatever runs it: a container of ECS, several of
them, a pod of EKS, a child of an array, or a node of many. Pure.

https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pendulum

from airflow_provider_jobs.core.moments import from_microseconds, in_utc

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Container:
    """One container of one attempt.

    :param name: where there are several
    :param stream: its log stream, named by the service from the moment it runs
    :param log: its log configuration
    """

    name: str | None
    exit_code: int | None
    reason: str
    stream: str | None
    log: Fields


@dataclass(frozen=True)
class Attempt:
    """One attempt of the service to run a job, counted from 0; times are milliseconds since 1970."""

    number: int
    reason: str
    started_ms: int
    stopped_ms: int
    containers: tuple[Container, ...]


def is_array(job: Fields) -> bool:
    """Return whether a job is an array, and not a child of one."""
    return bool(_part(job, "arrayProperties").get("size")) and not is_part(job)


def is_multi_node(job: Fields) -> bool:
    """Return whether a job runs on several nodes, and is not one of them."""
    return bool(_part(job, "nodeProperties").get("numNodes")) and not is_part(job)


def is_part(job: Fields) -> bool:
    """Return whether a job is a child of an array, ``<id>:<index>``, or a node, ``<id>#<node>``."""
    return any(mark in job["jobId"] for mark in ":#")


def part_count(job: Fields) -> int:
    """Return how many children or nodes a job has; 0 for one that runs itself."""
    if is_array(job):
        return int(job["arrayProperties"]["size"])
    return int(job["nodeProperties"]["numNodes"]) if is_multi_node(job) else 0


def part_ids(job: Fields, numbers: Sequence[int] | None = None) -> list[str]:
    """Return the ids of the children or nodes of these numbers, of all where none are given."""
    mark = ":" if is_array(job) else "#"
    return [f"{job['jobId']}{mark}{n}" for n in (range(part_count(job)) if numbers is None else numbers)]


def task_number(job: Fields) -> int:
    """Return which child of its array a job is; 0 for any other."""
    return int(_part(job, "arrayProperties").get("index") or 0)


def node(job: Fields) -> int | None:
    """Return which node of many a job is."""
    found = _part(job, "nodeDetails").get("nodeIndex", _part(job, "nodeProperties").get("nodeIndex"))
    return None if found is None else int(found)


def status_summary(job: Fields) -> dict[str, int]:
    """Return how many children of an array are in which status."""
    told = _part(job, "arrayProperties").get("statusSummary") or {}
    return {status: int(count) for status, count in told.items() if count}


def variable(job: Fields, name: str) -> str | None:
    """Return a plain variable of a job, whichever container has it."""
    listed = [_part(job, "container").get("environment") or ()]
    listed += [container.get("environment") or () for container in _ecs_containers(job)]
    listed += [container.get("env") or () for container in _eks_containers(job)]
    for nodes in _part(job, "nodeProperties").get("nodeRangeProperties") or ():
        listed.append(_part(nodes, "container").get("environment") or ())
    return next((each.get("value") for some in listed for each in some if each.get("name") == name), None)


def given(job: Fields, kind: str) -> float | None:
    """Return how much one task of a job has of a kind, ``None`` where the service does not say.

    :param kind: ``VCPU``, or ``MEMORY`` in mebibytes
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html)
    """
    containers = [_part(job, "container"), *_ecs_containers(job)]
    needs = (each for container in containers for each in container.get("resourceRequirements") or ())
    return sum(float(each["value"]) for each in needs if each["type"] == kind) or None


def attempts(job: Fields) -> list[Attempt]:
    """Return the attempts, oldest first; the one under way is the last.

    The service lists an attempt when it is over, and tells the container of the one under way, or of the
    last, beside the list.
    """
    past = [
        _attempt(attempt, number, containers=_containers_of_attempt(job, attempt))
        for number, attempt in enumerate(job.get("attempts") or job.get("eksAttempts") or ())
    ]
    streams = {container.stream for attempt in past for container in attempt.containers}
    latest = tuple(_latest_containers(job))
    if latest and (not past or any(each.stream and each.stream not in streams for each in latest)):
        past.append(_attempt(job, len(past), containers=latest))
    return past


def run_seconds(job: Fields) -> float:
    """Return for how long the attempts of a job that has ended ran, together."""
    ran = (each.stopped_ms - each.started_ms for each in attempts(job) if each.started_ms and each.stopped_ms)
    return sum(ran) / 1000


def moment(stamp_ms: Any) -> pendulum.DateTime | None:
    """Return a time of the service, ``None`` for one that it does not know yet."""
    if not stamp_ms:
        return None
    return in_utc(from_microseconds(int(stamp_ms) * 1000))


def _attempt(fields: Fields, number: int, *, containers: tuple[Container, ...]) -> Attempt:
    return Attempt(
        number=number,
        reason=fields.get("statusReason") or "",
        started_ms=int(fields.get("startedAt") or 0),
        stopped_ms=int(fields.get("stoppedAt") or 0),
        containers=containers,
    )


def _containers_of_attempt(job: Fields, attempt: Fields) -> tuple[Container, ...]:
    if several := [
        each for task in attempt.get("taskProperties") or () for each in task.get("containers") or ()
    ]:
        logs = {each.get("name"): _part(each, "logConfiguration") for each in _ecs_containers(job)}
        return tuple(_container(each, log=logs.get(each.get("name"), {})) for each in several)
    if pods := [*(attempt.get("initContainers") or ()), *(attempt.get("containers") or ())]:
        return tuple(_container(each) for each in pods)
    container = _part(attempt, "container")
    return (
        (_container(container, log=_part(_part(job, "container"), "logConfiguration")),) if container else ()
    )


def _latest_containers(job: Fields) -> Iterator[Container]:
    if container := _part(job, "container"):
        yield _container(container, log=_part(container, "logConfiguration"))
    for each in _ecs_containers(job):
        yield _container(each, log=_part(each, "logConfiguration"))
    for each in _eks_containers(job):
        yield _container(each)


def _container(fields: Fields, *, log: Fields | None = None) -> Container:
    return Container(
        name=fields.get("name"),
        exit_code=fields.get("exitCode"),
        reason=fields.get("reason") or "",
        stream=fields.get("logStreamName"),
        log=log or {},
    )


def _ecs_containers(job: Fields) -> list[Fields]:
    tasks = _part(job, "ecsProperties").get("taskProperties") or ()
    return [each for task in tasks for each in task.get("containers") or ()]


def _eks_containers(job: Fields) -> list[Fields]:
    pod = _part(_part(job, "eksProperties"), "podProperties")
    return [*(pod.get("initContainers") or ()), *(pod.get("containers") or ())]


def _part(fields: Fields, name: str) -> Fields:
    return fields.get(name) or {}
