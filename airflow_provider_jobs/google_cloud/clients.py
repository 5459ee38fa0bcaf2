"""The vendor's clients, made once per hook and shared by its threads.

It decides how gRPC is spoken: to the public address, to an endpoint over TLS, or in plain text
without credentials to a local cloud. It makes no call itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import grpc
from google.api_core.client_options import ClientOptions
from google.api_core.gapic_v1.client_info import ClientInfo
from google.auth.credentials import Credentials

from airflow_provider_jobs import __version__
from airflow_provider_jobs.hooks.base import Endpoint

ClientT = TypeVar("ClientT")

_CLIENT_INFO = ClientInfo(client_library_version=f"airflow-provider-jobs_v{__version__}")
# A page of a thousand jobs is more than gRPC's default of 4 MiB; the vendor's own channels lift it too.
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Clients:
    """One client of each kind, made at its first use.

    They may be used from several threads at once:
    https://cloud.google.com/python/docs/reference/batch/latest/multiprocessing

    :param credentials: called once per client, and never for a plain-text endpoint
    :param endpoint: where clients reach their service, ``None`` for the public address
    :param exceptions: kinds of client that reach theirs elsewhere
    """

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        endpoint: Endpoint | None,
        *,
        exceptions: Mapping[type[Any], Endpoint | None],
    ) -> None:
        self._credentials = credentials
        self._endpoint = endpoint
        self._exceptions = exceptions
        self._clients: dict[type[Any], Any] = {}
        self._lock = threading.Lock()

    def of(self, kind: type[ClientT]) -> ClientT:
        """Return the client of this kind."""
        with self._lock:
            if kind not in self._clients:
                self._clients[kind] = self._make(kind, self._exceptions.get(kind, self._endpoint))
            client: ClientT = self._clients[kind]
            return client

    def _make(self, kind: Any, endpoint: Endpoint | None) -> Any:
        if endpoint is not None and not endpoint.secure:
            channel = grpc.insecure_channel(endpoint.address, options=_UNLIMITED)
            return kind(transport=kind.get_transport_class("grpc")(channel=channel), client_info=_CLIENT_INFO)
        options = ClientOptions(api_endpoint=endpoint.address) if endpoint else None
        return kind(credentials=self._credentials(), client_options=options, client_info=_CLIENT_INFO)
