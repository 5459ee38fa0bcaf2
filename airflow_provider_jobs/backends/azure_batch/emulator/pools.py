"""Pools and their nodes: what they are, how much room they have, how the service describes them.

It exists to hold that state. It must not wait, allocate or run anything.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.pool_bodies import PoolBody
from airflow_provider_jobs.backends.azure_batch.emulator.resources import Resource, without_secrets
from airflow_provider_jobs.backends.azure_batch.emulator.wire import duration, timestamp

if TYPE_CHECKING:
    from airflow_provider_jobs.backends.azure_batch.emulator.preparations import Preparation
    from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task

#: States of a node that takes tasks.
READY = frozenset({"idle", "running"})
#: Every state that a count of nodes tells.
_COUNTED = (
    "creating", "idle", "offline", "preempted", "rebooting", "reimaging", "running", "starting",
    "startTaskFailed", "leavingPool", "unknown", "unusable", "waitingForStartTask", "deallocated",
    "deallocating", "upgradingOS",
)  # fmt: skip


class Node(Resource):
    """One machine of a pool."""

    def __init__(self, pool: Pool, *, dedicated: bool, directory: Path) -> None:
        super().__init__("creating")
        self.pool = pool
        self.number = next(pool.node_numbers)
        self.id = f"tvmps_{secrets.token_hex(32)}_{'d' if dedicated else 'p'}"
        self.dedicated = dedicated
        self.directory = directory / self.id
        self.booted_at: pendulum.DateTime | None = None
        self.schedulable = True
        self.used_slots = 0
        self.tasks: list[Task] = []
        self.vacant = asyncio.Event()
        self.vacant.set()
        self.run_count = self.success_count = 0
        self.start_task: Preparation | None = None
        self.errors: tuple[dict[str, Any], ...] = ()
        #: By the id of a job: its preparation task on this node.
        self.preparations: dict[str, Preparation] = {}

    @property
    def free_slots(self) -> int:
        if self.state not in READY or not self.schedulable:
            return 0
        return self.pool.body.task_slots_per_node - self.used_slots

    @property
    def path(self) -> str:
        return f"/pools/{self.pool.body.id}/nodes/{self.id}"

    def take(self, task: Task) -> None:
        """Make room for a task."""
        self.tasks.append(task)
        self.vacant.clear()
        self.used_slots += task.body.required_slots
        self.run_count += 1
        if self.state in READY:
            self.move("running")

    def give_back(self, task: Task, *, succeeded: bool) -> None:
        """The task is no longer here."""
        self.tasks.remove(task)
        self.used_slots -= task.body.required_slots
        self.success_count += succeeded
        if self.tasks:
            return
        self.vacant.set()
        if self.state in READY:
            self.rest()

    def rest(self) -> None:
        """It runs nothing: it waits for tasks, or is to take none."""
        self.move("idle" if self.schedulable else "offline")

    def wire(self, endpoint: str) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": self.id,
            "url": f"{endpoint}{self.path}",
            "state": self.state,
            "schedulingState": "enabled" if self.schedulable else "disabled",
            "stateTransitionTime": timestamp(self.state_at),
            "allocationTime": timestamp(self.created_at),
            "ipAddress": "127.0.0.1",
            "affinityId": f"TVM:{self.id}",
            "vmSize": self.pool.vm_size,
            "totalTasksRun": self.run_count,
            "totalTasksSucceeded": self.success_count,
            "runningTasksCount": len(self.tasks),
            "runningTaskSlotsCount": self.used_slots,
            "isDedicated": self.dedicated,
        }
        if self.booted_at is not None:
            told["lastBootTime"] = timestamp(self.booted_at)
            told["nodeAgentInfo"] = {"version": "1.13.0", "lastUpdateTime": timestamp(self.booted_at)}
        if self.pool.body.start_task is not None:
            told["startTask"] = without_secrets(self.pool.body.start_task.wire())
        if self.errors:
            told["errors"] = list(self.errors)
        if self.start_task is not None:
            told["startTaskInfo"] = self.start_task.wire(retries=True)
        image = (self.pool.body.virtual_machine_configuration or {}).get("imageReference")
        if image:
            told["virtualMachineInfo"] = {"imageReference": image}
        return told


class Pool(Resource):
    """A pool. ``allocation`` is a second state beside the first: whether its size is changing."""

    def __init__(self, body: PoolBody, *, number: int, auto: bool = False) -> None:
        super().__init__("active")
        self.body = body
        self.number = number
        self.node_numbers = itertools.count(1)
        self.auto = auto
        self.allocation = "resizing"
        self.allocation_at = self.created_at
        self.nodes: dict[str, Node] = {}
        self.resize_errors: list[dict[str, Any]] = []
        self.auto_scale_run: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        return self.body.id.lower()

    @property
    def vm_size(self) -> str:
        return self.body.vm_size.lower()

    @property
    def takes_containers(self) -> bool:
        return bool((self.body.virtual_machine_configuration or {}).get("containerConfiguration"))

    def allocate(self, state: str) -> None:
        """Change the state of the allocation."""
        if state != self.allocation:
            self.allocation, self.allocation_at = state, pendulum.now("UTC")

    def count(self, *, dedicated: bool) -> int:
        return sum(node.dedicated is dedicated for node in self.nodes.values())

    def has_room(self) -> bool:
        return any(node.free_slots > 0 for node in self.nodes.values())

    def pick(self, slots: int, *, job_id: str) -> Node | None:
        """A node with room for so many slots where the job may run, by the pool's policy."""
        fitting = [
            node
            for node in self.nodes.values()
            if node.free_slots >= slots and not _is_unfit(node.preparations.get(job_id))
        ]
        if self.body.task_scheduling_policy.node_fill_type == "Pack":
            return min(fitting, key=lambda node: node.free_slots, default=None)
        return max(fitting, key=lambda node: node.free_slots, default=None)

    def wire(self, endpoint: str) -> dict[str, Any]:
        body = self.body.wire()
        if self.body.start_task is not None:
            body["startTask"] = without_secrets(body["startTask"])
        image = (body.get("virtualMachineConfiguration") or {}).get("imageReference")
        if image and "publisher" in image:
            image.setdefault("version", "latest")
        if self.body.enable_auto_scale:
            body.setdefault("autoScaleEvaluationInterval", duration(900))
        told: dict[str, Any] = {
            **body,
            "url": f"{endpoint}/pools/{self.body.id}",
            **self.version(),
            **self.states(),
            "allocationState": self.allocation,
            "allocationStateTransitionTime": timestamp(self.allocation_at),
            "vmSize": self.vm_size,
            "currentDedicatedNodes": self.count(dedicated=True),
            "currentLowPriorityNodes": self.count(dedicated=False),
        }
        if self.resize_errors:
            told["resizeErrors"] = self.resize_errors
        if self.auto_scale_run is not None:
            told["autoScaleRun"] = self.auto_scale_run
        return told

    def node_counts(self) -> dict[str, Any]:
        """How many nodes are in which state."""
        told: dict[str, Any] = {"poolId": self.body.id}
        for name, dedicated in (("dedicated", True), ("lowPriority", False)):
            states = Counter(node.state for node in self.nodes.values() if node.dedicated is dedicated)
            told[name] = {state: states[state.lower()] for state in _COUNTED} | {"total": states.total()}
        return told


def _is_unfit(preparation: Preparation | None) -> bool:
    return preparation is not None and preparation.failed
