"""SubmitJob: everything that is checked when a job comes in, and the record that is made of it.

It exists to admit exactly the jobs that Batch admits. It must not decide when a job runs.
https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch.emulator import plans, requirements, retries
from airflow_provider_jobs.backends.aws_batch.emulator.containers import containers_of
from airflow_provider_jobs.backends.aws_batch.emulator.definitions_api import (
    MAX_PRIORITY,
    check_timeout,
    for_submission,
)
from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused, rejected
from airflow_provider_jobs.backends.aws_batch.emulator.lifecycle import Lifecycle
from airflow_provider_jobs.backends.aws_batch.emulator.names import JOB_NAME, new_id
from airflow_provider_jobs.backends.aws_batch.emulator.overrides import overridden
from airflow_provider_jobs.backends.aws_batch.emulator.properties import of_node
from airflow_provider_jobs.backends.aws_batch.emulator.queues_api import find_queue
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind, milliseconds
from airflow_provider_jobs.backends.aws_batch.emulator.resources import JobDefinition, JobQueue
from airflow_provider_jobs.backends.aws_batch.emulator.tags_api import check_tags
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import DIALECT, World
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import AttemptEnd, JobSpec

MAX_PAYLOAD_KIB = 30
MAX_DEPENDENCIES = 20
ARRAY_SIZES = range(2, 10_001)


class Submission:
    """Admits jobs and hands them to the engine."""

    def __init__(self, cloud: Cloud, lifecycle: Lifecycle) -> None:
        self._cloud = cloud
        self._lifecycle = lifecycle

    async def submit(self, world: World, asked: Parameters) -> dict[str, Any]:
        record = _admitted(world, asked)
        record.job = self._cloud.submit(self._spec(record), data=record)
        world.records[record.job_id] = record
        world.relist(record)
        arn = world.place.arn("job", record.job_id)
        return {"jobArn": arn, "jobName": record.name, "jobId": record.job_id}

    def _spec(self, record: JobRecord) -> JobSpec:
        images = [
            container.image
            for index in range(record.size if record.kind is Kind.NODES else 1)
            for container in containers_of(record, index)
        ]
        return JobSpec(
            dialect=DIALECT,
            name=f"{record.queue.name}/{record.name}/{record.job_id}",
            uid=record.job_id,
            task_count=record.size,
            parallelism=record.size,
            plan=functools.partial(plans.plan, record, secrets=self._cloud.secrets),
            retry=_never,
            listener=self._lifecycle,
            images=tuple(dict.fromkeys(images)),
            gate=functools.partial(self._lifecycle.gate, record),
            again=functools.partial(self._lifecycle.again, record),
        )


def _never(_end: AttemptEnd, _attempt: int) -> bool:
    """``again`` decides about retries in its place."""
    return False


def _admitted(world: World, asked: Parameters) -> JobRecord:
    """The record of a job. Raises StatusError unless Batch would take it."""
    _check_size(asked)
    if not JOB_NAME.fullmatch(asked["jobName"]):
        raise refused("Job name should match valid pattern")
    queue = _queue(world, asked["jobQueue"])
    definition = for_submission(world, asked["jobDefinition"])
    _check_share(queue, asked)
    _check_platform(queue, definition)
    check_tags(asked.get("tags", {}))
    if "retryStrategy" in asked:
        retries.check(asked["retryStrategy"])
    if "timeout" in asked:
        check_timeout(asked["timeout"])
    changed = overridden(definition, asked)
    kind, size = _kind_and_size(definition, asked, changed.properties)
    _check_dependencies(world, asked.get("dependsOn", []), kind=kind, size=size)
    both = {**definition.detail, **asked}
    return JobRecord(
        place=world.place,
        job_id=new_id(),
        kind=kind,
        queue=queue,
        definition=definition,
        detail=_detail(queue, definition, asked),
        properties=changed.properties,
        vcpus=_vcpus(changed.properties, kind),
        needs_gpu=_needs_gpu(changed.properties, kind),
        overrides=changed.by_container,
        size=size,
        main_node=changed.properties.get("nodeProperties", {}).get("mainNode", 0),
        share=asked.get("shareIdentifier", ""),
        priority=both.get("schedulingPriorityOverride", both.get("schedulingPriority", 0)),
        strategy=both.get("retryStrategy", {}),
        timeout_seconds=both.get("timeout", {}).get("attemptDurationSeconds"),
        tags=dict(asked.get("tags", {})),
    )


def _check_size(asked: Parameters) -> None:
    kib = len(json.dumps(asked, separators=(",", ":")).encode()) / 1024
    if kib > MAX_PAYLOAD_KIB:
        raise refused(f"Job size must be less than {MAX_PAYLOAD_KIB} KiB, got {kib:.0f} KiB")


def _queue(world: World, reference: str) -> JobQueue:
    queue = find_queue(world, reference)
    if queue is None:
        raise rejected(f"JobQueue {reference} not found.")
    if not queue.accepts:
        raise rejected(f"JobQueue {queue.arn} is not in ENABLED state and VALID status.")
    return queue


def _check_share(queue: JobQueue, asked: Parameters) -> None:
    if queue.fair_share and "shareIdentifier" not in asked:
        raise refused("Fairshare identifier must be provided for a queue with a scheduling policy.")
    if not queue.fair_share and ("shareIdentifier" in asked or "schedulingPriorityOverride" in asked):
        raise refused("Fairshare identifier and priority need a queue with a scheduling policy.")
    if not 0 <= asked.get("schedulingPriorityOverride", 0) <= MAX_PRIORITY:
        raise refused(f"Scheduling priority must be between 0 and {MAX_PRIORITY}")


def _check_platform(queue: JobQueue, definition: JobDefinition) -> None:
    on_eks = definition.on_eks
    if on_eks != queue.on_eks:
        raise refused("The job definition and the job queue have different container orchestration types.")
    wanted = "FARGATE" if queue.on_fargate else "EC2"
    if not on_eks and wanted not in definition.detail.get("platformCapabilities", []):
        raise refused(
            f"The job definition lacks the platform capability {wanted} that the job queue's compute "
            "environments need."
        )


def _kind_and_size(
    definition: JobDefinition, asked: Parameters, properties: Mapping[str, Any]
) -> tuple[Kind, int]:
    size = asked.get("arrayProperties", {}).get("size")
    if size is not None and size not in ARRAY_SIZES:
        raise refused(f"Array size must be between {ARRAY_SIZES[0]} and {ARRAY_SIZES[-1]}")
    if definition.multi_node:
        if size is not None:
            raise refused("Array properties are not applicable for multi-node parallel jobs.")
        return Kind.NODES, properties["nodeProperties"]["numNodes"]
    return (Kind.SINGLE, 1) if size is None else (Kind.ARRAY, size)


def _check_dependencies(world: World, depends: list[dict[str, str]], *, kind: Kind, size: int) -> None:
    if len(depends) > MAX_DEPENDENCIES:
        raise refused(f"A job can have at most {MAX_DEPENDENCIES} dependencies")
    for dependency in depends:
        job_id, type_ = dependency.get("jobId"), dependency.get("type")
        if type_ is not None and kind is not Kind.ARRAY and (type_ == "N_TO_N" or job_id is None):
            raise refused(f"Dependency type {type_} is applicable for array jobs only")
        if job_id is None:
            if type_ != "SEQUENTIAL":
                raise refused("A dependency must have a job ID")
            continue
        other = world.job(job_id)
        if other is None:
            raise refused(f"Job {job_id} does not exist")
        if type_ == "N_TO_N" and (other.kind is not Kind.ARRAY or other.size != size):
            raise refused("An N_TO_N dependency must be on an array job of the same size")


def _detail(queue: JobQueue, definition: JobDefinition, asked: Parameters) -> dict[str, Any]:
    """The members of the job's description that never change."""
    own = definition.detail
    detail: dict[str, Any] = {
        "jobName": asked["jobName"],
        "jobQueue": queue.arn,
        "createdAt": milliseconds(pendulum.now("UTC")),
        "dependsOn": asked.get("dependsOn", []),
        "jobDefinition": definition.arn,
        "parameters": {**own["parameters"], **asked.get("parameters", {})},
        "platformCapabilities": own.get("platformCapabilities", []),
    }
    both = {**own, **asked}
    for name in ("retryStrategy", "timeout", "propagateTags"):
        if name in both:
            detail[name] = copy.deepcopy(both[name])
    if "retryStrategy" in detail:
        detail["retryStrategy"].setdefault("evaluateOnExit", [])
    if queue.fair_share:
        detail["shareIdentifier"] = asked["shareIdentifier"]
        detail["schedulingPriority"] = both.get(
            "schedulingPriorityOverride", both.get("schedulingPriority", 0)
        )
    return detail


