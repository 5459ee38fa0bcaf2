"""Kubernetes, spoken by the local cloud: an API server, its Job controller, a scheduler and one node.

It exists as a second witness of how a cluster behaves: written from its documents and from what one was seen
to answer, never from this package's own mapping. It must not import its siblings ``backend``, ``mapping``,
``hook`` or ``request``.

How a job becomes processes::

    request -> transport -> api -> objects (defaults, validation, admission) -> store (history -> watches)
                                                                                  |  every change
          +-----------------+-------------------+--------------------+------------+
    job_controller      scheduler           kubelet            garbage, cluster
     job -> pods      pod -> node     pod -> job of the engine   owners, namespaces, quotas
                                      (a container is a task)
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.backends.kubernetes.emulator.pod_run import DIALECT
from airflow_provider_jobs.backends.kubernetes.emulator.transport import Transport, kubeconfig
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses

if TYPE_CHECKING:
    import grpc
    from fastapi import Request, Response

if importlib.util.find_spec("kubernetes") is None:
    raise ModuleNotFoundError("No module named 'kubernetes'", name="kubernetes")


class KubernetesDialect:
    """The core, batch and events APIs as far as jobs need them, on plain HTTP; any bearer token is good."""

    name = DIALECT

    def __init__(self, cloud: Cloud) -> None:
        self._transport = Transport(cloud)

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return []

    def http_handlers(self) -> Sequence[Callable[[Request], Awaitable[Response | None]]]:
        return [self._transport]

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """An Airflow connection of the usual type with a kubeconfig in it."""
        extra = {"kube_config": json.dumps(kubeconfig(addresses.http)), "namespace": "default"}
        return {"kubernetes_default": {"conn_type": "kubernetes", "extra": extra}}
