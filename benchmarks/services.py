"""The five services as a benchmark needs them: where their jobs go, and how they are in trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jobs.core.models import BackendRef

PROJECT = "local-project"
REGION = "europe-west1"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service and its place on the local cloud.

    :param name: of our backend and of the local cloud's dialect
    :param scope: where jobs run
    :param options: the vendor's own words of a job
    :param calls: the local cloud's methods of the service, as a glob
    :param trouble: how the service says that it is unavailable, and that it throttles
    :param official: ``module:class`` of the official operator
    :param official_most: with how many waiting jobs the official trigger is measured at most, so that a run
        ends in minutes
    """

    name: str
    conn_id: str
    scope: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    calls: str
    trouble: tuple[str | int, str | int] = (503, 429)
    official: str
    official_most: int

    @property
    def ref(self) -> BackendRef:
        """What our backend of this service is opened with."""
        return BackendRef(backend=self.name, conn_id=self.conn_id, scope=dict(self.scope))

    @property
    def operator_arguments(self) -> dict[str, Any]:
        """What our operator needs beside the job."""
        return {**self.scope, **self.options}

    def key_of(self, job: Mapping[str, Any]) -> str:
        """Return what our handle calls a job of the local cloud's list (``native_id``)."""
        name = str(job["name"])
        if self.name == "aws_batch":
            return str(job["uid"])
        if self.name == "azure_batch":
            return name.split("/")[1]
        return name.rpartition("-")[0] if self.name == "kubernetes" else name


_PROVIDERS = "airflow.providers"
_GOOGLE = {"project_id": PROJECT, "region": REGION}
_GOOGLE_TROUBLE = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")

SERVICES = {
    service.name: service
    for service in (
        Service(
            name="gcp_batch",
            conn_id="google_cloud_default",
            scope=_GOOGLE,
            calls="google.cloud.batch.*",
            trouble=_GOOGLE_TROUBLE,
            official=f"{_PROVIDERS}.google.cloud.operators.cloud_batch:CloudBatchSubmitJobOperator",
            official_most=1000,
        ),
        Service(
            name="cloud_run",
            conn_id="google_cloud_default",
            scope=_GOOGLE,
            calls="google.*",
            trouble=_GOOGLE_TROUBLE,
            official=f"{_PROVIDERS}.google.cloud.operators.cloud_run:CloudRunExecuteJobOperator",
            official_most=1000,
        ),
        Service(
            name="aws_batch",
            conn_id="aws_default",
            scope={"region_name": "eu-west-1", "job_queue": "default"},
            calls="Batch/*",
            official=f"{_PROVIDERS}.amazon.aws.operators.batch:BatchOperator",
            official_most=200,
        ),
        Service(
            name="azure_batch",
            conn_id="azure_batch_default",
            options={"pool_id": "default"},
            calls="AzureBatch/*",
            official=f"{_PROVIDERS}.microsoft.azure.operators.batch:AzureBatchOperator",
            official_most=200,
        ),
        Service(
            name="kubernetes",
            conn_id="kubernetes_default",
            scope={"namespace": "default"},
            calls="kubernetes/*",
            official=f"{_PROVIDERS}.cncf.kubernetes.operators.job:KubernetesJobOperator",
            official_most=200,
        ),
    )
}
