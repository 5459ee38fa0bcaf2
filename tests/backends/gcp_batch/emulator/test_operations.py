from __future__ import annotations

import uuid

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1
from google.longrunning import operations_pb2

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.gcp_batch.emulator.conftest import PARENT, run, spec, submit, tasks, until


def test_cancelling_ends_the_tasks_and_the_operation_ends_with_the_job(
    cloud: LocalCloud, either: batch_v1.BatchServiceClient
):
    rule = cloud.admin.hold("cancelled")
    job = submit(either, spec("sleep 60", group={"task_count": 3, "parallelism": 2}))
    until(either, job.name, "RUNNING")
    while either.get_job(name=job.name).status.task_groups["group0"].counts.get("RUNNING") != 2:
        pass
    operation = either.cancel_job(name=job.name)
    assert operation.metadata.verb == "cancel"
    assert operation.metadata.target == job.name
    assert until(either, job.name, "CANCELLATION_IN_PROGRESS").status.state.name == "CANCELLATION_IN_PROGRESS"
    assert not operation.done()
    cloud.admin.release(rule)
    assert isinstance(operation.result(timeout=20), batch_v1.CancelJobResponse)
    cancelled = either.get_job(name=job.name)
    assert cancelled.status.state.name == "CANCELLED"
    assert cancelled.status.status_events[-1].description.startswith(
        "Job state is set from CANCELLATION_IN_PROGRESS to CANCELLED for job "
    )
    assert sorted(task.status.state.name for task in tasks(either, job)) == ["FAILED", "FAILED", "UNEXECUTED"]


def test_a_job_that_has_ended_cannot_be_cancelled(either: batch_v1.BatchServiceClient):
    job = run(either, spec("true"))
    with pytest.raises(exceptions.BadRequest, match="terminal state"):
        either.cancel_job(name=job.name)
    assert either.get_job(name=job.name).status.state.name == "SUCCEEDED"


def test_deleting_a_running_job_ends_it_and_frees_the_name(
    cloud: LocalCloud, either: batch_v1.BatchServiceClient
):
    rule = cloud.admin.hold("deleted")
    job = submit(either, spec("sleep 60"))
    until(either, job.name, "RUNNING")
    operation = either.delete_job(name=job.name)
    assert either.get_job(name=job.name).status.state.name == "DELETION_IN_PROGRESS"
    with pytest.raises(exceptions.BadRequest, match="being deleted"):
        either.delete_job(name=job.name)
    with pytest.raises(exceptions.Conflict):
        submit(either, spec("true"))
    cloud.admin.release(rule)
    operation.result(timeout=20)
    with pytest.raises(exceptions.NotFound):
        either.get_job(name=job.name)
    assert submit(either, spec("true")).uid != job.uid


@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_the_same_request_id_gives_the_same_operation(either: batch_v1.BatchServiceClient, verb: str):
    job = submit(either, spec("sleep 60"))
    until(either, job.name, "RUNNING")
    request_id = str(uuid.uuid4())
    call, kind = {
        "cancel": (either.cancel_job, batch_v1.CancelJobRequest),
        "delete": (either.delete_job, batch_v1.DeleteJobRequest),
    }[verb]
    names = {call(kind(name=job.name, request_id=request_id)).operation.name for _ in range(3)}
    assert len(names) == 1


def test_operations_are_listed_looked_up_and_deleted(either: batch_v1.BatchServiceClient):
    job = run(either, spec("true"))
    operation = either.delete_job(name=job.name)
    operation.result(timeout=20)
    name = operation.operation.name
    assert name.startswith(f"{PARENT}/operations/operation-")
    listed = either.list_operations(operations_pb2.ListOperationsRequest(name=PARENT))
    assert [found.name for found in listed.operations] == [name]
    found = either.get_operation(operations_pb2.GetOperationRequest(name=name))
    assert found.done
    metadata = batch_v1.OperationMetadata.deserialize(found.metadata.value)
    assert (metadata.verb, metadata.api_version) == ("delete", "v1")
    assert metadata.end_time >= metadata.create_time
    either.cancel_operation(operations_pb2.CancelOperationRequest(name=name))
    either.delete_operation(operations_pb2.DeleteOperationRequest(name=name))
    with pytest.raises(exceptions.NotFound):
        either.get_operation(operations_pb2.GetOperationRequest(name=name))
