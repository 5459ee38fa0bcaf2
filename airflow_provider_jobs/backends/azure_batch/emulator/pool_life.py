"""A pool's way: nodes allocated, started, given back; resized, scaled, deleted.

It exists so that a pool changes here alone. Its steps wait for rules of the admin API by the name
``pools/<id>``. https://learn.microsoft.com/azure/batch/nodes-and-pools. It must not know HTTP.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator import hindrances, orders
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.environment import package_directory
from airflow_provider_jobs.backends.azure_batch.emulator.pool_bodies import PoolBody, StartTask
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node, Pool
from airflow_provider_jobs.backends.azure_batch.emulator.preparations import Preparation
from airflow_provider_jobs.backends.azure_batch.emulator.task_life import TaskLife
from airflow_provider_jobs.backends.azure_batch.emulator.wire import duration_seconds, timestamp
from airflow_provider_jobs.emulator.progress import Stage

#: Cores that the account may use, as dedicated and as low-priority nodes.
CORE_QUOTA = 1000
_CORES = re.compile(r"(?:standard|basic)_[a-z]+(\d+)", re.IGNORECASE)
_SIMPLE_FORMULA = re.compile(
    r"\$(?:Target)?(Dedicated|LowPriority)(?:Nodes)?\s*=\s*(\d+)\s*;?", re.IGNORECASE
)

#: What becomes of a node's tasks when it goes: they are waited for.
_WAITING = ("taskcompletion", "retaineddata")


def cores(vm_size: str) -> int | None:
    """Cores of a size, read from its name; None for a size that cannot be one."""
    match = _CORES.match(vm_size)
    return None if match is None else max(1, int(match[1]))


class PoolLife:
    """Moves the pools of the account."""

    def __init__(self, account: Account, tasks: TaskLife) -> None:
        self._account = account
        self._tasks = tasks

    def add(self, body: PoolBody, *, auto: bool = False) -> Pool:
        """Make a pool; its nodes come by themselves."""
        pool = self._make(body, auto=auto)
        if body.enable_auto_scale:
            self.scale(pool)
        self._tasks.spawn(self._resize(pool, option="requeue"))
        return pool

    def add_ready(self, body: PoolBody) -> None:
        """Make a pool whose nodes are there and idle."""
        pool = self._make(body)
        for _ in range(body.target_dedicated_nodes):
            node = self._add_node(pool, dedicated=True)
            _furnish(node)
            node.move("idle")
        pool.allocate("steady")

    def _make(self, body: PoolBody, *, auto: bool = False) -> Pool:
        pool = Pool(body, number=next(self._account.numbers), auto=auto)
        self._account.pools[pool.key] = pool
        return pool

    def _add_node(self, pool: Pool, *, dedicated: bool) -> Node:
        node = Node(pool, dedicated=dedicated, directory=self._account.files_dir / pool.key)
        pool.nodes[node.id] = node
        return node

    def resize(self, pool: Pool, *, dedicated: int, low_priority: int, option: str) -> None:
        """Change how many nodes there shall be."""
        pool.body.target_dedicated_nodes, pool.body.target_low_priority_nodes = dedicated, low_priority
        pool.touch()
        pool.resize_errors = []
        pool.allocate("resizing")
        self._tasks.spawn(self._resize(pool, option=option))

    def stop_resize(self, pool: Pool) -> None:
        """Leave the pool at the size it has now."""
        pool.touch()
        pool.allocate("stopping")
        self._tasks.spawn(self._stop(pool))

    def remove_nodes(self, pool: Pool, nodes: list[Node], *, option: str) -> None:
        """Take these nodes away; the pool shall be smaller by them."""
        for node in nodes:
            if node.dedicated:
                pool.body.target_dedicated_nodes = max(0, pool.body.target_dedicated_nodes - 1)
            else:
                pool.body.target_low_priority_nodes = max(0, pool.body.target_low_priority_nodes - 1)
        pool.touch()
        pool.resize_errors = []
        pool.allocate("resizing")
        self._tasks.spawn(self._take_away(pool, nodes, option=option))

    def delete(self, pool: Pool) -> None:
        """Remove the pool with all its nodes; their tasks wait for another pool of its name."""
        pool.move("deleting")
        pool.allocate("resizing")
        self._tasks.spawn(self._delete(pool))

    def scale(self, pool: Pool) -> None:
        """Evaluate the pool's formula and set its targets."""
        values, error = evaluate(pool.body.auto_scale_formula or "")
        run: dict[str, Any] = {"timestamp": timestamp(pendulum.now("UTC"))}
        if error:
            run["error"] = {"code": "AutoScalingFormulaEvaluationError", "message": error}
        pool.body.target_dedicated_nodes = values.get("dedicated", pool.body.target_dedicated_nodes)
        pool.body.target_low_priority_nodes = values.get("lowpriority", pool.body.target_low_priority_nodes)
        run["results"] = results(pool.body.target_dedicated_nodes, pool.body.target_low_priority_nodes)
        pool.auto_scale_run = run

    def let_go(self, node: Node, *, option: str, schedulable: bool) -> None:
        """Let a node take tasks or none; what becomes of its tasks is up to the option."""
        node.schedulable = schedulable
        self._let_go(node, option=option)
        if not node.tasks and node.state in ("idle", "offline"):
            node.rest()
        self._tasks.dispatcher.look(node.pool.key)

    def reboot(self, node: Node, *, option: str, state: str) -> None:
        """Start a node again; its tasks are requeued, ended or waited for first."""
        self._let_go(node, option=option)
        self._tasks.spawn(self._reboot(node, option=option, state=state))

    async def _resize(self, pool: Pool, *, option: str) -> None:
        """Bring the pool to its targets, or as near as the quota and the time allow."""
        if code := self._account.hindrance(f"pools/{pool.body.id}", Stage.SCHEDULED):
            pool.resize_errors = [hindrances.resize_error(code)]
            pool.allocate("steady")
            return
        limit = duration_seconds(pool.body.resize_timeout)
        try:
            await asyncio.wait_for(self._account.step(f"pools/{pool.body.id}", Stage.SCHEDULED), limit)
        except asyncio.TimeoutError:
            pool.resize_errors = [hindrances.resize_error("AllocationTimedout")]
            pool.allocate("steady")
            return
        if pool.allocation != "resizing" or pool.state != "active":
            return
        for dedicated in (True, False):
            target = pool.body.target_dedicated_nodes if dedicated else pool.body.target_low_priority_nodes
            await self._bring_to(pool, target, dedicated=dedicated, option=option)
        pool.allocate("steady")

    async def _bring_to(self, pool: Pool, target: int, *, dedicated: bool, option: str) -> None:
        have = [node for node in pool.nodes.values() if node.dedicated is dedicated]
        surplus = sorted(have, key=lambda node: len(node.tasks))[: max(0, len(have) - target)]
        for node in surplus:
            await self._remove(node, option=option)
        for _ in range(target - len(have)):
            if not self._is_within_quota(pool, dedicated=dedicated):
                pool.resize_errors.append(_quota_error(dedicated=dedicated))
                return
            self._tasks.spawn(self._boot(self._add_node(pool, dedicated=dedicated)))

    def _is_within_quota(self, pool: Pool, *, dedicated: bool) -> bool:
        """Whether one more node of the pool may be had."""
        used = sum(
            each.count(dedicated=dedicated) * (cores(each.vm_size) or 1)
            for each in self._account.pools.values()
        )
        return used + (cores(pool.vm_size) or 1) <= CORE_QUOTA

    async def _reboot(self, node: Node, *, option: str, state: str) -> None:
        if option in _WAITING:
            await node.vacant.wait()
        node.move(state)
        await self._boot(node)

    async def _boot(self, node: Node) -> None:
        pool = node.pool
        name = f"pools/{pool.body.id}/nodes/{node.id}"
        if word := self._account.hindrance(name, Stage.ASSIGNED):
            state, node.errors = hindrances.BROKEN_NODES[word]
            node.move(state)
        await self._account.step(name, Stage.ASSIGNED)
        node.errors = ()
        node.move("starting")
        await self._account.step(name, Stage.RUNNING)
        _furnish(node)
        if pool.body.start_task is not None and not await self._start_task(node, pool.body.start_task):
            node.move("starttaskfailed")
            return
        if node.id in pool.nodes:
            node.rest()
            self._tasks.dispatcher.look(pool.key)

    async def _start_task(self, node: Node, work: StartTask) -> bool:
        """Run the pool's start task. False when the node must not take tasks."""
        order = orders.for_start_task(self._account, node, work)
        started = Preparation(
            self._account.cloud,
            node,
            order=order,
            retries=work.max_task_retry_count,
            must_succeed=work.wait_for_success,
        )
        node.start_task = started
        if work.wait_for_success:
            node.move("waitingforstarttask")
            await started.done.wait()
        return not started.failed

    async def _stop(self, pool: Pool) -> None:
        pool.body.target_dedicated_nodes = pool.count(dedicated=True)
        pool.body.target_low_priority_nodes = pool.count(dedicated=False)
        message = "Desired number of nodes could not be allocated due to a stop resize operation"
        pool.resize_errors = [{"code": "ResizeStopped", "message": message}]
        pool.allocate("steady")

    async def _take_away(self, pool: Pool, nodes: list[Node], *, option: str) -> None:
        await self._account.step(f"pools/{pool.body.id}", Stage.SCHEDULED)
        for node in nodes:
            await self._remove(node, option=option)
        pool.allocate("steady")

    async def _delete(self, pool: Pool) -> None:
        for node in list(pool.nodes.values()):
            await self._remove(node, option="requeue")
        await self._account.step(f"pools/{pool.body.id}", Stage.DELETED)
        if self._account.pools.get(pool.key) is pool:
            del self._account.pools[pool.key]

    async def _remove(self, node: Node, *, option: str) -> None:
        """Take one node away: first its tasks, then its files."""
        node.schedulable = False
        self._let_go(node, option=option)
        if option in _WAITING:
            await node.vacant.wait()
        node.move("leavingpool")
        if node.start_task is not None:
            node.start_task.forget()
        for preparation in node.preparations.values():
            preparation.stop()
        node.pool.nodes.pop(node.id, None)
        await asyncio.to_thread(shutil.rmtree, node.directory, ignore_errors=True)

    def _let_go(self, node: Node, *, option: str) -> None:
        for task in list(node.tasks):
            if option == "terminate":
                self._tasks.terminate(task)
            elif option == "requeue":
                self._tasks.requeue(task)


