"""The task that runs on Azure Batch: the service's own arguments beside the portable ones.

Imports no Azure package: DAG files are parsed all the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.arguments import JobModels
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.templates import TemplateFields

_OPTIONS = (
    "pool_id",
    "auto_pool",
    "job_id",
    "container_run_options",
    "container_registry",
    "container_working_directory",
    "resource_files",
    "upload_files",
    "application_packages",
    "user_identity",
    "exit_conditions",
    "depends_on",
    "affinity_id",
    "multi_instance_settings",
    "required_slots",
    "max_task_retry_count",
    "retention_seconds",
    "priority",
    "job_preparation_task",
    "job_release_task",
)


class AzureBatchTaskOperator(JobOperator):
    """Runs tasks on Azure Batch, one per index, in a job of their own or in one that others share.

    Parts of requests are dicts of the service's fields, in camel case as in its reference or in snake case.
    Without ``image`` the command runs on the node itself. ``cpu``, ``memory`` and ``gpu`` limit the
    container; how many tasks share a node is up to the pool and ``required_slots``. ``secrets`` are refused:
    the service has none for tasks. ``spot`` needs ``auto_pool``. ``native`` is
    ``{"job": {...}, "task": {...}}``.
    Read more: https://learn.microsoft.com/azure/batch/jobs-and-tasks

    :param azure_batch_conn_id: the connection, of type ``azure_batch``: one account
    :param pool_id: the pool to run on
    :param auto_pool: a pool that lives as long as the job: ``vm_size``, ``image_reference``,
        ``node_agent_sku_id``, ``nodes``, ``task_slots_per_node``, ``container_registries``, ``start_task``,
        ``subnet_id``, ``application_packages``, ``enable_inter_node_communication``, ``hold_seconds``
    :param job_id: a job to which the tasks are added, created on ``pool_id`` where it does not exist, and
        never ended or deleted; a job of their own, which ends with them, if not given
    :param container_run_options: further options of ``docker create``
    :param container_registry: where the image is pulled from, ``{"registryServer": ..., "identityReference":
        {"resourceId": ...}}``
    :param container_working_directory: ``"taskWorkingDirectory"`` or ``"containerImageDefault"``
    :param resource_files: what is downloaded before, ``[{"httpUrl": ..., "filePath": ...}]``
    :param upload_files: what the service uploads afterwards, ``[{"filePattern": ..., "destination": ...,
        "uploadOptions": ...}]``
    :param output_files: as every operator has it; a dict among them is one of ``upload_files``
    :param application_packages: ids of application packages, ``"app"`` or ``"app#1.0"``
    :param user_identity: whom the command runs as, a user name or ``{"autoUser": {"scope": "pool",
        "elevationLevel": "admin"}}``
    :param exit_conditions: what the service does for which exit code, ``{"exitCodes": [{"code": 3,
        "exitOptions": {"jobAction": "terminate"}}]}``
    :param depends_on: ids of tasks of the same job, or ``{"taskIdRanges": [{"start": 1, "end": 9}]}``; needs
        ``job_id``
    :param affinity_id: a node to prefer
    :param multi_instance_settings: several nodes for one task, ``{"numberOfInstances": 3,
        "coordinationCommandLine": ...}``
    :param required_slots: how many of a node's slots a task takes
    :param max_task_retry_count: how often the service repeats a failed task, -1 for without end
    :param retention_seconds: how long the files of a task stay on its node, 7 days if not given
    :param priority: -1000 to 1000; the higher the sooner
    :param job_preparation_task: what runs on a node before the job's first task, a command line or a dict
    :param job_release_task: what runs on these nodes when the job ends; needs ``job_preparation_task``
    """

    backend = "azure_batch"
    conn_id_field = "azure_batch_conn_id"
    # The job is also a part of where: without it a submission could not be found again by its key.
    scope_fields = ("job_id",)
    option_fields = _OPTIONS
    template_fields = TemplateFields(*JobOperator.template_fields, "azure_batch_conn_id", *_OPTIONS)

    def __init__(  # noqa: PLR0913 - these are the words of the service
        self,
        *,
        azure_batch_conn_id: str = "azure_batch_default",
        pool_id: str | None = None,
        auto_pool: Mapping[str, Any] | None = None,
        job_id: str | None = None,
        container_run_options: str | None = None,
        container_registry: Mapping[str, Any] | None = None,
        container_working_directory: str | None = None,
        resource_files: Sequence[Mapping[str, Any]] | None = None,
        upload_files: Sequence[Mapping[str, Any]] | None = None,
        output_files: Sequence[str | Mapping[str, Any]] | Mapping[str, Any] | None = None,
        application_packages: Sequence[str | Mapping[str, Any]] | None = None,
        user_identity: str | Mapping[str, Any] | None = None,
        exit_conditions: Mapping[str, Any] | None = None,
        depends_on: Sequence[str] | Mapping[str, Any] | None = None,
        affinity_id: str | None = None,
        multi_instance_settings: Mapping[str, Any] | None = None,
        required_slots: int | None = None,
        max_task_retry_count: int | None = None,
        retention_seconds: int | None = None,
        priority: int | None = None,
        job_preparation_task: str | Mapping[str, Any] | None = None,
        job_release_task: str | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        listed = output_files if isinstance(output_files, (list, tuple)) else ()
        if uploads := [each for each in listed if isinstance(each, Mapping)]:
            upload_files = [*(upload_files or ()), *uploads]
            kwargs["output_files"] = [each for each in listed if not isinstance(each, Mapping)]
        else:
            kwargs["output_files"] = output_files
        super().__init__(**kwargs)
        self.azure_batch_conn_id = azure_batch_conn_id
        self.pool_id = pool_id
        self.auto_pool = auto_pool
        self.job_id = job_id
        self.container_run_options = container_run_options
        self.container_registry = container_registry
        self.container_working_directory = container_working_directory
        self.resource_files = resource_files
        self.upload_files = upload_files
        self.application_packages = application_packages
        self.user_identity = user_identity
        self.exit_conditions = exit_conditions
        self.depends_on = depends_on
        self.affinity_id = affinity_id
        self.multi_instance_settings = multi_instance_settings
        self.required_slots = required_slots
        self.max_task_retry_count = max_task_retry_count
        self.retention_seconds = retention_seconds
        self.priority = priority
        self.job_preparation_task = job_preparation_task
        self.job_release_task = job_release_task
        self.check_arguments()

    @classmethod
    def models(cls) -> JobModels:
        """Return what Azure Batch asks of the arguments."""
        from airflow_provider_jobs.backends.azure_batch.options import (
            AzureBatchOptions,
            AzureBatchRules,
            AzureBatchScope,
        )

        return JobModels(AzureBatchOptions, AzureBatchScope, AzureBatchRules)

    @classmethod
    def maps_indexes(cls, spec: JobSpec) -> bool:  # noqa: ARG003 - the promise's name
        """Return ``True``: every task has variables of its own."""
        return True

    @classmethod
    def check_spec(cls, spec: JobSpec) -> None:
        """Check what only shows when portable arguments and the service's own are seen together.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        from airflow_provider_jobs.backends.azure_batch.options import AzureBatchOptions, check_together

        check_together(spec, build_model(AzureBatchOptions, spec.options))

    @classmethod
    def check_request(cls, spec: JobSpec) -> None:
        """Write the tasks as a trial.

        :raises InvalidArgument: the service would refuse them; ``InputTooLarge`` for the size of the input
        """
        import pendulum

        from airflow_provider_jobs.backends.azure_batch.request import build_submission

        key = JobKey(dag_id="dag", run_id="run", task_id="task")
        build_submission(spec, key, submitted_at=pendulum.now("UTC")).tasks()
