"""Objects as rows, which is how ``kubectl get`` wants them.

It exists so that the columns are those of a cluster. It must not change or fetch anything.
https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import tables_of_jobs
from airflow_provider_jobs.backends.kubernetes.emulator.resources import ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import age

Cells = list[Any]


def _own_age(found: Object) -> str:
    return age(found.meta.get("creationTimestamp"))


def _event(found: Object) -> Cells:
    involved = found.get("involvedObject") or found.get("regarding") or {}
    source = found.get("source") or found.get("deprecatedSource") or {}
    first = found.get("firstTimestamp") or found.get("deprecatedFirstTimestamp") or found.get("eventTime")
    last = found.get("lastTimestamp") or found.get("deprecatedLastTimestamp") or first
    count = found.get("count") or found.get("deprecatedCount") or 1
    seen = age(last) if count == 1 else f"{age(last)} (x{count} over {age(first)})"
    shown = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    told = (found.get("message") or found.get("note") or "").strip()
    who = source.get("component") or found.get("reportingComponent", "")
    if source.get("host"):
        who += f", {source['host']}"
    return [
        seen, found.get("type", ""), found.get("reason", ""), shown, involved.get("fieldPath", ""), who, told,
        age(first), count, found.name,
    ]  # fmt: skip


def _node(found: Object) -> Cells:
    ready = any(
        each["type"] == "Ready" and each["status"] == "True" for each in found["status"].get("conditions", [])
    )
    roles = [
        key.partition("/")[2] for key in found.meta.get("labels", {})
        if key.startswith("node-role.kubernetes.io/")
    ]  # fmt: skip
    addresses = {each["type"]: each["address"] for each in found["status"].get("addresses", [])}
    info = found["status"].get("nodeInfo", {})
    status = "Ready" if ready else "NotReady"
    if found.get("spec", {}).get("unschedulable"):
        status += ",SchedulingDisabled"
    return [
        found.name, status, ",".join(roles) or "<none>", _own_age(found), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"), addresses.get("ExternalIP", "<none>"), info.get("osImage", ""),
        info.get("kernelVersion", ""), info.get("containerRuntimeVersion", ""),
    ]  # fmt: skip


def _claim(found: Object) -> Cells:
    spec, status = found.get("spec", {}), found.get("status", {})
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    modes = ",".join(short.get(mode, mode) for mode in status.get("accessModes", []))
    phase = "Terminating" if "deletionTimestamp" in found.meta else status.get("phase", "")
    return [
        found.name, phase, spec.get("volumeName", ""), status.get("capacity", {}).get("storage", ""), modes,
        spec.get("storageClassName", ""), "<unset>", _own_age(found), spec.get("volumeMode", "<unset>"),
    ]  # fmt: skip


def _quota(found: Object) -> Cells:
    status = found.get("status", {})
    told = {
        name: f"{name}: {status.get('used', {}).get(name, '0')}/{hard}"
        for name, hard in sorted(found.get("spec", {}).get("hard", {}).items())
    }
    limits = ", ".join(text for name, text in told.items() if name.startswith("limits."))
    return [
        found.name,
        ", ".join(text for name, text in told.items() if not name.startswith("limits.")),
        limits,
        _own_age(found),
    ]


def _data(found: Object) -> int:
    return len(found.get("data", {})) + len(found.get("binaryData", {}))


_NODE_COLUMNS = (
    "Name Status Roles Age Version +Internal-IP +External-IP +OS-Image +Kernel-Version +Container-Runtime"
)
#: Columns of each kind; those with a plus are shown with ``-o wide`` only. Then the cells in that order.
_TABLES: dict[str, tuple[str, Callable[[Object], Cells]]] = {
    "pods": (
        "Name Ready Status Restarts Age +IP +Node +Nominated_Node +Readiness_Gates",
        tables_of_jobs.pod,
    ),
    "jobs": (
        "Name Status Completions Duration Age +Containers +Images +Selector",
        tables_of_jobs.job,
    ),
    "events": (
        "Last_Seen Type Reason Object +Subobject +Source Message +First_Seen +Count +Name",
        _event,
    ),
    "namespaces": (
        "Name Status Age",
        lambda found: [found.name, found.get("status", {}).get("phase", ""), _own_age(found)],
    ),
    "nodes": (_NODE_COLUMNS, _node),
    "configmaps": ("Name Data Age", lambda found: [found.name, _data(found), _own_age(found)]),
    "secrets": (
        "Name Type Data Age",
        lambda found: [found.name, found.get("type", ""), _data(found), _own_age(found)],
    ),
    "persistentvolumeclaims": (
        "Name Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age +VolumeMode",
        _claim,
    ),
    "resourcequotas": ("Name Request Limit Age", _quota),
    "serviceaccounts": (
        "Name Secrets Age",
        lambda found: [found.name, len(found.get("secrets", [])), _own_age(found)],
    ),
}
_OTHERS: tuple[str, Callable[[Object], Cells]] = (
    "Name Created_At",
    lambda found: [found.name, found.meta.get("creationTimestamp")],
)


def _definition(column: str) -> dict[str, Any]:
    name = column.removeprefix("+").replace("_", " ")
    return {
        "name": name,
        "type": "integer" if name in ("Data", "Count", "Secrets") else "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": int(column.startswith("+")),
    }


def table(
    kind: ResourceType, found: Iterable[Object], *, meta: dict[str, Any], include: str, headed: bool = True
) -> dict[str, Any]:
    """A Table of objects. ``include`` is what every row carries: None, Metadata or Object."""
    columns, cells = _TABLES.get(kind.plural, _OTHERS)
    rows = []
    for each in found:
        row: dict[str, Any] = {"cells": cells(each)}
        if include == "Object":
            row["object"] = {"kind": kind.kind, "apiVersion": kind.api_version, **each}
        elif include != "None":
            row["object"] = partial(each)
        rows.append(row)
    definitions = [_definition(column) for column in columns.split()] if headed else None
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def partial(found: Object) -> dict[str, Any]:
    """The metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": found.meta}
