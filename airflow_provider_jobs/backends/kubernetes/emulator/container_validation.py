"""What the server refuses in a container: its name, image, variables, mounts and resources.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import names, quantities
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import Cause, invalid, required, unsupported

_ENV_WORDS = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_KEY_WORDS = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_NOT_NEGATIVE = "must be greater than or equal to 0"
_ENV_NAME = re.compile(r"[ -<>-~]+")
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_FIELD_PATHS = (
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
    "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP",
    "status.podIPs",
)  # fmt: skip
_STANDARD = ("cpu", "memory", "ephemeral-storage")

Json = Mapping[str, Any]


def container_causes(container: Json, place: str, *, volumes: set[str]) -> Iterator[Cause]:
    """What is wrong with a container, defaults filled in. ``volumes`` are the names of the pod's."""
    name, image = container.get("name", ""), container.get("image", "")
    if not name:
        yield required(f"{place}.name")
    else:
        yield from (invalid(f"{place}.name", name, detail=fault) for fault in names.label_faults(name))
    if not image:
        yield required(f"{place}.image")
    elif image != image.strip():
        yield invalid(f"{place}.image", image, detail="must not have leading or trailing whitespace")
    for field, allowed in (
        ("imagePullPolicy", _PULL_POLICIES),
        ("terminationMessagePolicy", _MESSAGE_POLICIES),
    ):
        if container.get(field) not in allowed:
            yield unsupported(f"{place}.{field}", container.get(field), allowed=allowed)
    for number, variable in enumerate(container.get("env", [])):
        yield from _env_causes(variable, f"{place}.env[{number}]")
    for number, source in enumerate(container.get("envFrom", [])):
        yield from _env_from_causes(source, f"{place}.envFrom[{number}]")
    yield from _mount_causes(container, place, volumes=volumes)
    yield from _resource_causes(container.get("resources", {}), f"{place}.resources")


def _mount_causes(container: Json, place: str, *, volumes: set[str]) -> Iterator[Cause]:
    mounted: set[str] = set()
    for number, mount in enumerate(container.get("volumeMounts", [])):
        here = f"{place}.volumeMounts[{number}]"
        name, path = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield required(f"{here}.name")
        elif name not in volumes:
            yield Cause("FieldValueNotFound", f'Not found: "{name}"', f"{here}.name")
        if not path:
            yield required(f"{here}.mountPath")
        elif path in mounted:
            yield invalid(f"{here}.mountPath", path, detail="must be unique")
        mounted.add(path)


def _env_causes(variable: Json, place: str) -> Iterator[Cause]:
    name, source = variable.get("name", ""), variable.get("valueFrom")
    if not name:
        yield required(f"{place}.name")
    elif not _ENV_NAME.fullmatch(name):
        yield invalid(f"{place}.name", name, detail=_ENV_WORDS)
    if source is not None and variable.get("value"):
        yield invalid(f"{place}.valueFrom", "", detail="may not be specified when `value` is not empty")
    elif source is not None:
        yield from _source_causes(source, f"{place}.valueFrom")


def _source_causes(source: Json, place: str) -> Iterator[Cause]:
    """What is wrong with where a variable comes from."""
    if not source:
        yield invalid(
            place, "",
            detail="must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        )  # fmt: skip
    elif len(source) > 1:
        yield invalid(place, "", detail="may not have more than one field specified at a time")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        reference = source.get(kind)
        if reference is None:
            continue
        if not reference.get("name"):
            yield required(f"{place}.{kind}.name")
        if not reference.get("key"):
            yield required(f"{place}.{kind}.key")
        elif not _KEY.fullmatch(reference["key"]):
            yield invalid(f"{place}.{kind}.key", reference["key"], detail=_KEY_WORDS)
    if "fieldRef" in source:
        yield from _field_ref_causes(source["fieldRef"], f"{place}.fieldRef")


def _field_ref_causes(reference: Json, place: str) -> Iterator[Cause]:
    path = reference.get("fieldPath", "")
    subscript = re.fullmatch(r"metadata\.(?:labels|annotations)\['(.*)'\]", path)
    if not path:
        yield required(f"{place}.fieldPath")
    elif subscript:
        faults = names.qualified_faults(subscript[1].lower())
        yield from (invalid(f"{place}.fieldPath", path, detail=fault) for fault in faults)
    elif path in ("metadata.labels", "metadata.annotations") or path not in _FIELD_PATHS:
        yield unsupported(f"{place}.fieldPath", path, allowed=_FIELD_PATHS)


def _env_from_causes(source: Json, place: str) -> Iterator[Cause]:
    references = [kind for kind in ("configMapRef", "secretRef") if kind in source]
    if not references:
        yield invalid(place, "", detail="must specify one of: `configMapRef` or `secretRef`")
    if len(references) > 1:
        yield invalid(place, "", detail="may not have more than one field specified at a time")
    for kind in references:
        if not source[kind].get("name"):
            yield required(f"{place}.{kind}.name")


def _resource_causes(resources: Json, place: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for group, values in (("limits", limits), ("requests", requests)):
        for name, quantity in values.items():
            here = f"{place}.{group}[{name}]"
            if quantities.parse(quantity) < 0:
                yield invalid(here, quantity, detail=_NOT_NEGATIVE)
            if "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
                yield invalid(here, name, detail="must be a standard resource type or fully qualified")
    for name, quantity in requests.items():
        limit, here = limits.get(name), f"{place}.requests"
        if "/" in name and limit != quantity:
            yield invalid(here, quantity, detail=f"must be equal to {name} limit of {limit or 0}")
        elif limit is not None and quantities.parse(quantity) > quantities.parse(limit):
            yield invalid(here, quantity, detail=f"must be less than or equal to {name} limit of {limit}")
