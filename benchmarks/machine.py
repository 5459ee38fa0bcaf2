"""What the figures were measured on, and a home for Airflow while they are."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
_PACKAGES = {
    "airflow": "apache-airflow",
    "google": "apache-airflow-providers-google",
    "amazon": "apache-airflow-providers-amazon",
    "azure": "apache-airflow-providers-microsoft-azure",
    "kubernetes": "apache-airflow-providers-cncf-kubernetes",
}


def describe_machine() -> dict[str, Any]:
    """Return cores, CPU, Python, the versions of Airflow and its providers, the date, and who else is busy.

    ``load`` is the system's load of the last minute: far above 0 before a run, something else was at work.
    """
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(package) for name, package in _PACKAGES.items()},
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    """The model as Linux tells it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for this process and what it starts, and set them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def airflow_home() -> Iterator[None]:
    """Give this process, and what it starts, an empty AIRFLOW_HOME; before Airflow is imported."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-airflow-") as home:
        foreign = [name for name in os.environ if name.startswith(("AIRFLOW_", "_AIRFLOW_"))]
        for name in foreign:
            del os.environ[name]
        os.environ["AIRFLOW_HOME"] = home
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        yield
