"""Jobs that are waited for, and the triggers that do it, ours or the official ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pendulum

from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.engine.plan import WaitPlan
from benchmarks.operators import MADE_BEFORE, prepare_official
from benchmarks.services import PROJECT, REGION, Service

Side = Literal["ours", "official"]

_IMAGE = "docker.io/library/busybox:1.37"
_THREADS = 8
_DAY_SECONDS = 86_400
#: Nothing ends by itself while it is measured; the local cloud needs no process for it.
SLEEP = ("sleep", str(_DAY_SECONDS))
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Waited:
    """A job, and the trigger that waits for it, as Airflow keeps one in its database.

    :param key: of the job, see :meth:`Service.key_of`
    :param trigger: the full name of its class
    """

    key: str
    trigger: str
    arguments: dict[str, Any]


def submit_jobs(
    service: Service, count: int, *, command: Sequence[str] = SLEEP, dag_id: str = "waiting"
) -> list[JobHandle]:
    """Submit so many jobs through our backend, from a few threads."""
    backend = open_backend(service.ref)
    spec = JobSpec(image=_IMAGE, command=tuple(command), prelude=False, options=dict(service.options))

    def submit(number: int) -> JobHandle:
        return backend.submit(spec, JobKey(dag_id=dag_id, run_id=str(number), task_id="job"))

    first = submit(0)  # whatever is registered once for all is there for the others
    with ThreadPoolExecutor(_THREADS) as pool:
        return [first, *pool.map(submit, range(1, count))]


def make_waited(side: Side, service: Service, count: int, *, interval_seconds: float) -> list[Waited]:
    """Submit so many jobs that do not end by themselves, and say which triggers wait for them."""
    if side == "ours":
        return [our_trigger(handle, interval_seconds) for handle in submit_jobs(service, count)]
    return _OFFICIAL[service.name](service, count, interval_seconds)


def our_trigger(handle: JobHandle, interval_seconds: float | None, *, shows_lines: bool = False) -> Waited:
    """Return what our operator defers with.

    :param interval_seconds: ``poll_interval`` of the task, ``None`` for the adaptive one
    """
    plan = WaitPlan(
        handle=handle,
        poll_seconds=interval_seconds,
        log_indexes="all" if shows_lines else "none",
        wants_outputs=shows_lines,  # the official triggers read no log either
    )
    arguments = {"plan": plan.to_json(), "ends_success": True, "pushes_xcom": False}
    return Waited(handle.native_id, "airflow_provider_jobs.triggers.job.JobTrigger", arguments)


def _gcp_batch(service: Service, count: int, interval_seconds: float) -> list[Waited]:
    arguments = {"project_id": PROJECT, "location": REGION, "polling_period_seconds": interval_seconds}
    return [
        Waited(
            handle.native_id,
            "benchmarks.official_google.BatchTrigger",
            {"job_name": handle.native_id, **arguments},
        )
        for handle in submit_jobs(service, count)
    ]


def _cloud_run(service: Service, count: int, interval_seconds: float) -> list[Waited]:
    """The official trigger waits for the operation of an execution, which only who starts it is told."""
    from benchmarks.official_google import sync_client

    prepare_official(service, SLEEP)
    job = f"projects/{PROJECT}/locations/{REGION}/jobs/{MADE_BEFORE}"
    client = sync_client("run_v2", "JobsClient")
    with ThreadPoolExecutor(_THREADS) as pool:
        operations = list(pool.map(lambda _: client.run_job(name=job), range(count)))
    arguments = {"project_id": PROJECT, "location": REGION, "polling_period_seconds": interval_seconds}
    return [
        Waited(
            operation.metadata.name,
            "benchmarks.official_google.RunTrigger",
            {"operation_name": operation.operation.name, "job_name": MADE_BEFORE, **arguments},
        )
        for operation in operations
    ]


def _aws_batch(service: Service, count: int, interval_seconds: float) -> list[Waited]:
    arguments = {
        "aws_conn_id": service.conn_id,
        "region_name": service.scope["region_name"],
        "waiter_delay": interval_seconds,
        "waiter_max_attempts": 100_000,
    }
    return [
        Waited(
            handle.native_id,
            "airflow.providers.amazon.aws.triggers.batch.BatchJobTrigger",
            {"job_id": handle.native_id, **arguments},
        )
        for handle in submit_jobs(service, count)
    ]


def _azure_batch(service: Service, count: int, interval_seconds: float) -> list[Waited]:
    arguments = {
        "azure_batch_conn_id": service.conn_id,
        "end_time": time.time() + _DAY_SECONDS,
        "poll_interval": interval_seconds,
    }
    return [
        Waited(
            handle.native_id,
            "airflow.providers.microsoft.azure.triggers.batch.AzureBatchTrigger",
            {"job_id": handle.native_id, **arguments},
        )
        for handle in submit_jobs(service, count)
    ]


def _kubernetes(service: Service, count: int, interval_seconds: float) -> list[Waited]:
    namespace = service.scope["namespace"]
    arguments = {
        "job_namespace": namespace,
        "pod_namespace": namespace,
        "pod_names": [],
        "base_container_name": "job",
        "kubernetes_conn_id": service.conn_id,
        "poll_interval": interval_seconds,
        "get_logs": False,
    }
    return [
        Waited(
            handle.native_id,
            "airflow.providers.cncf.kubernetes.triggers.job.KubernetesJobTrigger",
            {"job_name": handle.name, **arguments},
        )
        for handle in submit_jobs(service, count)
    ]


_OFFICIAL: dict[str, Callable[[Service, int, float], list[Waited]]] = {
    "gcp_batch": _gcp_batch,
    "cloud_run": _cloud_run,
    "aws_batch": _aws_batch,
    "azure_batch": _azure_batch,
    "kubernetes": _kubernetes,
}


class CloudJobs:
    """The jobs of a service as the local cloud has them: started, ended, and when."""

    def __init__(self, cloud: LocalCloud, service: Service) -> None:
        self._cloud = cloud
        self._service = service

    def wait_until_running(self, waited: Sequence[Waited]) -> None:
        """Return when all of the jobs run.

        :raises TimeoutError: they do not
        """
        until = time.monotonic() + _START_SECONDS
        keys = {job.key for job in waited}
        while missing := keys - self._running():
            if time.monotonic() > until:
                raise TimeoutError(f"{len(missing)} jobs do not run after {_START_SECONDS:g} s")
            time.sleep(0.2)

    def end_evenly(self, waited: Sequence[Waited], *, within_seconds: float) -> None:
        """Let the jobs succeed one after the other, evenly spread over the time."""
        listed = self._listed()
        began = time.monotonic()
        with httpx.Client(base_url=self._cloud.http, timeout=30, trust_env=False) as client:
            for number, job in enumerate(waited):
                due = began + within_seconds * number / len(waited)
                time.sleep(max(0.0, due - time.monotonic()))
                path = f"/_admin/jobs/{listed[job.key]['uid']}/tasks/0/interrupt"
                client.post(path, json={"reason": "exited"}).raise_for_status()

    def ended_at(self) -> dict[str, float]:
        """Return when each job that has ended did, by key; in seconds since 1970."""
        return {
            key: float(pendulum.parse(job["ended_at"]).timestamp())  # type: ignore[union-attr]
            for key, job in self._listed().items()
            if job["state"] in ("succeeded", "failed", "cancelled")
        }

    def _running(self) -> set[str]:
        return {key for key, job in self._listed().items() if job["state"] == "running"}

    def _listed(self) -> dict[str, dict[str, Any]]:
        return {self._service.key_of(job): job for job in self._cloud.admin.jobs()}
