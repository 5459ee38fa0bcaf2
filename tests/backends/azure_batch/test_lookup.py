"""Very many tasks are not listed as a whole while they run, and counted exactly at the end."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.lookup import TaskLookup
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.conftest import REF

SIZE = 6
JOBS = [None, "shared-lookup"]


def backend_for(job_id: str | None) -> AzureBatchBackend:
    """Return a backend for jobs of their own, or for a shared one."""
    return AzureBatchBackend(REF.model_copy(update={"scope": {"job_id": job_id} if job_id else {}}))


def submit(backend: AzureBatchBackend, script: str, **values: Any) -> JobHandle:
    """Submit an array that is larger than what the lookup under test lists as a whole."""
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    values = {"array_size": SIZE, "options": {"pool_id": "default"}, **values}
    return backend.submit(JobSpec(script=script, **values), key)


def report_of(backend: AzureBatchBackend, handle: JobHandle) -> JobReport:
    """Return what a lookup says that takes more than three tasks for very many."""
    (told,) = TaskLookup(backend.hook, whole_up_to=3).reports([handle])
    return told


def end(backend: AzureBatchBackend, handle: JobHandle) -> JobReport:
    """Return the report at the end."""
    while True:
        told = report_of(backend, handle)
        if told.state and told.state.is_terminal:
            return told


@pytest.mark.parametrize("job_id", JOBS)
def test_while_they_run_a_few_calls_tell_that_they_do(quiet_cloud: LocalCloud, job_id: str | None) -> None:
    backend = backend_for(job_id)
    handle = submit(backend, '[ "$JOB_INDEX" = 5 ] && exec sleep 600; exit 0')
    while report_of(backend, handle).state is not JobState.RUNNING:
        pass
    quiet_cloud.admin.clear_counters()
    told = report_of(backend, handle)
    assert told.state is JobState.RUNNING
    assert told.started_at is not None
    assert sum(each["calls"] for each in quiet_cloud.admin.counters().values()) <= 3
    backend.cancel(handle, "the test is over")


@pytest.mark.parametrize("job_id", JOBS)
def test_while_they_wait_they_are_queued(quiet_cloud: LocalCloud, job_id: str | None) -> None:
    backend = backend_for(job_id)
    quiet_cloud.admin.hold("scheduled")
    handle = submit(backend, "true")
    assert report_of(backend, handle).state in (JobState.QUEUED, JobState.STARTING)
    quiet_cloud.admin.release()


@pytest.mark.parametrize("job_id", JOBS)
def test_at_the_end_every_index_is_counted(cloud: LocalCloud, job_id: str | None) -> None:
    backend = backend_for(job_id)
    told = end(backend, submit(backend, '[ "$JOB_INDEX" = 2 ] && exit 4; exit 0'))
    assert told.state is JobState.FAILED
    assert told.array is not None
    assert (told.array.succeeded, told.array.failed, told.array.failed_indexes) == (SIZE - 1, 1, (2,))
    assert [(failure.index, failure.exit_code) for failure in told.failures] == [(2, 4)]
    assert told.started_at is not None
    assert told.ended_at is not None


@pytest.mark.parametrize("job_id", JOBS)
def test_a_success_is_one_of_every_index(cloud: LocalCloud, job_id: str | None) -> None:
    backend = backend_for(job_id)
    told = end(backend, submit(backend, "true"))
    assert told.state is JobState.SUCCEEDED
    assert told.array is not None
    assert (told.array.succeeded, told.array.failed) == (SIZE, 0)
    assert told.started_at is not None


def test_what_never_ran_before_the_job_was_ended_must_run_again(quiet_cloud: LocalCloud) -> None:
    backend = backend_for(None)
    handle = submit(backend, '[ "$JOB_INDEX" = 0 ] && exit 0; exec sleep 600', parallelism=1)
    while not any(backend.hook.list_tasks(handle.native_id, "state eq 'completed'")):
        pass
    backend.cancel(handle, "why")
    told = end(backend, handle)
    assert told.state is JobState.CANCELLED
    assert told.array is not None
    assert told.array.failed_indexes == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("job_id", JOBS)
def test_tasks_that_somebody_deleted_are_no_success(quiet_cloud: LocalCloud, job_id: str | None) -> None:
    backend = backend_for(job_id)
    handle = submit(backend, '[ "$JOB_INDEX" = 1 ] && exec sleep 600; exit 0')
    place = Place.of(handle.native_id)
    while not any(backend.hook.list_tasks(place.job_id, "state eq 'completed'")):
        pass
    backend.hook.delete_task(place.job_id, place.task_id(1))
    while (told := report_of(backend, handle)).found:
        assert told.state is not JobState.SUCCEEDED


def test_a_job_that_is_gone_is_not_found(cloud: LocalCloud) -> None:
    backend = backend_for(None)
    handle = submit(backend, "true")
    backend.hook.delete_job(handle.native_id)
    assert not report_of(backend, handle).found
