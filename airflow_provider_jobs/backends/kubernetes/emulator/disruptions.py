"""Why a pod is taken off its node by others, and what of it can be seen.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp
from airflow_provider_jobs.emulator.jobs import EndReason


@dataclass(frozen=True)
class Disruption:
    """``deletes``: the pod object is deleted too. ``phase_reason``: the pod fails with this reason."""

    reason: str
    message: str
    deletes: bool = True
    phase_reason: str = ""

    def condition(self, generation: int) -> dict[str, Any]:
        return {
            "type": "DisruptionTarget",
            "observedGeneration": generation,
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(),
            "reason": self.reason,
            "message": self.message,
        }


EVICTION = Disruption("EvictionByEvictionAPI", "Eviction API: evicting")
#: What the engine's interruptions of a machine are to a pod.
DISRUPTIONS: dict[EndReason, Disruption] = {
    EndReason.PREEMPTED: Disruption(
        "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"
    ),
    EndReason.LOST: Disruption("DeletionByPodGC", "PodGC: node no longer exists"),
    EndReason.UNRESPONSIVE: Disruption(
        "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"
    ),
    EndReason.REBOOTED: Disruption(
        "TerminationByKubelet",
        "Pod was terminated in response to imminent node shutdown.",
        deletes=False,
        phase_reason="Terminated",
    ),
    EndReason.RECREATED: Disruption(
        "TerminationByKubelet",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 0Ki. ",
        deletes=False,
        phase_reason="Evicted",
    ),
}