def _furnish(node: Node) -> None:
    """Give a node the directories that every node has."""
    for name in ("applications", "fsmounts", "shared", "startup", "volatile", "workitems"):
        (node.directory / name).mkdir(parents=True, exist_ok=True)
    for package in node.pool.body.application_package_references or ():
        package_directory(package, node).mkdir(parents=True, exist_ok=True)
    node.booted_at = pendulum.now("UTC")


def evaluate(formula: str) -> tuple[dict[str, int], str]:
    """Targets of a formula that assigns numbers, and why it cannot be evaluated if it does more."""
    values = {match[1].lower(): int(match[2]) for match in _SIMPLE_FORMULA.finditer(formula)}
    rest = _SIMPLE_FORMULA.sub("", formula).strip()
    rest = re.sub(r"\$NodeDeallocationOption\s*=\s*\w+\s*;?", "", rest).strip()
    if not rest and values:
        return values, ""
    return values, "the local cloud evaluates formulas that assign numbers to $TargetDedicatedNodes alone"


def results(dedicated: int, low_priority: int) -> str:
    """The variables after an evaluation, as the service lists them."""
    return (
        f"$TargetDedicatedNodes={dedicated};$TargetLowPriorityNodes={low_priority};"
        "$NodeDeallocationOption=requeue"
    )


def _quota_error(*, dedicated: bool) -> dict[str, Any]:
    kind = "" if dedicated else "LowPriority"
    told = "core" if dedicated else "low-priority core"
    return {
        "code": f"Account{kind}CoreQuotaReached",
        "message": f"The specified account has reached {told} quota",
        "values": [{"name": "AccountCoreQuota", "value": str(CORE_QUOTA)}],
    }
