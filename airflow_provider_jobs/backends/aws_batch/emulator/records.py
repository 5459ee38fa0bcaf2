"""What the dialect keeps of a job beside the engine's own picture of it, and the statuses that follow.

It exists so that every part of the dialect reads a job's state the same way. It must not answer requests or
decide when a job may run. https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch.emulator.names import Place, child_id, split_id
from airflow_provider_jobs.backends.aws_batch.emulator.resources import (
    ComputeEnvironment,
    JobDefinition,
    JobQueue,
)
from airflow_provider_jobs.emulator.jobs import TASK_END_STATES, Job, JobState, Task, TaskState

STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
_TASK_STATUSES = {
    TaskState.PENDING: "RUNNABLE",
    TaskState.ASSIGNED: "STARTING",
    TaskState.RUNNING: "RUNNING",
    TaskState.SUCCEEDED: "SUCCEEDED",
    TaskState.FAILED: "FAILED",
    TaskState.UNEXECUTED: "FAILED",
}


class Kind(str, Enum):
    """One job, an array of children, or nodes that run together."""

    SINGLE = "single"
    ARRAY = "array"
    NODES = "nodes"


@dataclass(frozen=True)
class Stop:
    """Somebody asked that this child be cancelled, or terminated."""

    reason: str
    terminated: bool


@dataclass(eq=False)
class JobRecord:
    """A job as it was admitted, and what became of each index that the engine does not know.

    ``detail`` holds the members of its description that never change, ``properties`` what runs, with the
    ``overrides`` of each container by name already in it. ``vcpus`` by node, or of every child under 0.
    By index: ``stops`` that were asked for, those ``unblocked`` by their dependencies, where they are or were
    ``placed`` and what they have ``held`` since, whose end is ``final``, and who ``watchers`` are.
    ``main_again``: after which attempts the main node is tried again.
    """

    place: Place
    job_id: str
    kind: Kind
    queue: JobQueue
    definition: JobDefinition
    detail: dict[str, Any]
    properties: dict[str, Any]
    vcpus: dict[int, float]
    needs_gpu: bool = False
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    size: int = 1
    main_node: int = 0
    share: str = ""
    priority: int = 0
    strategy: dict[str, Any] = field(default_factory=dict)
    timeout_seconds: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    stop: Stop | None = None
    stops: dict[int, Stop] = field(default_factory=dict)
    unblocked: set[int] = field(default_factory=set)
    placed: dict[int, ComputeEnvironment] = field(default_factory=dict)
    held: dict[int, ComputeEnvironment] = field(default_factory=dict)
    watchers: dict[int | None, list[asyncio.Future[None]]] = field(default_factory=dict)
    final: set[int] = field(default_factory=set)
    main_again: dict[int, bool] = field(default_factory=dict)
    job: Job = field(init=False)

    @property
    def name(self) -> str:
        return self.detail["jobName"]

    @property
    def depends(self) -> bool:
        return bool(self.detail["dependsOn"])

    @property
    def in_pods(self) -> bool:
        """Whether it runs on EKS, in pods, and not on ECS, in tasks."""
        ranges = self.properties.get("nodeProperties", {}).get("nodeRangeProperties", ())
        return any("eksProperties" in each for each in (self.properties, *ranges))

    @property
    def separator(self) -> str:
        return "#" if self.kind is Kind.NODES else ":"

    def id_of(self, index: int) -> str:
        """The id that a task of the engine has as a job of its own."""
        return self.job_id if self.kind is Kind.SINGLE else child_id(self.job_id, self.separator, index)

    def vcpus_of(self, index: int) -> float:
        return self.vcpus[index if self.kind is Kind.NODES else 0]

    def index_in(self, job_id: str) -> int | None:
        """The index that an id of this job names; None when it names the job itself."""
        return split_id(job_id)[1]

    @property
    def over(self) -> bool:
        """Nothing of the job will run any more."""
        return self.job.ended or self.job.state is JobState.DELETING

    def status_of(self, task: Task) -> str:
        """The status of a job, a child or a node."""
        if task.state is TaskState.PENDING and task.attempt == 0:
            if self.job.state is JobState.QUEUED:
                return "SUBMITTED"
            if self.depends and task.index not in self.unblocked:
                return "PENDING"
        if task.state in TASK_END_STATES and not self._is_final(task):
            return "RUNNING"
        return _TASK_STATUSES[task.state]

    def _is_final(self, task: Task) -> bool:
        """Whether an ended task has ended for good: nobody may see an end that another attempt follows."""
        if self.over:
            return True
        if self.kind is Kind.NODES:
            return task.index != self.main_node or task.index in self.final
        return self.kind is Kind.ARRAY and task.index in self.final

    def summary(self) -> dict[str, int]:
        """How many children are in each status."""
        counts: Counter[str] = Counter(self.status_of(task) for task in self.job.tasks)
        return {status: counts[status] for status in STATUSES}

    @property
    def status(self) -> str:
        """The status of the job itself; an array is PENDING while its children go through theirs."""
        if self.kind is Kind.SINGLE:
            return self.status_of(self.job.tasks[0])
        if self.kind is Kind.NODES:
            status = self.status_of(self.job.tasks[self.main_node])
            return status if status not in ("SUCCEEDED", "FAILED") or self.job.ended else "RUNNING"
        if self.job.state is JobState.QUEUED:
            return "SUBMITTED"
        if not self.job.ended:
            return "PENDING"
        return "FAILED" if self.job.state is not JobState.SUCCEEDED else "SUCCEEDED"

    def outcome(self, index: int | None) -> bool | None:
        """Whether the job, or one child of it, has succeeded; None while that is open."""
        if index is None or self.kind is Kind.SINGLE:
            return self.status == "SUCCEEDED" if self.over else None
        if index not in self.final and not self.over:
            return None
        return self.job.tasks[index].state is TaskState.SUCCEEDED

    async def settled(self, index: int | None) -> bool:
        """Wait for the end of the job, or of one child of it; whether it succeeded."""
        while (outcome := self.outcome(index)) is None:
            await self._change(index)
        return outcome

    async def main_runs(self, attempt: int) -> None:
        """Wait until the main node runs in this attempt (counted from 0)."""
        main = self.job.tasks[self.main_node]
        while not (main.attempt == attempt and main.state is TaskState.RUNNING):
            await self._change(self.main_node)

    async def main_tries_again(self, attempt: int) -> bool:
        """Wait until it is known whether the main node is tried again after this attempt."""
        while attempt not in self.main_again:
            await self._change(self.main_node)
        return self.main_again[attempt]

    async def _change(self, index: int | None) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.watchers.setdefault(index, []).append(changed)
        await changed

    def notify(self, index: int | None) -> None:
        """Let those look again who wait for this index, or for the whole job and all that is in it."""
        indexes = [index] if index is not None else list(self.watchers)
        for each in indexes:
            for waiting in self.watchers.pop(each, ()):
                if not waiting.done():
                    waiting.set_result(None)


def milliseconds(at: pendulum.DateTime) -> int:
    """A moment as the service writes it: milliseconds since the epoch."""
    return int(at.timestamp() * 1000)
