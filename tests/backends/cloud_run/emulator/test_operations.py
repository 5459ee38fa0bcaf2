from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import run_v2
from google.longrunning import operations_pb2
from google.protobuf import duration_pb2

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import JOB, PARENT, Clients, job


def waited(run: Clients, request: operations_pb2.WaitOperationRequest) -> operations_pb2.Operation:
    """The vendor's client leaves this answer as bytes over gRPC."""
    answer = run.jobs.wait_operation(request)
    return operations_pb2.Operation.FromString(answer) if isinstance(answer, bytes) else answer


def test_running_a_job_is_an_operation_that_ends_with_the_execution(cloud: LocalCloud, either: Clients):
    rule = cloud.admin.hold("finished")
    either.create(job("true"))
    operation = either.jobs.run_job(name=JOB)
    assert operation.operation.name.startswith(f"{PARENT}/operations/")
    assert isinstance(operation.metadata, run_v2.Execution)
    either.until(operation.metadata, lambda found: found.succeeded_count == 1)
    assert not operation.done()
    cloud.admin.release(rule)
    assert operation.result(timeout=20).succeeded_count == 1


def test_the_metadata_follows_the_execution(either: Clients):
    either.create(job("sleep 60"))
    operation = either.jobs.run_job(name=JOB)
    either.running(operation.metadata)
    request = operations_pb2.GetOperationRequest(name=operation.operation.name)
    found = either.jobs.get_operation(request)
    assert found.metadata.type_url == "type.googleapis.com/google.cloud.run.v2.Execution"
    assert run_v2.Execution.deserialize(found.metadata.value).running_count == 1


@pytest.mark.parametrize(
    ("tasks", "code", "said"),
    [
        (
            {"script": "exit 3"},
            10,
            "failed with exit code: 3 and message: The container exited",
        ),
        (
            {"script": "sleep 60", "timeout": "0.2s"},
            4,
            "failed with exit code: 0 and message: The configured timeout was reached.",
        ),
    ],
)
def test_the_operation_of_a_failed_execution_fails(either: Clients, tasks: dict, code: int, said: str):
    tasks = dict(tasks)
    either.create(job(tasks.pop("script"), **tasks))
    operation = either.jobs.run_job(name=JOB)
    with pytest.raises(exceptions.GoogleAPICallError, match=said):
        operation.result(timeout=20)
    assert operation.operation.error.code == code


def test_the_operation_of_a_cancelled_execution_ends_without_an_error(either: Clients):
    either.create(job("sleep 60"))
    operation = either.jobs.run_job(name=JOB)
    either.running(operation.metadata)
    either.executions.cancel_execution(name=operation.metadata.name).result(timeout=20)
    ended = operation.result(timeout=20)
    assert (ended.cancelled_count, ended.succeeded_count) == (1, 0)


@pytest.mark.parametrize("stop", ["execution", "job"])
def test_the_operation_of_a_deleted_execution_ends_too(either: Clients, stop: str):
    either.create(job("sleep 60"))
    operation = either.jobs.run_job(name=JOB)
    either.running(operation.metadata)
    if stop == "execution":
        either.executions.delete_execution(name=operation.metadata.name).result(timeout=20)
    else:
        either.jobs.delete_job(name=JOB).result(timeout=20)
    assert operation.result(timeout=20).cancelled_count == 1


def test_operations_are_listed_waited_for_and_forgotten(either: Clients):
    either.create(job("true"))
    operation = either.jobs.run_job(name=JOB).operation
    wait = operations_pb2.WaitOperationRequest(name=operation.name, timeout=duration_pb2.Duration(seconds=20))
    assert waited(either, wait).done
    listed = either.jobs.list_operations(operations_pb2.ListOperationsRequest(name=PARENT)).operations
    assert operation.name in [found.name for found in listed]
    either.jobs.delete_operation(operations_pb2.DeleteOperationRequest(name=operation.name))
    with pytest.raises(exceptions.NotFound):
        either.jobs.get_operation(operations_pb2.GetOperationRequest(name=operation.name))


def test_waiting_for_an_operation_ends_when_the_caller_says_so(either: Clients):
    either.create(job("sleep 60"))
    operation = either.jobs.run_job(name=JOB).operation
    wait = operations_pb2.WaitOperationRequest(name=operation.name, timeout={"nanos": 100_000_000})
    assert not waited(either, wait).done
