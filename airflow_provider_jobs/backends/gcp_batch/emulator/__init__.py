"""GCP Batch, spoken by the local cloud.

It exists as a second witness of how the service behaves: written from the service's documents and from what
it was seen to answer, never from this package's own mapping. It must not import its siblings ``backend``,
``mapping``, ``hook`` or ``request``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from airflow_provider_jobs.backends.gcp_batch.emulator import hindrances, routes
from airflow_provider_jobs.backends.gcp_batch.emulator.agent_log import AgentLog
from airflow_provider_jobs.backends.gcp_batch.emulator.batch_service import DIALECT, BatchService
from airflow_provider_jobs.backends.gcp_batch.emulator.log_entries import BatchEntries
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses
from airflow_provider_jobs.emulator.protobuf_rpc.grpc_transport import grpc_handlers
from airflow_provider_jobs.emulator.protobuf_rpc.rest_transport import RestTransport
from airflow_provider_jobs.google_cloud.emulator import routes as google_routes
from airflow_provider_jobs.google_cloud.emulator.shared import GoogleCloud


class GcpBatchDialect:
    """Batch v1, with the operations, locations and logs that Google services share."""

    name = DIALECT

    def __init__(self, cloud: Cloud) -> None:
        google = GoogleCloud.of(cloud)
        batch = BatchService(
            cloud, projects=google.projects, operations=google.operations, listener=AgentLog(cloud.logs)
        )
        google.logging.register(DIALECT, BatchEntries(batch.record_of))
        cloud.progress.offer(DIALECT, hindrances.WORDS)
        self._cloud = cloud
        self._methods = [
            *routes.batch_methods(batch),
            *google_routes.operation_methods(google.operations, version="v1"),
            *google_routes.location_methods(google.locations),
            *google_routes.logging_methods(google.logging),
        ]

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return grpc_handlers(self._methods, self._cloud.calls)

    def http_handlers(self) -> Sequence[RestTransport]:
        return [RestTransport(self._methods, self._cloud.calls)]

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """An Airflow connection of the usual type whose ``endpoint`` says: plain text, no credentials."""
        extra = {"project": self._cloud.settings.project, "endpoint": f"http://{addresses.grpc}"}
        return {"google_cloud_default": {"conn_type": "google_cloud_platform", "extra": extra}}
