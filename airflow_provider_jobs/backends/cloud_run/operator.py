"""The task that runs a job on Cloud Run: the vendor's own arguments beside the portable ones.

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

_SCOPE = ("project_id", "region", "job_name", "impersonation_chain")
_OPTIONS = (
    "task_count",
    "args",
    "clear_args",
    "container_overrides",
    "max_retries",
    "service_account",
    "execution_environment",
    "network",
    "subnetwork",
    "network_tags",
    "vpc_connector",
    "vpc_egress",
    "volumes",
    "containers",
    "gpu_zonal_redundancy",
    "encryption_key",
    "binary_authorization",
    "launch_stage",
)


class CloudRunJobOperator(JobOperator):
    """Runs an execution of a Cloud Run job, one task of it per index.

    With ``job_name`` alone the job of that name is run as it is, with ``args``, ``env``, ``clear_args``,
    ``task_count``, ``task_timeout_seconds`` and ``container_overrides`` for this execution. With ``image``
    the job is made from the arguments, and changed when they change; it is named after DAG and task, or by
    ``job_name``. ``secrets`` are references to Secret Manager,
    ``projects/<project>/secrets/<secret>/versions/<version>``.
    Read more: https://cloud.google.com/run/docs/create-jobs

    :param gcp_conn_id: the connection, of type ``google_cloud_platform`` or ``cloud_run``
    :param project_id: the project to run in; the connection's if not given
    :param region: the region to run in, ``"europe-west1"``
    :param job_name: the job to run, by its short name; needed where no ``image`` is given
    :param impersonation_chain: the service account to act as, or a chain that leads to it, as a list or
        separated by commas
    :param task_count: the service's word for ``array_size``; without either, a job that exists runs as many
        tasks as it says itself
    :param task_timeout_seconds: the service's word for ``max_run_seconds``, for each attempt of a task; the
        service allows 10 minutes if not given
    :param args: arguments of the image's own entry point, in the place of those the job has
    :param clear_args: run a job that exists without the arguments it has
    :param container_overrides: for a job of several containers, what each one gets,
        ``[{"name": "main", "args": ["--fast"], "env": {"A": "1"}, "clear_args": False}]``. ``env`` of the
        task goes to every container named here.
    :param max_retries: how often the service itself repeats a failed task, 0 to 10; 0 for a job that is made
    :param service_account: whom the job acts as
    :param execution_environment: ``"gen1"`` or ``"gen2"``
    :param network: the network that tasks reach directly
    :param subnetwork: the subnetwork that they get their addresses from
    :param network_tags: network tags of the tasks
    :param vpc_connector: a connector to a network, ``"projects/p/locations/r/connectors/c"``
    :param vpc_egress: ``"all-traffic"`` or ``"private-ranges-only"``
    :param volumes: what is mounted into the main container, each of one kind,
        ``[{"name": "data", "mount_path": "/data", "gcs": {"bucket": "b", "read_only": True}}]``, or with
        ``secret``, ``nfs``, ``empty_dir`` or ``cloud_sql_instance``
    :param containers: further containers of every task (sidecars) as the service's reference writes them;
        each needs ``name`` and ``image``
    :param gpu_zonal_redundancy: whether the GPU must be there although a zone fails; beside ``gpu=1``
    :param encryption_key: a key of Cloud KMS to encrypt the image with
    :param binary_authorization: ``"default"`` for the project's policy, or the name of one
    :param launch_stage: ``"ALPHA"`` or ``"BETA"`` to use what is in preview
    """

    backend = "cloud_run"
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
        job_name: str | None = None,
        impersonation_chain: str | Sequence[str] | None = None,
        task_count: int | None = None,
        task_timeout_seconds: int | None = None,
        args: Sequence[str] | None = None,
        clear_args: bool = False,
        container_overrides: Sequence[Mapping[str, Any]] | None = None,
        max_retries: int | None = None,
        service_account: str | None = None,
        execution_environment: str | None = None,
        network: str | None = None,
        subnetwork: str | None = None,
        network_tags: Sequence[str] | None = None,
        vpc_connector: str | None = None,
        vpc_egress: str | None = None,
        volumes: Sequence[Mapping[str, Any]] | None = None,
        containers: Sequence[Mapping[str, Any]] | None = None,
        gpu_zonal_redundancy: bool | None = None,
        encryption_key: str | None = None,
        binary_authorization: str | None = None,
        launch_stage: str | None = None,
        **kwargs: Any,
    ) -> None:
        _rename(kwargs, "array_size", task_count, vendors="task_count")
        _rename(kwargs, "max_run_seconds", task_timeout_seconds, vendors="task_timeout_seconds")
        super().__init__(**kwargs)
        self.gcp_conn_id = gcp_conn_id
        self.project_id = project_id
        self.region = region
        self.job_name = job_name
        self.impersonation_chain = (
            ",".join(impersonation_chain)
            if isinstance(impersonation_chain, (list, tuple))
            else impersonation_chain
        )
        self.task_count = task_count
        self.args = args
        self.clear_args = clear_args
        self.container_overrides = container_overrides
        self.max_retries = max_retries
        self.service_account = service_account
        self.execution_environment = execution_environment
        self.network = network
        self.subnetwork = subnetwork
        self.network_tags = network_tags
        self.vpc_connector = vpc_connector
        self.vpc_egress = vpc_egress
        self.volumes = volumes
        self.containers = containers
        self.gpu_zonal_redundancy = gpu_zonal_redundancy
        self.encryption_key = encryption_key
        self.binary_authorization = binary_authorization
        self.launch_stage = launch_stage
        self.check_arguments()

    @classmethod
    def models(cls) -> JobModels:
        """Return what Cloud Run asks of the arguments."""
        from airflow_provider_jobs.backends.cloud_run.options import (
            CloudRunOptions,
            CloudRunRules,
            CloudRunScope,
        )

        return JobModels(CloudRunOptions, CloudRunScope, CloudRunRules)

    @classmethod
    def check_spec(cls, spec: JobSpec) -> None:
        """Check what may be said of a job that exists, and of one that is made.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        from airflow_provider_jobs.backends.cloud_run.checks import check_spec

        check_spec(spec)

    @classmethod
    def check_request(cls, spec: JobSpec) -> None:
        """Write the overrides of an execution as a trial: an input goes there.

        :raises InvalidArgument: the service would refuse them; ``InputTooLarge`` for the size of the input
        """
        from airflow_provider_jobs.backends.cloud_run.request import build_overrides

        build_overrides(spec, JobKey(dag_id="dag", run_id="run", task_id="task"))

    def check_arguments(self) -> None:
        """Check what every operator checks, and that there is something to run.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        super().check_arguments()
        if self.image is None and self.job_name is None:
            raise InvalidArgument(
                "image", "nothing says what to run", remedy="Give job_name, or image and what to run in it"
            )


def _rename(kwargs: dict[str, Any], portable: str, value: Any, *, vendors: str) -> None:
    """Take an argument under the vendor's name for the portable one.

    :raises InvalidArgument: both are given
    """
    if value is None:
        return
    if kwargs.get(portable) is not None:
        raise InvalidArgument(vendors, f"it is given beside {portable}", remedy="Keep one of them")
    kwargs[portable] = value
