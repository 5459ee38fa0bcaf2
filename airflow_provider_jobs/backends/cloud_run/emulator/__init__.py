"""Cloud Run jobs, spoken by the local cloud.

It exists as a second witness of how the service behaves: written from the service's documents and from what
it was seen to answer, never from this package's own mapping. It must not import its siblings ``backend``,
``mapping``, ``hook`` or ``request``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
from fastapi import Request, Response

from airflow_provider_jobs.backends.cloud_run.emulator import hindrances, routes
from airflow_provider_jobs.backends.cloud_run.emulator.control import DIALECT, ControlPlane
from airflow_provider_jobs.backends.cloud_run.emulator.log_entries import RunEntries
from airflow_provider_jobs.backends.cloud_run.emulator.names import RunNames
from airflow_provider_jobs.backends.cloud_run.emulator.services import (
    ExecutionsService,
    JobsService,
    TasksService,
)
from airflow_provider_jobs.backends.cloud_run.emulator.v1.api import NamespacesApi
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses
from airflow_provider_jobs.emulator.protobuf_rpc.grpc_transport import grpc_handlers
from airflow_provider_jobs.emulator.protobuf_rpc.rest_transport import RestTransport
from airflow_provider_jobs.google_cloud.emulator import routes as google_routes
from airflow_provider_jobs.google_cloud.emulator.shared import GoogleCloud

HttpHandler = Callable[[Request], Awaitable["Response | None"]]


class CloudRunDialect:
    """Both versions of the API, with the operations, locations and logs that Google services share."""

    name = DIALECT

    def __init__(self, cloud: Cloud) -> None:
        google = GoogleCloud.of(cloud)
        control = ControlPlane(cloud, run_names=RunNames(google.projects))
        google.logging.register(DIALECT, RunEntries(control.records()))
        cloud.progress.offer(DIALECT, hindrances.WORDS)
        self._cloud = cloud
        self._handlers = (NamespacesApi(control, cloud.calls), google.service_usage)
        self._methods = [
            *routes.job_methods(JobsService(control, operations=google.operations)),
            *routes.execution_methods(ExecutionsService(control, operations=google.operations)),
            *routes.task_methods(TasksService(control, operations=google.operations)),
            *google_routes.operation_methods(google.operations, version="v2"),
            *google_routes.location_methods(google.locations),
            *google_routes.logging_methods(google.logging),
        ]

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return grpc_handlers(self._methods, self._cloud.calls)

    def http_handlers(self) -> Sequence[HttpHandler]:
        return [*self._handlers, RestTransport(self._methods, self._cloud.calls)]

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """An Airflow connection of the usual type whose ``endpoint`` says: plain text, no credentials."""
        extra = {"project": self._cloud.settings.project, "endpoint": f"http://{addresses.grpc}"}
        return {"google_cloud_default": {"conn_type": "google_cloud_platform", "extra": extra}}
