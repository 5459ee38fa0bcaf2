"""One Kubernetes API server behind Airflow's connection: the client, how it is called, and its errors.

Every call has a deadline and is sent once. It knows no Job.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import yaml
from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.common.compat.sdk import AirflowException
from kubernetes import client
from kubernetes.config import ConfigException, load_incluster_config
from urllib3.util import Retry

from airflow_provider_jobs.backends.kubernetes.changes import ChangeStream
from airflow_provider_jobs.backends.kubernetes.errors import VENDOR_EXCEPTIONS, to_error
from airflow_provider_jobs.core.errors import AccessDenied, JobsError
from airflow_provider_jobs.hooks.base import known_connection

DEADLINE_SECONDS = 30.0
PAGE_SIZE = 500
_CONNECT_SECONDS = 10.0
_CONNECTIONS = 32
_BROKEN_CONFIG = (
    ConfigException,
    AirflowException,
    yaml.YAMLError,
    ValueError,
    OSError,
    LookupError,
    TypeError,
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a list; an empty token means the last.

    :param resource_version: where a watch goes on from
    """

    items: list[Json]
    next_token: str
    resource_version: str


class KubernetesConnection(KubernetesHook):
    """A connection of type ``kubernetes`` with a client of its own.

    :param kubernetes_conn_id: the connection
    :param namespace: where calls go that name none; the connection's, or ``default``, where it is ``None``
    :param cluster_context: a context of its kube config
    :param deadline_seconds: how long one call may last
    """

    def __init__(
        self,
        kubernetes_conn_id: str = KubernetesHook.default_conn_name,
        *,
        namespace: str | None = None,
        cluster_context: str | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(kubernetes_conn_id=kubernetes_conn_id, cluster_context=cluster_context, **kwargs)
        with known_connection(kubernetes_conn_id, argument="kubernetes_conn_id"):
            self.namespace = str(namespace or self._get_field("namespace") or self.DEFAULT_NAMESPACE)
        self.deadline_seconds = deadline_seconds
        self._lock = threading.Lock()
        self._client: client.ApiClient | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kubernetes_conn_id={self.conn_id!r})"

    @property
    def api_client(self) -> client.ApiClient:
        """The vendor's client, made once and shared by threads; it sends every call once.

        :raises AccessDenied: the connection's configuration cannot be used
        """
        with self._lock:
            if self._client is None:
                self._client = self.get_conn()
            return self._client

    def get_conn(self) -> client.ApiClient:
        """Return a new client of the connection.

        :raises AccessDenied: its configuration cannot be used; says no word of what it holds
        """
        # Without an object of its own the client's loader writes into one that all hooks of a process share.
        configuration = self.client_configuration or client.Configuration()
        configuration.retries = Retry(0)
        # A connection for each thread; the client's own number follows the processors and may be below that.
        configuration.connection_pool_maxsize = max(configuration.connection_pool_maxsize, _CONNECTIONS)
        self.client_configuration = configuration
        try:
            if self._coalesce_param(self.in_cluster, self._get_field("in_cluster")):
                load_incluster_config(client_configuration=configuration)
            return super().get_conn()
        except _BROKEN_CONFIG as error:
            raise AccessDenied(
                f"the configuration of connection {self.conn_id!r} cannot be used ({type(error).__name__})",
                advice="Check its in_cluster, kube_config_path, kube_config and cluster_context",
            ) from error

    def translate(self, error: Exception, *, call: str) -> JobsError:
        """Return our error for an exception of the Kubernetes client."""
        endpoint = self._client.configuration.host if self._client else None
        return to_error(error, call=call, endpoint=endpoint)

    @property
    def timeout(self) -> tuple[float, float]:
        """How long connecting, and then one answer, may take, in seconds."""
        return min(_CONNECT_SECONDS, self.deadline_seconds), self.deadline_seconds

    def json_of(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Json:
        """Return the answer of one of the vendor's methods as plain JSON."""
        answer = call(*args, _preload_content=False, _request_timeout=self.timeout, **kwargs)
        told: Json = json.loads(answer.data)
        return told

    def page_of(self, call: Callable[..., Any], namespace: str | None, options: Json) -> Page:
        """Return one page of one of the vendor's lists."""
        given = {name: value for name, value in options.items() if value}
        told = self.json_of(call, namespace or self.namespace, **given)
        metadata = told.get("metadata") or {}
        return Page(
            told.get("items") or [], metadata.get("continue") or "", metadata.get("resourceVersion") or ""
        )

    def models_of(self, kind: str, items: Iterable[Json]) -> Iterator[Any]:
        """Yield the vendor's models of plain JSON."""
        for item in items:
            yield self.api_client.deserialize(SimpleNamespace(data=json.dumps(item)), kind)

    def watch_of(
        self, call: Callable[..., Any], namespace: str | None, timeout_seconds: int, options: Json
    ) -> ChangeStream:
        """Begin a watch with one of the vendor's lists."""
        connect, _ = self.timeout
        try:
            answer = call(
                namespace or self.namespace,
                watch=True,
                timeout_seconds=timeout_seconds,
                _preload_content=False,
                # The service may be silent all the time, and a connection that is silent beyond it is dead.
                _request_timeout=(connect, timeout_seconds + connect),
                **{name: value for name, value in options.items() if value is not None},
            )
        except VENDOR_EXCEPTIONS as error:
            raise self.translate(error, call="watch") from error
        return ChangeStream(answer, translate=lambda error: self.translate(error, call="watch"))

    def changes_of(self, kind: str, begin: Callable[[], ChangeStream]) -> Iterator[tuple[str, Any]]:
        """Yield the changes of a watch as the vendor's models; bookmarks as plain JSON."""
        with contextlib.closing(begin()) as stream:
            for change, found in stream:
                yield change, found if change == "BOOKMARK" else next(self.models_of(kind, [found]))


def all_items(read: Callable[..., Page], *args: Any, **kwargs: Any) -> Iterator[Json]:
    """Yield the items of all pages of a list, page after page as they are asked for."""
    token = ""
    while True:
        page = read(*args, page_token=token, **kwargs)
        yield from page.items
        token = page.next_token
        if not token:
            return
