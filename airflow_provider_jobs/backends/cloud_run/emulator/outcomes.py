"""Ends of the engine in Cloud Run's words: attempt results, phases of tasks, sentences.

It exists so that wording lives in one place. Facts: the reference of TaskAttemptResult, and describe outputs
and log lines in public threads. It must not hold state.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import NamedTuple

from google.rpc import code_pb2

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.names import task_id
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason, Job, JobState, Task, TaskState

_KILLED = 9
CANCELLED_BY_USER = "Cancelled by user."
_EXITED_WITH_ERROR = "The container exited with an error."
_OUT_OF_MEMORY = "The configured memory limit was reached."
_TIMED_OUT = "The configured timeout was reached."
_INTERNAL_ERROR = "Internal error running task."


class Phase(str, Enum):
    """The state of a task as version 1 of the API names it."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    ABANDONED = "Abandoned"


class Failure(NamedTuple):
    """The task that failed first, how, and the sentence about it."""

    task: Task
    end: AttemptEnd
    sentence: str


_PHASES = {
    TaskState.PENDING: Phase.PENDING,
    TaskState.ASSIGNED: Phase.PENDING,
    TaskState.RUNNING: Phase.RUNNING,
    TaskState.SUCCEEDED: Phase.SUCCEEDED,
    TaskState.FAILED: Phase.FAILED,
    TaskState.UNEXECUTED: Phase.ABANDONED,
}


def phase(task: Task) -> Phase:
    """Where the task stands; one that somebody stopped has not failed."""
    if task.state is TaskState.FAILED and task.end is not None and task.end.reason is EndReason.CANCELLED:
        return Phase.CANCELLED
    return _PHASES[task.state]


def final_state(job: Job) -> JobState:
    """The state that counts: that of a job being deleted is the one it had before."""
    if job.state is JobState.DELETING:
        before = job.events[-1].before
        assert isinstance(before, JobState)
        return before
    return job.state


def attempt_result(end: AttemptEnd) -> pb.TaskAttemptResult:
    """How the service tells of an attempt's end: a status, and an exit code or a signal."""
    result = pb.TaskAttemptResult()
    code, message = _status(end)
    result.status.code = code
    result.status.message = message
    if end.reason is EndReason.EXITED:
        result.exit_code = max(end.exit_code, 0)
        result.term_signal = max(-end.exit_code, 0)
    if end.reason is EndReason.OUT_OF_MEMORY:
        result.term_signal = _KILLED
    return result


def _status(end: AttemptEnd) -> tuple[int, str]:
    if end.succeeded:
        return code_pb2.OK, ""
    if end.reason is EndReason.EXITED:
        return code_pb2.ABORTED, _EXITED_WITH_ERROR
    if end.reason is EndReason.TIMED_OUT:
        return code_pb2.DEADLINE_EXCEEDED, _TIMED_OUT
    if end.reason is EndReason.OUT_OF_MEMORY:
        return code_pb2.RESOURCE_EXHAUSTED, _OUT_OF_MEMORY
    if end.reason is EndReason.CANCELLED:
        return code_pb2.CANCELLED, CANCELLED_BY_USER
    if end.reason is EndReason.REFUSED:
        return code_pb2.FAILED_PRECONDITION, end.message
    return code_pb2.UNAVAILABLE, _INTERNAL_ERROR


def may_be_retried(end: AttemptEnd) -> bool:
    """Whatever a task failed of, it is tried again, but for what would be the same each time."""
    return end.reason is not EndReason.REFUSED


def first_failure(job: Job) -> Failure | None:
    """The failure that the execution is reported to have failed of."""
    if job.first_failure is None:
        return None
    task, event = job.first_failure
    assert event.end is not None
    return Failure(task, event.end, failure_sentence(job, task, event.end))


def failure_sentence(job: Job, task: Task, end: AttemptEnd) -> str:
    """The message of the Completed condition of the task's execution."""
    _, message = _status(end)
    name = task_id(job.data.name.execution_id, task.index)
    if end.reason in (EndReason.EXITED, EndReason.TIMED_OUT, EndReason.OUT_OF_MEMORY):
        return f"Task {name} failed with exit code: {max(end.exit_code, 0)} and message: {message}"
    return f"Task {name} failed with message: {message}"


def told_duration(duration: dt.timedelta) -> str:
    """A duration like 2m45.46s."""
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
