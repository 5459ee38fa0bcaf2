"""Whether a job that has ended counts as a success of the task. Pure."""

from __future__ import annotations

from airflow_provider_jobs.core.errors import (
    AccessDenied,
    Conflict,
    JobsError,
    NoCapacity,
    SubmissionStopped,
    is_trouble,
)
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import JobHandle, JobOutcome
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.core.terms import FailWhen

_KIND_BY_STATE = {
    JobState.CANCELLED: FailureKind.CANCELLED,
    JobState.LOST: FailureKind.LOST,
}


def is_success(outcome: JobOutcome, fail_when: FailWhen = "any") -> bool:
    """Return whether the task succeeds.

    A job that failed as a whole, was cancelled or lost is never a success. Where only indexes
    failed, ``fail_when`` decides how many of them are too many.
    """
    if outcome.cancelled_for or outcome.state is not JobState.FAILED:
        return outcome.state is JobState.SUCCEEDED and not outcome.cancelled_for
    array = outcome.array
    if fail_when == "any" or not array.failed or any(failure.index is None for failure in outcome.failures):
        return False
    if array.succeeded + array.failed < array.size:
        return False
    share = array.failed / array.size
    return share < (1.0 if fail_when == "all" else float(fail_when))


def found_no_room(outcome: JobOutcome) -> str | None:
    """Return why the job may find room in another place, or ``None`` where it has none to look for.

    Nothing of it may be running any more, and nothing of it may have run.
    """
    if outcome.state not in (JobState.CANCELLED, JobState.FAILED):
        return None
    if outcome.cancelled_for == "queue_timeout":
        return "it did not start before queue_timeout and was cancelled"
    lacks_room = any(failure.kind is FailureKind.CAPACITY for failure in outcome.failures)
    if lacks_room and outcome.started_at is None and not outcome.cancelled_for:
        return "it ended for want of capacity before it had started"
    return None


def with_failure(outcome: JobOutcome) -> JobOutcome:
    """Return the outcome with at least one failure in front that says why the task fails."""
    if outcome.cancelled_for:
        return _in_front(outcome, _deadline_failure(outcome))
    if outcome.failures:
        return outcome
    kind = _KIND_BY_STATE.get(outcome.state, FailureKind.PLATFORM)
    who = "somebody cancelled it" if kind is FailureKind.CANCELLED else "the service gives no reason"
    return _in_front(
        outcome,
        Failure(kind=kind, retryable=True, message=who, console_url=outcome.handle.console_url),
    )


def refusal(error: JobsError) -> Failure:
    """Return the failure of a job that could not be submitted."""
    kind, retryable = FailureKind.CONFIG, False
    if isinstance(error, SubmissionStopped):
        kind, retryable = FailureKind.CANCELLED, True
    elif isinstance(error, NoCapacity):
        kind, retryable = FailureKind.CAPACITY, True
    elif is_trouble(error):
        kind, retryable = FailureKind.PLATFORM, True
    elif isinstance(error, Conflict):
        # What is disabled today may be enabled before the next try.
        retryable = True
    return Failure(
        kind=kind,
        retryable=retryable,
        message=str(error),
        native_reason=getattr(error, "native_code", None) or None,
    )


def only_preempted(outcome: JobOutcome) -> bool:
    """Return whether the job ended for nothing but machines that were taken away."""
    kinds = {failure.kind for failure in outcome.failures}
    return outcome.state is JobState.FAILED and kinds == {FailureKind.PREEMPTED} and not outcome.cancelled_for


def unreachable(handle: JobHandle, error: JobsError) -> Failure:
    """Return the failure of a job that the service refuses to tell anything about; it may still run."""
    kind = FailureKind.CONFIG if isinstance(error, AccessDenied) else FailureKind.PLATFORM
    return Failure(
        kind=kind,
        retryable=True,
        message=f"the job can no longer be followed and may still be running: {error}",
        native_reason=getattr(error, "native_code", None) or None,
        console_url=handle.console_url,
    )


def _deadline_failure(outcome: JobOutcome) -> Failure:
    deadline = outcome.cancelled_for
    did = "it was cancelled" if outcome.state.is_terminal else "it may still be running"
    if deadline == "queue_timeout":
        message = f"it did not start before queue_timeout; {did}"
        kind = FailureKind.CAPACITY
    else:
        message = f"it ran past execution_timeout; {did}"
        kind = FailureKind.TIMEOUT
    reason = outcome.explanation
    return Failure(
        kind=kind,
        retryable=True,
        message=f"{message}. {reason}" if reason else message,
        console_url=outcome.handle.console_url,
        log_tail=outcome.failures[0].log_tail if outcome.failures else (),
    )


def _in_front(outcome: JobOutcome, failure: Failure) -> JobOutcome:
    return outcome.model_copy(update={"failures": (failure, *outcome.failures)})
