"""The task that runs a job on GCP Batch: the vendor's own arguments beside the portable ones.

Imports no Google package: DAG files are parsed all the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.arguments import JobModels
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.templates import TemplateFields

_SCOPE = ("project_id", "region", "impersonation_chain")
_OPTIONS = (
    "machine_type",
    "min_cpu_platform",
    "provisioning_model",
    "allowed_locations",
    "service_account",
    "service_account_scopes",
    "network",
    "subnetwork",
    "no_external_ip",
    "boot_disk_gib",
    "boot_disk_type",
    "boot_disk_image",
    "install_gpu_drivers",
    "max_retry_count",
    "lifecycle_policies",
    "priority",
    "container_options",
    "container_volumes",
    "logs_policy",
)


class GcpBatchJobOperator(JobOperator):
    """Runs a job on GCP Batch, one task of it per index.

    Without ``image``, ``script`` or ``command`` runs on the machine itself. With none of the three,
    ``native`` is the whole job. ``secrets`` are references to Secret Manager,
    ``projects/<project>/secrets/<secret>/versions/<version>``.
    Read more: https://cloud.google.com/batch/docs/create-run-job

    :param gcp_conn_id: the connection, of type ``google_cloud_platform`` or ``gcp_batch``
    :param project_id: the project to run in; the connection's if not given
    :param region: the region to run in, ``"europe-west1"``
    :param impersonation_chain: the service account to act as, or a chain that leads to it, as a list or
        separated by commas
    :param machine_type: the machines, ``"e2-standard-2"``; the service chooses if not given
    :param min_cpu_platform: the least processor generation, ``"Intel Ice Lake"``
    :param provisioning_model: ``"STANDARD"``, ``"SPOT"`` (also ``spot=True``), ``"RESERVATION_BOUND"`` or
        ``"FLEX_START"``
    :param allowed_locations: where the machines may stand: one region, or zones of one region,
        ``["zones/europe-west1-b"]``
    :param service_account: whom the job acts as
    :param service_account_scopes: OAuth scopes of it beyond the default
    :param network: the network of the machines, ``"global/networks/default"``
    :param subnetwork: the subnetwork, ``"regions/europe-west1/subnetworks/default"``
    :param no_external_ip: give the machines no external address
    :param boot_disk_gib: size of the boot disk
    :param boot_disk_type: ``"pd-balanced"``, ``"pd-ssd"`` and the like
    :param boot_disk_image: the image of the machines, ``"batch-debian"`` or a full name
    :param install_gpu_drivers: whether the service installs drivers; it does where ``gpu`` is given
    :param max_retry_count: how often the service itself repeats a failed task, 0 to 10
    :param lifecycle_policies: which exit codes are repeated or not,
        ``[{"action": "RETRY_TASK", "exit_codes": [50001]}]``; needs ``max_retry_count``
    :param priority: 0 to 99; the higher the sooner
    :param container_options: further options of ``docker run``
    :param container_volumes: paths of the machine to mount into the container, ``["/mnt/data:/data:ro"]``
    :param logs_policy: ``"CLOUD_LOGGING"``, ``"NONE"``, or ``{"path": "/mnt/disks/logs"}`` for files. The
        log in Airflow and results on stdout need the first.
    """

    backend = "gcp_batch"
    mounts_storage = ("gs", "gcs")
    conn_id_field = "gcp_conn_id"
    scope_fields = _SCOPE
    option_fields = _OPTIONS
    template_fields = TemplateFields(*JobOperator.template_fields, "gcp_conn_id", *_SCOPE, *_OPTIONS)

    def __init__(  # noqa: PLR0913 - these are the words of the service
        self,
        *,
        region: str,
        gcp_conn_id: str = "google_cloud_default",
        project_id: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        machine_type: str | None = None,
        min_cpu_platform: str | None = None,
        provisioning_model: str | None = None,
        allowed_locations: Sequence[str] | None = None,
        service_account: str | None = None,
        service_account_scopes: Sequence[str] | None = None,
        network: str | None = None,
        subnetwork: str | None = None,
        no_external_ip: bool = False,
        boot_disk_gib: int | None = None,
        boot_disk_type: str | None = None,
        boot_disk_image: str | None = None,
        install_gpu_drivers: bool | None = None,
        max_retry_count: int | None = None,
        lifecycle_policies: Sequence[Mapping[str, Any]] | None = None,
        priority: int | None = None,
        container_options: str | None = None,
        container_volumes: Sequence[str] | None = None,
        logs_policy: str | Mapping[str, str] = "CLOUD_LOGGING",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gcp_conn_id = gcp_conn_id
        self.project_id = project_id
        self.region = region
        self.impersonation_chain = (
            ",".join(impersonation_chain)
            if isinstance(impersonation_chain, (list, tuple))
            else impersonation_chain
        )
        self.machine_type = machine_type
        self.min_cpu_platform = min_cpu_platform
        self.provisioning_model = provisioning_model
        self.allowed_locations = allowed_locations
        self.service_account = service_account
        self.service_account_scopes = service_account_scopes
        self.network = network
        self.subnetwork = subnetwork
        self.no_external_ip = no_external_ip
        self.boot_disk_gib = boot_disk_gib
        self.boot_disk_type = boot_disk_type
        self.boot_disk_image = boot_disk_image
        self.install_gpu_drivers = install_gpu_drivers
        self.max_retry_count = max_retry_count
        self.lifecycle_policies = lifecycle_policies
        self.priority = priority
        self.container_options = container_options
        self.container_volumes = container_volumes
        self.logs_policy = logs_policy
        self.check_arguments()

    @classmethod
    def models(cls) -> JobModels:
        """Return what GCP Batch asks of the arguments."""
        from airflow_provider_jobs.backends.gcp_batch.options import (
            GcpBatchOptions,
            GcpBatchRules,
            GcpBatchScope,
        )

        return JobModels(GcpBatchOptions, GcpBatchScope, GcpBatchRules)

    @classmethod
    def check_request(cls, spec: JobSpec) -> None:
        """Write the whole job as a trial.

        :raises InvalidArgument: the service would refuse it; ``InputTooLarge`` for the size of the input
        """
        from airflow_provider_jobs.backends.gcp_batch.request import build_job

        build_job(spec, JobKey(dag_id="dag", run_id="run", task_id="task"))

    def check_arguments(self) -> None:
        """Check what every operator checks, and that there is something to run.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        super().check_arguments()
        if self.image is None and self.command is None and self.script is None and not self.native:
            raise InvalidArgument(
                "image",
                "nothing says what to run",
                remedy="Give image, script, command, or a whole job in native",
            )
