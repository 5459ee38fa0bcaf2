"""What Batch takes as a task, and what every command it runs has.

It exists so that the rest of the dialect works on checked values. Properties and limits:
https://learn.microsoft.com/rest/api/batchservice/tasks (2025-06-01). It must not know what a value causes.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StrictInt, model_validator

from airflow_provider_jobs.backends.azure_batch.emulator.properties import (
    Body,
    Count,
    DisplayName,
    EnvironmentSetting,
    Id,
    Opaque,
    RetryCount,
    Slots,
    Span,
    Text,
    words,
)
from airflow_provider_jobs.backends.azure_batch.emulator.wire import UNLIMITED


class AutoUser(Body):
    scope: Annotated[str, AfterValidator(words("task", "pool"))] = "pool"
    elevation_level: Annotated[str, AfterValidator(words("nonadmin", "admin"))] = "nonadmin"


class UserIdentity(Body):
    username: str | None = None
    auto_user: AutoUser | None = None


def _auto_user() -> UserIdentity:
    return UserIdentity(autoUser=AutoUser())


class ContainerSettings(Body):
    image_name: Text
    container_run_options: str | None = None
    registry: Opaque | None = Field(default=None, repr=False)
    working_directory: (
        Annotated[str, AfterValidator(words("taskWorkingDirectory", "containerImageDefault"))] | None
    ) = None
    container_host_batch_bind_mounts: list[Opaque] | None = None


class ResourceFile(Body):
    auto_storage_container_name: str | None = None
    storage_container_url: str | None = None
    http_url: str | None = None
    blob_prefix: str | None = None
    file_path: str | None = None
    file_mode: str | None = None
    identity_reference: Opaque | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ResourceFile:
        sources = (self.auto_storage_container_name, self.storage_container_url, self.http_url)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(
                "exactly one of autoStorageContainerName, storageContainerUrl and httpUrl must be specified"
            )
        if self.http_url is not None and not self.file_path:
            raise ValueError("filePath is required with httpUrl")
        return self


class ContainerDestination(Body):
    path: str | None = None
    container_url: Text
    identity_reference: Opaque | None = None
    upload_headers: list[Opaque] | None = None


class OutputDestination(Body):
    container: ContainerDestination | None = None


class UploadOptions(Body):
    upload_condition: Annotated[
        str, AfterValidator(words("tasksuccess", "taskfailure", "taskcompletion"))
    ] = "taskcompletion"


class OutputFile(Body):
    file_pattern: Text
    destination: OutputDestination
    upload_options: UploadOptions


class TaskConstraints(Body):
    max_wall_clock_time: Span = UNLIMITED
    retention_time: Span = "P7D"
    max_task_retry_count: RetryCount | None = None


class ApplicationPackage(Body):
    application_id: Text
    version: str | None = None


class ExitOptions(Body):
    job_action: Annotated[str, AfterValidator(words("none", "disable", "terminate"))] | None = None
    dependency_action: Annotated[str, AfterValidator(words("satisfy", "block"))] | None = None


class ExitCode(Body):
    code: StrictInt
    exit_options: ExitOptions


class ExitCodeRange(Body):
    start: StrictInt
    end: StrictInt
    exit_options: ExitOptions


class ExitConditions(Body):
    exit_codes: list[ExitCode] | None = None
    exit_code_ranges: list[ExitCodeRange] | None = None
    pre_processing_error: ExitOptions | None = None
    file_upload_error: ExitOptions | None = None
    default: ExitOptions | None = None

    def options(self) -> list[ExitOptions]:
        """Every set of options that is given."""
        coded = [*(self.exit_codes or ()), *(self.exit_code_ranges or ())]
        others = (self.pre_processing_error, self.file_upload_error, self.default)
        return [each.exit_options for each in coded] + [each for each in others if each is not None]


class TaskIdRange(Body):
    start: Count
    end: Count

    @model_validator(mode="after")
    def _ordered(self) -> TaskIdRange:
        if self.end < self.start:
            raise ValueError("end must not be less than start")
        return self


class TaskDependencies(Body):
    task_ids: list[Id] | None = None
    task_id_ranges: list[TaskIdRange] | None = None


class MultiInstance(Body):
    number_of_instances: Annotated[StrictInt, Field(ge=1)] = 1
    coordination_command_line: Text
    common_resource_files: list[ResourceFile] | None = None


class AuthenticationTokenSettings(Body):
    access: list[Annotated[str, AfterValidator(words("job"))]] | None = None


class Work(Body):
    """What a task of any kind has: a command and what it needs."""

    command_line: Text
    container_settings: ContainerSettings | None = None
    resource_files: list[ResourceFile] | None = None
    environment_settings: list[EnvironmentSetting] | None = None
    user_identity: UserIdentity = Field(default_factory=_auto_user)


class TaskBody(Work):
    """A task of a job."""

    id: Id
    display_name: DisplayName | None = None
    output_files: list[OutputFile] | None = None
    exit_conditions: ExitConditions | None = None
    affinity_info: Opaque | None = None
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
    required_slots: Slots = 1
    multi_instance_settings: MultiInstance | None = None
    depends_on: TaskDependencies | None = None
    application_package_references: list[ApplicationPackage] | None = None
    authentication_token_settings: AuthenticationTokenSettings | None = None


class TaskCollection(Body):
    #: Checked one by one: a bad task has a bad result and does not spoil the others.
    value: list[dict[str, Any]]


class TaskReplacement(Body):
    model_config = ConfigDict(extra="ignore")

    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
