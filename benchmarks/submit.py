"""How many jobs one worker process submits in a second, each by the operator's own ``execute``."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from airflow_provider_jobs.engine.clock import utc_now
from benchmarks.cloud import Meter, local_cloud
from benchmarks.operators import official_operator, our_operator, prepare_official
from benchmarks.services import Service
from benchmarks.waited import SLEEP, Side

_TASK_ID = "job"


def measure(
    side: Side, service: Service, *, jobs: int, threads: int, told: Callable[[str], None]
) -> dict[str, Any]:
    """Submit so many jobs as their tasks do: make the operator, execute it, and take its deferral.

    Ours looks first whether the job is there, where the service or the record does not already say so.
    Nothing is kept from task to task that a worker process does not keep.

    :param threads: how many submit at a time; a worker process has one
    """
    with local_cloud(service) as cloud:
        told(f"{service.name} {side}: submitting {jobs} jobs")
        execute = _maker(side, service)
        execute(f"warm-up-{side}")  # imports, and what is registered once for all
        names = [f"{side}-{number}" for number in range(jobs)]
        meter = Meter(cloud)
        with _quiet():
            cpu, began = time.process_time(), time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(execute, names))
            seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        calls = meter.calls()
    return {
        "jobs": jobs,
        "threads": threads,
        "seconds": seconds,
        "jobs_per_second": jobs / seconds,
        "cpu_seconds_per_job": cpu_seconds / jobs,
        "calls_per_job": sum(calls.values()) / jobs,
        "calls": {name: number for name, number in calls.items() if number},
    }


def _maker(side: Side, service: Service) -> Callable[[str], None]:
    """Return what submits the job of a DAG run of this name."""
    from airflow.sdk import DAG
    from airflow.sdk.exceptions import TaskDeferred

    values: dict[str, Any] = {"task_id": _TASK_ID, "command": SLEEP, "interval_seconds": None}
    if side == "official":
        prepare_official(service, SLEEP)

    def execute(run: str) -> None:
        with DAG("submitting", schedule=None):
            if side == "ours":
                operator = our_operator(service, **values)
            else:
                operator = official_operator(service, job=run, **values)
        try:
            operator.execute(task_context(operator, run))
        except TaskDeferred:
            return
        raise RuntimeError(f"{operator.task_type} has not deferred")

    return execute


class _Store(dict[str, Any]):
    """A task state store without a network: the same for no side, so it costs nothing."""

    def set(self, key: str, value: Any, **_: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def task_context(operator: Any, run: str) -> Mapping[str, Any]:
    """Return what a worker hands to an operator, as far as these read it."""
    ti = SimpleNamespace(
        dag_id="submitting",
        id=str(uuid.uuid4()),
        try_number=1,
        run_id=run,
        task_id=_TASK_ID,
        map_index=-1,
        max_tries=0,
        start_date=utc_now(),
        xcom_push=lambda **_: None,
    )
    dag_run = SimpleNamespace(dag_id=ti.dag_id, run_id=run, conf={}, clear_number=0)
    context = {"ti": ti, "task_instance": ti, "task": operator, "dag": operator.dag, "dag_run": dag_run}
    return {**context, "run_id": run, "task_state_store": _Store()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Throw the operators' records away, and the cost of showing them; Airflow has been imported before."""
    import structlog

    before = structlog.get_config()
    logging.disable(logging.WARNING)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)