def _asked_by(properties: Mapping[str, Any]) -> dict[str, float]:
    """vCPUs and GPUs that one job, child or node asks for."""
    if "containerProperties" in properties:
        return requirements.of_container(properties["containerProperties"])
    if "ecsProperties" in properties:
        (task,) = properties["ecsProperties"]["taskProperties"]
        return requirements.total([requirements.of_container(each) for each in task["containers"]])
    pod = properties["eksProperties"]["podProperties"]
    return requirements.total([requirements.of_pod_container(each) for each in pod["containers"]])


def _each_asked(properties: Mapping[str, Any], kind: Kind) -> list[dict[str, float]]:
    if kind is not Kind.NODES:
        return [_asked_by(properties)]
    nodes = properties["nodeProperties"]
    found = [dict(of_node(nodes, index)) for index in range(nodes["numNodes"])]
    return [
        _asked_by({"containerProperties": each["container"]} if "container" in each else each)
        for each in found
    ]


def _vcpus(properties: Mapping[str, Any], kind: Kind) -> dict[int, float]:
    return {number: asked.get("VCPU", 0) for number, asked in enumerate(_each_asked(properties, kind))}


def _needs_gpu(properties: Mapping[str, Any], kind: Kind) -> bool:
    return any(asked.get("GPU") for asked in _each_asked(properties, kind))
