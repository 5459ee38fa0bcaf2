"""What the server refuses in a pod or in the template of one.

It exists to answer 422 with the causes that a cluster would name, for the fields that jobs use. It must not
change the pod. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import names
from airflow_provider_jobs.backends.kubernetes.emulator.container_validation import container_causes
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import (
    Cause,
    duplicate,
    forbidden_field,
    invalid,
    required,
    unsupported,
)

_NOT_NEGATIVE = "must be greater than or equal to 0"

Json = Mapping[str, Any]


def pod_spec_causes(spec: Json, field: str) -> list[Cause]:
    """What is wrong with the spec of a pod, defaults filled in."""
    causes = list(_volume_causes(spec, field))
    if not spec.get("containers"):
        causes.append(required(f"{field}.containers"))
    volumes = {volume.get("name", "") for volume in spec.get("volumes", [])}
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(group, [])):
            place = f"{field}.{group}[{number}]"
            causes += container_causes(container, place, volumes=volumes)
            if container.get("name") in seen:
                causes.append(duplicate(f"{place}.name", container["name"]))
            seen.add(container.get("name", ""))
            policy = container.get("restartPolicy")
            if group == "initContainers" and policy not in (None, "Always"):
                causes.append(unsupported(f"{place}.restartPolicy", policy, allowed=["Always"]))
    for name, allowed in (
        ("restartPolicy", ("Always", "Never", "OnFailure")),
        ("dnsPolicy", ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")),
    ):
        if spec.get(name) not in allowed:
            causes.append(unsupported(f"{field}.{name}", spec.get(name), allowed=allowed))
    causes += _number_causes(spec, field)
    causes += names.label_causes(spec.get("nodeSelector", {}), f"{field}.nodeSelector")
    causes += _toleration_causes(spec, field)
    for name in ("serviceAccountName", "priorityClassName"):
        if spec.get(name):
            faults = names.subdomain_faults(spec[name])
            causes += [invalid(f"{field}.{name}", spec[name], detail=fault) for fault in faults]
    return causes


def _number_causes(spec: Json, field: str) -> Iterator[Cause]:
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        yield invalid(
            f"{field}.activeDeadlineSeconds", deadline, detail="must be between 1 and 2147483647, inclusive"
        )
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield invalid(
            f"{field}.terminationGracePeriodSeconds",
            spec["terminationGracePeriodSeconds"],
            detail=_NOT_NEGATIVE,
        )


def _toleration_causes(spec: Json, field: str) -> Iterator[Cause]:
    for number, toleration in enumerate(spec.get("tolerations", [])):
        place = f"{field}.tolerations[{number}]"
        operator = toleration.get("operator") or "Equal"
        if operator not in ("Equal", "Exists", "Lt", "Gt"):
            yield unsupported(f"{place}.operator", operator, allowed=("Equal", "Exists"))
        elif operator == "Exists" and toleration.get("value"):
            yield invalid(
                f"{place}.operator",
                toleration["value"],
                detail="value must be empty when `operator` is 'Exists'",
            )
        if not toleration.get("key") and operator != "Exists":
            told = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{place}.operator", operator, detail=told)
        effect = toleration.get("effect")
        if effect and effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            yield unsupported(
                f"{place}.effect", effect, allowed=("NoExecute", "NoSchedule", "PreferNoSchedule")
            )


def _volume_causes(spec: Json, field: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for number, volume in enumerate(spec.get("volumes", [])):
        place = f"{field}.volumes[{number}]"
        name = volume.get("name", "")
        if not name:
            yield required(f"{place}.name")
        else:
            yield from (invalid(f"{place}.name", name, detail=fault) for fault in names.label_faults(name))
        if name in seen:
            yield duplicate(f"{place}.name", name)
        seen.add(name)
        sources = [key for key in volume if key != "name"]
        for extra in sources[1:]:
            yield forbidden_field(f"{place}.{extra}", "may not specify more than 1 volume type")
        for source, key in (
            ("configMap", "name"),
            ("secret", "secretName"),
            ("persistentVolumeClaim", "claimName"),
        ):
            if source in volume and not volume[source].get(key):
                yield required(f"{place}.{source}.{key}")


def pod_update_causes(new: Json, old: Json) -> list[Cause]:
    """What may not change in a pod that exists."""
    if _fixed(new["spec"]) == _fixed(old["spec"]):
        return []
    told = (
        "pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
        "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
        "previously negative)"
    )
    return [forbidden_field("spec", told)]


def _fixed(spec: Json) -> dict[str, Any]:
    """What of a pod's spec stays as it was made."""
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates")
    kept = {key: value for key, value in spec.items() if key not in free}
    for group in ("initContainers", "containers"):
        if group in kept:
            kept[group] = [{**container, "image": ""} for container in kept[group]]
    return kept
