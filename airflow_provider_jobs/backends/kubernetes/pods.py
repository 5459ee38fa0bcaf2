"""What a pod says of itself: which index it runs, and its containers. Pure; reads the API's own JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.mapping import moment
from airflow_provider_jobs.backends.kubernetes.pod import (
    FAILURES_ANNOTATION,
    INDEX_ANNOTATION,
    main_container,
)

Json = dict[str, Any]


def index_of(pod: Json) -> int:
    """Return the index that a pod runs, as the service numbers it; 0 where its Job has none."""
    metadata = pod["metadata"]
    for held in (metadata.get("annotations"), metadata.get("labels")):
        if held and INDEX_ANNOTATION in held:
            return int(held[INDEX_ANNOTATION])
    return 0


def failure_count(pod: Json) -> int | None:
    """Return how many pods of this index failed before, where the Job counts them per index.

    https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-index-failure-count
    """
    told = (pod["metadata"].get("annotations") or {}).get(FAILURES_ANNOTATION)
    return int(told) if told is not None else None


def main_name(pod: Json) -> str:
    """Return the name of the job's own container."""
    return str(main_container(pod).get("name"))


def container_statuses(pod: Json) -> list[Json]:
    """Return the states of all containers, those that prepare it first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def may_restart(pod: Json) -> set[str]:
    """Return the names of the containers that may be started again in this pod.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
    """
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return set()
    spec = pod.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return {
        each["name"]
        for each in containers
        if (each.get("restartPolicy") or spec.get("restartPolicy")) != "Never"
        or each.get("restartPolicyRules")
    }


def of_latest_owner(pods: Iterable[Json]) -> list[Json]:
    """Return the pods of the Job that was made last, where another of the same name was deleted before it."""
    held = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return [pod for pod in held if _owner(pod) == _owner(held[-1])]


def started_at(pods: Iterable[Json]) -> pendulum.DateTime | None:
    """Return when the first of the jobs' own containers ran."""
    stamps = []
    for pod in pods:
        own = main_name(pod)
        for status in container_statuses(pod):
            held = {**(status.get("lastState") or {}), **(status.get("state") or {})}
            if status.get("name") == own:
                stamps += [each["startedAt"] for each in held.values() if each and each.get("startedAt")]
    return min(map(moment, stamps), default=None)


def _owner(pod: Json) -> str:
    return str(next((each.get("uid") for each in pod["metadata"].get("ownerReferences") or ()), ""))
