"""Parts of requests in the service's own words, as a DAG writes them and as the service takes them.

Each class has the fields of one type of https://learn.microsoft.com/rest/api/batchservice, in camel case as
there or in snake case. Checked when a DAG is parsed, so nothing here imports an Azure package. No text is
shown in an error: an address may hold a signature, and a registry has a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from airflow_provider_jobs.core.arguments import Count

MAX_SLOTS = 256
_DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"the value is of type {type(value).__name__}, or empty. Write it as text")
    return value


def _duration(value: Any) -> str:
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError(f"{value!r} is no duration. Write ISO 8601 such as 'PT90S' or 'P1DT2H'")
    return value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
Duration = Annotated[str, BeforeValidator(_duration)]
# The service compares these words without regard to case.
_AnyCase = BeforeValidator(_lower)
Slots = Annotated[int, Field(ge=1, le=MAX_SLOTS)]
RetryCount = Annotated[int, Field(ge=-1)]


class Part(BaseModel):
    """A part of a request.

    :cvar short_form: the field that a text alone stands for, where there is one
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    short_form: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, value: Any) -> Any:
        if isinstance(value, str) and (name := cls.short_form):
            return {name: value}
        if isinstance(value, cls):
            return value
        known = {field.alias or name: name for name, field in cls.model_fields.items()}
        listed = ", ".join(sorted(known))
        if not isinstance(value, Mapping):
            raise ValueError(f"it is of type {type(value).__name__}. Write a dict of {listed}")
        for name in value:
            if name not in known and name not in cls.model_fields:
                raise ValueError(f"{name!r} is no field of it. Known are {listed}")
        return value

    def to_wire(self) -> dict[str, Any]:
        """Return what the service reads."""
        return self.model_dump(by_alias=True, exclude_none=True)


class IdentityReference(Part):
    """A user-assigned managed identity of the pool."""

    short_form = "resource_id"

    resource_id: Text


class ResourceFile(Part):
    """A file, or a container of files, that is downloaded to the node before the task runs."""

    auto_storage_container_name: Text | None = None
    storage_container_url: Text | None = None
    http_url: Text | None = None
    blob_prefix: Text | None = None
    file_path: Text | None = None
    file_mode: Text | None = None
    identity_reference: IdentityReference | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ResourceFile:
        sources = [self.auto_storage_container_name, self.storage_container_url, self.http_url]
        if sum(source is not None for source in sources) != 1:
            raise ValueError(
                "a resource file has one source. "
                "Give one of httpUrl, storageContainerUrl and autoStorageContainerName"
            )
        if self.http_url is not None and self.file_path is None:
            raise ValueError("httpUrl is given and filePath is not. Say where the file goes")
        return self


class Header(Part):
    """A header that is sent with an upload."""

    name: Text
    value: str | None = None


class BlobContainerDestination(Part):
    """A container of Azure Blob Storage."""

    path: Text | None = None
    container_url: Text
    identity_reference: IdentityReference | None = None
    upload_headers: list[Header] | None = None


class OutputDestination(Part):
    """Where an output file goes."""

    container: BlobContainerDestination


class UploadOptions(Part):
    """When an output file is uploaded."""

    upload_condition: Annotated[Literal["tasksuccess", "taskfailure", "taskcompletion"], _AnyCase]


class OutputFile(Part):
    """Files that are uploaded from the node after the task has run."""

    file_pattern: Text
    destination: OutputDestination
    upload_options: UploadOptions


class ApplicationPackage(Part):
    """An application that the service puts on the node; a text is its id, or ``id#version``."""

    application_id: Text
    version: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_version(cls, value: Any) -> Any:
        if isinstance(value, str):
            name, _, version = value.partition("#")
            return {"application_id": name, "version": version or None}
        return value


class AutoUser(Part):
    """A user that the service makes."""

    scope: Annotated[Literal["task", "pool"], _AnyCase] | None = None
    elevation_level: Annotated[Literal["nonadmin", "admin"], _AnyCase] | None = None


class UserIdentity(Part):
    """Whom the command runs as: a user account of the pool, or one that the service makes."""

    short_form = "username"

    username: Text | None = None
    auto_user: AutoUser | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> UserIdentity:
        if (self.username is None) == (self.auto_user is None):
            raise ValueError("a user identity has one of username and autoUser. Give one of them")
        return self


class ExitOptions(Part):
    """What a way of ending does to the job, and to tasks that depend on this one."""

    job_action: Annotated[Literal["none", "disable", "terminate"], _AnyCase] | None = None
    dependency_action: Annotated[Literal["satisfy", "block"], _AnyCase] | None = None


