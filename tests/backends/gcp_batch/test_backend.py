"""What the backend adds to the contract: names that are taken, projects that are not given, nothing lost."""

from __future__ import annotations

import uuid

import pytest
from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch import request
from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.core.errors import AlreadyExists, InvalidArgument, UnavailableError
from airflow_provider_jobs.core.identity import JobKey, job_labels
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud

SPEC = JobSpec(script="true", prelude=False)


def new_key() -> JobKey:
    """Return a key that no job has."""
    return JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")


def test_the_handle_names_the_connections_project_where_none_was_given(backend: GcpBatchBackend) -> None:
    handle = backend.submit(SPEC, new_key())
    assert handle.ref.scope == {"region": "europe-west1", "project_id": "local-project"}
    assert backend.ref.scope == {"region": "europe-west1"}
    assert next(GcpBatchBackend(handle.ref).describe([handle])).found


def test_the_job_carries_our_labels_and_an_id_that_keeps_the_pattern(backend: GcpBatchBackend) -> None:
    key = new_key()
    handle = backend.submit(SPEC, key)
    assert dict(backend.hook.get_job(handle.native_id).labels) == job_labels(key)
    assert handle.native_id == f"projects/local-project/locations/europe-west1/jobs/{request.job_id(key)}"


@pytest.mark.parametrize("labels", [{}, {request.KEY_LABEL: "another"}])
def test_a_job_of_our_name_that_is_not_ours_is_never_taken_over(
    backend: GcpBatchBackend, labels: dict[str, str]
) -> None:
    key = new_key()
    runnable = batch_v1.Runnable(script=batch_v1.Runnable.Script(text="true"))
    group = batch_v1.TaskGroup(task_spec=batch_v1.TaskSpec(runnables=[runnable]))
    foreign = batch_v1.Job(task_groups=[group], labels=labels)
    backend.hook.create_job(None, "europe-west1", request.job_id(key), foreign)
    for call in (lambda: backend.submit(SPEC, key), lambda: backend.find(key)):
        with pytest.raises(AlreadyExists, match="exists and was not made for this task"):
            call()


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ({}, "^region: "),
        ({"region": "mars"}, "^region: 'mars' is refused"),
        ({"region": "europe-west1", "zone": "b"}, "^zone: "),
        ({"region": "europe-west1", "project_id": "My Project"}, "^project_id: "),
    ],
)
def test_a_scope_that_cannot_be_meant_is_refused(scope: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        GcpBatchBackend(BackendRef(backend="gcp_batch", conn_id="google_cloud_default", scope=scope))


def test_a_connection_that_does_not_exist_is_named() -> None:
    ref = BackendRef(backend="gcp_batch", conn_id="nowhere", scope={"region": "europe-west1"})
    with pytest.raises(InvalidArgument, match="no connection 'nowhere'"):
        GcpBatchBackend(ref)


def test_a_refused_spec_sends_nothing(quiet_cloud: LocalCloud, backend: GcpBatchBackend) -> None:
    with pytest.raises(InvalidArgument, match=r"^secrets: TOKEN holds no reference"):
        backend.submit(SPEC.model_copy(update={"secrets": {"TOKEN": "geheim"}}), new_key())
    assert quiet_cloud.admin.calls("CreateJob") == 0


def test_a_job_that_somebody_deletes_is_on_its_way_out_and_then_gone(
    quiet_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    handle = backend.submit(JobSpec(script="exec sleep 600"), new_key())
    while next(backend.describe([handle])).state is not JobState.RUNNING:
        pass
    quiet_cloud.admin.hold("deleted")
    backend.hook.delete_job(handle.native_id, wait=False)
    (leaving,) = backend.describe([handle])
    assert (leaving.found, leaving.cancelling, leaving.native_state) == (True, True, "DELETION_IN_PROGRESS")
    backend.cancel(handle, "it is leaving anyway")
    backend.delete(handle)
    quiet_cloud.admin.release()
    while next(backend.describe([handle])).found:
        pass


def test_a_cancel_that_never_reached_the_service_is_told_and_not_swallowed(
    quiet_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    handle = backend.submit(JobSpec(script="exec sleep 600"), new_key())
    quiet_cloud.admin.add_fault(
        method="CancelJob", error={"code": "UNAVAILABLE", "message": "failed to connect"}
    )
    with pytest.raises(UnavailableError):
        backend.cancel(handle, "why")


def test_a_job_that_waits_without_a_word_is_not_explained(
    quiet_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    quiet_cloud.admin.hold("scheduled")
    handle = backend.submit(SPEC, new_key())
    assert next(backend.describe([handle])).state is JobState.QUEUED
    assert backend.explain(handle) is None
