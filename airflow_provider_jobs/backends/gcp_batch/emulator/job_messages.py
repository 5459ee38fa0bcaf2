"""Jobs and tasks of the engine as Batch's messages.

It exists so that a job read from here looks like one read from the service: defaults filled in, names with
the project's number where the service has them, counts, events. It must not change a job.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch.emulator import hindrances
from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator.names import GROUP
from airflow_provider_jobs.backends.gcp_batch.emulator.outcomes import (
    JOB_STATES,
    TASK_STATES,
    exit_code,
    job_sentence,
    task_sentence,
)
from airflow_provider_jobs.backends.gcp_batch.emulator.validation import MAX_PARALLELISM
from airflow_provider_jobs.emulator.jobs import Event, Hindrance, Job, JobState, Task, TaskState
from airflow_provider_jobs.google_cloud.emulator.messages import timestamp
from airflow_provider_jobs.google_cloud.emulator.names import REGIONS, Place

DEFAULT_CPU_MILLI = 2000
DEFAULT_MEMORY_MIB = 2000
DEFAULT_MACHINE_TYPE = "e2-standard-4"


@dataclass(frozen=True)
class JobRecord:
    """What the dialect keeps with a job: the message as admitted, without status, and where it belongs."""

    message: pb.Job
    place: Place
    job_id: str
    numbered_name: str


def admitted(requested: pb.Job, *, place: Place, job_id: str, uid: str, number: str) -> JobRecord:
    """The job as it is kept: output fields set, defaults filled in."""
    message = pb.Job()
    message.CopyFrom(requested)
    message.ClearField("status")
    message.name = place.job(job_id)
    message.uid = uid
    numbered = f"projects/{number}/locations/{place.location}/jobs/{job_id}"
    _fill_group(message.task_groups[0], numbered)
    _fill_allocation(message.allocation_policy, place=place, job_id=job_id, number=number)
    return JobRecord(message, place, job_id, numbered)


def _fill_group(group: pb.TaskGroup, numbered: str) -> None:
    group.name = f"{numbered}/taskGroups/{GROUP}"
    group.task_count = len(group.task_environments) or group.task_count or 1
    if group.scheduling_policy == batch_v1.TaskGroup.SchedulingPolicy.IN_ORDER:
        group.parallelism = 1
    group.parallelism = group.parallelism or min(group.task_count, MAX_PARALLELISM)
    group.scheduling_policy = (
        group.scheduling_policy or batch_v1.TaskGroup.SchedulingPolicy.AS_SOON_AS_POSSIBLE
    )
    resource = group.task_spec.compute_resource
    resource.cpu_milli = resource.cpu_milli or DEFAULT_CPU_MILLI
    resource.memory_mib = resource.memory_mib or DEFAULT_MEMORY_MIB


def _fill_allocation(policy: pb.AllocationPolicy, *, place: Place, job_id: str, number: str) -> None:
    if not policy.location.allowed_locations:
        zones = [f"zones/{place.location}-{letter}" for letter in REGIONS[place.location]]
        policy.location.allowed_locations.extend([f"regions/{place.location}", *zones])
    if not policy.instances:
        policy.instances.add().policy.provisioning_model = (
            batch_v1.AllocationPolicy.ProvisioningModel.STANDARD
        )
    if not policy.service_account.email:
        policy.service_account.email = f"{number}-compute@developer.gserviceaccount.com"
    policy.labels["batch-job-id"] = job_id


#: Fields that are told without a copy of what was admitted, which can be a megabyte.
SHORT = frozenset({"name", "uid", "status", "create_time", "update_time"})


def job_message(job: Job, fields: frozenset[str] | None = None) -> pb.Job:
    """The job with its present status; ``fields``: nobody looks at any others."""
    record: JobRecord = job.data
    if fields is None or not fields <= SHORT:
        message = pb.Job()
        message.CopyFrom(record.message)
    else:
        message = pb.Job(name=record.message.name, uid=record.message.uid)
    message.create_time.CopyFrom(timestamp(job.created_at))
    message.update_time.CopyFrom(timestamp(job.updated_at))
    if fields is None or "status" in fields:
        _fill_status(job, message.status)
    return message


def _fill_status(job: Job, status: pb.JobStatus) -> None:
    record: JobRecord = job.data
    status.state = JOB_STATES[job.state]
    status.run_duration.FromTimedelta(job.run_duration())
    failure = job.first_failure if job.state in (JobState.FAILED, JobState.DELETING) else None
    told = (failure[0], task_sentence(failure[1], machine=machine(job, failure[0]))) if failure else None
    told_of = [(event.at, _change(event, record, told)) for event in job.events]
    if job.hindrances:
        told_of += [(each.since, _hindrance(each, record)) for each in job.hindrances]
        told_of.sort(key=lambda pair: pair[0])
    status.status_events.extend(event for _, event in told_of)
    if job.state is not JobState.QUEUED:
        _fill_group_status(job, status.task_groups[GROUP])


def _change(event: Event, record: JobRecord, failure: tuple[Task, str] | None) -> pb.StatusEvent:
    description = job_sentence(event, name=record.numbered_name, failure=failure)
    return pb.StatusEvent(type_="STATUS_CHANGED", event_time=timestamp(event.at), description=description)


def _hindrance(hindrance: Hindrance, record: JobRecord) -> pb.StatusEvent:
    place = record.place
    scene = hindrances.Scene(
        uid=record.message.uid,
        project=place.project,
        number=record.numbered_name.split("/")[1],
        region=place.location,
        zone=f"{place.location}-{REGIONS[place.location][0]}",
    )
    description = hindrances.sentence(hindrance.word, scene)
    return pb.StatusEvent(
        type_="OPERATIONAL_INFO", event_time=timestamp(hindrance.since), description=description
    )


def _fill_group_status(job: Job, status: pb.TaskGroupStatus) -> None:
    for state, count in job.counts.items():
        if count:
            status.counts[TASK_STATES[state].name] = count
    wanted = job.data.message.allocation_policy.instances[0].policy
    instance = status.instances.add(task_pack=1)
    instance.machine_type = wanted.machine_type or DEFAULT_MACHINE_TYPE
    instance.provisioning_model = (
        wanted.provisioning_model or batch_v1.AllocationPolicy.ProvisioningModel.STANDARD
    )
    instance.boot_disk.CopyFrom(wanted.boot_disk)
    instance.boot_disk.type_ = instance.boot_disk.type_ or "pd-balanced"


def task_message(job: Job, task: Task) -> pb.Task:
    """One task with its present status."""
    message = pb.Task(name=f"{job.data.numbered_name}/taskGroups/{GROUP}/tasks/{task.index}")
    message.status.state = TASK_STATES[task.state]
    message.status.status_events.extend(_task_event(job, task, event) for event in task.events)
    return message


def _task_event(job: Job, task: Task, event: Event) -> pb.StatusEvent:
    told = pb.StatusEvent(
        type_="STATUS_CHANGED",
        description=task_sentence(event, machine=machine(job, task)),
        event_time=timestamp(event.at),
        task_state=TASK_STATES[TaskState(event.after)],
    )
    if event.after is TaskState.FAILED and event.end is not None:
        told.task_execution.exit_code = exit_code(event.end)
    return told


def machine(job: Job, task: Task) -> str:
    """The made-up machine a task ran on; the same every time it is asked for."""
    letters = REGIONS[job.data.place.location]
    digest = int(hashlib.sha256(f"{job.spec.uid}/{task.index}".encode()).hexdigest(), 16)
    zone = f"{job.data.place.location}-{letters[digest % len(letters)]}"
    return f"zones/{zone}/instances/{10**18 + digest % (8 * 10**18)}"
