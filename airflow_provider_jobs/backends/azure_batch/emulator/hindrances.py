"""What keeps pools and nodes from taking tasks, in the codes and words of the service.

It exists so that a rule of the admin API can name a reason. It must not hold state. Resize errors:
https://learn.microsoft.com/java/api/com.microsoft.azure.batch.poolresizeerrorcodes, with the message of
https://learn.microsoft.com/troubleshoot/azure/general/azure-batch-pool-resizing-failure. Nodes:
https://learn.microsoft.com/azure/batch/batch-pool-node-error-checking has codes, the messages are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_jobs.emulator.progress import Stage


class BrokenNode(NamedTuple):
    """A state of a node in which it takes no tasks, and what its errors say."""

    state: str
    errors: tuple[dict[str, Any], ...] = ()


#: Why a pool cannot have the nodes that it shall have.
RESIZE_ERRORS: Mapping[str, str] = {
    "AccountCoreQuotaReached": "The specified account has reached core quota",
    "AccountLowPriorityCoreQuotaReached": "The specified account has reached low-priority core quota",
    "AccountVMSeriesCoreQuotaReached": "The specified account has reached the core quota of the VM series",
    "AllocationFailed": "Desired number of dedicated nodes could not be allocated",
    "AllocationTimedout": "Desired number of nodes could not be allocated as the resize timeout was reached",
}
#: What becomes of a node instead of taking tasks.
BROKEN_NODES: Mapping[str, BrokenNode] = {
    "NodePreparationError": BrokenNode(
        "unusable",
        ({"code": "NodePreparationError", "message": "An error occurred during node preparation"},),
    ),
    "DiskFull": BrokenNode(
        "unusable", ({"code": "DiskFull", "message": "There is not enough disk space on the node"},)
    ),
    "unusable": BrokenNode("unusable"),
    "unknown": BrokenNode("unknown"),
    "preempted": BrokenNode("preempted"),
}

#: Which reasons a rule may give, by the step that they keep a pool or a node from.
WORDS: Mapping[Stage, tuple[str, ...]] = {
    Stage.SCHEDULED: tuple(RESIZE_ERRORS),
    Stage.ASSIGNED: tuple(BROKEN_NODES),
}


def resize_error(code: str) -> dict[str, Any]:
    """An error of a pool's last resize."""
    return {"code": code, "message": RESIZE_ERRORS[code]}
