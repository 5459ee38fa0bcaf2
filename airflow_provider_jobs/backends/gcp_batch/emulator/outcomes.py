"""Ends and states of the engine in Batch's words: states, exit codes, the sentences of status events.

It exists so that wording lives in one place. Facts: https://docs.cloud.google.com/batch/docs/troubleshooting
(reserved exit codes and their sentences), and describe outputs in public threads for the rest. It must not
hold state.
"""

from __future__ import annotations

from typing import Any

from google.cloud import batch_v1

from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason, Event, JobState, Task, TaskState

JOB_STATES: dict[JobState, Any] = {
    JobState.QUEUED: batch_v1.JobStatus.State.QUEUED,
    JobState.SCHEDULED: batch_v1.JobStatus.State.SCHEDULED,
    JobState.RUNNING: batch_v1.JobStatus.State.RUNNING,
    JobState.SUCCEEDED: batch_v1.JobStatus.State.SUCCEEDED,
    JobState.FAILED: batch_v1.JobStatus.State.FAILED,
    JobState.CANCELLING: batch_v1.JobStatus.State.CANCELLATION_IN_PROGRESS,
    JobState.CANCELLED: batch_v1.JobStatus.State.CANCELLED,
    JobState.DELETING: batch_v1.JobStatus.State.DELETION_IN_PROGRESS,
}
TASK_STATES: dict[TaskState, Any] = {
    TaskState.PENDING: batch_v1.TaskStatus.State.PENDING,
    TaskState.ASSIGNED: batch_v1.TaskStatus.State.ASSIGNED,
    TaskState.RUNNING: batch_v1.TaskStatus.State.RUNNING,
    TaskState.SUCCEEDED: batch_v1.TaskStatus.State.SUCCEEDED,
    TaskState.FAILED: batch_v1.TaskStatus.State.FAILED,
    TaskState.UNEXECUTED: batch_v1.TaskStatus.State.UNEXECUTED,
}
#: A failure that has no code of its own.
UNKNOWN_FAILURE = 50000
_RESERVED: dict[EndReason, tuple[int, str]] = {
    EndReason.PREEMPTED: (50001, "Spot VM preemption"),
    EndReason.LOST: (50002, "Batch no longer receives VM updates"),
    EndReason.REBOOTED: (50003, "VM is rebooted during task execution"),
    EndReason.UNRESPONSIVE: (50004, "tasks cannot be canceled"),
    EndReason.TIMED_OUT: (50005, "task runs over the maximum runtime"),
    EndReason.RECREATED: (50006, "VM is recreated during task execution"),
}
_TERMINATED = 143


def exit_code(end: AttemptEnd) -> int:
    """The exit code that Batch reports: reserved codes, or the command's own as a shell would say it."""
    if end.reason in _RESERVED:
        return _RESERVED[end.reason][0]
    if end.reason is EndReason.CANCELLED:
        return _TERMINATED
    return end.exit_code if end.exit_code >= 0 else 128 - end.exit_code


def task_sentence(event: Event, *, machine: str) -> str:
    """The description of a task's status event."""
    before, after = TASK_STATES[TaskState(event.before)].name, TASK_STATES[TaskState(event.after)].name
    sentence = f"Task state is updated from {before} to {after}"
    if event.after not in (TaskState.PENDING, TaskState.UNEXECUTED):
        sentence += f" on {machine}"
    if event.end is None or event.after is not TaskState.FAILED:
        return sentence + "."
    reason = f" due to {_RESERVED[event.end.reason][1]}" if event.end.reason in _RESERVED else ""
    return f"{sentence}{reason} with exit code {exit_code(event.end)}."


def job_sentence(event: Event, *, name: str, failure: tuple[Task, str] | None) -> str:
    """The description of a job's status event; a failure names the task that failed first."""
    before, after = JOB_STATES[JobState(event.before)].name, JOB_STATES[JobState(event.after)].name
    sentence = f"Job state is set from {before} to {after} for job {name}."
    if event.after is JobState.FAILED and failure is not None:
        task, told = failure
        sentence += (
            f"Job failed due to task failure. Specifically, task with index {task.index} failed due to the "
            f'following task event: "{told}"'
        )
    return sentence
