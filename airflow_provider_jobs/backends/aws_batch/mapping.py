"""What the service's words mean: states, the reasons of a failure, and where a person looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch import details
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, JobHandle
from airflow_provider_jobs.core.states import JobState

Fields = Mapping[str, Any]

# https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
JOB_STATES: dict[str, JobState] = {
    "SUBMITTED": JobState.SUBMITTED,
    "PENDING": JobState.QUEUED,
    "RUNNABLE": JobState.QUEUED,
    "STARTING": JobState.STARTING,
    "RUNNING": JobState.RUNNING,
    "SUCCEEDED": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
}

# In front of every reason with which this provider stops a job, so that it is known again.
CANCEL_PREFIX = "Cancelled by Airflow: "
_SIGKILL = 137


@dataclass(frozen=True)
class Reason:
    """What some of the service's sentences tell.

    :param says: how they are known
    :param message: what follows "it failed: ", ``None`` for the service's own words
    :param retryable: whether the same job can succeed when it is run again unchanged
    """

    says: re.Pattern[str]
    kind: FailureKind
    message: str | None = None
    retryable: bool = True


def _reason(says: str, kind: FailureKind, message: str | None = None, *, retryable: bool = True) -> Reason:
    return Reason(re.compile(says, re.IGNORECASE), kind, message, retryable)


# Tried in this order. Only these words are evidence: exit code 137 alone says that something killed the
# process, not that memory ran out. The sentences stand in
# https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
# https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
# https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
REASONS: tuple[Reason, ...] = (
    _reason(r"\bCAPACITY:", FailureKind.CAPACITY),
    _reason(r"\bMISCONFIGURATION:|\bACTION_REQUIRED\b", FailureKind.CONFIG, retryable=False),
    _reason(r"\bUNDETERMINED\b", FailureKind.CAPACITY),
    _reason(
        r"attempt duration exceeded timeout|DeadlineExceeded",
        FailureKind.TIMEOUT,
        "it ran longer than its time limit (max_run_seconds)",
    ),
    _reason(r"^Host EC2", FailureKind.PREEMPTED, "the machine it ran on was taken away"),
    _reason(r"Spot Task was interrupted", FailureKind.PREEMPTED, "its Fargate Spot task was interrupted"),
    _reason(
        r"SpotInterruption|NodeShutdown|node .*(shut ?down|terminat)|Preempting|\bEvicted\b",
        FailureKind.PREEMPTED,
        "the node it ran on was taken away",
    ),
    _reason(r"OutOfMemory|OOMKilled", FailureKind.OUT_OF_MEMORY, "it used more memory than it was given"),
    # A registry that is out of reach or refuses for the moment says nothing about the image.
    _reason(
        r"(CannotPull|ErrImagePull|ImagePullBackOff|registry auth)"
        r".*(timeout|timed out|toomanyrequests|rate limit|connection re|no such host|\b50[0234]\b)",
        FailureKind.IMAGE,
    ),
    _reason(
        r"CannotPull\w+|ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull",
        FailureKind.IMAGE,
        retryable=False,
    ),
    _reason(r"ResourceInitializationError|CreateContainerConfigError", FailureKind.CONFIG, retryable=False),
    _reason(
        r"Container Overrides length must be",
        FailureKind.CONFIG,
        "its command and variables are too long for the service",
        retryable=False,
    ),
    _reason(
        r"Cannot(Start|Create)Container\w*:.*(executable file not found|no such file|permission denied"
        r"|invalid|not found)|AccessDenied|not authorized|Unable to assume|(job|execution) ?role",
        FailureKind.CONFIG,
        retryable=False,
    ),
    _reason(r"Dependent Job failed", FailureKind.CONFIG, "a job that it depends on failed", retryable=False),
    _reason(r"Job ?Queue deleted|Job ?Definition .*(INACTIVE|deleted)", FailureKind.CONFIG, retryable=False),
    _reason(
        r"Cannot\w+Error|ContainerRuntimeError|DockerTimeoutError|InternalError|TaskFailedToStart"
        r"|ContainerCannotRun|agent disconnected",
        FailureKind.PLATFORM,
    ),
)
# "Canceled by JobStateTimeLimit action due to reason: CAPACITY:..." is the queue's doing, nobody's wish.
_BY_THE_QUEUE = re.compile(r"JobStateTimeLimit|\b(CAPACITY|MISCONFIGURATION):")


def job_state(job: Fields) -> JobState | None:
    """Return our state, ``None`` for a word that is not known here.

    The parent of an array is PENDING until its last child has ended, so its children say how far it is.
    """
    state = JOB_STATES.get(word(job))
    if state is JobState.FAILED and is_cancelled(job):
        return JobState.CANCELLED
    if state is JobState.QUEUED and details.is_array(job):
        return _furthest(details.status_summary(job))
    return state


def _furthest(summary: Mapping[str, int]) -> JobState:
    if {"RUNNING", "SUCCEEDED", "FAILED"} & summary.keys():
        return JobState.RUNNING
    return JobState.STARTING if "STARTING" in summary else JobState.QUEUED


def word(job: Fields) -> str:
    """Return the service's own word for the job's state."""
    return str(job.get("status") or "")


def is_over(job: Fields) -> bool:
    """Return whether the job has ended."""
    state = JOB_STATES.get(word(job))
    return state is not None and state.is_terminal


def is_cancelled(job: Fields) -> bool:
    """Return whether somebody stopped the job, or has asked for it."""
    said = job.get("statusReason") or ""
    if said.startswith(CANCEL_PREFIX):
        return True
    return bool(job.get("isTerminated") or job.get("isCancelled")) and not _BY_THE_QUEUE.search(said)


def counts(job: Fields, size: int, *, failed_indexes: Iterable[int] = ()) -> ArrayCounts:
    """Return how far the children of an array are, or the job itself.

    Once an array is over, every child that did not succeed counts as failed, so that what is missing is
    what must run again.
    """
    summary = details.status_summary(job) if details.is_array(job) else {word(job): size}
    succeeded = min(summary.get("SUCCEEDED", 0), size)
    if word(job) == "SUCCEEDED":
        succeeded = size
    failed = size - succeeded if is_over(job) else min(summary.get("FAILED", 0), size)
    return ArrayCounts(
        size=size,
        succeeded=succeeded,
        failed=failed,
        running=0 if is_over(job) else summary.get("RUNNING", 0),
        failed_indexes=tuple(sorted(failed_indexes)),
    )


def started_at(job: Fields) -> pendulum.DateTime | None:
    """Return when the first attempt began; the job's own time is that of its last."""
    times = [attempt.started_ms for attempt in details.attempts(job) if attempt.started_ms]
    return details.moment(min(times, default=job.get("startedAt")))


