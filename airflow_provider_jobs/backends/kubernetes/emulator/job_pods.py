"""The pods of a job: how one is made, which go first, which are kept until they are replaced."""

from __future__ import annotations

import copy
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import job_policies as policies
from airflow_provider_jobs.backends.kubernetes.emulator.defaults import containers
from airflow_provider_jobs.backends.kubernetes.emulator.resources import JOBS
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_MAX_PREFIX = 58


def pod_of(job: Object, index: int | None, *, after: Object | None = None) -> dict[str, Any]:
    """A pod for a job, or for one index of it. ``after`` is the failed pod of that index that it replaces."""
    template = copy.deepcopy(job["spec"]["template"])
    meta, spec = template.get("metadata", {}), template["spec"]
    meta.pop("name", None)
    meta |= {
        "generateName": f"{job.name}-",
        "namespace": job.namespace,
        "finalizers": [*meta.get("finalizers", []), policies.TRACKING],
        "ownerReferences": [
            {
                "apiVersion": JOBS.api_version,
                "kind": JOBS.kind,
                "name": job.name,
                "uid": job.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if index is not None:
        _give_index(job, index, meta=meta, spec=spec, after=after)
    return {"metadata": meta, "spec": spec}


def _give_index(
    job: Object, index: int, *, meta: dict[str, Any], spec: dict[str, Any], after: Object | None
) -> None:
    tail = f"-{index}-"
    meta["generateName"] = job.name[: _MAX_PREFIX - len(tail)] + tail
    annotations = meta.setdefault("annotations", {})
    annotations[policies.COMPLETION_INDEX] = str(index)
    meta.setdefault("labels", {})[policies.COMPLETION_INDEX] = str(index)
    if "backoffLimitPerIndex" in job["spec"]:
        failures, ignored = 0, 0
        if after is not None:
            counts = policies.match_failure(job, after).counts
            failures, ignored = (
                policies.failures_of(after) + counts,
                policies.ignored_of(after) + (not counts),
            )
        annotations[policies.FAILURES] = str(failures)
        if ignored:
            annotations[policies.IGNORED] = str(ignored)
    spec["hostname"] = f"{job.name}-{index}"
    reference = {"apiVersion": "v1", "fieldPath": f"metadata.labels['{policies.COMPLETION_INDEX}']"}
    for container in containers(spec):
        env = container.get("env", [])
        if all(each["name"] != INDEX_VARIABLE for each in env):
            container["env"] = [*env, {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": reference}}]


def untracked(pod: Object) -> Object:
    """The pod without the finalizer that kept it until it was counted."""
    left = [each for each in pod.meta.get("finalizers", []) if each != policies.TRACKING]
    return pod.with_meta(finalizers=left or None)


def last_failed(lost: list[Object], pods: list[Object], *, settled: set[int]) -> dict[int, Object]:
    """The failed pod of each index that waits for its replacement, which needs to know it."""
    taken = settled | {policies.index_of(pod) for pod in pods if policies.is_active(pod)}
    found: dict[int, Object] = {}
    for pod in lost:
        index = policies.index_of(pod)
        known = found.get(index)
        if index not in taken and (known is None or _failures(known) <= _failures(pod)):
            found[index] = pod
    return found


def _failures(pod: Object) -> int:
    return policies.failures_of(pod) + policies.ignored_of(pod)


def by_progress(active: list[Object]) -> list[Object]:
    """Active pods, those that have done least first."""

    def rank(pod: Object) -> tuple[bool, bool, int]:
        return policies.phase(pod) != "Pending", policies.is_ready(pod), -policies.index_of(pod)

    return sorted(active, key=rank)
