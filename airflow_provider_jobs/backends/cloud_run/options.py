"""The vendor's own words of a Cloud Run task and the rules they keep.

Checked when a DAG is parsed, so nothing here imports a Google package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from airflow_provider_jobs.core.arguments import Count, Image, Seconds, Variables, Words, form, memory_mib
from airflow_provider_jobs.google_cloud.arguments import (
    Account,
    GoogleLabels,
    GoogleScope,
    Region,
    SecretReferences,
)

# https://cloud.google.com/run/quotas
MAX_TASKS = 10_000
# https://cloud.google.com/run/docs/configuring/jobs/environment-variables
MAX_VARIABLES = 1000
MAX_VARIABLE_BYTES = 32_768
# https://cloud.google.com/run/docs/configuring/jobs/containers
MAX_ARGUMENTS = 1000
# https://cloud.google.com/run/docs/configuring/task-timeout: 168 hours
MAX_TASK_SECONDS = 604_800
# The variable of an execution by which it is found again; the service itself names executions.
KEY_VARIABLE = "AIRFLOW_JOB_KEY"
STAMP_VARIABLE = "AIRFLOW_JOB_STAMP"
# The container that runs the task's command in a job that we make; sidecars have other names.
MAIN_CONTAINER = "job"
# The volume of the bucket in which the job's files lie.
FILES_VOLUME = "airflow-jobs"

# https://cloud.google.com/run/docs/configuring/jobs/cpu: CPUs, and the mebibytes they may have
CPU_MEMORY_MIB = {
    1: (512, 4096),
    2: (512, 8192),
    4: (2048, 16384),
    6: (4096, 24576),
    8: (4096, 32768),
}
# https://cloud.google.com/run/docs/container-contract#jobs-env-vars
_RESERVED_VARIABLE = re.compile(
    rf"CLOUD_RUN_(JOB|EXECUTION|TASK_INDEX|TASK_ATTEMPT|TASK_COUNT)|X_GOOGLE_.*|PORT|{KEY_VARIABLE}|{STAMP_VARIABLE}"
)
_JOB_NAME_FORM = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_CONTAINER_FORM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KEY_FORM = re.compile(r"projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+")
_POLICY_FORM = re.compile(r"default|projects/[^/\s]+/platforms/cloudRun/[^/\s]+")


def _task_variables(value: Any) -> Any:
    """Refuse the names that the service or this provider sets itself."""
    for name in value if isinstance(value, Mapping) else ():
        if isinstance(name, str) and _RESERVED_VARIABLE.fullmatch(name):
            raise ValueError(f"{name} is set by the service or by this provider. Use another name")
    return value


def _cpu(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in CPU_MEMORY_MIB:
        raise ValueError(f"{value!r} CPUs are not to be had on Cloud Run. Write 1, 2, 4, 6 or 8")
    return value


def _memory(value: Any) -> Any:
    least, most = 512, max(highest for _, highest in CPU_MEMORY_MIB.values())
    if isinstance(value, str) and not least <= memory_mib(value) <= most:
        raise ValueError(f'{value!r} is refused. Write at least "512Mi" and at most "32Gi"')
    return value


def _gpu(value: Any) -> Any:
    if value is None:
        return value
    count = value.get("count", 1) if isinstance(value, Mapping) else getattr(value, "count", value)
    if count != 1:
        raise ValueError(f"{count!r} GPUs are not to be had on Cloud Run. A task has one at most; write 1")
    return value


def _no_spot(value: Any) -> Any:
    if value:
        raise ValueError(
            "Cloud Run has no machines that are cheaper because they can be taken away. "
            "Leave spot out, or run the job on another service"
        )
    return value


def _sidecar_name(value: Any) -> Any:
    if value == MAIN_CONTAINER:
        raise ValueError(f"{value!r} is the name of the container that runs the command. Use another name")
    return value


ContainerName = Annotated[
    str, form(_CONTAINER_FORM, "a container's name of lower case letters, digits and dashes")
]
JobName = Annotated[
    str, form(_JOB_NAME_FORM, "a job's short name of lower case letters, digits and dashes, 63 at most")
]
TaskVariables = Annotated[Variables, BeforeValidator(_task_variables)]
# https://cloud.google.com/run/docs/configuring/max-retries
Retries = Annotated[int, Field(ge=0, le=10)]


class _Words(BaseModel):
    """A part of an argument: unknown names in it are refused."""

    model_config = ConfigDict(extra="forbid")


class ContainerOverride(_Words):
    """What one container of a job that exists gets for this execution."""

    name: ContainerName
    args: Words | None = None
    env: TaskVariables = {}
    clear_args: bool = False


class SecretItem(_Words):
    """One version of a secret as a file."""

    path: str
    version: str = "latest"
    mode: int | None = None


class SecretSource(_Words):
    """A secret of Secret Manager as files."""

    secret: str
    items: list[SecretItem] | None = None
    default_mode: int | None = None


class GcsSource(_Words):
    """A bucket."""

    bucket: str
    read_only: bool = False
    mount_options: list[str] | None = None


class NfsSource(_Words):
    """A file share; it needs a network."""

    server: str
    path: str
    read_only: bool = False


class EmptyDirSource(_Words):
    """Files in memory that all containers of a task share."""

    medium: Literal["MEMORY"] | None = None
    size_limit: str | None = None


class CloudSqlSource(_Words):
    """Sockets of databases."""

    instances: Annotated[list[str], Field(min_length=1)]


class Volume(_Words):
    """A volume of exactly one kind, and where the main container sees it.

    https://cloud.google.com/run/docs/reference/rest/v2/Volume
    """

    name: ContainerName
    mount_path: Annotated[str, Field(pattern=r"^/[^:]*$")]
    secret: SecretSource | None = None
    gcs: GcsSource | None = None
    nfs: NfsSource | None = None
    empty_dir: EmptyDirSource | None = None
    cloud_sql_instance: CloudSqlSource | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Volume:
        kinds = [self.secret, self.gcs, self.nfs, self.empty_dir, self.cloud_sql_instance]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError(
                f"volume {self.name!r} is not of one kind. "
                "Give one of secret, gcs, nfs, empty_dir and cloud_sql_instance"
            )
        return self


class Sidecar(BaseModel):
    """A further container of every task, in the service's own words.

    https://cloud.google.com/run/docs/reference/rest/v2/Container
    """

    model_config = ConfigDict(extra="allow")

    name: Annotated[ContainerName, BeforeValidator(_sidecar_name)]
    image: Image


class CloudRunOptions(BaseModel):
    """What only Cloud Run has; every field is an argument of the operator, described there."""

    model_config = ConfigDict(extra="forbid")

    task_count: Annotated[Count, Field(le=MAX_TASKS)] | None = None
    args: Words | None = None
    clear_args: bool = False
    container_overrides: Annotated[list[ContainerOverride], Field(min_length=1)] | None = None
    max_retries: Retries | None = None
    service_account: Account | None = None
    execution_environment: Literal["gen1", "gen2"] | None = None
    network: str | None = None
    subnetwork: str | None = None
    network_tags: list[str] | None = None
    vpc_connector: str | None = None
    vpc_egress: Literal["all-traffic", "private-ranges-only"] | None = None
    volumes: list[Volume] | None = None
    containers: list[Sidecar] | None = None
    gpu_zonal_redundancy: bool | None = None
    encryption_key: (
        Annotated[str, form(_KEY_FORM, "projects/<p>/locations/<l>/keyRings/<r>/cryptoKeys/<key>")] | None
    ) = None
    binary_authorization: (
        Annotated[str, form(_POLICY_FORM, '"default" or projects/<p>/platforms/cloudRun/<policy>')] | None
    ) = None
    launch_stage: Literal["ALPHA", "BETA", "GA"] | None = None

    @model_validator(mode="after")
    def _together(self) -> CloudRunOptions:
        if self.args is not None and self.clear_args:
            raise ValueError("clear_args is set and args is given. Keep one of them")
        if self.container_overrides is not None and (self.args is not None or self.clear_args):
            raise ValueError(
                "container_overrides is given beside args or clear_args. Write them under each container"
            )
        is_direct = self.network is not None or self.subnetwork is not None
        if self.vpc_connector is not None and is_direct:
            raise ValueError("vpc_connector is given beside network or subnetwork. Keep one way")
        if self.network_tags is not None and not is_direct:
            raise ValueError("network_tags is given without network or subnetwork. Set one of them")
        if self.vpc_egress is not None and self.vpc_connector is None and not is_direct:
            raise ValueError(
                "vpc_egress is given and no network is. Set network, subnetwork or vpc_connector"
            )
        return self


class CloudRunReach(GoogleScope):
    """How executions that exist are reached: their full names say the region."""

    region: Region | None = None
    job_name: JobName | None = None


class CloudRunScope(CloudRunReach):
    """Where a job runs and as whom the service is called.

    :param job_name: the job to run; where an image is given, the name of the job that is made for it
    """

    region: Region


class CloudRunRules(BaseModel):
    """What Cloud Run asks of the portable arguments beyond what every service does."""

    env: TaskVariables = {}
    secrets: Annotated[SecretReferences, BeforeValidator(_task_variables)] = {}
    labels: GoogleLabels = {}
    cpu: Annotated[float, BeforeValidator(_cpu)] | None = None
    memory: Annotated[str, BeforeValidator(_memory)] | None = None
    gpu: Annotated[Any, BeforeValidator(_gpu)] = None
    array_size: Annotated[int, Field(le=MAX_TASKS)] = 1
    parallelism: Annotated[int, Field(le=MAX_TASKS)] | None = None
    max_run_seconds: Annotated[Seconds, Field(le=MAX_TASK_SECONDS)] | None = None
    spot: Annotated[bool, BeforeValidator(_no_spot)] = False
