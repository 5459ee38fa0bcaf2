"""What the import of an operator costs a DAG file, each time in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from airflow_provider_jobs.core.registry import backend_entry
from benchmarks.machine import REPOSITORY
from benchmarks.services import Service
from benchmarks.waited import Side

# A DAG file has Airflow's SDK, and the class that every operator is made of, before it imports an operator.
_PROGRAM = """
import json, sys, time
import airflow.sdk
{before}
modules, began = len(sys.modules), time.perf_counter()
from {module} import {name}
seconds = time.perf_counter() - began
print(json.dumps([seconds, len(sys.modules) - modules]))
"""
_BEFORE = {"after_sdk": "", "after_dag": "from airflow.sdk import DAG, BaseOperator"}


def measure(side: Side, services: Sequence[Service], *, times: int, told: Callable[[str], None]) -> dict:
    """Import the operator of each service so many times, and say the median of the slowest service.

    ``seconds`` counts from ``import airflow.sdk`` on, ``after_dag_seconds`` from where a DAG file has
    imported ``DAG`` too, so that what is left is the operator's own.
    """
    by_backend = {}
    for service in services:
        told(f"{service.name} {side}: importing")
        module, name = _operator(side, service)
        figures: dict[str, Any] = {}
        for prefix, before in (("", "after_sdk"), ("after_dag_", "after_dag")):
            program = _PROGRAM.format(before=_BEFORE[before], module=module, name=name)
            runs = [_import(program) for _ in range(times)]
            figures[f"{prefix}seconds"] = median(seconds for seconds, _ in runs)
            figures[f"{prefix}modules"] = runs[0][1]
        by_backend[service.name] = figures
    worst = max(by_backend.values(), key=lambda each: each["seconds"])
    return {**worst, "by_backend": by_backend}


def _operator(side: Side, service: Service) -> tuple[str, str]:
    """Return where DAG files import the operator from, and its name."""
    if side == "ours":
        return "airflow_provider_jobs.operators", backend_entry(service.name).operator.partition(":")[2]
    module, _, name = service.official.partition(":")
    return module, name


def _import(program: str) -> tuple[float, int]:
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        timeout=120,
    )
    seconds, modules = json.loads(answer.stdout.splitlines()[-1])
    return seconds, modules
