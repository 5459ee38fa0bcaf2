"""Why a task, or a job as a whole, ended badly: the service's codes and words as failures of ours. Pure."""

from __future__ import annotations

import re
from typing import Any

from azure.batch.models import BatchJob, BatchTask

from airflow_provider_jobs.backends.azure_batch.errors import without_signatures
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import JobHandle

Kind = FailureKind

# https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes#jobtask-scheduling-error-codes
TASK_CODES: dict[str, FailureKind] = {
    "FailureExitCode": Kind.USER_CODE,
    "TaskEnded": Kind.CANCELLED,
    "JobBeingTerminated": Kind.CANCELLED,
    "CommandProgramNotFound": Kind.CONFIG,
    "CommandLaunchFailed": Kind.CONFIG,
    "TaskSchedulingConstraintFailed": Kind.CONFIG,
    "ApplicationPackageError": Kind.CONFIG,
    "BlobNotFound": Kind.CONFIG,
    "BlobAccessDenied": Kind.CONFIG,
    "BlobDownloadTimedOut": Kind.PLATFORM,
    "BlobDownloadMiscError": Kind.PLATFORM,
    "ResourceDirectoryCreateFailed": Kind.PLATFORM,
    "ResourceFileCreateFailed": Kind.PLATFORM,
    "ResourceFileWriteFailed": Kind.PLATFORM,
    "DiskFull": Kind.PLATFORM,
    "MaxInternalRetryCountReached": Kind.PLATFORM,
    "ContainerPoolNotSupported": Kind.CONFIG,
    "ContainerInvalidImage": Kind.IMAGE,
    "ContainerInvalidRegistryCredentials": Kind.IMAGE,
    "Unknown": Kind.PLATFORM,
}
JOB_CODES: dict[str, FailureKind] = {
    "AutoPoolCreationFailedWithQuotaReached": Kind.CAPACITY,
    "InvalidAutoPoolSettings": Kind.CONFIG,
    "InvalidApplicationPackageReferencesInAutoPool": Kind.CONFIG,
    "InvalidAutoScaleFormulaInAutoPool": Kind.CONFIG,
    "InvalidCertificatesInAutoPool": Kind.CONFIG,
    "JobBeingTerminated": Kind.CANCELLED,
    "Unknown": Kind.PLATFORM,
}

# What the words tell where the code does not. Exit code 137 alone is no evidence that memory ran out.
_TELLING: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        Kind.TIMEOUT,
        re.compile(r"maximum execution time|wall.?clock|time limit.*exceeded", re.IGNORECASE),
    ),
    (Kind.OUT_OF_MEMORY, re.compile(r"\bOOM\b|OOMKilled|out of memory", re.IGNORECASE)),
    (Kind.PREEMPTED, re.compile(r"preempt|evicted", re.IGNORECASE)),
    (
        Kind.IMAGE,
        re.compile(
            r"container images? specified (is|are) invalid|pull access denied|manifest.*(unknown|not found)"
            r"|no matching manifest|repository does not exist|(failed|unable|error) to pull|no such image"
            r"|registry credential",
            re.IGNORECASE,
        ),
    ),
    (Kind.CAPACITY, re.compile(r"quota|allocation ?failed|not enough capacity", re.IGNORECASE)),
)
_NOT_RETRYABLE = frozenset({Kind.CONFIG, Kind.IMAGE})
_SIGKILL = 137
# Where the code is unknown here, the category at least tells whose fault it is.
_SERVERS_FAULT = "servererror"


def task_failure(task: BatchTask, index: int, handle: JobHandle) -> Failure:
    """Return why a task that completed did not succeed."""
    subject = f"index {index}" if handle.size > 1 or handle.indexes else "it"
    kind = task_failure_kind(task)
    ran = task.execution_info
    code = ran.exit_code if ran else None
    said = _said(task)
    return Failure(
        kind=kind,
        retryable=kind not in _NOT_RETRYABLE,
        message=_task_message(kind, code, said, subject=subject),
        index=index,
        exit_code=code if kind is Kind.USER_CODE else None,
        native_reason=said or None,
        console_url=handle.console_url,
    )


