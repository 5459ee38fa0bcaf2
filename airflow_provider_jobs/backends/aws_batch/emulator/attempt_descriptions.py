"""Attempts and their containers as DescribeJobs tells of them, on ECS and on EKS.

It exists beside ``descriptions`` because most of what a description holds is about attempts. It must not
know arrays or lists. https://docs.aws.amazon.com/batch/latest/APIReference/API_AttemptDetail.html
"""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import outcomes
from airflow_provider_jobs.backends.aws_batch.emulator.containers import (
    containers_of,
    ecs_task_id,
    stream_of,
)
from airflow_provider_jobs.backends.aws_batch.emulator.names import digest
from airflow_provider_jobs.backends.aws_batch.emulator.properties import of_node
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind, milliseconds
from airflow_provider_jobs.backends.aws_batch.emulator.retries import Outcome
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason, Event, Task, TaskState

Shown = dict[str, Any]

_LISTS = (
    "volumes", "environment", "mountPoints", "ulimits", "networkInterfaces", "resourceRequirements",
    "secrets",
)  # fmt: skip


class Attempt:
    """One attempt of a task, ended or not. ``number`` counts from 0."""

    def __init__(self, record: JobRecord, index: int, number: int) -> None:
        self.record = record
        self.index = index
        self.number = number
        self.began: Event | None = None
        self.ended: Event | None = None

    @property
    def end(self) -> AttemptEnd | None:
        return self.ended.end if self.ended else None

    @property
    def ran(self) -> bool:
        """Whether its containers have run; the engine lets those begin for a moment that it then refuses."""
        return self.began is not None and not (self.end and self.end.reason is EndReason.REFUSED)

    def times(self) -> Shown:
        """When it began and ended, as far as it did."""
        shown: Shown = {}
        if self.began is not None and self.ran:
            shown["startedAt"] = milliseconds(self.began.at)
        if self.ended is not None:
            shown["stoppedAt"] = milliseconds(self.ended.at)
        return shown

    def containers(self) -> list[Shown]:
        """What each container shows of itself: its log stream once it runs, its end once it ended."""
        described = containers_of(self.record, self.index)
        own = [Outcome()] * len(described)
        if self.end is not None:
            own = outcomes.container_outcomes(self.record, self.index, self.end)
            own += [Outcome()] * (len(described) - len(own))
        shown = []
        for container, outcome in zip(described, own, strict=True):
            stream = stream_of(self.record, container, index=self.index, attempt=self.number)
            shown.append(
                {
                    "name": container.name,
                    "runs_first": container.runs_first,
                    "exitCode": outcome.exit_code,
                    "reason": outcome.reason or None,
                    "logStreamName": stream.name if stream and self.ran else None,
                }
            )
        return shown


def attempts_of(record: JobRecord, task: Task) -> list[Attempt]:
    """The attempts of a task that have got as far as a machine, the present one included."""
    found: list[Attempt] = []
    for event in task.events:
        if event.after is TaskState.ASSIGNED:
            found.append(Attempt(record, task.index, event.attempt))
        elif event.after is TaskState.RUNNING:
            found[-1].began = event
        elif event.end is not None and event.before is not TaskState.PENDING:
            found[-1].ended = event
    return found


def properties(record: JobRecord, index: int) -> Shown:
    """What a job, child or node runs, in the member of its kind; free to be changed."""
    own = record.properties
    if record.kind is Kind.NODES:
        found = of_node(own["nodeProperties"], index)
        own = {"containerProperties": found["container"]} if "container" in found else dict(found)
    if "containerProperties" in own:
        empty: Shown = {name: [] for name in _LISTS}
        return {"container": empty | own["containerProperties"]}
    if "ecsProperties" in own:
        (task,) = own["ecsProperties"]["taskProperties"]
        containers = [dict(each) for each in task["containers"]]
        return {"ecsProperties": {"taskProperties": [{**task, "containers": containers}]}}
    pod = own["eksProperties"]["podProperties"]
    copied = {kind: [dict(each) for each in pod.get(kind, ())] for kind in ("containers", "initContainers")}
    return {"eksProperties": {"podProperties": {**pod, **copied}}}


def show_latest(shown: Shown, attempt: Attempt) -> None:
    """Put what is known of the latest attempt into the description of what runs."""
    states = attempt.containers()
    if "eksProperties" in shown:
        pod = shown["eksProperties"]["podProperties"]
        pod |= {key: value for key, value in _pod(attempt).items() if key != "podNamespace"}
        for given, state in zip((*pod["initContainers"], *pod["containers"]), states, strict=True):
            given.update(exitCode=state["exitCode"], reason=state["reason"])
    elif "ecsProperties" in shown:
        (own,) = shown["ecsProperties"]["taskProperties"]
        own |= _ecs_task(attempt)
        for given, state in zip(own["containers"], states, strict=True):
            given.update(_ecs_container(state))
    else:
        shown["container"] |= _ecs_container(states[0]) | _ecs_task(attempt)


def show_ended(attempt: Attempt) -> Shown:
    """An attempt that has ended."""
    record = attempt.record
    assert attempt.end is not None
    reason = outcomes.outcome_of(record, attempt.index, attempt.end).status_reason
    shown: Shown = {**attempt.times(), "statusReason": reason or None}
    states = attempt.containers()
    if record.in_pods:
        return shown | _pod_containers(attempt, states) | _pod(attempt)
    if "ecsProperties" in properties(record, attempt.index):
        named = [{"name": each["name"], **_ecs_container(each)} for each in states]
        task = {**_ecs_task(attempt), "containers": named}
        return shown | {"container": {"networkInterfaces": []}, "taskProperties": [task]}
    return shown | {"container": _ecs_container(states[0]) | _ecs_task(attempt), "taskProperties": []}


def _ecs_container(state: Shown) -> Shown:
    names = ("exitCode", "reason", "logStreamName")
    return {"networkInterfaces": []} | {name: state[name] for name in names if state[name] is not None}


def _ecs_task(attempt: Attempt) -> Shown:
    """The ECS task of an attempt, and the machine it is on where there is one to name."""
    record, index = attempt.record, attempt.index
    environment = record.placed[index]
    task_id = ecs_task_id(record, index, attempt.number)
    shown = {"taskArn": record.place.arn("task", f"{environment.cluster}/{task_id}", service="ecs")}
    if not environment.on_fargate:
        name = f"{environment.cluster}/{digest(record.job_id, index, 'instance')}"
        shown["containerInstanceArn"] = record.place.arn("container-instance", name, service="ecs")
    return shown


def _pod_containers(attempt: Attempt, states: list[Shown]) -> Shown:
    shown: dict[str, list[Shown]] = {"containers": [], "initContainers": []}
    for state in states:
        shown["initContainers" if state["runs_first"] else "containers"].append(
            {"name": state["name"], "exitCode": state["exitCode"], "reason": state["reason"]}
        )
    environment = attempt.record.placed[attempt.index]
    return {**shown, "eksClusterArn": environment.detail["eksConfiguration"]["eksClusterArn"]}


def _pod(attempt: Attempt) -> Shown:
    record = attempt.record
    environment = record.placed[attempt.index]
    return {
        "podName": f"aws-batch.{digest(record.job_id, attempt.index, attempt.number)}",
        "podNamespace": environment.detail["eksConfiguration"]["kubernetesNamespace"],
        "nodeName": f"ip-10-0-0-1.{record.place.region}.compute.internal",
    }
