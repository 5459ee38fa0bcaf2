"""What the DAGs of the throughput benchmark do, as the environment of their Airflow says."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.operators import official_operator, our_operator
from benchmarks.services import SERVICES

SERVICE, JOBS, SECONDS, INTERVAL = (
    f"BENCHMARKS_{name}" for name in ("SERVICE", "JOBS", "SECONDS", "INTERVAL")
)


def make_tasks(mode: str) -> None:
    """Make the tasks of a DAG, none of which waits for another.

    :param mode: ``worker`` or ``triggerer`` for ours, by who submits; or ``official``
    """
    service = SERVICES[os.environ[SERVICE]]
    values: dict[str, Any] = {
        "command": ("sleep", os.environ[SECONDS]),
        "interval_seconds": float(os.environ[INTERVAL]) if os.environ[INTERVAL] else None,
    }
    for number in range(int(os.environ[JOBS])):
        task_id = f"job_{number}"
        if mode == "official":
            official_operator(service, task_id=task_id, job=f"official-{number}", **values)
        else:
            our_operator(service, task_id=task_id, submit_from=mode, **values)


def limits() -> dict[str, Any]:
    """Return the arguments of a DAG of which all tasks may run at once; the executor alone limits them."""
    return {"schedule": None, "catchup": False, "max_active_tasks": int(os.environ[JOBS])}
