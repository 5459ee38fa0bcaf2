"""Submissions for tests, and the reports of how they get on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from tests.backends.azure_batch.conftest import REF

POOL = {"pool_id": "default"}
RUNS_ON = ("/bin/sh", "-c", "exec sleep 600")


def new_key() -> JobKey:
    """Return a key that no job has."""
    return JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")


def spec(*command: str, **values: Any) -> JobSpec:
    """Return a spec for the pool that is there."""
    return JobSpec(**{"command": command or ("true",), "options": POOL, **values})


def sharing(job_id: str) -> AzureBatchBackend:
    """Return a backend that adds tasks to a shared job."""
    return AzureBatchBackend(REF.model_copy(update={"scope": {"job_id": job_id}}))


def report_of(backend: AzureBatchBackend, handle: JobHandle) -> JobReport:
    """Return the report of one submission."""
    (told,) = backend.describe([handle])
    return told


def until(backend: AzureBatchBackend, handle: JobHandle, met: Callable[[JobReport], bool]) -> JobReport:
    """Return the first report that meets a condition."""
    while True:
        if met(told := report_of(backend, handle)):
            return told


def ended(backend: AzureBatchBackend, handle: JobHandle) -> JobReport:
    """Return the report of a submission at its end."""
    return until(backend, handle, lambda told: bool(told.state and told.state.is_terminal))


def ids_of(backend: AzureBatchBackend, handle: JobHandle) -> list[str]:
    """Return the ids of all tasks of the handle's job."""
    job_id = Place.of(handle.native_id).job_id
    return sorted(task.id for task in backend.hook.list_tasks(job_id, select=["id"]))