class ExitCodeMapping(Part):
    """One exit code."""

    code: int
    exit_options: ExitOptions


class ExitCodeRangeMapping(Part):
    """Exit codes from ``start`` to ``end``, both included."""

    start: int
    end: int
    exit_options: ExitOptions


class ExitConditions(Part):
    """What the service does when the task ends in a certain way."""

    exit_codes: list[ExitCodeMapping] | None = None
    exit_code_ranges: list[ExitCodeRangeMapping] | None = None
    pre_processing_error: ExitOptions | None = None
    file_upload_error: ExitOptions | None = None
    default: ExitOptions | None = None

    @property
    def act_on_job(self) -> bool:
        """Whether one of them does something to the job."""
        several = [*(self.exit_codes or ()), *(self.exit_code_ranges or ())]
        options = [each.exit_options for each in several]
        single = (self.pre_processing_error, self.file_upload_error, self.default)
        options += [each for each in single if each]
        return any(each.job_action not in (None, "none") for each in options)


class TaskIdRange(Part):
    """Tasks whose ids are numbers from ``start`` to ``end``, both included."""

    start: int
    end: int


class TaskDependencies(Part):
    """Tasks of the same job that must have succeeded before; a list is their ids."""

    task_ids: list[Text] | None = None
    task_id_ranges: list[TaskIdRange] | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return {"task_ids": list(value)} if isinstance(value, (list, tuple)) else value


class MultiInstanceSettings(Part):
    """Several nodes for one task, as MPI needs."""

    number_of_instances: Count | None = None
    coordination_command_line: Text
    common_resource_files: list[ResourceFile] | None = None


class ContainerRegistry(Part):
    """A private registry of images."""

    registry_server: Text | None = None
    username: Text | None = None
    password: Text | None = None
    identity_reference: IdentityReference | None = None


class ContainerSettings(Part):
    """The container of a preparation, release or start task."""

    image_name: Text
    container_run_options: Text | None = None
    registry: ContainerRegistry | None = None
    working_directory: Literal["taskWorkingDirectory", "containerImageDefault"] | None = None


class EnvironmentSetting(Part):
    """A variable of a preparation, release or start task."""

    name: Text
    value: str | None = None


class TaskConstraints(Part):
    """Limits of a preparation task."""

    max_wall_clock_time: Duration | None = None
    retention_time: Duration | None = None
    max_task_retry_count: RetryCount | None = None


class NodeTask(Part):
    """What the tasks have in common that run once on a node; a text is the command line."""

    short_form = "command_line"

    command_line: Text
    container_settings: ContainerSettings | None = None
    resource_files: list[ResourceFile] | None = None
    environment_settings: list[EnvironmentSetting] | None = None
    user_identity: UserIdentity | None = None


class JobPreparationTask(NodeTask):
    """Runs on a node before the first task of the job does."""

    id: Text | None = None
    constraints: TaskConstraints | None = None
    wait_for_success: bool | None = None
    rerun_on_node_reboot_after_success: bool | None = None


class JobReleaseTask(NodeTask):
    """Runs on each node when the job ends."""

    id: Text | None = None
    max_wall_clock_time: Duration | None = None
    retention_time: Duration | None = None


class StartTask(NodeTask):
    """Runs on a node when it joins the pool."""

    max_task_retry_count: RetryCount | None = None
    wait_for_success: bool | None = None


class ImageReference(Part):
    """The image of the nodes: of the marketplace, or one's own."""

    publisher: Text | None = None
    offer: Text | None = None
    sku: Text | None = None
    version: Text | None = None
    virtual_machine_image_id: Text | None = None
    shared_gallery_image_id: Text | None = None
    community_gallery_image_id: Text | None = None


class AutoPool(Part):
    """A pool that lives as long as its job.

    :param nodes: how many, dedicated ones or spot ones as the task's ``spot`` says
    :param hold_seconds: how long the nodes stay after the last task, so that its files can be read
    """

    vm_size: Text
    image_reference: ImageReference
    node_agent_sku_id: Text = Field(alias="nodeAgentSKUId")
    nodes: Count = 1
    task_slots_per_node: Slots | None = None
    container_registries: list[ContainerRegistry] | None = None
    start_task: StartTask | None = None
    subnet_id: Text | None = None
    application_packages: list[ApplicationPackage] | None = None
    enable_inter_node_communication: bool | None = None
    hold_seconds: Annotated[int, Field(ge=0, le=600)] = 30