def task_failure_kind(task: BatchTask) -> FailureKind:
    """Return what made a task fail that completed without success."""
    ran = task.execution_info
    info = ran.failure_info if ran else None
    said = _said(task)
    told = next((kind for kind, pattern in _TELLING if pattern.search(said)), None)
    code = info.code if info else None
    by_code = TASK_CODES.get(code or "")
    if by_code is Kind.CANCELLED:
        return Kind.TIMEOUT if told is Kind.TIMEOUT or _ran_to_its_limit(task) else Kind.CANCELLED
    if by_code in (Kind.USER_CODE, Kind.PLATFORM) and told:
        return told
    if by_code:
        return by_code
    if told:
        return told
    if info is not None and word(info.category) == _SERVERS_FAULT:
        return Kind.PLATFORM
    if ran is not None and ran.exit_code is not None:
        return Kind.USER_CODE
    return Kind.CONFIG if info is not None else Kind.PLATFORM


def job_failure(job: BatchJob, console_url: str | None = None) -> Failure | None:
    """Return why a job could not run its tasks at all, ``None`` where the service names no such error."""
    ran = job.execution_info
    error = ran.scheduling_error if ran else None
    if error is None:
        return None
    said = _sentence(error)
    kind = JOB_CODES.get(error.code or "")
    if kind in (None, Kind.PLATFORM):
        told = next((each for each, pattern in _TELLING if pattern.search(said)), None)
        by_category = Kind.PLATFORM if word(error.category) == _SERVERS_FAULT else Kind.CONFIG
        kind = told or kind or by_category
    return Failure(
        kind=kind,
        retryable=kind not in _NOT_RETRYABLE,
        message=f"the job could not be started: {said}",
        native_reason=said,
        console_url=console_url,
    )


def ended_failure(kind: FailureKind, message: str, handle: JobHandle, *, reason: str | None) -> Failure:
    """Return the failure of a job that was ended as a whole."""
    return Failure(
        kind=kind,
        retryable=True,
        message=message,
        native_reason=reason,
        console_url=handle.console_url,
    )


def word(value: Any) -> str:
    """Return a word of the service in lower case; it writes the same word in more than one way."""
    return str(getattr(value, "value", value)).lower()


def _task_message(kind: FailureKind, code: int | None, said: str, *, subject: str) -> str:
    if kind is Kind.TIMEOUT:
        return f"{subject} ran longer than its time limit (max_run_seconds)"
    if kind is Kind.CANCELLED:
        return f"{subject} was ended by request"
    if kind is Kind.USER_CODE and code == _SIGKILL:
        return f"{subject} was killed (exit code 137), most often for want of memory"
    if kind is Kind.USER_CODE:
        return f"{subject} exited with code {code}"
    with_code = f" with exit code {code}" if code else ""
    return f"{subject} failed{with_code}: {said or 'the service gives no reason'}"


def _ran_to_its_limit(task: BatchTask) -> bool:
    """Return whether a task ran for as long as it may; the service ends it then as a person would."""
    limit = task.constraints.max_wall_clock_time if task.constraints else None
    ran = task.execution_info
    if limit is None or ran is None or ran.start_time is None or ran.end_time is None:
        return False
    return ran.end_time - ran.start_time >= limit


def _said(task: BatchTask) -> str:
    """Return the service's own words on a failure: code, message, details, and what the container says."""
    ran = task.execution_info
    if ran is None:
        return ""
    parts = [_sentence(ran.failure_info)] if ran.failure_info else []
    container = ran.container_info
    if container is not None and container.error:
        parts.append(f"container: {without_signatures(container.error)}")
    return "; ".join(parts)


def _sentence(info: Any) -> str:
    details = [f"{each.name}: {each.value}" for each in info.details or () if each.value]
    text = ": ".join(part for part in (info.code, info.message) if part)
    return without_signatures(" ".join([text, f"({', '.join(details)})" if details else ""]).strip())
