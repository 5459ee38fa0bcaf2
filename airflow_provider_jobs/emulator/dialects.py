"""The wire dialects of the local cloud, by import path, and what each must offer.

It exists so that adding a service is one folder and one line here. Nothing is imported before it is asked
for, so a dialect whose client libraries are not installed does not stop the others.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import grpc
    from fastapi import Request, Response

    from airflow_provider_jobs.emulator.cloud import Cloud

#: Name to ``module:class``.
DIALECTS: dict[str, str] = {
    "gcp_batch": "airflow_provider_jobs.backends.gcp_batch.emulator:GcpBatchDialect",
    "cloud_run": "airflow_provider_jobs.backends.cloud_run.emulator:CloudRunDialect",
    "aws_batch": "airflow_provider_jobs.backends.aws_batch.emulator:AwsBatchDialect",
    "azure_batch": "airflow_provider_jobs.backends.azure_batch.emulator:AzureBatchDialect",
    "kubernetes": "airflow_provider_jobs.backends.kubernetes.emulator:KubernetesDialect",
}


@dataclass(frozen=True)
class Addresses:
    """Where the server listens. ``grpc`` is host:port, ``http`` a URL without a trailing slash."""

    grpc: str
    http: str


class Dialect(Protocol):
    """One service's wire. Made once per server with the engine it speaks for."""

    name: str

    def __init__(self, cloud: Cloud) -> None: ...

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """Handlers to be served on the gRPC port; empty when the service has none."""

    def http_handlers(self) -> Sequence[Callable[[Request], Awaitable[Response | None]]]:
        """Handlers tried in order on the HTTP port; each may decline by returning None."""

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """Airflow connections that point here: connection id to its JSON form."""


class DialectMissing(Exception):
    """A dialect cannot be served; the message says what to install."""


def load(name: str, cloud: Cloud) -> Dialect:
    """Make one dialect. Raises DialectMissing when its libraries are not installed or it is unknown."""
    if name not in DIALECTS:
        raise DialectMissing(f"dialect {name} is not known; there is {', '.join(sorted(DIALECTS))}")
    module, _, attribute = DIALECTS[name].partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        # A missing part of a namespace package is no ModuleNotFoundError: google.cloud is always there.
        if error.name and error.name.startswith("airflow_provider_jobs"):
            raise
        raise DialectMissing(
            f"dialect {name} cannot be loaded ({error}): pip install 'airflow-provider-jobs[emulator]'"
        ) from error
    dialect: Dialect = found(cloud)
    return dialect
