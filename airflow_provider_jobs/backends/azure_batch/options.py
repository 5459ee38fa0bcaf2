"""The service's own words of an Azure Batch task and the rules they keep.

Checked when a DAG is parsed, so nothing here imports an Azure package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from airflow_provider_jobs.backends.azure_batch.words import (
    ApplicationPackage,
    AutoPool,
    ContainerRegistry,
    ExitConditions,
    JobPreparationTask,
    JobReleaseTask,
    MultiInstanceSettings,
    OutputFile,
    ResourceFile,
    RetryCount,
    Slots,
    TaskDependencies,
    Text,
    UserIdentity,
)
from airflow_provider_jobs.core.arguments import Seconds
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.spec import Gpu, JobSpec

MAX_TASKS = 100_000
# https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection
MAX_BODY_BYTES = 1_000_000
NATIVE_PARTS = ("job", "task")

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OUR_LABEL = re.compile(r"managed-by|airflow-.*")
_OUR_VARIABLE = re.compile(r"AZ_BATCH_.*|AIRFLOW_JOB_.*")


def _id(value: Any) -> Any:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is no id. Write at most 64 letters, digits, dashes and underscores")
    return value


def _no_secrets(value: Any) -> Any:
    if value:
        raise ValueError(
            "tasks of Azure Batch take no references to secrets. "
            "Let the command read Key Vault with a managed identity of the pool, or leave secrets out"
        )
    return value


def _variables(value: Any) -> Any:
    for name in value if isinstance(value, Mapping) else ():
        if isinstance(name, str) and _OUR_VARIABLE.fullmatch(name):
            raise ValueError(f"{name} is set by the service or by this provider. Use another name")
    return value


def _labels(value: Any) -> Any:
    for name in value if isinstance(value, Mapping) else ():
        if not name:
            raise ValueError("a label has no name. Give it one")
        if _OUR_LABEL.fullmatch(name):
            raise ValueError(f"{name} is set by this provider. Use another name")
    return value


def _gpu(value: Any) -> Any:
    kind = value.type if isinstance(value, Gpu) else value.get("type") if isinstance(value, Mapping) else None
    if kind is not None:
        raise ValueError(
            "the size of a pool's machines decides the type of accelerator. "
            "Leave the type out and choose the pool, or the vmSize of auto_pool, by it"
        )
    return value


def _native(value: Any) -> Any:
    for name, part in value.items() if isinstance(value, Mapping) else ():
        if name not in NATIVE_PARTS:
            raise ValueError(
                f"{name!r} is no part of it. "
                'Write {"job": {...}} for the job to create and {"task": {...}} for every task'
            )
        if not isinstance(part, Mapping):
            raise ValueError(f"{name} is of type {type(part).__name__}. Write a dict of the service's fields")
    return value


Id = Annotated[str, BeforeValidator(_id)]
Priority = Annotated[int, Field(ge=-1000, le=1000)]


class AzureBatchOptions(BaseModel):
    """What only Azure Batch has; every field is an argument of the operator, described there."""

    model_config = ConfigDict(extra="forbid")

    pool_id: Id | None = None
    auto_pool: AutoPool | None = None
    job_id: Id | None = None
    container_run_options: Text | None = None
    container_registry: ContainerRegistry | None = None
    container_working_directory: Literal["taskWorkingDirectory", "containerImageDefault"] | None = None
    resource_files: list[ResourceFile] | None = None
    upload_files: list[OutputFile] | None = None
    application_packages: list[ApplicationPackage] | None = None
    user_identity: UserIdentity | None = None
    exit_conditions: ExitConditions | None = None
    depends_on: TaskDependencies | None = None
    affinity_id: Text | None = None
    multi_instance_settings: MultiInstanceSettings | None = None
    required_slots: Slots | None = None
    max_task_retry_count: RetryCount | None = None
    retention_seconds: Seconds | None = None
    priority: Priority | None = None
    job_preparation_task: JobPreparationTask | None = None
    job_release_task: JobReleaseTask | None = None

    @model_validator(mode="after")
    def _one_pool(self) -> AzureBatchOptions:
        if self.pool_id is not None and self.auto_pool is not None:
            raise ValueError("pool_id and auto_pool are both given. Keep one of them")
        if self.pool_id is None and self.auto_pool is None and self.job_id is None:
            raise ValueError(
                "pool_id is not given, nor auto_pool, nor the job_id of a job that exists. "
                "Say where the tasks run"
            )
        if self.auto_pool is not None and self.job_id is not None:
            raise ValueError(
                "auto_pool lives as long as its job, and a job that is named by job_id is never ended here, "
                "so that its machines would run for ever. Give pool_id, or leave job_id out"
            )
        return self

    @model_validator(mode="after")
    def _shared_job(self) -> AzureBatchOptions:
        for name in ("priority", "job_preparation_task", "job_release_task"):
            if self.job_id is not None and getattr(self, name) is not None:
                raise ValueError(f"{name} {OF_A_JOB}")
        if self.depends_on is not None and self.job_id is None:
            raise ValueError(
                "depends_on names tasks of the same job, and without job_id there are no others. Give job_id"
            )
        return self

    @model_validator(mode="after")
    def _whole(self) -> AzureBatchOptions:
        if self.job_release_task is not None and self.job_preparation_task is None:
            raise ValueError(
                "job_release_task needs a job_preparation_task: the service releases only nodes that it has "
                "prepared. Give job_preparation_task too, '/bin/true' does"
            )
        if self.multi_instance_settings is not None and self.required_slots not in (None, 1):
            raise ValueError("required_slots of a task with multi_instance_settings is 1. Leave it out")
        return self


OF_A_JOB = (
    "belongs to a job, and the job that job_id names is shared with other tasks. "
    'Leave job_id out, or write it in native={"job": {...}}, which counts where the job has yet to be created'
)


class AzureBatchScope(BaseModel):
    """Where tasks go beyond the connection's account; the texts of a backend reference's scope.

    :param job_id: the job to which tasks are added; a job of their own where it is not given
    """

    model_config = ConfigDict(extra="forbid")

    job_id: Id | None = None


class AzureBatchRules(BaseModel):
    """What Azure Batch asks of the portable arguments beyond what every service does."""

    env: Annotated[dict[str, str], BeforeValidator(_variables)] = {}
    secrets: Annotated[dict[str, str], BeforeValidator(_no_secrets)] = {}
    labels: Annotated[dict[str, str], BeforeValidator(_labels)] = {}
    gpu: Annotated[Any, BeforeValidator(_gpu)] = None
    array_size: Annotated[int, Field(le=MAX_TASKS)] = 1
    native: Annotated[dict[str, JsonValue], BeforeValidator(_native)] = {}


def check_together(spec: JobSpec, options: AzureBatchOptions) -> None:
    """Check what only shows when portable arguments and the service's own are seen together.

    :raises InvalidArgument: names the argument, the value and the remedy
    """
    _check_what_runs(spec, options)
    if spec.spot and options.auto_pool is None:
        raise InvalidArgument(
            "spot",
            "the nodes of a pool that exists are what they are",
            remedy="Choose a pool of spot nodes with pool_id, or give auto_pool",
        )
    if options.job_id is not None:
        for name in ("parallelism", "labels"):
            if getattr(spec, name):
                problem, _, remedy = f"it {OF_A_JOB}".partition(". ")
                raise InvalidArgument(name, problem, remedy=remedy)


def _check_what_runs(spec: JobSpec, options: AzureBatchOptions) -> None:
    native = spec.native.get("task")
    is_said = isinstance(native, dict) and "commandLine" in native
    if spec.image is None and spec.command is None and spec.script is None and not is_said:
        raise InvalidArgument(
            "image",
            "nothing says what to run",
            remedy='Give image, script, command, or native={"task": {"commandLine": ...}}',
        )
    if spec.image is not None:
        return
    for name in ("cpu", "memory", "gpu"):
        if getattr(spec, name) is not None:
            raise InvalidArgument(
                name,
                "without an image nothing keeps a task to it: the size of the pool's machines decides",
                remedy="Give image, or choose the pool by its VM size and set required_slots",
            )
    for name in ("container_run_options", "container_registry", "container_working_directory"):
        if getattr(options, name) is not None:
            raise InvalidArgument(name, "the task has no container", remedy="Give image, or leave it out")
