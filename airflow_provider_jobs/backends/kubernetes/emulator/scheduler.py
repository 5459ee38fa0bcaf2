"""Finds a place for pods: on the one node, or nowhere, with the reason.

It exists so that a pod that cannot run anywhere stays pending as on a cluster. It must not run anything.
https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import claims, quantities
from airflow_provider_jobs.backends.kubernetes.emulator.admission import pod_resources
from airflow_provider_jobs.backends.kubernetes.emulator.events import SCHEDULER, Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.kubelet import Kubelet
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.resources import CLAIMS, NODES, PODS
from airflow_provider_jobs.backends.kubernetes.emulator.selection import of_selector
from airflow_provider_jobs.backends.kubernetes.emulator.settings import NODE
from airflow_provider_jobs.backends.kubernetes.emulator.store import Change, Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp
from airflow_provider_jobs.emulator.cloud import Cloud

_PREEMPTION = "no new claims to deallocate, preemption: 0/1 nodes are available: 1"
_NOT_HELPFUL = f"{_PREEMPTION} Preemption is not helpful for scheduling."
_NO_VICTIMS = f"{_PREEMPTION} No preemption victims found for incoming pod."
_UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
_GATED = "Scheduling is blocked due to non-empty scheduling gates"


class Scheduler:
    """Takes pods that have no node."""

    def __init__(self, cloud: Cloud, objects: Objects, *, recorder: Recorder, kubelet: Kubelet) -> None:
        self._cloud = cloud
        self._objects = objects
        self._recorder = recorder
        self._kubelet = kubelet
        self._waiting: dict[str, tuple[str, str]] = {}
        self._due = False
        objects.store.listen(self._changed)
        kubelet.on_scheduled(self.bind)

    def clear(self) -> None:
        self._waiting.clear()

    def _changed(self, change: Change) -> None:
        if change.kind is PODS:
            new = change.type == "ADDED" and change.after["spec"].get("schedulerName") == "default-scheduler"
            if change.type == "DELETED":
                self._waiting.pop(change.after.uid, None)
            elif new:
                self._waiting[change.after.uid] = change.after.key
            if change.after.uid in self._waiting:
                self._soon()
        elif change.kind in (NODES, CLAIMS) and self._waiting:
            self._soon()

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        self._due = False
        if self._cloud.ending:
            return
        for uid, key in list(self._waiting.items()):
            pod = self._objects.store.get(PODS, key)
            if pod is None or pod.uid != uid or "deletionTimestamp" in pod.meta:
                del self._waiting[uid]
            elif pod["spec"].get("schedulingGates"):
                self._leave(pod, _GATED, reason="SchedulingGated")
            elif not (why := self._why_not(pod)):
                del self._waiting[uid]
                self._kubelet.admit(pod)
            else:
                self._leave(pod, why)

    def _leave(self, pod: Object, why: str, *, reason: str = "Unschedulable") -> None:
        """Say why a pod has no node."""
        condition = {
            "type": "PodScheduled", "observedGeneration": 1, "status": "False", "lastProbeTime": None,
            "lastTransitionTime": timestamp(), "reason": reason, "message": why,
        }  # fmt: skip
        known = next((each for each in pod["status"].get("conditions", [])), None)
        if known is not None and known.get("message") == why:
            return
        self._objects.update_status(PODS, pod, status={**pod["status"], "conditions": [condition]})
        if why != _GATED:
            self._recorder.warning(PODS, pod, reason="FailedScheduling", message=why, source=SCHEDULER)

    def bind(self, pod: Object) -> Object | None:
        """Give a pod its node; None when it is being deleted."""
        if "deletionTimestamp" in pod.meta:
            return None
        condition = {
            "type": "PodScheduled", "observedGeneration": 1, "status": "True", "lastProbeTime": None,
            "lastTransitionTime": timestamp(),
        }  # fmt: skip
        bound = Object({**pod, "spec": {**pod["spec"], "nodeName": NODE}})
        bound = bound.with_status({**pod["status"], "conditions": [condition]})
        told = f"Successfully assigned {pod.namespace}/{pod.name} to {NODE}"
        stored = self._objects.store.replace(PODS, bound)
        self._recorder.normal(PODS, stored, reason="Scheduled", message=told, source=SCHEDULER)
        return stored

    def _why_not(self, pod: Object) -> str:
        """Why no node takes the pod; nothing when one does."""
        for volume in pod["spec"].get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            found = self._objects.store.get(CLAIMS, (pod.namespace, claim)) if claim else None
            if claim and found is None:
                return f'0/1 nodes are available: persistentvolumeclaim "{claim}" not found. not found'
            if found is not None and claims.is_pending(found):
                return f"0/1 nodes are available: {_UNBOUND}. {_NOT_HELPFUL}"
        node = self._objects.store.get(NODES, ("", NODE))
        if node is None:
            return "no nodes available to schedule pods"
        reasons = list(_unfit(pod, node))
        if not reasons:
            return ""
        told = ", ".join(f"1 {reason}" for reason in sorted(reasons))
        helpless = any(not reason.startswith("Insufficient") for reason in reasons)
        return f"0/1 nodes are available: {told}. {_NOT_HELPFUL if helpless else _NO_VICTIMS}"


def _unfit(pod: Object, node: Object) -> Iterator[str]:
    if node.get("spec", {}).get("unschedulable"):
        yield "node(s) were unschedulable"
    labels = node.meta.get("labels", {})
    selector = pod["spec"].get("nodeSelector", {})
    if any(labels.get(key) != value for key, value in selector.items()) or not _affine(
        pod, labels, name=node.name
    ):
        yield "node(s) didn't match Pod's node affinity/selector"
    yield from _untolerated(pod, node)
    offered = node["status"]["allocatable"]
    for name, wanted in pod_resources(pod["spec"]).items():
        if wanted > (quantities.parse(offered[name]) if name in offered else Fraction(0)):
            yield f"Insufficient {name}"


def _affine(pod: Object, labels: dict[str, str], *, name: str) -> bool:
    required = (
        pod["spec"]
        .get("affinity", {})
        .get("nodeAffinity", {})
        .get("requiredDuringSchedulingIgnoredDuringExecution")
    )
    if required is None:
        return True

    def met(term: dict[str, Any]) -> bool:
        fields = {"metadata.name": name}
        expressions = of_selector({"matchExpressions": _known(term.get("matchExpressions", []))})
        by_name = of_selector({"matchExpressions": _known(term.get("matchFields", []))})
        return all(each.met(labels) for each in expressions) and all(each.met(fields) for each in by_name)

    return any(met(term) for term in required.get("nodeSelectorTerms", []))


def _known(expressions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in expressions if each.get("operator") in ("In", "NotIn", "Exists", "DoesNotExist")]


def _untolerated(pod: Object, node: Object) -> Iterator[str]:
    for taint in node.get("spec", {}).get("taints", []):
        if taint["effect"] == "PreferNoSchedule":
            continue
        if not any(_tolerates(each, taint) for each in pod["spec"].get("tolerations", [])):
            yield "node(s) had untolerated taint(s)"
            return


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return not toleration.get("key") or toleration["key"] == taint["key"]
    return toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")
