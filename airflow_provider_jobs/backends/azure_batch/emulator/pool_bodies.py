"""What Batch takes as a pool and as changes to one.

It exists so that the rest of the dialect works on checked values. Properties and limits:
https://learn.microsoft.com/rest/api/batchservice/pools (2025-06-01). What only decides about machines
(images, networks, mounts) is taken as it comes. It must not know what a value causes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from airflow_provider_jobs.backends.azure_batch.emulator.properties import (
    Body,
    Count,
    DisplayName,
    Id,
    MetadataItem,
    Opaque,
    RetryCount,
    Slots,
    Span,
    Text,
    words,
)
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import ApplicationPackage, Work


class StartTask(Work):
    max_task_retry_count: RetryCount = 0
    wait_for_success: StrictBool = True


class SchedulingPolicy(Body):
    node_fill_type: Annotated[str, AfterValidator(words("Spread", "Pack"))] = "Spread"
    job_default_order: Annotated[str, AfterValidator(words("none", "creationtime"))] = "none"


class PoolSpecification(Body):
    """A pool that a job brings along; and what every pool has."""

    display_name: DisplayName | None = None
    vm_size: Text
    virtual_machine_configuration: Opaque | None = None
    resize_timeout: Span = "PT15M"
    target_dedicated_nodes: Count = 0
    target_low_priority_nodes: Count = 0
    enable_auto_scale: StrictBool = False
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Span | None = None
    enable_inter_node_communication: StrictBool = False
    network_configuration: Opaque | None = None
    start_task: StartTask | None = None
    application_package_references: list[ApplicationPackage] | None = None
    task_slots_per_node: Slots = 1
    task_scheduling_policy: SchedulingPolicy = Field(default_factory=SchedulingPolicy)
    user_accounts: list[Opaque] | None = Field(default=None, repr=False)
    metadata: list[MetadataItem] | None = None
    mount_configuration: list[Opaque] | None = Field(default=None, repr=False)
    upgrade_policy: Opaque | None = None
    resource_tags: Opaque | None = None
    target_node_communication_mode: str | None = None


class PoolBody(PoolSpecification):
    id: Id


NodeDeallocation = Annotated[
    str, AfterValidator(words("requeue", "terminate", "taskcompletion", "retaineddata"))
]


class PoolResize(Body):
    target_dedicated_nodes: Count | None = None
    target_low_priority_nodes: Count | None = None
    resize_timeout: Span = "PT15M"
    node_deallocation_option: NodeDeallocation = "requeue"


class PoolAutoScale(Body):
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Span | None = None


class FormulaToEvaluate(Body):
    auto_scale_formula: Text


class NodeRemoval(Body):
    node_list: Annotated[list[str], Field(min_length=1, max_length=100)]
    resize_timeout: Span = "PT15M"
    node_deallocation_option: NodeDeallocation = "requeue"


class PoolPatch(Body):
    display_name: DisplayName | None = None
    vm_size: str | None = None
    enable_inter_node_communication: StrictBool | None = None
    start_task: StartTask | None = None
    application_package_references: list[ApplicationPackage] | None = None
    metadata: list[MetadataItem] | None = None
    virtual_machine_configuration: Opaque | None = None
    task_slots_per_node: Slots | None = None
    task_scheduling_policy: SchedulingPolicy | None = None
    network_configuration: Opaque | None = None
    user_accounts: list[Opaque] | None = Field(default=None, repr=False)
    mount_configuration: list[Opaque] | None = Field(default=None, repr=False)
    upgrade_policy: Opaque | None = None
    resource_tags: Opaque | None = None
    target_node_communication_mode: str | None = None


class PoolReplacement(Body):
    start_task: StartTask | None = None
    application_package_references: list[ApplicationPackage]
    metadata: list[MetadataItem]
    certificate_references: list[Opaque] | None = None
    target_node_communication_mode: str | None = None
