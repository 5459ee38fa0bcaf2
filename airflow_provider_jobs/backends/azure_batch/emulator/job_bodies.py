"""What Batch takes as a job and as changes to one.

It exists so that the rest of the dialect works on checked values. Properties and limits:
https://learn.microsoft.com/rest/api/batchservice/jobs (2025-06-01). It must not know what a value causes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator

from airflow_provider_jobs.backends.azure_batch.emulator.pool_bodies import PoolSpecification
from airflow_provider_jobs.backends.azure_batch.emulator.properties import (
    Body,
    DisplayName,
    EnvironmentSetting,
    Id,
    MetadataItem,
    Opaque,
    RetryCount,
    Slots,
    Span,
    words,
)
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import (
    ApplicationPackage,
    AuthenticationTokenSettings,
    OutputFile,
    TaskConstraints,
    Work,
)
from airflow_provider_jobs.backends.azure_batch.emulator.wire import UNLIMITED


class JobManagerTask(Work):
    id: Id
    display_name: DisplayName | None = None
    output_files: list[OutputFile] | None = None
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
    required_slots: Slots = 1
    kill_job_on_completion: StrictBool = True
    run_exclusive: StrictBool = True
    application_package_references: list[ApplicationPackage] | None = None
    authentication_token_settings: AuthenticationTokenSettings | None = None
    allow_low_priority_node: StrictBool = True


class JobPreparationTask(Work):
    id: Id = "jobpreparation"
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
    wait_for_success: StrictBool = True
    rerun_on_node_reboot_after_success: StrictBool = True


class JobReleaseTask(Work):
    id: Id = "jobrelease"
    max_wall_clock_time: Span = "PT15M"
    retention_time: Span = "P7D"


class AutoPool(Body):
    auto_pool_id_prefix: Annotated[str, Field(max_length=20)] | None = None
    pool_lifetime_option: Annotated[str, AfterValidator(words("job", "jobschedule"))]
    keep_alive: StrictBool = False
    pool: PoolSpecification


class PoolInfo(Body):
    pool_id: str | None = None
    auto_pool_specification: AutoPool | None = None

    @model_validator(mode="after")
    def _one_pool(self) -> PoolInfo:
        if (self.pool_id is None) is (self.auto_pool_specification is None):
            raise ValueError("exactly one of poolId and autoPoolSpecification must be specified")
        return self


class JobConstraints(Body):
    max_wall_clock_time: Span = UNLIMITED
    max_task_retry_count: RetryCount = 0


Priority = Annotated[StrictInt, Field(ge=-1000, le=1000)]
ParallelTasks = Annotated[StrictInt, Field(ge=-1)]
AllTasksComplete = Annotated[str, AfterValidator(words("noaction", "terminatejob"))]


class JobBody(Body):
    id: Id
    display_name: DisplayName | None = None
    priority: Priority = 0
    max_parallel_tasks: ParallelTasks = -1
    uses_task_dependencies: StrictBool = False
    allow_task_preemption: StrictBool = False
    constraints: JobConstraints = Field(default_factory=JobConstraints)
    job_manager_task: JobManagerTask | None = None
    job_preparation_task: JobPreparationTask | None = None
    job_release_task: JobReleaseTask | None = None
    common_environment_settings: list[EnvironmentSetting] | None = None
    pool_info: PoolInfo
    on_all_tasks_complete: AllTasksComplete = "noaction"
    on_task_failure: Annotated[str, AfterValidator(words("noaction", "performexitoptionsjobaction"))] = (
        "noaction"
    )
    network_configuration: Opaque | None = None
    metadata: list[MetadataItem] | None = None


class JobPatch(Body):
    """What can be changed of a job; what is left out stays."""

    priority: Priority | None = None
    max_parallel_tasks: ParallelTasks | None = None
    allow_task_preemption: StrictBool | None = None
    constraints: JobConstraints | None = None
    pool_info: PoolInfo | None = None
    on_all_tasks_complete: AllTasksComplete | None = None
    metadata: list[MetadataItem] | None = None
    network_configuration: Opaque | None = None


class JobReplacement(JobPatch):
    """What can be changed of a job; what is left out goes back to its default."""

    # The vendor's client sends the whole job, with properties that cannot be changed.
    model_config = ConfigDict(extra="ignore")

    priority: Priority = 0
    max_parallel_tasks: ParallelTasks = -1
    allow_task_preemption: StrictBool = False
    constraints: JobConstraints = Field(default_factory=JobConstraints)
    pool_info: PoolInfo
    on_all_tasks_complete: AllTasksComplete = "noaction"


class JobDisable(Body):
    disable_tasks: Annotated[str, AfterValidator(words("requeue", "terminate", "wait"))]


class JobTerminate(Body):
    terminate_reason: str | None = None
