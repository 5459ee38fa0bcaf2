"""The task that runs a job on AWS Batch: the vendor's own arguments beside the portable ones.

Imports no package of AWS: DAG files are parsed all the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.arguments import JobModels
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.templates import TemplateFields

_SCOPE = ("job_queue", "region_name")
_OPTIONS = (
    "job_definition",
    "depends_on",
    "retry_strategy",
    "share_identifier",
    "scheduling_priority",
    "parameters",
    "tags",
    "propagate_tags",
    "container_overrides",
    "ecs_properties_override",
    "eks_properties_override",
    "node_overrides",
    "num_nodes",
    "platform",
    "execution_role",
    "job_role",
    "log_configuration",
    "linux_parameters",
    "volumes",
    "mount_points",
    "assign_public_ip",
    "ephemeral_storage_gib",
    "fargate_platform_version",
    "runtime_platform",
)


class AwsBatchJobOperator(JobOperator):
    """Runs a job on AWS Batch: a plain one, an array with one child per index, or one on several nodes.

    What runs is a ``job_definition`` that is there, or an ``image``, for which a job definition is
    registered once and reused while nothing in it changes. ``command``, ``script``, ``env``, ``input``,
    ``cpu``, ``memory`` and ``gpu`` are sent as overrides with either. Structures of the service are written
    with its own names, ``{"logDriver": "awslogs"}``. ``secrets`` are ARNs of Secrets Manager or Systems
    Manager, and need an ``image``, since they stand in the job definition. ``native`` is merged into
    ``SubmitJob``; its ``jobDefinition``, written as a dict, into the job definition that is registered.

    AWS Batch cannot replace the entry point of an image: where it has one, the words of ``command`` are its
    arguments. It keeps the record of a job for some days and deletes none, so ``delete_after`` is refused.
    Read more: https://docs.aws.amazon.com/batch/latest/userguide/submit_job.html

    :param job_queue: the name or the ARN of the queue to submit to; it decides whether Spot machines,
        Fargate or EKS run the job
    :param aws_conn_id: the connection, of type ``aws``
    :param region_name: the region, ``"eu-west-1"``; the connection's if not given
    :param job_definition: the name, ``"name:revision"`` or the ARN of a job definition; excludes ``image``
    :param depends_on: up to 20 jobs to wait for, ``[{"jobId": ...}]``; with ``"type": "N_TO_N"`` every index
        waits for the same index of an array; ``[{"type": "SEQUENTIAL"}]`` runs an array's indexes in turn
    :param retry_strategy: what the service itself repeats, ``{"attempts": 3, "evaluateOnExit":
        [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]}``
    :param share_identifier: the share of a queue with fair-share scheduling
    :param scheduling_priority: 0 to 9999 within its share; the higher the sooner
    :param parameters: values of ``Ref::name`` in the job definition's command
    :param tags: tags of the job, beside ``labels``, which are tags too
    :param propagate_tags: whether the task of ECS carries them as well
    :param container_overrides: further fields of ``containerOverrides``
    :param ecs_properties_override: for a job definition with several containers: the overrides of its
        first task, ``{"taskProperties": [{"containers": [{"name": "main"}]}]}``; command, variables and
        sizes go to the first container named here
    :param eks_properties_override: for a job definition of EKS: the overrides of its pod, ``{}`` for none of
        your own; command, image, variables and sizes go to the first container named here
    :param node_overrides: for a job definition of several nodes: further fields of ``nodeOverrides``
    :param num_nodes: on how many nodes the job runs at once, 2 or more; node 0 is the main one
    :param platform: ``"EC2"`` or ``"FARGATE"``, of the queue; EC2 if not given
    :param execution_role: the ARN of the role that pulls the image, writes the log and reads secrets
    :param job_role: the ARN of the role that the command acts as
    :param log_configuration: ``{"logDriver": "awslogs", "options": {"awslogs-group": ...}}``. The log in
        Airflow and results on stdout need ``awslogs``, the default
    :param linux_parameters: devices, shared memory, tmpfs and swap
    :param volumes: ``[{"name": "data", "efsVolumeConfiguration": {"fileSystemId": ...}}]``
    :param mount_points: ``[{"sourceVolume": "data", "containerPath": "/data", "readOnly": True}]``
    :param assign_public_ip: on Fargate, give the task a public address
    :param ephemeral_storage_gib: on Fargate, the size of the disk, 21 to 200
    :param fargate_platform_version: on Fargate, ``"LATEST"`` or ``"1.4.0"``
    :param runtime_platform: on Fargate, ``{"cpuArchitecture": "ARM64"}``
    """

    backend = "aws_batch"
    conn_id_field = "aws_conn_id"
    scope_fields = _SCOPE
    option_fields = _OPTIONS
    # A shorter execution_timeout is kept by Airflow alone.
    least_run_seconds = 60
    keeps_records = (
        "AWS Batch drops the record of a job by itself, some days after its end, "
        "and takes no request to delete it"
    )
    template_fields = TemplateFields(*JobOperator.template_fields, "aws_conn_id", *_SCOPE, *_OPTIONS)

    def __init__(  # noqa: PLR0913 - these are the words of the service
        self,
        *,
        job_queue: str,
        aws_conn_id: str = "aws_default",
        region_name: str | None = None,
        job_definition: str | None = None,
        depends_on: Sequence[Mapping[str, str]] | None = None,
        retry_strategy: Mapping[str, Any] | None = None,
        share_identifier: str | None = None,
        scheduling_priority: int | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        propagate_tags: bool | None = None,
        container_overrides: Mapping[str, Any] | None = None,
        ecs_properties_override: Mapping[str, Any] | None = None,
        eks_properties_override: Mapping[str, Any] | None = None,
        node_overrides: Mapping[str, Any] | None = None,
        num_nodes: int | None = None,
        platform: str | None = None,
        execution_role: str | None = None,
        job_role: str | None = None,
        log_configuration: Mapping[str, Any] | None = None,
        linux_parameters: Mapping[str, Any] | None = None,
        volumes: Sequence[Mapping[str, Any]] | None = None,
        mount_points: Sequence[Mapping[str, Any]] | None = None,
        assign_public_ip: bool | None = None,
        ephemeral_storage_gib: int | None = None,
        fargate_platform_version: str | None = None,
        runtime_platform: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.job_queue = job_queue
        self.region_name = region_name
        self.job_definition = job_definition
        self.depends_on = depends_on
        self.retry_strategy = retry_strategy
        self.share_identifier = share_identifier
        self.scheduling_priority = scheduling_priority
        self.parameters = parameters
        self.tags = tags
        self.propagate_tags = propagate_tags
        self.container_overrides = container_overrides
        self.ecs_properties_override = ecs_properties_override
        self.eks_properties_override = eks_properties_override
        self.node_overrides = node_overrides
        self.num_nodes = num_nodes
        self.platform = platform
        self.execution_role = execution_role
        self.job_role = job_role
        self.log_configuration = log_configuration
        self.linux_parameters = linux_parameters
        self.volumes = volumes
        self.mount_points = mount_points
        self.assign_public_ip = assign_public_ip
        self.ephemeral_storage_gib = ephemeral_storage_gib
        self.fargate_platform_version = fargate_platform_version
        self.runtime_platform = runtime_platform
        self.check_arguments()

    @classmethod
    def models(cls) -> JobModels:
        """Return what AWS Batch asks of the arguments."""
        from airflow_provider_jobs.backends.aws_batch.options import (
            AwsBatchOptions,
            AwsBatchRules,
            AwsBatchScope,
        )

        return JobModels(AwsBatchOptions, AwsBatchScope, AwsBatchRules)

    @classmethod
    def check_spec(cls, spec: JobSpec) -> None:
        """Write the request, which refuses what the service would.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        from airflow_provider_jobs.backends.aws_batch.request import check

        check(spec)
