"""Which claims get a volume, and what is said of those that do not.

It exists so that a pod can wait for a claim as on a cluster. It must not change a claim. There are no volumes
made by hand, which a claim with the empty storage class wants. Storage classes below ``.invalid`` are not
there; all others are, and give a volume at once. Words:
https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/volume/persistentvolume/pv_controller.go
"""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_jobs.backends.kubernetes.emulator.store import Object

CONTROLLER = "persistentvolume-controller"


class Unbound(NamedTuple):
    """The event that tells why a claim has no volume."""

    reason: str
    message: str
    is_warning: bool


def why_not(claim: Object) -> Unbound | None:
    """Why a claim gets no volume; None where it gets one."""
    name = claim.get("spec", {}).get("storageClassName")
    if name == "":
        told = "no persistent volumes available for this claim and no storage class is set"
        return Unbound("FailedBinding", told, is_warning=False)
    if name is not None and (name == "invalid" or name.endswith(".invalid")):
        told = f'storageclass.storage.k8s.io "{name}" not found'
        return Unbound("ProvisioningFailed", told, is_warning=True)
    return None


def is_pending(claim: Object) -> bool:
    """Whether the controller has looked at a claim and found nothing for it."""
    return claim.get("status", {}).get("phase") == "Pending"
