"""Executions and tasks of the engine as Cloud Run's messages.

It exists so that an execution read from here looks like one read from the service. It must not change a job.
"""

from __future__ import annotations

import uuid
from collections import Counter
from urllib.parse import quote

from airflow_provider_jobs.backends.cloud_run.emulator import conditions
from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.names import ExecutionName, task_id
from airflow_provider_jobs.backends.cloud_run.emulator.outcomes import Phase, attempt_result, phase
from airflow_provider_jobs.backends.cloud_run.emulator.records import Deletion, ExecutionRecord, etag
from airflow_provider_jobs.emulator.jobs import TASK_END_STATES, Event, Job, Task, TaskState
from airflow_provider_jobs.google_cloud.emulator.messages import timestamp

_COUNTS = frozenset(f"{kind}_count" for kind in ("running", "succeeded", "failed", "cancelled", "retried"))
#: Fields that are told without a copy of what the execution was asked to run, which can be a megabyte.
SHORT = _COUNTS | {
    "name", "uid", "task_count", "create_time", "start_time", "completion_time", "update_time", "delete_time",
    "expire_time", "reconciling", "conditions", "log_uri", "etag",
}  # fmt: skip


def execution_message(job: Job, fields: frozenset[str] | None = None) -> pb.Execution:
    """The execution as it stands; ``fields``: nobody looks at any others."""
    record: ExecutionRecord = job.data
    if fields is None or not fields <= SHORT:
        message = pb.Execution()
        message.CopyFrom(record.message)
    else:
        own = record.message
        message = pb.Execution(name=own.name, uid=own.uid, task_count=own.task_count)
    _fill_times(message, job)
    if fields is None or "conditions" in fields:
        message.conditions.extend(conditions.of_execution(job))
    if fields is None or fields & _COUNTS:
        _fill_counts(message, job)
    fill_deletion(message, record.deletion)
    if fields is None or "log_uri" in fields:
        message.log_uri = log_uri(record.name)
    if fields is None or "etag" in fields:
        message.etag = etag(record.message.uid, job.updated_at.timestamp())
    return message


def _fill_times(message: pb.Execution, job: Job) -> None:
    message.create_time.CopyFrom(timestamp(job.created_at))
    message.update_time.CopyFrom(timestamp(job.updated_at))
    if (scheduled := conditions.scheduled_at(job)) is not None:
        message.start_time.CopyFrom(timestamp(scheduled))
    if (ended := conditions.ended_at(job)) is not None:
        message.completion_time.CopyFrom(timestamp(ended))
    message.reconciling = ended is None


def _fill_counts(message: pb.Execution, job: Job) -> None:
    phases = Counter(phase(task) for task in job.tasks)
    message.running_count = phases[Phase.RUNNING]
    message.succeeded_count = phases[Phase.SUCCEEDED]
    message.failed_count = phases[Phase.FAILED]
    message.cancelled_count = phases[Phase.CANCELLED] + phases[Phase.ABANDONED]
    message.retried_count = sum(1 for task in job.tasks if task.attempt)


def task_message(job: Job, task: Task) -> pb.Task:
    """One task as it stands."""
    record: ExecutionRecord = job.data
    template = record.message.template
    message = pb.Task(
        name=f"{record.name.name}/tasks/{task_id(record.name.execution_id, task.index)}",
        uid=task_uid(job, task),
        generation=1,
        observed_generation=1,
        labels=record.message.labels,
        annotations=record.message.annotations,
        job=record.name.job_id,
        execution=record.name.execution_id,
        containers=template.containers,
        volumes=template.volumes,
        max_retries=template.max_retries,
        timeout=template.timeout,
        service_account=template.service_account,
        execution_environment=template.execution_environment,
        encryption_key=template.encryption_key,
        reconciling=task.state not in TASK_END_STATES,
        conditions=conditions.of_task(job, task),
        index=task.index,
        retried=task.attempt,
        log_uri=log_uri(record.name, index=task.index),
    )
    for name in ("vpc_access", "node_selector"):
        if template.HasField(name):
            getattr(message, name).CopyFrom(getattr(template, name))
    if task.end is not None:
        message.last_attempt_result.CopyFrom(attempt_result(task.end))
    _fill_task_times(message, job, task)
    fill_deletion(message, record.deletion)
    message.etag = etag(message.uid, len(task.events))
    return message


def _fill_task_times(message: pb.Task, job: Job, task: Task) -> None:
    message.create_time.CopyFrom(timestamp(job.created_at))
    changed = task.events[-1].at if task.events else job.created_at
    message.update_time.CopyFrom(timestamp(changed))
    if (assigned := _first(task.events, TaskState.ASSIGNED)) is not None:
        message.scheduled_time.CopyFrom(timestamp(assigned.at))
    if (started := _first(task.events, TaskState.RUNNING)) is not None:
        message.start_time.CopyFrom(timestamp(started.at))
    if task.state in TASK_END_STATES:
        message.completion_time.CopyFrom(timestamp(changed))


def _first(events: list[Event], state: TaskState) -> Event | None:
    return next((event for event in events if event.after is state), None)


def task_uid(job: Job, task: Task) -> str:
    """A UUID that is the same every time it is asked for."""
    return str(uuid.uuid5(uuid.UUID(job.spec.uid), str(task.index)))


def fill_deletion(message: pb.Job | pb.Execution | pb.Task, deletion: Deletion | None) -> None:
    if deletion is not None:
        message.delete_time.CopyFrom(timestamp(deletion.at))
        message.expire_time.CopyFrom(timestamp(deletion.expires))


def log_uri(name: ExecutionName, *, index: int | None = None) -> str:
    """The page of the console that shows these logs."""
    terms = [
        'resource.type="cloud_run_job"',
        f'resource.labels.job_name="{name.job_id}"',
        f'resource.labels.location="{name.place.location}"',
        f'labels."run.googleapis.com/execution_name"="{name.execution_id}"',
    ]
    if index is not None:
        terms.append(f'labels."run.googleapis.com/task_index"="{index}"')
    query = quote("\n".join(terms), safe="")
    return f"https://console.cloud.google.com/logs/viewer?project={name.place.project}&advancedFilter={query}"
