"""Every method that Google services share: its name, its messages, its place over HTTP.

It exists as the one table that both transports read. Several dialects may serve the same table: the object
behind it is the same. Paths: the discovery documents of batch v1, run v2 and logging v2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.cloud.location import locations_pb2
from google.longrunning import operations_pb2

from airflow_provider_jobs.emulator.protobuf_rpc.methods import HttpRule, RpcMethod
from airflow_provider_jobs.google_cloud.emulator import messages as pb
from airflow_provider_jobs.google_cloud.emulator.locations import Locations
from airflow_provider_jobs.google_cloud.emulator.logging_service import LoggingService
from airflow_provider_jobs.google_cloud.emulator.operations import Operations

PLACE = "projects/*/locations/*"
_OPERATIONS = "google.longrunning.Operations"
_LOCATIONS = "google.cloud.location.Locations"
_LOGGING = "google.logging.v2.LoggingServiceV2"

Work = Callable[[Any], Awaitable[Any]]


def method(service: str, name: str, request: Any, work: Work, *http: HttpRule) -> RpcMethod:
    """One row of a table of methods."""
    return RpcMethod(service, name, request, work, http)


def operation_methods(operations: Operations, *, version: str) -> list[RpcMethod]:
    """Long-running operations, over HTTP under the service's version of its API, such as "v1"."""
    one, lro = f"/{version}/{{name={PLACE}/operations/*}}", operations_pb2
    get, delete = HttpRule("GET", one), HttpRule("DELETE", one)
    listing = HttpRule("GET", f"/{version}/{{name={PLACE}}}/operations")
    cancel, wait = HttpRule("POST", f"{one}:cancel", "*"), HttpRule("POST", f"{one}:wait", "*")
    work = operations
    return [
        method(_OPERATIONS, "GetOperation", lro.GetOperationRequest, work.get_operation, get),
        method(_OPERATIONS, "ListOperations", lro.ListOperationsRequest, work.list_operations, listing),
        method(_OPERATIONS, "CancelOperation", lro.CancelOperationRequest, work.cancel_operation, cancel),
        method(_OPERATIONS, "DeleteOperation", lro.DeleteOperationRequest, work.delete_operation, delete),
        method(_OPERATIONS, "WaitOperation", lro.WaitOperationRequest, work.wait_operation, wait),
    ]


def location_methods(locations: Locations) -> list[RpcMethod]:
    """Where jobs can be run."""
    wire = locations_pb2
    listing = HttpRule("GET", "/v1/{name=projects/*}/locations")
    get = HttpRule("GET", f"/v1/{{name={PLACE}}}")
    return [
        method(_LOCATIONS, "ListLocations", wire.ListLocationsRequest, locations.list_locations, listing),
        method(_LOCATIONS, "GetLocation", wire.GetLocationRequest, locations.get_location, get),
    ]


def logging_methods(logs: LoggingService) -> list[RpcMethod]:
    """What of Cloud Logging a reader of job logs needs."""
    entries = HttpRule("POST", "/v2/entries:list", "*")
    names = HttpRule("GET", "/v2/{parent=projects/*}/logs")
    return [
        method(_LOGGING, "ListLogEntries", pb.ListLogEntriesRequest, logs.list_log_entries, entries),
        method(_LOGGING, "ListLogs", pb.ListLogsRequest, logs.list_logs, names),
    ]