def ended_at(job: Fields) -> pendulum.DateTime | None:
    """Return when the job ended."""
    return details.moment(job.get("stoppedAt")) if is_over(job) else None


def part_failure(part: Fields, handle: JobHandle) -> Failure:
    """Return why a child of an array, a node, or a job that runs itself failed, by its last attempt."""
    index = handle.original_index(details.task_number(part))
    node = details.node(part)
    subject = f"index {index}" if handle.size > 1 else "it" if node is None else f"node {node}"
    return _failure(part, subject=subject, index=index, handle=handle)


def job_failure(job: Fields, handle: JobHandle) -> Failure:
    """Return why a job failed of which no child did."""
    return _failure(job, subject="the job", index=None, handle=handle)


def _failure(job: Fields, *, subject: str, index: int | None, handle: JobHandle) -> Failure:
    attempts = details.attempts(job)
    containers = attempts[-1].containers if attempts else ()
    codes = [each.exit_code for each in containers if each.exit_code]
    said = [job.get("statusReason") or "", *(each.reason for each in containers)]
    if attempts:
        said.insert(1, attempts[-1].reason)
    told = list(dict.fromkeys(filter(None, said)))
    kind, message, retryable = _told(told, codes[0] if codes else None, cancelled=is_cancelled(job))
    own = kind in (FailureKind.USER_CODE, FailureKind.OUT_OF_MEMORY)
    return Failure(
        kind=kind,
        retryable=retryable,
        message=f"{subject} {message}",
        index=index,
        exit_code=codes[0] if codes and own else None,
        native_reason="; ".join(told) or None,
        console_url=handle.console_url,
    )


def _told(said: list[str], code: int | None, *, cancelled: bool) -> tuple[FailureKind, str, bool]:
    """Return kind, message and whether it may help to run it again."""
    text = "; ".join(said)
    if cancelled:
        return FailureKind.CANCELLED, f"was stopped: {text or 'nobody gave a reason'}", True
    for reason in REASONS:
        if any(reason.says.search(each) for each in said):
            words = reason.message or text
            behind = f" ({text})" if reason.message else ""
            return reason.kind, f"failed: {words}{behind}", reason.retryable
    if code == _SIGKILL:
        return FailureKind.USER_CODE, "was killed (exit code 137), most often for want of memory", True
    if code is not None:
        return FailureKind.USER_CODE, f"exited with code {code}", True
    return FailureKind.PLATFORM, f"failed: {text or 'the service gives no reason'}", True


_CONSOLES = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}


def console_url(arn: str) -> str | None:
    """Return the page of a job in the AWS console, which shows its log too.

    :param arn: the job's, ``arn:aws:batch:<region>:<account>:job/<id>``
    """
    parts = arn.split(":", 5)
    if len(parts) != 6 or "/" not in parts[5]:
        return None
    domain = _CONSOLES.get(parts[1], "aws.amazon.com")
    region, job_id = parts[3], parts[5].partition("/")[2]
    return f"https://{region}.console.{domain}/batch/home?region={region}#jobs/detail/{job_id}"


def cancel_command(job_id: str, *, region: str) -> str:
    """Return what a person types to stop a job.

    https://docs.aws.amazon.com/cli/latest/reference/batch/terminate-job.html
    """
    return f"aws batch terminate-job --job-id {job_id} --reason 'stopped by hand' --region {region}"
