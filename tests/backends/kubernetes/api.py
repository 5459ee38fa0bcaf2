"""Jobs, pods and events as the API server writes them, for tests of what reads them."""

from __future__ import annotations

from typing import Any

import pendulum

from airflow_provider_jobs.core.models import BackendRef, JobHandle

Json = dict[str, Any]

DIGEST = "0123456789abcdef"
NAME = f"d-t-{DIGEST}"
CREATED = "2030-01-01T00:00:00Z"
INDEX = "batch.kubernetes.io/job-completion-index"


def handle(size: int = 1, indexes: tuple[int, ...] | None = None) -> JobHandle:
    """Return the handle of the Job."""
    return JobHandle(
        ref=BackendRef(backend="kubernetes", conn_id="c", scope={"namespace": "ml"}),
        native_id=f"ml/{NAME}",
        name=NAME,
        size=size,
        indexes=indexes,
        submitted_at=pendulum.datetime(2030, 1, 1),
    )


def condition(kind: str, reason: str = "", message: str = "", status: str = "True") -> Json:
    """Return a condition of a Job."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2030-01-01T00:10:00Z",
    }


def job(*conditions: Json, size: int = 1, annotations: Json | None = None, **status: Any) -> Json:
    """Return a Job with these conditions, an Indexed one from two indexes on."""
    spec: Json = {
        "template": {"spec": {"containers": [{"name": "main", "image": "busybox"}]}},
        "suspend": False,
    }
    if size > 1:
        spec |= {"completionMode": "Indexed", "completions": size}
    metadata: Json = {"name": NAME, "namespace": "ml", "creationTimestamp": CREATED}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec, "status": {"conditions": list(conditions), **status}}


def container(
    name: str = "main", restarts: int = 0, last: Json | None = None, cid: str | None = None, **state: Any
) -> Json:
    """Return the status of a container."""
    return {
        **({"containerID": cid} if cid else {}),
        "name": name,
        "image": f"{name}:1",
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


def ended(code: int, reason: str = "Error", **more: Any) -> Json:
    """Return the end of a container."""
    return {"exitCode": code, "reason": reason, "startedAt": CREATED, **more}


def pod(
    index: int | None = None, *containers: Json, phase: str = "Failed", name: str = "", **status: Any
) -> Json:
    """Return a pod whose containers are in these states."""
    metadata: Json = {
        "name": name or f"{NAME}-{index or 0}-abcde",
        "creationTimestamp": status.pop("created", CREATED),
        "labels": {"airflow-job-key": DIGEST},
        "annotations": status.pop("annotations", {}),
        "ownerReferences": [{"kind": "Job", "uid": status.pop("owner", "u-1")}],
    }
    if deleted := status.pop("deleted", None):
        metadata["deletionTimestamp"] = deleted
    if index is not None:
        metadata["annotations"] = {**metadata["annotations"], INDEX: str(index)}
    held = containers or (container(),)
    return {
        "metadata": metadata,
        "spec": {"restartPolicy": "Never", "containers": [{"name": each["name"]} for each in held]},
        "status": {"phase": phase, "containerStatuses": list(held), **status},
    }


def event(reason: str, message: str, at: str = CREATED) -> Json:
    """Return an event."""
    return {
        "metadata": {"creationTimestamp": CREATED},
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }
