"""The conditions of executions and tasks.

It exists because they are what a reader of the API looks at first. Types, order and wording as in describe
outputs in public threads; the reference of Condition for the rest. It must not change a job.
"""

from __future__ import annotations

from typing import Any

import pendulum
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.emulator import hindrances
from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.outcomes import (
    CANCELLED_BY_USER,
    Phase,
    attempt_result,
    failure_sentence,
    final_state,
    first_failure,
    phase,
    told_duration,
)
from airflow_provider_jobs.emulator.jobs import (
    END_STATES,
    Event,
    Job,
    JobState,
    Task,
    TaskState,
    between,
)
from airflow_provider_jobs.google_cloud.emulator.messages import timestamp

PENDING = run_v2.Condition.State.CONDITION_PENDING
RECONCILING = run_v2.Condition.State.CONDITION_RECONCILING
FAILED = run_v2.Condition.State.CONDITION_FAILED
SUCCEEDED = run_v2.Condition.State.CONDITION_SUCCEEDED
_REASONS = run_v2.Condition.ExecutionReason
_OVER = END_STATES | {JobState.DELETING}
_RETRY = "System will retry after 2:00 from lastTransitionTime for polling interval"


def condition(
    kind: str, state: Any, at: pendulum.DateTime, message: str = "", *, reason: int = 0
) -> pb.Condition:
    """One condition; ``reason`` is an execution reason, 0 for none."""
    made = pb.Condition(type_=kind, state=state, message=message, last_transition_time=timestamp(at))
    if reason:
        made.execution_reason = reason
    return made


def ended_at(job: Job) -> pendulum.DateTime | None:
    """When the execution ended, or was deleted while it ran; None while it has not."""
    last = next((event for event in job.events if event.after in _OVER), None)
    return last.at if last else None


def _entered(events: list[Event], state: JobState | TaskState) -> pendulum.DateTime | None:
    return next((event.at for event in events if event.after is state), None)


def scheduled_at(job: Job) -> pendulum.DateTime | None:
    """When the image was there and the tasks could be started; None before."""
    return _entered(job.events, JobState.SCHEDULED)


def of_execution(job: Job) -> list[pb.Condition]:
    """The execution's conditions as they stand."""
    scheduled = scheduled_at(job)
    conditions = [
        _completed(job),
        _resources("ResourcesAvailable", job.created_at, scheduled),
        _started(job, scheduled),
        _resources("ContainerReady", job.created_at, scheduled),
    ]
    if job.run_started_at is not None and ended_at(job) is None:
        conditions.append(_retry(job.run_started_at))
    if scheduled is None and job.hindered_by is not None:
        hindrances.show(job.hindered_by, conditions, image=job.spec.images[0])
    return conditions


def _completed(job: Job) -> pb.Condition:
    state, end = final_state(job), ended_at(job)
    if state is JobState.SUCCEEDED and end is not None:
        message = f"Execution completed successfully in {told_duration(job.run_duration())}."
        return condition("Completed", SUCCEEDED, end, message)
    if state is JobState.FAILED and end is not None:
        failure = first_failure(job)
        message = failure.sentence if failure else "Execution failed."
        return condition("Completed", FAILED, end, message, reason=_REASONS.NON_ZERO_EXIT_CODE)
    if state is JobState.CANCELLED and end is not None:
        return condition("Completed", FAILED, end, CANCELLED_BY_USER, reason=_REASONS.CANCELLED)
    if job.state is JobState.DELETING and end is not None:
        return condition("Completed", FAILED, end, "Execution was deleted.", reason=_REASONS.DELETED)
    if state is JobState.CANCELLING:
        message = "Waiting for execution to be cancelled."
        return condition("Completed", RECONCILING, job.updated_at, message, reason=_REASONS.CANCELLING)
    since = job.run_started_at or job.created_at
    return condition("Completed", RECONCILING, since, "Waiting for execution to complete.")


def _started(job: Job, scheduled: pendulum.DateTime | None) -> pb.Condition:
    started, end = job.run_started_at, ended_at(job)
    if started is not None:
        took = told_duration(between(scheduled or job.created_at, started))
        return condition("Started", SUCCEEDED, started, f"Started deployed execution in {took}.")
    if end is not None:
        return condition("Started", FAILED, end, CANCELLED_BY_USER)
    state = RECONCILING if scheduled else PENDING
    return condition("Started", state, scheduled or job.created_at, "Waiting for execution to start.")


def _resources(kind: str, created: pendulum.DateTime, scheduled: pendulum.DateTime | None) -> pb.Condition:
    if scheduled is None:
        message = (
            "Importing container image." if kind == "ContainerReady" else "Provisioning imported containers."
        )
        return condition(kind, RECONCILING, created, message)
    if kind == "ContainerReady":
        took = told_duration(between(created, scheduled))
        return condition(kind, SUCCEEDED, scheduled, f"Imported container image in {took}.")
    return condition(kind, SUCCEEDED, scheduled, "Provisioned imported containers.")


def _retry(at: pendulum.DateTime) -> pb.Condition:
    """The service looks again by itself; it does not mean that a task is tried again."""
    made = condition("Retry", SUCCEEDED, at, _RETRY)
    made.reason = run_v2.Condition.CommonReason.WAITING_FOR_OPERATION
    made.severity = run_v2.Condition.Severity.INFO
    return made


def of_task(job: Job, task: Task) -> list[pb.Condition]:
    """The task's conditions as they stand."""
    scheduled = scheduled_at(job)
    started = _entered(task.events, TaskState.RUNNING)
    conditions = [_task_completed(job, task), _resources("ResourcesAvailable", job.created_at, scheduled)]
    if started is not None:
        took = told_duration(between(scheduled or job.created_at, started))
        conditions.append(condition("Started", SUCCEEDED, started, f"Started deployed task in {took}."))
    else:
        since = scheduled or job.created_at
        conditions.append(condition("Started", PENDING, since, "Waiting for task to start."))
    conditions.append(_resources("ContainerReady", job.created_at, scheduled))
    if task.state is TaskState.RUNNING and task.attempt:
        conditions.append(_retry(task.events[-1].at))
    return conditions


def _task_completed(job: Job, task: Task) -> pb.Condition:
    now, at = phase(task), task.events[-1].at if task.events else job.created_at
    if now is Phase.SUCCEEDED:
        return condition("Completed", SUCCEEDED, at, "Task completed successfully.")
    if now is Phase.FAILED and task.end is not None:
        sentence = failure_sentence(job, task, task.end)
        code = attempt_result(task.end).exit_code
        return condition("Completed", FAILED, at, sentence, reason=_REASONS.NON_ZERO_EXIT_CODE if code else 0)
    if now in (Phase.CANCELLED, Phase.ABANDONED):
        return condition("Completed", FAILED, at, CANCELLED_BY_USER, reason=_REASONS.CANCELLED)
    return condition("Completed", RECONCILING, at, "Waiting for task to complete.")
