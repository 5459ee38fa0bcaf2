"""Jobs as Cloud Run's messages.

It exists so that a job read from here looks like one read from the service. It must not change a record.
"""

from __future__ import annotations

from typing import Any

import pendulum
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.emulator import conditions
from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.execution_messages import fill_deletion
from airflow_provider_jobs.backends.cloud_run.emulator.outcomes import final_state
from airflow_provider_jobs.backends.cloud_run.emulator.records import JobRecord
from airflow_provider_jobs.emulator.jobs import Job, JobState
from airflow_provider_jobs.google_cloud.emulator.messages import timestamp

_STATUS = run_v2.ExecutionReference.CompletionStatus
_COMPLETION: dict[JobState, Any] = {
    JobState.QUEUED: _STATUS.EXECUTION_PENDING,
    JobState.SCHEDULED: _STATUS.EXECUTION_PENDING,
    JobState.RUNNING: _STATUS.EXECUTION_RUNNING,
    JobState.CANCELLING: _STATUS.EXECUTION_RUNNING,
    JobState.SUCCEEDED: _STATUS.EXECUTION_SUCCEEDED,
    JobState.FAILED: _STATUS.EXECUTION_FAILED,
    JobState.CANCELLED: _STATUS.EXECUTION_CANCELLED,
}


def job_message(record: JobRecord) -> pb.Job:
    """The job as it stands."""
    message = pb.Job()
    message.CopyFrom(record.message)
    message.observed_generation = record.observed_generation
    message.reconciling = record.observed_generation != message.generation
    message.terminal_condition.CopyFrom(_ready(record))
    message.execution_count = record.execution_count
    if record.latest is not None:
        message.latest_created_execution.CopyFrom(reference(record.latest))
    fill_deletion(message, record.deletion)
    message.etag = record.etag
    return message


def _ready(record: JobRecord) -> pb.Condition:
    at = pendulum.instance(record.message.update_time.ToDatetime())
    if record.observed_generation == record.message.generation:
        return conditions.condition("Ready", conditions.SUCCEEDED, at)
    return conditions.condition("Ready", conditions.RECONCILING, at)


def reference(job: Job) -> pb.ExecutionReference:
    """An execution as its job names it."""
    made = pb.ExecutionReference(
        name=job.data.name.execution_id,
        create_time=timestamp(job.created_at),
        completion_status=_completion(job),
    )
    if (ended := conditions.ended_at(job)) is not None:
        made.completion_time.CopyFrom(timestamp(ended))
    if job.data.deletion is not None:
        made.delete_time.CopyFrom(timestamp(job.data.deletion.at))
    return made


def _completion(job: Job) -> Any:
    state = final_state(job)
    deleted_while_running = job.state is JobState.DELETING and state not in (
        JobState.SUCCEEDED,
        JobState.FAILED,
    )
    return _STATUS.EXECUTION_CANCELLED if deleted_while_running else _COMPLETION[state]
