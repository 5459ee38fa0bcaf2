"""How long many short jobs take through a real Airflow, and how many of their tasks fail for no reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_jobs.demo.rest import FINISHED_RUN_STATES, AirflowRest
from benchmarks import load
from benchmarks.cloud import Meter, local_cloud
from benchmarks.machine import REPOSITORY, environment
from benchmarks.operators import OFFICIAL, prepare_official
from benchmarks.services import Service
from tests.postgres import temporary_database
from tests.temporary_airflow import temporary_airflow

Figures = dict[str, Any]

_DAGS_FOLDER = Path(__file__).parent / "dags"
_LOOK_AGAIN_SECONDS = 0.5
# The API server works in up to 40 threads, and stands still when it has fewer connections than that.
_SETTINGS = {
    "core": {"parallelism": 6},
    "database": {"sql_alchemy_pool_size": 5, "sql_alchemy_max_overflow": 45},
}
_MODES = ("worker", "triggerer", "official")


def measure(
    service: Service,
    *,
    jobs: int,
    job_seconds: float,
    interval_seconds: float | None,
    within_seconds: float,
    told: Callable[[str], None],
    modes: Sequence[str] = _MODES,
) -> dict[str, Figures]:
    """Run a DAG of so many tasks in each mode, one after the other; count from trigger to last end.

    Airflow has PostgreSQL and a LocalExecutor of 6 workers. ``failed`` tasks had a job that succeeded.

    :param interval_seconds: between two looks at a job; each operator's own where it is ``None``
    :param within_seconds: how long a DAG run may take; tasks that have not ended then are ``unfinished``
    :raises psycopg.OperationalError: no PostgreSQL, see :func:`tests.postgres.temporary_database`
    """
    variables = {
        load.SERVICE: service.name,
        load.JOBS: str(jobs),
        load.SECONDS: f"{job_seconds:g}",
        load.INTERVAL: "" if interval_seconds is None else str(interval_seconds),
        "PYTHONPATH": str(REPOSITORY),
    }
    modes = [mode for mode in modes if mode != "official" or service.name in OFFICIAL]
    with local_cloud(service) as cloud:
        if "official" in modes:
            prepare_official(service, ("sleep", f"{job_seconds:g}"))
        told("starting Airflow")
        with environment(variables), _airflow(cloud.connections) as rest:
            found = {}
            for mode in modes:
                told(f"{service.name} {mode}: {jobs} tasks")
                meter = Meter(cloud)
                found[mode] = _run(rest, mode, within_seconds)
                calls = {name: count for name, count in meter.calls().items() if count}
                found[mode]["calls"] = calls
            return found


@contextmanager
def _airflow(connections: Mapping[str, Mapping[str, Any]]) -> Iterator[AirflowRest]:
    with (
        temporary_database() as database,
        temporary_airflow(_DAGS_FOLDER, database, settings=_SETTINGS) as place,
    ):
        place.airflow.start(connections)
        yield place.airflow.rest


def _run(rest: AirflowRest, dag_id: str, within_seconds: float) -> Figures:
    rest.wait_for_dag(dag_id, timeout_seconds=120)
    began = time.time()
    run_id = rest.trigger(dag_id)
    while rest.run_state(dag_id, run_id) not in FINISHED_RUN_STATES and time.time() < began + within_seconds:
        time.sleep(_LOOK_AGAIN_SECONDS)
    tasks = rest.task_instances(dag_id, run_id)
    states = Counter(str(task["state"]) for task in tasks)
    ends = [
        datetime.fromisoformat(task["end_date"].replace("Z", "+00:00")) for task in tasks if task["end_date"]
    ]
    return {
        "jobs": len(tasks),
        "seconds": max((end.timestamp() for end in ends), default=time.time()) - began,
        "succeeded": states["success"],
        "failed": states["failed"],
        "unfinished": len(tasks) - states["success"] - states["failed"],
    }
