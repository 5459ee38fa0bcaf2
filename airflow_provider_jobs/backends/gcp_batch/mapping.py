"""What the service's words mean: states, the reasons of a failure, and where a person looks. Pure.

What is read of every job at every look is read of protobuf's own messages, see
:func:`airflow_provider_jobs.google_cloud.messages.bare`; a job of either kind may be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

import pendulum
from google.cloud.batch_v1 import JobStatus, StatusEvent, Task, TaskStatus

from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, JobHandle
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.google_cloud.messages import bare, moment

# A job, as the vendor's message or as protobuf's.
Job: TypeAlias = Any

# https://cloud.google.com/batch/docs/job-and-task-states
# A job on its way out may never have run: SUBMITTED, the least of all states, leaves the last one standing.
JOB_STATES: dict[int, JobState] = {
    JobStatus.State.STATE_UNSPECIFIED: JobState.SUBMITTED,
    JobStatus.State.QUEUED: JobState.QUEUED,
    JobStatus.State.SCHEDULED: JobState.STARTING,
    JobStatus.State.RUNNING: JobState.RUNNING,
    JobStatus.State.SUCCEEDED: JobState.SUCCEEDED,
    JobStatus.State.FAILED: JobState.FAILED,
    JobStatus.State.DELETION_IN_PROGRESS: JobState.SUBMITTED,
    JobStatus.State.CANCELLATION_IN_PROGRESS: JobState.SUBMITTED,
    JobStatus.State.CANCELLED: JobState.CANCELLED,
}
CANCELLING = frozenset({JobStatus.State.DELETION_IN_PROGRESS, JobStatus.State.CANCELLATION_IN_PROGRESS})

# UNEXECUTED stands on a task that never ran before its job was over: it did not succeed.
TASK_STATES: dict[int, JobState] = {
    TaskStatus.State.STATE_UNSPECIFIED: JobState.SUBMITTED,
    TaskStatus.State.PENDING: JobState.QUEUED,
    TaskStatus.State.ASSIGNED: JobState.STARTING,
    TaskStatus.State.RUNNING: JobState.RUNNING,
    TaskStatus.State.FAILED: JobState.FAILED,
    TaskStatus.State.SUCCEEDED: JobState.SUCCEEDED,
    TaskStatus.State.UNEXECUTED: JobState.FAILED,
}
_TASK_STATES_BY_WORD = {TaskStatus.State(number).name: state for number, state in TASK_STATES.items()}
_WORDS = {number: JobStatus.State(number).name for number in JOB_STATES}
_OVER = frozenset(number for number, state in JOB_STATES.items() if state.is_terminal)


@dataclass(frozen=True)
class Reason:
    """What one reserved exit code says."""

    kind: FailureKind
    message: str


# https://cloud.google.com/batch/docs/troubleshooting#reserved-exit-codes
RESERVED_EXIT_CODES = {
    50001: Reason(FailureKind.PREEMPTED, "its Spot machine was taken away"),
    50002: Reason(FailureKind.PLATFORM, "the service no longer heard from its machine"),
    50003: Reason(FailureKind.PLATFORM, "its machine was rebooted"),
    50004: Reason(FailureKind.PLATFORM, "its machine stopped responding and the task could not be stopped"),
    50005: Reason(FailureKind.TIMEOUT, "it ran longer than its time limit (max_run_seconds)"),
    50006: Reason(FailureKind.PLATFORM, "its machine was made anew while it ran"),
}
# "If the task failed but not due to the following reasons, the exit code will be 50000."
# https://cloud.google.com/batch/docs/reference/rest/v1/StatusEvent
UNKNOWN_EXIT_CODE = 50000
_SIGKILL = 137

# What the service's sentences tell, in the order in which they are tried. Only these words are evidence:
# exit code 137 alone says that something killed the process, not that memory ran out.
_TELLING: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        FailureKind.OUT_OF_MEMORY,
        re.compile(r"\bOOM\b|OOMKilled|out of memory|memory cgroup", re.IGNORECASE),
    ),
    (
        FailureKind.IMAGE,
        re.compile(
            r"pull access denied|manifest (for \S+ )?(not found|unknown)|repository does not exist"
            r"|(failed|unable|error) to pull|image pull|no such image|invalid reference format",
            re.IGNORECASE,
        ),
    ),
    (
        FailureKind.CAPACITY,
        re.compile(
            r"quota .*exceeded|QUOTA_EXCEEDED|inadequate quota|RESOURCE_POOL_EXHAUSTED|stockout"
            r"|not have enough resources|resource_availability",
            re.IGNORECASE,
        ),
    ),
    (
        FailureKind.CONFIG,
        re.compile(
            r"SERVICE_ACCOUNT_MISMATCH|access to act as|constraints/|PERMISSION_DENIED|permission|forbidden"
            r"|INVALID_FIELD_VALUE|No VM has agent reporting|secret",
            re.IGNORECASE,
        ),
    ),
)
_NOT_RETRYABLE = frozenset({FailureKind.CONFIG, FailureKind.IMAGE})
_CHANGE = re.compile(r"state is (?:set|updated) from (\w+) to (\w+)")
_JOB_CHANGE = re.compile(r"^Job state is set from \w+ to \w+ for job [^\s.]+\.?\s*")
_TASK_NUMBER = re.compile(r"/tasks/(\d+)$")


def native_state(job: Job) -> int:
    """Return the number of the job's state, also one that this client has no word for."""
    return int(bare(job).status.state)


