"""The vendor's clients, made once per hook and shared by its threads.

It decides how gRPC is spoken: to the public address, to an endpoint over TLS, or in plain text
without credentials to a local cloud. It makes no call itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
from google.api_core.client_options import ClientOptions
from google.api_core.gapic_v1.client_info import ClientInfo
from google.auth.credentials import Credentials
from google.cloud.batch_v1 import BatchServiceClient
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

from airflow_provider_jobs import __version__
from airflow_provider_jobs.hooks.base import Endpoint

_CLIENT_INFO = ClientInfo(client_library_version=f"airflow-provider-jobs_v{__version__}")
# A page of a thousand jobs is more than gRPC's default of 4 MiB; the vendor's own channels lift it too.
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Clients:
    """One client of GCP Batch and one of Cloud Logging, each made at its first use.

    Both may be used from several threads at once:
    https://cloud.google.com/python/docs/reference/batch/latest/multiprocessing

    :param credentials: called once, and never for a plain-text endpoint
    """

    def __init__(
        self, credentials: Callable[[], Credentials], *, batch: Endpoint | None, logging: Endpoint | None
    ) -> None:
        self._credentials = credentials
        self._endpoints: dict[type[Any], Endpoint | None] = {
            BatchServiceClient: batch,
            LoggingServiceV2Client: logging,
        }
        self._clients: dict[type[Any], Any] = {}
        self._lock = threading.Lock()

    @property
    def batch(self) -> BatchServiceClient:
        """The client of GCP Batch."""
        return self._client(BatchServiceClient)

    @property
    def logging(self) -> LoggingServiceV2Client:
        """The client of Cloud Logging."""
        return self._client(LoggingServiceV2Client)

    def _client(self, kind: type[Any]) -> Any:
        with self._lock:
            if kind not in self._clients:
                self._clients[kind] = self._make(kind, self._endpoints[kind])
            return self._clients[kind]

    def _make(self, kind: Any, endpoint: Endpoint | None) -> Any:
        if endpoint is not None and not endpoint.secure:
            channel = grpc.insecure_channel(endpoint.address, options=_UNLIMITED)
            return kind(transport=kind.get_transport_class("grpc")(channel=channel), client_info=_CLIENT_INFO)
        options = ClientOptions(api_endpoint=endpoint.address) if endpoint else None
        return kind(credentials=self._credentials(), client_options=options, client_info=_CLIENT_INFO)
