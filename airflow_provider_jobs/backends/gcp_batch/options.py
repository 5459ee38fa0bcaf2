"""The vendor's own words of a GCP Batch task and the rules they keep.

Checked when a DAG is parsed, so nothing here imports a Google package.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from airflow_provider_jobs.core.arguments import Count, Words, form
from airflow_provider_jobs.google_cloud.arguments import (
    Account,
    GoogleLabels,
    GoogleScope,
    Region,
    SecretReferences,
)

# https://cloud.google.com/batch/quotas#job_limits
MAX_TASKS = 100_000
MAX_PARALLEL_TASKS = 5_000
MAX_JOB_BYTES = 1_000_000

_REGION_FORM = re.compile(r"[a-z]+-[a-z]+\d+")
_ZONE_FORM = re.compile(r"[a-z]+-[a-z]+\d+-[a-z]")
_MACHINE_FORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
_DISK_TYPE_FORM = re.compile(r"[a-z]+(-[a-z]+)+")


def _location(value: Any) -> Any:
    """Accept ``europe-west1``, ``europe-west1-b`` and the service's own ``zones/europe-west1-b``."""
    name = value.rpartition("/")[2] if isinstance(value, str) else ""
    for kind, pattern in (("regions", _REGION_FORM), ("zones", _ZONE_FORM)):
        if pattern.fullmatch(name) and value in (name, f"{kind}/{name}"):
            return f"{kind}/{name}"
    raise ValueError(f'{value!r} is no location. Write regions or zones such as "zones/europe-west1-b"')


def _exit_codes(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        for code in value:
            if isinstance(code, bool) or not isinstance(code, int) or code < 0:
                raise ValueError(f"{code!r} is no exit code. Write numbers such as 1 or 50001")
    return value


class LifecyclePolicy(BaseModel):
    """What the service does with a task that ended with one of these exit codes.

    https://cloud.google.com/batch/docs/automate-task-retries
    """

    model_config = ConfigDict(extra="forbid")

    action: Literal["RETRY_TASK", "FAIL_TASK"]
    exit_codes: Annotated[list[int], BeforeValidator(_exit_codes), Field(min_length=1)]


class LogPath(BaseModel):
    """Logs as files under a path that is mounted into the job's machines."""

    model_config = ConfigDict(extra="forbid")

    path: Annotated[str, Field(pattern=r"^/")]


Location = Annotated[str, BeforeValidator(_location)]
MachineType = Annotated[str, form(_MACHINE_FORM, 'a machine type such as "e2-standard-2"')]
DiskType = Annotated[str, form(_DISK_TYPE_FORM, 'a disk type such as "pd-ssd"')]
ProvisioningModel = Literal["STANDARD", "SPOT", "PREEMPTIBLE", "RESERVATION_BOUND", "FLEX_START"]
# https://cloud.google.com/batch/docs/reference/rest/v1/projects.locations.jobs#taskspec
RetryCount = Annotated[int, Field(ge=0, le=10)]
Priority = Annotated[int, Field(ge=0, le=99)]


class GcpBatchOptions(BaseModel):
    """What only GCP Batch has; every field is an argument of the operator, described there."""

    model_config = ConfigDict(extra="forbid")

    machine_type: MachineType | None = None
    min_cpu_platform: str | None = None
    provisioning_model: ProvisioningModel | None = None
    allowed_locations: Annotated[list[Location], Field(min_length=1)] | None = None
    service_account: Account | None = None
    service_account_scopes: list[str] | None = None
    network: str | None = None
    subnetwork: str | None = None
    no_external_ip: bool = False
    boot_disk_gib: Count | None = None
    boot_disk_type: DiskType | None = None
    boot_disk_image: str | None = None
    install_gpu_drivers: bool | None = None
    max_retry_count: RetryCount | None = None
    lifecycle_policies: list[LifecyclePolicy] | None = None
    priority: Priority | None = None
    container_options: str | None = None
    container_volumes: Words | None = None
    logs_policy: Literal["CLOUD_LOGGING", "NONE"] | LogPath = "CLOUD_LOGGING"

    @model_validator(mode="after")
    def _together(self) -> GcpBatchOptions:
        if self.lifecycle_policies and not self.max_retry_count:
            raise ValueError(
                "lifecycle_policies is given and max_retry_count is not, so that no task is ever retried. "
                "Set max_retry_count from 1 to 10"
            )
        if self.service_account_scopes is not None and self.service_account is None:
            raise ValueError(
                "service_account_scopes is given and service_account is not. Set service_account too"
            )
        return self


class GcpBatchScope(GoogleScope):
    """Where a job runs and as whom it is called."""

    region: Region


class GcpBatchRules(BaseModel):
    """What GCP Batch asks of the portable arguments beyond what every service does."""

    secrets: SecretReferences = {}
    labels: GoogleLabels = {}
    array_size: Annotated[int, Field(le=MAX_TASKS)] = 1
    parallelism: Annotated[int, Field(le=MAX_PARALLEL_TASKS)] | None = None
