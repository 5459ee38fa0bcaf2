"""The exceptions with which a task ends when its job did not succeed. Importable without a cloud SDK.

::

    JobFailed
    ├── JobUserCodeError    the command exited with an error of its own
    ├── JobOutOfMemory
    ├── JobTimedOut         a limit of the service or ``execution_timeout``
    ├── JobPreempted        the machine was taken away
    ├── JobImageError       the image cannot be pulled
    ├── JobCapacityError    no capacity or quota
    ├── JobConfigError      what was asked for cannot be run
    ├── JobCancelled        somebody cancelled the job
    ├── JobLost             the service no longer knows the job
    ├── JobPlatformError    the service's own trouble
    └── JobQueueTimeout     the job did not start before ``queue_timeout``

A failure that the same job would meet again is raised as a subclass that Airflow does not retry
(``AirflowFailException``), unless the task has a ``retry_policy`` of its own; ``except JobImageError``
and the like catch both.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import JobOutcome

__all__ = [
    "JobCancelled",
    "JobCapacityError",
    "JobConfigError",
    "JobFailed",
    "JobImageError",
    "JobLost",
    "JobOutOfMemory",
    "JobPlatformError",
    "JobPreempted",
    "JobQueueTimeout",
    "JobTimedOut",
    "JobUserCodeError",
    "job_exception",
    "submission_exception",
]


class JobFailed(AirflowException):
    """A job did not end as a success.

    :ivar failure: kind, index, exit code, the service's reason, console link and last log lines
    :ivar job_id: what the service calls the job, ``None`` where none was submitted
    """

    def __init__(self, message: str, failure: Failure, job_id: str | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.job_id = job_id

    def __reduce__(self) -> tuple[type[JobFailed], tuple[str, Failure, str | None]]:
        """Keep what it says when Airflow pickles the exception."""
        return type(self), (str(self), self.failure, self.job_id)


class JobUserCodeError(JobFailed):
    """The command exited with an error of its own."""


class JobOutOfMemory(JobFailed):
    """The command needed more memory than it was given."""


class JobTimedOut(JobFailed):
    """The job ran longer than the service's limit or ``execution_timeout`` allows."""


class JobPreempted(JobFailed):
    """The machine was taken away, as happens to spot machines."""


class JobImageError(JobFailed):
    """The image cannot be pulled."""


class JobCapacityError(JobFailed):
    """No capacity, or a quota is used up."""


class JobConfigError(JobFailed):
    """What was asked for cannot be run."""


class JobCancelled(JobFailed):
    """Somebody cancelled the job."""


class JobLost(JobFailed):
    """The service no longer knows the job."""


class JobPlatformError(JobFailed):
    """The service's own trouble."""


class JobQueueTimeout(JobFailed):
    """The job did not start before ``queue_timeout``."""


_BY_KIND: dict[FailureKind, type[JobFailed]] = {
    FailureKind.USER_CODE: JobUserCodeError,
    FailureKind.OUT_OF_MEMORY: JobOutOfMemory,
    FailureKind.TIMEOUT: JobTimedOut,
    FailureKind.PREEMPTED: JobPreempted,
    FailureKind.IMAGE: JobImageError,
    FailureKind.CAPACITY: JobCapacityError,
    FailureKind.CONFIG: JobConfigError,
    FailureKind.CANCELLED: JobCancelled,
    FailureKind.LOST: JobLost,
    FailureKind.PLATFORM: JobPlatformError,
}


def _final(cls: type[JobFailed]) -> type[JobFailed]:
    return type(cls.__name__, (cls, AirflowFailException), {"__doc__": cls.__doc__, "__module__": __name__})


_FINAL = {cls: _final(cls) for cls in (*_BY_KIND.values(), JobQueueTimeout)}


def job_exception(outcome: JobOutcome, *, may_fail_at_once: bool) -> JobFailed:
    """Return the exception of an outcome that is a failure.

    :param may_fail_at_once: whether a failure that a retry cannot mend may skip the task's retries
    """
    failure = outcome.failures[0]
    cls = JobQueueTimeout if outcome.cancelled_for == "queue_timeout" else _BY_KIND[failure.kind]
    if may_fail_at_once and not failure.retryable:
        cls = _FINAL[cls]
    return cls(_message(outcome, failure), failure, outcome.handle.native_id)


def submission_exception(failure: Failure, *, may_fail_at_once: bool) -> JobFailed:
    """Return the exception of a job that could not be submitted.

    :param may_fail_at_once: whether a refusal that a retry cannot mend may skip the task's retries
    """
    cls = _BY_KIND[failure.kind]
    if may_fail_at_once and not failure.retryable:
        cls = _FINAL[cls]
    return cls(f"The job was not submitted: {failure.message}", failure)


def _message(outcome: JobOutcome, failure: Failure) -> str:
    array = outcome.array
    parts = [f"Job {outcome.handle.native_id} ended as {outcome.state.value}: {failure.message}"]
    if array.size > 1 and array.failed_indexes:
        failed = outcome.summary().array.failed_indexes
        parts.append(f"{len(array.failed_indexes)} of {array.size} indexes failed: {failed}")
    if failure.native_reason:
        parts.append(f"The service says: {failure.native_reason}")
    if failure.log_tail:
        of_index = f" of index {failure.index}" if failure.index is not None else ""
        parts.append(f"Last lines{of_index}:")
        parts.extend(f"  {text}" for text in failure.log_tail)
    if failure.console_url or outcome.handle.console_url:
        parts.append(f"Console: {failure.console_url or outcome.handle.console_url}")
    return "\n".join(parts)
