"""Why a task does not run yet, from what the service says about its job, pool and nodes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from azure.batch.models import BatchJob, BatchNode, BatchPool, BatchTask

from airflow_provider_jobs.backends.azure_batch.errors import without_signatures
from airflow_provider_jobs.backends.azure_batch.failures import word

_QUOTA = "Ask for a higher quota of cores, or use fewer or smaller nodes"
# https://learn.microsoft.com/azure/batch/batch-pool-node-error-checking#resize-timeout-or-failure
RESIZE_ADVICE = {
    "AccountCoreQuotaReached": _QUOTA,
    "AccountLowPriorityCoreQuotaReached": _QUOTA,
    "AccountVMSeriesCoreQuotaReached": _QUOTA,
    "AllocationFailed": "The region has no such machines now. Take another VM size or region",
    "AllocationTimedout": "The region gave no machines in time. Raise resizeTimeout or take another VM size",
    "ResizeStopped": "Somebody stopped the resize. Resize the pool again",
    "RemoveNodesFailed": "Look at the pool's nodes; one of them may be unusable",
}
_OTHER_ADVICE = "Look at the pool, and resize it again"

# What states of nodes say about tasks that wait. https://learn.microsoft.com/azure/batch/nodes-and-pools
NODE_STATES: dict[str, str] = {
    "idle": "idle",
    "running": "busy",
    "creating": "coming",
    "starting": "coming",
    "waitingforstarttask": "coming",
    "rebooting": "coming",
    "reimaging": "coming",
    "upgradingos": "coming",
    "starttaskfailed": "failed",
    "unusable": "failed",
    "unknown": "failed",
    "offline": "closed",
    "preempted": "gone",
    "leavingpool": "gone",
    "deallocating": "gone",
    "deallocated": "gone",
}


def explain_job(job: BatchJob) -> str | None:
    """Return what in the job itself keeps its tasks from running, or ``None``."""
    state = word(job.state)
    if state in ("disabling", "disabled"):
        return f"The job is {state}. Enable it: az batch job enable --job-id {job.id}"
    if state in ("terminating", "deleting"):
        return f"The job is {state}; its tasks that wait will not run"
    ran = job.execution_info
    if ran is not None and ran.scheduling_error is not None:
        error = ran.scheduling_error
        return f"The job could not be started: {_sentence(error.code, error.message)}"
    return None


def explain_task(task: BatchTask, pool: BatchPool) -> str | None:
    """Return what in a task keeps it from running on nodes that have room, or ``None``."""
    needs, has = task.required_slots or 1, pool.task_slots_per_node or 1
    if needs > has:
        return (
            f"A task needs {needs} slots, and a node of pool {pool.id} has {has}. "
            "Lower required_slots, or take a pool with more taskSlotsPerNode"
        )
    if task.depends_on is not None and (task.depends_on.task_ids or task.depends_on.task_id_ranges):
        return "The task waits for those that it depends on; one that has failed blocks it for ever"
    return None


def explain_pool(pool: BatchPool, nodes: Sequence[BatchNode]) -> str | None:
    """Return what about a pool keeps tasks from running, or ``None`` where nothing is to be said.

    :param nodes: all nodes of the pool
    """
    if word(pool.state) == "deleting":
        return f"Pool {pool.id} is being deleted. Give another pool_id"
    failed = [node for node in nodes if NODE_STATES.get(word(node.state)) == "failed"]
    usable = [node for node in nodes if NODE_STATES.get(word(node.state)) in ("idle", "busy", "coming")]
    if failed and len(usable) == 0:
        return _failed_nodes(pool, failed)
    if pool.resize_errors:
        return _resize_error(pool)
    if not nodes:
        return _no_nodes(pool)
    return _about_nodes(pool, nodes) or (_failed_nodes(pool, failed) if failed else None)


def _resize_error(pool: BatchPool) -> str:
    error = (pool.resize_errors or [])[0]
    advice = RESIZE_ADVICE.get(error.code or "", _OTHER_ADVICE)
    has = f"{pool.current_dedicated_nodes} dedicated and {pool.current_low_priority_nodes} spot nodes"
    return (
        f"Pool {pool.id} has {has} and could not be resized: {_sentence(error.code, error.message)}. {advice}"
    )


def _no_nodes(pool: BatchPool) -> str:
    target = (pool.target_dedicated_nodes or 0) + (pool.target_low_priority_nodes or 0)
    if word(pool.allocation_state) == "resizing" or target:
        return f"Pool {pool.id} has no nodes yet. Wait some minutes: {target} are being allocated"
    if pool.enable_auto_scale:
        run = pool.auto_scale_run
        if run is not None and run.error is not None:
            said = _sentence(run.error.code, run.error.message)
            return f"Pool {pool.id} has no nodes, and its formula fails: {said}. Correct the formula"
        return (
            f"Pool {pool.id} has no nodes, and its formula asks for none yet. "
            "It is evaluated every 15 minutes unless autoScaleEvaluationInterval says otherwise"
        )
    return f"Pool {pool.id} has no nodes. Resize it: az batch pool resize --pool-id {pool.id}"


def _failed_nodes(pool: BatchPool, failed: Sequence[BatchNode]) -> str:
    first = failed[0]
    states = ", ".join(f"{count} {state}" for state, count in Counter(word(n.state) for n in failed).items())
    said = _node_error(first)
    advice = (
        "Correct the pool's start task and reboot the nodes"
        if word(first.state) == "starttaskfailed"
        else "Reboot or remove them, and look at image, network and disk"
    )
    return f"Nodes of pool {pool.id} cannot be used ({states}){said}. {advice}"


def _node_error(node: BatchNode) -> str:
    """Return what the service says about a node, as the end of a clause."""
    info = node.start_task_info
    if word(node.state) == "starttaskfailed" and info is not None:
        if info.failure_info is not None and info.failure_info.code != "FailureExitCode":
            return f": the start task failed, {_sentence(info.failure_info.code, info.failure_info.message)}"
        return f": the start task exited with code {info.exit_code}"
    for error in node.errors or ():
        return f": {_sentence(error.code, error.message)}"
    return ""


def _about_nodes(pool: BatchPool, nodes: Sequence[BatchNode]) -> str | None:
    kinds = Counter(NODE_STATES.get(word(node.state), "other") for node in nodes)
    if kinds["idle"]:
        return None
    if kinds["busy"]:
        slots = pool.task_slots_per_node or 1
        each = f"{slots} slot{'s' if slots > 1 else ''} each"
        resizing = word(pool.allocation_state) == "resizing" or kinds["coming"]
        return (
            f"All {kinds['busy']} nodes of pool {pool.id} that can run tasks are busy ({each}). "
            f"{'Wait; more nodes are coming' if resizing else 'Wait, or resize the pool'}"
        )
    if kinds["coming"]:
        return f"{kinds['coming']} nodes of pool {pool.id} are starting. Wait some minutes"
    if kinds["closed"]:
        return f"The nodes of pool {pool.id} are offline. Enable scheduling on them"
    if kinds["gone"]:
        return f"The nodes of pool {pool.id} were taken away or are leaving. Wait, or use dedicated nodes"
    return None


def _sentence(code: str | None, message: str | None) -> str:
    text = ": ".join(part.partition("\n")[0] for part in (code, message) if part)
    return without_signatures(text or "the service gives no reason").removesuffix(".")
