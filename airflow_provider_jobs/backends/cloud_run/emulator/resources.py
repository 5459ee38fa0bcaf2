"""CPU, memory and GPU limits of a container.

It exists to hold the table of what goes with what:
https://docs.cloud.google.com/run/docs/configuring/jobs/cpu and .../jobs/memory-limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

DEFAULT_CPU = "1000m"
DEFAULT_MEMORY = "512Mi"
GPU = "nvidia.com/gpu"
_KEYS = ("cpu", "memory", GPU)
#: CPUs in thousandths to the least memory that they need.
_LEAST_MEMORY = {1000: 0, 2000: 0, 4000: 2 << 30, 6000: 4 << 30, 8000: 4 << 30}
_MOST_MEMORY = 32 << 30
_MORE_THAN_4_GIB_NEEDS, _MORE_THAN_8_GIB_NEEDS = 2000, 4000
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|Ki|Mi|Gi)?")


class Problem(NamedTuple):
    """What is wrong with the limit of this key."""

    key: str
    why: str


def check_limits(limits: Mapping[str, str]) -> Problem | None:
    """The first thing that is wrong with the limits; None when they can be."""
    for key in limits:
        if key not in _KEYS:
            return Problem(key, f"is not supported; only {', '.join(_KEYS)} are.")
    cpu = milli_cpus(limits.get("cpu", DEFAULT_CPU))
    if cpu not in _LEAST_MEMORY:
        return Problem(
            "cpu", "Invalid value specified for cpu. The following values are supported: 1, 2, 4, 6, 8."
        )
    if GPU in limits and limits[GPU] != "1":
        return Problem(GPU, "The only supported value is 1.")
    return _check_memory(memory_bytes(limits.get("memory", DEFAULT_MEMORY)), cpu=cpu)


def _check_memory(memory: int | None, *, cpu: int) -> Problem | None:
    if memory is None or not 0 < memory <= _MOST_MEMORY:
        return Problem("memory", "Invalid value specified for memory. It must be at most 32Gi.")
    if memory < _LEAST_MEMORY[cpu]:
        least = _LEAST_MEMORY[cpu] >> 30
        return Problem(
            "memory", f"Invalid value specified for memory. {cpu // 1000} CPU need at least {least}Gi."
        )
    needed = 0
    if memory > 4 << 30:
        needed = _MORE_THAN_4_GIB_NEEDS
    if memory > 8 << 30:
        needed = _MORE_THAN_8_GIB_NEEDS
    if cpu < needed:
        return Problem(
            "memory", f"Invalid value specified for memory. It needs at least {needed // 1000} CPU."
        )
    return None


def milli_cpus(text: str) -> int | None:
    """The text "2" or "2000m" is 2000; None for what is no quantity."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in (None, "m"):
        return None
    return round(float(match[1]) * (1 if match[2] else 1000))


def memory_bytes(text: str) -> int | None:
    """The text "512Mi" is 536870912; None for what is no quantity."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] == "m":
        return None
    return int(float(match[1]) * _FACTORS[match[2] or ""])
