"""vCPUs, memory and GPUs of a container: where they are written, and what Fargate has.

It exists because they can be written in three places and Fargate sells pairs. It must not know a job.
https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused

MIN_MEMORY_MIB = 4
_KINDS = ("VCPU", "MEMORY", "GPU")


def _steps(first: int, last: int, step: int) -> frozenset[int]:
    return frozenset(range(first, last + 1, step))


#: vCPUs to the sizes of memory (MiB) that Fargate has with them.
FARGATE_PAIRS: Mapping[float, frozenset[int]] = {
    0.25: frozenset({512, 1024, 2048}),
    0.5: _steps(1024, 4096, 1024),
    1: _steps(2048, 8192, 1024),
    2: _steps(4096, 16384, 1024),
    4: _steps(8192, 30720, 1024),
    8: _steps(16384, 61440, 4096),
    16: _steps(32768, 122880, 8192),
    32: frozenset({61440, 122880, 249856}),
}


def of_container(properties: Mapping[str, Any]) -> dict[str, float]:
    """What a container asks for, by kind; ``resourceRequirements`` win over the fields of old."""
    found: dict[str, float] = {}
    for name, kind in (("vcpus", "VCPU"), ("memory", "MEMORY")):
        if name in properties:
            found[kind] = properties[name]
    return found | {each["type"]: _number(each) for each in properties.get("resourceRequirements", ())}


def of_pod_container(container: Mapping[str, Any]) -> dict[str, float]:
    """What a container of a pod asks for, by kind; limits win over requests."""
    resources = container.get("resources", {})
    asked = {**resources.get("requests", {}), **resources.get("limits", {})}
    found: dict[str, float] = {}
    if "cpu" in asked:
        text = asked["cpu"]
        found["VCPU"] = float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
    if "nvidia.com/gpu" in asked:
        found["GPU"] = float(asked["nvidia.com/gpu"])
    return found


def total(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What several containers ask for together."""
    return {kind: sum(one.get(kind, 0) for one in each) for kind in _KINDS}


def check(properties: Mapping[str, Any], *, fargate: bool) -> None:
    """Raises StatusError unless a container asks for vCPUs and memory in a way its platform has."""
    kinds = [each["type"] for each in properties.get("resourceRequirements", ())]
    if len(set(kinds)) != len(kinds):
        raise refused("Resource requirements must not name a type twice.")
    if fargate and ("vcpus" in properties or "memory" in properties):
        raise refused("vcpus and memory are not applicable for Fargate, use resourceRequirements.")
    asked = of_container(properties)
    if "VCPU" not in asked:
        raise refused("vCPU is not provided.")
    if "MEMORY" not in asked:
        raise refused("Memory is not provided.")
    if asked["MEMORY"] < MIN_MEMORY_MIB:
        raise refused(f"Memory must be at least {MIN_MEMORY_MIB} MiB.")
    if fargate:
        _check_fargate(asked)
    elif asked["VCPU"] < 1 or asked["VCPU"] != int(asked["VCPU"]):
        raise refused("vCPU must be a whole number of at least 1 on EC2.")


def _check_fargate(asked: Mapping[str, float]) -> None:
    if asked.get("GPU"):
        raise refused("GPU is not applicable for Fargate.")
    if asked["MEMORY"] not in FARGATE_PAIRS.get(asked["VCPU"], ()):
        raise refused(
            f"Fargate resource requirements ({asked['VCPU']:g} vCPU, {asked['MEMORY']:g} MiB) not valid."
        )


def _number(requirement: Mapping[str, str]) -> float:
    try:
        number = float(requirement["value"])
    except (KeyError, ValueError):
        raise refused(f"{requirement['type']} is not a number.") from None
    if requirement["type"] != "VCPU" and (number != int(number) or number < 0):
        raise refused(f"{requirement['type']} must be a whole number.")
    return number
