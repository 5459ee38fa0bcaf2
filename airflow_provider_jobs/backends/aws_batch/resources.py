"""Processors, memory and accelerators as AWS Batch takes them. Pure.

https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""

from __future__ import annotations

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.spec import JobSpec

_GIB = 1024
# Processors of Fargate to the memory, in MiB, that may go with them.
FARGATE_MEMORY: dict[float, tuple[int, ...]] = {
    0.25: (512, 1 * _GIB, 2 * _GIB),
    0.5: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
    32: (60 * _GIB, 120 * _GIB, 244 * _GIB),
}
_LEAST_MEMORY = 4


def requirements(spec: JobSpec, *, platform: str | None) -> list[dict[str, str]]:
    """Return what one index needs; what was not given is left to the job definition.

    :param platform: ``EC2`` or ``FARGATE`` where it is known
    :raises InvalidArgument: the service has no such sizes
    """
    cpu, memory = spec.cpu, spec.memory_mib
    if platform == "FARGATE":
        cpu, memory = _of_fargate(cpu, memory)
    elif cpu is not None:
        _check_cpu(cpu, platform=platform)
    if memory is not None and memory < _LEAST_MEMORY:
        raise InvalidArgument("memory", f"{spec.memory!r} is too little", remedy="Write 4Mi at least")
    told = {
        "VCPU": None if cpu is None else f"{cpu:g}",
        "MEMORY": None if memory is None else str(memory),
        "GPU": str(spec.gpu.count) if spec.gpu else None,
    }
    return [{"type": kind, "value": value} for kind, value in told.items() if value is not None]


def _check_cpu(cpu: float, *, platform: str | None) -> None:
    """Machines of EC2 give whole processors; a queue of which nothing is known may be one of Fargate."""
    if platform == "EC2" and not float(cpu).is_integer():
        raise InvalidArgument(
            "cpu", f"{cpu:g} is no whole number", remedy="Write 1, 2 and so on, or use platform='FARGATE'"
        )
    if not float(cpu).is_integer() and cpu not in FARGATE_MEMORY:
        raise InvalidArgument("cpu", f"{cpu:g} is refused", remedy="Write 0.25, 0.5, 1, 2 and so on")


def _of_fargate(cpu: float | None, memory: int | None) -> tuple[float | None, int | None]:
    """Return a pair that Fargate has; where one is not given, the least that goes with the other."""
    if cpu is None and memory is None:
        return None, None
    if cpu is None:
        cpu = next((each for each, sizes in FARGATE_MEMORY.items() if memory in sizes), None)
        if cpu is None:
            raise InvalidArgument("memory", f"{memory} MiB is refused", remedy=_sizes(None))
        return cpu, memory
    if cpu not in FARGATE_MEMORY:
        counts = ", ".join(f"{each:g}" for each in FARGATE_MEMORY)
        raise InvalidArgument("cpu", f"{cpu:g} is refused", remedy=f"On Fargate write one of {counts}")
    sizes = FARGATE_MEMORY[cpu]
    if memory is None:
        return cpu, sizes[0]
    if memory not in sizes:
        raise InvalidArgument(
            "memory", f"{memory} MiB does not go with cpu={cpu:g} on Fargate", remedy=_sizes(cpu)
        )
    return cpu, memory


def _sizes(cpu: float | None) -> str:
    if cpu is None:
        return "Give cpu too, and a memory that Fargate has with it, such as cpu=1 and memory='2Gi'"
    listed = ", ".join(f"{size}Mi" for size in FARGATE_MEMORY[cpu])
    return f"Write one of {listed}"
