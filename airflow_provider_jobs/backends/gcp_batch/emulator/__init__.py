"""GCP Batch and Cloud Logging, spoken by the local cloud.

It exists as a second witness of how the service behaves: written from the service's documents and from what
it was seen to answer, never from this package's own mapping. It must not import its siblings ``backend``,
``mapping``, ``hook`` or ``request``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from airflow_provider_jobs.backends.gcp_batch.emulator import routes
from airflow_provider_jobs.backends.gcp_batch.emulator.agent_log import AgentLog
from airflow_provider_jobs.backends.gcp_batch.emulator.batch_service import DIALECT, BatchService
from airflow_provider_jobs.backends.gcp_batch.emulator.locations import Locations
from airflow_provider_jobs.backends.gcp_batch.emulator.logging_service import LoggingService
from airflow_provider_jobs.backends.gcp_batch.emulator.names import Projects
from airflow_provider_jobs.backends.gcp_batch.emulator.operations import Operations
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses
from airflow_provider_jobs.emulator.protobuf_rpc.grpc_transport import grpc_handlers
from airflow_provider_jobs.emulator.protobuf_rpc.rest_transport import RestTransport


class GcpBatchDialect:
    """Batch v1, its operations and locations, and the reading side of Cloud Logging v2."""

    name = DIALECT

    def __init__(self, cloud: Cloud) -> None:
        projects = Projects()
        operations = Operations(cloud, projects=projects)
        batch = BatchService(cloud, projects=projects, operations=operations, listener=AgentLog(cloud.logs))
        logs = LoggingService(cloud, projects=projects, dialect=DIALECT, record_of=batch.record_of)
        self._cloud = cloud
        self._methods = [
            *routes.batch_methods(batch),
            *routes.operation_methods(operations),
            *routes.location_methods(Locations(projects)),
            *routes.logging_methods(logs),
        ]

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return grpc_handlers(self._methods, self._cloud.calls)

    def http_handlers(self) -> Sequence[RestTransport]:
        return [RestTransport(self._methods, self._cloud.calls)]

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """An Airflow connection of the usual type whose ``endpoint`` says: plain text, no credentials."""
        extra = {"project": self._cloud.settings.project, "endpoint": f"http://{addresses.grpc}"}
        return {"google_cloud_default": {"conn_type": "google_cloud_platform", "extra": extra}}
