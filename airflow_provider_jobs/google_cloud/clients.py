"""The vendor's clients, made once per hook and shared by its threads.

It decides how gRPC is spoken: to the public address, to an endpoint over TLS, or in plain text
without credentials to a local cloud; and for how long an answer, or a connection, may be silent. It makes no
call itself.
"""

from __future__ import annotations

import functools
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
# A connection that died without a word would be used until the system gives it up, after a quarter of an
# hour, and every call on it last as long as it may. Google's front ends take a ping every 30 seconds, and no
# more: https://github.com/googleapis/python-bigtable/issues/181
KEEPALIVE_SECONDS = 30.0
_PING_SECONDS = 10.0


class Clients:
    """One client of each kind, made at its first use.

    They may be used from several threads at once:
    https://cloud.google.com/python/docs/reference/batch/latest/multiprocessing

    :param credentials: called once per client, and never for a plain-text endpoint
    :param endpoint: where clients reach their service, ``None`` for the public address
    :param exceptions: kinds of client that reach theirs elsewhere
    :param deadline_seconds: how long a call may last that is given no deadline, or a later one, such as those
        with which the vendor's own waiting for an operation asks how far that is
    :param keepalive_seconds: after how much silence of a connection in use it is looked after
    """

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        endpoint: Endpoint | None,
        *,
        exceptions: Mapping[type[Any], Endpoint | None],
        deadline_seconds: float,
        keepalive_seconds: float = KEEPALIVE_SECONDS,
    ) -> None:
        self._credentials = credentials
        self._endpoint = endpoint
        self._exceptions = exceptions
        self._deadline = _Deadline(deadline_seconds)
        ping_ms = int(min(keepalive_seconds, _PING_SECONDS) * 1000)
        self._options = [
            *_UNLIMITED,
            ("grpc.keepalive_time_ms", int(keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", ping_ms),
            # Where a ping of another kind is under way, that one decides.
            ("grpc.http2.ping_timeout_ms", ping_ms),
        ]
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
        transport = kind.get_transport_class("grpc")
        if endpoint is not None and not endpoint.secure:
            channel = self._timely(grpc.insecure_channel(endpoint.address, options=self._options))
            return kind(transport=transport(channel=channel), client_info=_CLIENT_INFO)

        def make_channel(host: str, **values: Any) -> grpc.Channel:
            return self._timely(transport.create_channel(host, **{**values, "options": self._options}))

        return kind(
            credentials=self._credentials(),
            transport=functools.partial(transport, channel=make_channel),
            client_options=ClientOptions(api_endpoint=endpoint.address) if endpoint else None,
            client_info=_CLIENT_INFO,
        )

    def _timely(self, channel: grpc.Channel) -> grpc.Channel:
        return grpc.intercept_channel(channel, self._deadline)


class _Deadline(grpc.UnaryUnaryClientInterceptor):
    """Ends every call after some time at the latest."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        if details.timeout is None or details.timeout > self._seconds:
            details = details._replace(timeout=self._seconds)
        return continuation(details, request)