def job_state(job: Job) -> JobState | None:
    """Return our state, ``None`` for one that is not known here."""
    return JOB_STATES.get(native_state(job))


def word(job: Job) -> str:
    """Return the service's own word for the job's state, or its number where the client has no word."""
    number = native_state(job)
    return _WORDS.get(number) or str(number)


def is_over(job: Job) -> bool:
    """Return whether the job has ended."""
    return native_state(job) in _OVER


def changed_at(job: Job, *words: str) -> pendulum.DateTime | None:
    """Return when the job first came into one of these states, by its status events."""
    for event in bare(job).status.status_events:
        change = _CHANGE.search(event.description)
        if change and change[2] in words and event.HasField("event_time"):
            return moment(event.event_time)
    return None


def counts(job: Job, size: int, *, failed_indexes: Iterable[int] = ()) -> ArrayCounts:
    """Return how far the tasks are.

    Once the job has failed, every task that did not succeed counts as failed, so that what is missing
    is what must run again.
    """
    told: dict[JobState, int] = {}
    for group in bare(job).status.task_groups.values():
        for name, number in group.counts.items():
            if state := _TASK_STATES_BY_WORD.get(name):
                told[state] = told.get(state, 0) + number
    succeeded = min(told.get(JobState.SUCCEEDED, 0), size)
    failed = told.get(JobState.FAILED, 0)
    if native_state(job) == JobStatus.State.FAILED:
        failed = size - succeeded
    return ArrayCounts(
        size=size,
        succeeded=succeeded,
        failed=min(failed, size),
        running=told.get(JobState.RUNNING, 0),
        failed_indexes=tuple(sorted(failed_indexes)),
    )


def native_count(job: Job, state: str) -> int:
    """Return how many tasks the service counts in a state, named by its own word."""
    return sum(group.counts.get(state, 0) for group in bare(job).status.task_groups.values())


def task_number(task: Task) -> int:
    """Return which task of its group this is, counted from 0."""
    found = _TASK_NUMBER.search(task.name)
    return int(found[1]) if found else 0


def task_failure(task: Task, handle: JobHandle) -> Failure:
    """Return why a task failed, by its last attempt."""
    failed = TaskStatus.State.FAILED
    events = [event for event in task.status.status_events if StatusEvent.pb(event).task_state == failed]
    last = events[-1] if events else StatusEvent()
    index = handle.original_index(task_number(task))
    code = last.task_execution.exit_code or None
    return _failure(
        code,
        last.description,
        subject=f"index {index}" if handle.size > 1 else "it",
        index=index,
        handle=handle,
    )


def job_failure(events: Sequence[StatusEvent], handle: JobHandle) -> Failure:
    """Return why a job failed of which no task did."""
    said = last_reason(events) or "the service gives no reason"
    return _failure(None, said, subject="the job", index=None, handle=handle)


def detail(job: Job) -> str | None:
    """Return why a job is in its state; what it waited for is no reason of one that runs or has succeeded."""
    events = bare(job).status.status_events
    return last_reason(events[-1:] if job_state(job) in (JobState.RUNNING, JobState.SUCCEEDED) else events)


def last_reason(events: Sequence[StatusEvent]) -> str | None:
    """Return the last thing the service said about a job beyond "state is set from ... to ..."."""
    for event in reversed(events):
        if told := _JOB_CHANGE.sub("", event.description).strip():
            return told
    return None


def _failure(code: int | None, said: str, *, subject: str, index: int | None, handle: JobHandle) -> Failure:
    kind, message = _reason(code, said, subject=subject)
    own_code = None if code is None or code in RESERVED_EXIT_CODES or code == UNKNOWN_EXIT_CODE else code
    return Failure(
        kind=kind,
        retryable=kind not in _NOT_RETRYABLE,
        message=message,
        index=index,
        exit_code=own_code,
        native_reason=said or None,
        console_url=handle.console_url,
    )


def _reason(code: int | None, said: str, *, subject: str) -> tuple[FailureKind, str]:
    if code in RESERVED_EXIT_CODES:
        reserved = RESERVED_EXIT_CODES[code]
        return reserved.kind, f"{subject} failed: {reserved.message} (exit code {code})"
    told = _kind_told(said)
    if code is None or code == UNKNOWN_EXIT_CODE:
        return told or FailureKind.PLATFORM, f"{subject} failed: {said or 'the service gives no reason'}"
    if told in (FailureKind.OUT_OF_MEMORY, FailureKind.IMAGE):
        return told, f"{subject} failed with exit code {code}: {said}"
    if code == _SIGKILL:
        return FailureKind.USER_CODE, f"{subject} was killed (exit code 137), most often for want of memory"
    return FailureKind.USER_CODE, f"{subject} exited with code {code}"


def _kind_told(text: str) -> FailureKind | None:
    return next((kind for kind, pattern in _TELLING if pattern.search(text)), None)


def console_url(name: str, *, tab: str = "details") -> str:
    """Return the page of a job in the Google Cloud console.

    :param name: the full name of the job
    :param tab: ``details`` or ``logs``
    """
    _, project, _, region, _, job = name.split("/")
    return (
        f"https://console.cloud.google.com/batch/jobsDetail/regions/{region}/jobs/{job}/{tab}"
        f"?project={quote(project, safe='')}"
    )
