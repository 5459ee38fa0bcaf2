"""Every method of the dialect: its name, its messages, its place over HTTP.

It exists as the one table that both transports read. Paths: the discovery documents of batch v1 and
logging v2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.cloud.location import locations_pb2
from google.longrunning import operations_pb2

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator.batch_service import BatchService
from airflow_provider_jobs.backends.gcp_batch.emulator.locations import Locations
from airflow_provider_jobs.backends.gcp_batch.emulator.logging_service import LoggingService
from airflow_provider_jobs.backends.gcp_batch.emulator.operations import Operations
from airflow_provider_jobs.emulator.protobuf_rpc.methods import HttpRule, RpcMethod

_PLACE = "projects/*/locations/*"
_BATCH = "google.cloud.batch.v1.BatchService"
_OPERATIONS = "google.longrunning.Operations"
_LOCATIONS = "google.cloud.location.Locations"
_LOGGING = "google.logging.v2.LoggingServiceV2"

Work = Callable[[Any], Awaitable[Any]]


def _method(service: str, name: str, request: Any, work: Work, *http: HttpRule) -> RpcMethod:
    return RpcMethod(service, name, request, work, http)


def batch_methods(batch: BatchService) -> list[RpcMethod]:
    """BatchService itself."""
    job, tasks = f"{_PLACE}/jobs/*", f"{_PLACE}/jobs/*/taskGroups/*"
    create, get = (
        HttpRule("POST", f"/v1/{{parent={_PLACE}}}/jobs", "job"),
        HttpRule("GET", f"/v1/{{name={job}}}"),
    )
    cancel = HttpRule("POST", f"/v1/{{name={job}}}:cancel", "*")
    get_task = HttpRule("GET", f"/v1/{{name={tasks}/tasks/*}}")
    list_tasks = HttpRule("GET", f"/v1/{{parent={tasks}}}/tasks")
    list_jobs = HttpRule("GET", f"/v1/{{parent={_PLACE}}}/jobs")
    delete = HttpRule("DELETE", f"/v1/{{name={job}}}")
    return [
        _method(_BATCH, "CreateJob", pb.CreateJobRequest, batch.create_job, create),
        _method(_BATCH, "CancelJob", pb.CancelJobRequest, batch.cancel_job, cancel),
        _method(_BATCH, "GetJob", pb.GetJobRequest, batch.get_job, get),
        _method(_BATCH, "ListJobs", pb.ListJobsRequest, batch.list_jobs, list_jobs),
        _method(_BATCH, "DeleteJob", pb.DeleteJobRequest, batch.delete_job, delete),
        _method(_BATCH, "GetTask", pb.GetTaskRequest, batch.get_task, get_task),
        _method(_BATCH, "ListTasks", pb.ListTasksRequest, batch.list_tasks, list_tasks),
    ]


def operation_methods(operations: Operations) -> list[RpcMethod]:
    """The long-running operations of delete and cancel."""
    one = f"{_PLACE}/operations/*"
    lro = operations_pb2
    work = operations
    get, delete = HttpRule("GET", f"/v1/{{name={one}}}"), HttpRule("DELETE", f"/v1/{{name={one}}}")
    listing = HttpRule("GET", f"/v1/{{name={_PLACE}}}/operations")
    cancel = HttpRule("POST", f"/v1/{{name={one}}}:cancel", "*")
    return [
        _method(_OPERATIONS, "GetOperation", lro.GetOperationRequest, work.get_operation, get),
        _method(_OPERATIONS, "ListOperations", lro.ListOperationsRequest, work.list_operations, listing),
        _method(_OPERATIONS, "CancelOperation", lro.CancelOperationRequest, work.cancel_operation, cancel),
        _method(_OPERATIONS, "DeleteOperation", lro.DeleteOperationRequest, work.delete_operation, delete),
        _method(_OPERATIONS, "WaitOperation", lro.WaitOperationRequest, work.wait_operation),
    ]


def location_methods(locations: Locations) -> list[RpcMethod]:
    """Where Batch can be used."""
    wire = locations_pb2
    listing = HttpRule("GET", "/v1/{name=projects/*}/locations")
    get = HttpRule("GET", f"/v1/{{name={_PLACE}}}")
    return [
        _method(_LOCATIONS, "ListLocations", wire.ListLocationsRequest, locations.list_locations, listing),
        _method(_LOCATIONS, "GetLocation", wire.GetLocationRequest, locations.get_location, get),
    ]


def logging_methods(logs: LoggingService) -> list[RpcMethod]:
    """What of Cloud Logging a reader of job logs needs."""
    entries = HttpRule("POST", "/v2/entries:list", "*")
    names = HttpRule("GET", "/v2/{parent=projects/*}/logs")
    return [
        _method(_LOGGING, "ListLogEntries", pb.ListLogEntriesRequest, logs.list_log_entries, entries),
        _method(_LOGGING, "ListLogs", pb.ListLogsRequest, logs.list_logs, names),
    ]
