"""The backends there are, by name, each loaded only when it is used."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from airflow_provider_jobs.core.errors import InvalidArgument, MissingExtra

if TYPE_CHECKING:
    from airflow_provider_jobs.core.backend import Backend
    from airflow_provider_jobs.core.models import BackendRef


@dataclass(frozen=True)
class BackendEntry:
    """Where a backend lives and what it needs.

    :param factory: ``module:callable``, called with a :class:`BackendRef`
    :param operator: ``module:class`` of its operator
    :param hook: ``module:class`` of its hook
    :param conn_id: the connection that the operator uses unless told otherwise
    :param conn_types: types of connections that lead to this service and to no other
    :param extra: the extra of this package that brings the vendor's client
    :param needs: importable module to the distribution a person would install
    """

    name: str
    title: str
    factory: str
    operator: str
    hook: str
    conn_id: str
    conn_types: tuple[str, ...]
    extra: str
    needs: Mapping[str, str]

    def check_installed(self) -> None:
        """Do nothing where the vendor's packages are installed.

        :raises MissingExtra: one is not; says what to install
        """
        for module, distribution in self.needs.items():
            if not _is_installed(module):
                raise MissingExtra(self.title, self.extra, missing=distribution)


_PACKAGE = "airflow_provider_jobs.backends"

_ENTRIES = {
    entry.name: entry
    for entry in (
        BackendEntry(
            name="gcp_batch",
            title="GCP Batch",
            factory=f"{_PACKAGE}.gcp_batch.backend:GcpBatchBackend",
            operator=f"{_PACKAGE}.gcp_batch.operator:GcpBatchJobOperator",
            hook=f"{_PACKAGE}.gcp_batch.hook:GcpBatchHook",
            conn_id="google_cloud_default",
            conn_types=("gcp_batch",),
            extra="gcp",
            needs={
                "airflow.providers.google": "apache-airflow-providers-google",
                "google.cloud.batch_v1": "google-cloud-batch",
                "google.cloud.logging_v2": "google-cloud-logging",
            },
        ),
        BackendEntry(
            name="cloud_run",
            title="Cloud Run Jobs",
            factory=f"{_PACKAGE}.cloud_run.backend:CloudRunBackend",
            operator=f"{_PACKAGE}.cloud_run.operator:CloudRunJobOperator",
            hook=f"{_PACKAGE}.cloud_run.hook:CloudRunHook",
            conn_id="google_cloud_default",
            conn_types=("cloud_run",),
            extra="gcp",
            needs={
                "airflow.providers.google": "apache-airflow-providers-google",
                "google.cloud.run_v2": "google-cloud-run",
                "google.cloud.logging_v2": "google-cloud-logging",
            },
        ),
        BackendEntry(
            name="aws_batch",
            title="AWS Batch",
            factory=f"{_PACKAGE}.aws_batch.backend:AwsBatchBackend",
            operator=f"{_PACKAGE}.aws_batch.operator:AwsBatchJobOperator",
            hook=f"{_PACKAGE}.aws_batch.hook:AwsBatchHook",
            conn_id="aws_default",
            conn_types=("aws",),
            extra="aws",
            needs={"airflow.providers.amazon": "apache-airflow-providers-amazon", "boto3": "boto3"},
        ),
        BackendEntry(
            name="azure_batch",
            title="Azure Batch",
            factory=f"{_PACKAGE}.azure_batch.backend:AzureBatchBackend",
            operator=f"{_PACKAGE}.azure_batch.operator:AzureBatchTaskOperator",
            hook=f"{_PACKAGE}.azure_batch.hook:AzureBatchHook",
            conn_id="azure_batch_default",
            conn_types=("azure_batch",),
            extra="azure",
            needs={
                "airflow.providers.microsoft.azure": "apache-airflow-providers-microsoft-azure",
                "azure.batch": "azure-batch",
            },
        ),
        BackendEntry(
            name="kubernetes",
            title="Kubernetes Jobs",
            factory=f"{_PACKAGE}.kubernetes.backend:KubernetesBackend",
            operator=f"{_PACKAGE}.kubernetes.operator:KubernetesJobOperator",
            hook=f"{_PACKAGE}.kubernetes.hook:KubernetesJobHook",
            conn_id="kubernetes_default",
            conn_types=("kubernetes",),
            extra="kubernetes",
            needs={
                "airflow.providers.cncf.kubernetes": "apache-airflow-providers-cncf-kubernetes",
                "kubernetes": "kubernetes",
            },
        ),
    )
}


def backends() -> Iterator[BackendEntry]:
    """Yield every registered backend."""
    yield from _ENTRIES.values()


def backend_entry(name: str) -> BackendEntry:
    """Return the entry of this name.

    :raises InvalidArgument: there is none
    """
    try:
        return _ENTRIES[name]
    except KeyError:
        raise InvalidArgument(
            "backend", f"{name!r} is not known", remedy=f"Write one of {', '.join(sorted(_ENTRIES))}"
        ) from None


def open_backend(ref: BackendRef) -> Backend:
    """Return a new backend for this reference; imports the vendor's client.

    Blocking, and slow the first time: call it in a thread, never on an event loop.

    :raises MissingExtra: the vendor's packages are not installed
    """
    entry = backend_entry(ref.backend)
    entry.check_installed()
    return cast("Backend", load(entry.factory)(ref))


def load(path: str) -> type:
    """Import ``module:name``."""
    module, _, name = path.partition(":")
    return cast("type", getattr(importlib.import_module(module), name))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
