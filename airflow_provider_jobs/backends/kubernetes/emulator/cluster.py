"""What a cluster has before anybody asks: namespaces, a node, accounts; and the small controllers.

It exists so that the first job finds what it needs. It must not know requests.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import claims, quantities
from airflow_provider_jobs.backends.kubernetes.emulator.discovery import VERSION, machine
from airflow_provider_jobs.backends.kubernetes.emulator.events import Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    CLAIMS,
    CONFIG_MAPS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    QUOTAS,
    SERVICE_ACCOUNTS,
    ResourceType,
)
from airflow_provider_jobs.backends.kubernetes.emulator.settings import ALLOCATABLE, HOST_IP, NODE
from airflow_provider_jobs.backends.kubernetes.emulator.store import Change, Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp
from airflow_provider_jobs.emulator.cloud import Cloud

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Cluster:
    """Keeps the furniture of the cluster in place."""

    def __init__(self, cloud: Cloud, objects: Objects, recorder: Recorder) -> None:
        self._cloud = cloud
        self._objects = objects
        self._recorder = recorder
        self._due: dict[tuple[ResourceType, tuple[str, str]], None] = {}
        objects.store.listen(self._changed)
        self.furnish()

    def furnish(self) -> None:
        """Put in what an empty cluster has."""
        for name in _NAMESPACES:
            self._objects.create(NAMESPACES, {"metadata": {"name": name}})
            self._furnish_namespace(name)
        made = self._objects.create(NODES, {"metadata": {"name": NODE, "labels": _node_labels()}, "spec": {}})
        self._objects.update_status(NODES, made, status=_node_status())

    def clear(self) -> None:
        self._due.clear()

    def _furnish_namespace(self, name: str) -> None:
        if self._objects.store.get(SERVICE_ACCOUNTS, (name, "default")) is None:
            self._objects.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": name}})
        if self._objects.store.get(CONFIG_MAPS, (name, "kube-root-ca.crt")) is None:
            meta = {"name": "kube-root-ca.crt", "namespace": name}
            self._objects.create(CONFIG_MAPS, {"metadata": meta, "data": {"ca.crt": ""}})

    def _changed(self, change: Change) -> None:
        found = change.after
        if change.kind in (NAMESPACES, CLAIMS) and change.type == "ADDED":
            self._soon(change.kind, found)
        elif change.kind in (PODS, JOBS):
            for quota in self._objects.store.each(QUOTAS):
                if quota.namespace == found.namespace:
                    self._soon(QUOTAS, quota)
        elif change.kind is QUOTAS and change.type != "DELETED":
            self._soon(QUOTAS, found)

    def _soon(self, kind: ResourceType, found: Object) -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self._work)
        self._due[kind, found.key] = None

    def _work(self) -> None:
        due, self._due = self._due, {}
        for kind, key in due:
            found = self._objects.store.get(kind, key)
            if found is None or "deletionTimestamp" in found.meta:
                continue
            if kind is NAMESPACES:
                self._furnish_namespace(found.name)
            elif kind is CLAIMS:
                self._bind(found)
            else:
                self._measure(found)

    def _bind(self, claim: Object) -> None:
        """A claim gets a volume at once, or stays Pending."""
        if claim.get("status", {}).get("phase") == "Bound":
            return
        if unbound := claims.why_not(claim):
            tell = self._recorder.warning if unbound.is_warning else self._recorder.normal
            tell(CLAIMS, claim, reason=unbound.reason, message=unbound.message, source=claims.CONTROLLER)
            self._objects.update_status(CLAIMS, claim, status={"phase": "Pending"})
            return
        spec = {"volumeName": f"pvc-{uuid.uuid4()}", **claim.get("spec", {})}
        status = {
            "phase": "Bound",
            "accessModes": spec.get("accessModes", []),
            "capacity": {"storage": spec.get("resources", {}).get("requests", {}).get("storage", "1Gi")},
        }
        self._objects.write(CLAIMS, Object({**claim, "spec": spec, "status": status}))

    def _measure(self, quota: Object) -> None:
        """What is used of a quota."""
        hard = quota.get("spec", {}).get("hard", {})
        used = {}
        for name, value in self._objects.admission.used(quota).items():
            whole = value.denominator == 1
            used[name] = quantities.canonical(
                value.numerator if whole else f"{quantities.ceiling(value * 1000)}m"
            )
        self._objects.update_status(QUOTAS, quota, status={"hard": hard, "used": used})


def _node_labels() -> dict[str, str]:
    return {
        "beta.kubernetes.io/arch": machine(),
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine(),
        "kubernetes.io/hostname": NODE,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/control-plane": "",
    }


def _node_status() -> dict[str, Any]:
    now = timestamp()
    told = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }
    return {
        "capacity": ALLOCATABLE,
        "allocatable": ALLOCATABLE,
        "conditions": [
            {
                "type": name, "status": value, "lastHeartbeatTime": now, "lastTransitionTime": now,
                "reason": reason, "message": message,
            }
            for name, (value, reason, message) in told.items()
        ],
        "addresses": [
            {"type": "InternalIP", "address": HOST_IP}, {"type": "Hostname", "address": NODE}
        ],
        "nodeInfo": {
            "machineID": "0" * 32, "systemUUID": str(uuid.uuid4()), "bootID": str(uuid.uuid4()),
            "kernelVersion": "6.12.0", "osImage": "Local processes", "containerRuntimeVersion": "containerd://2.1.4",
            "kubeletVersion": VERSION, "kubeProxyVersion": VERSION, "operatingSystem": "linux",
            "architecture": machine(),
        },
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }  # fmt: skip
