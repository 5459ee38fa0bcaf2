"""What the service's words mean: states, the reasons of a failure, and where a person looks. Pure.

An execution has no state of its own but conditions, of which "Completed" is the one that ends it, and
counts of its tasks. https://cloud.google.com/run/docs/reference/rest/v2/Condition
What is read of every execution at every look is read of protobuf's own messages, see
:func:`airflow_provider_jobs.google_cloud.messages.bare`; an execution of either kind may be given.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import quote

from google.cloud.run_v2 import Condition, Task
from google.rpc.code_pb2 import Code

from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, JobHandle
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.google_cloud.messages import bare

# An execution, as the vendor's message or as protobuf's; a condition is protobuf's.
Execution: TypeAlias = Any
BareCondition: TypeAlias = Any

COMPLETED = "Completed"
_NONE = Condition.pb(Condition())
_State, _Reason, _Common = Condition.State, Condition.ExecutionReason, Condition.CommonReason


def _words(kind: Any) -> dict[int, str]:
    """Return the words of one of the vendor's enums."""
    return {int(each): each.name for each in kind}


_STATES = _words(_State)
_REASONS = {"reason": _words(_Common), "execution_reason": _words(_Reason)}

# What the state of "Completed" says by itself. One that is not over may be further than that says.
CONDITION_STATES: dict[int, JobState] = {
    _State.STATE_UNSPECIFIED: JobState.SUBMITTED,
    _State.CONDITION_PENDING: JobState.QUEUED,
    _State.CONDITION_RECONCILING: JobState.QUEUED,
    _State.CONDITION_FAILED: JobState.FAILED,
    _State.CONDITION_SUCCEEDED: JobState.SUCCEEDED,
}

# What the reason of "Completed" makes of that; ``None`` leaves it as it is. An execution on its way out may
# never have run: SUBMITTED, the least of all states, leaves the last one standing.
EXECUTION_REASONS: dict[int, JobState | None] = {
    _Reason.EXECUTION_REASON_UNDEFINED: None,
    _Reason.JOB_STATUS_SERVICE_POLLING_ERROR: None,
    _Reason.NON_ZERO_EXIT_CODE: None,
    _Reason.CANCELLED: JobState.CANCELLED,
    _Reason.CANCELLING: JobState.SUBMITTED,
    _Reason.DELETED: JobState.CANCELLED,
    _Reason.DELAYED_START_PENDING: JobState.QUEUED,
}

COMMON_REASONS: dict[int, FailureKind] = {
    _Common.COMMON_REASON_UNDEFINED: FailureKind.PLATFORM,
    _Common.UNKNOWN: FailureKind.PLATFORM,
    _Common.REVISION_FAILED: FailureKind.PLATFORM,
    _Common.PROGRESS_DEADLINE_EXCEEDED: FailureKind.PLATFORM,
    _Common.CONTAINER_MISSING: FailureKind.IMAGE,
    _Common.CONTAINER_PERMISSION_DENIED: FailureKind.IMAGE,
    _Common.CONTAINER_IMAGE_UNAUTHORIZED: FailureKind.IMAGE,
    _Common.CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED: FailureKind.IMAGE,
    _Common.ENCRYPTION_KEY_PERMISSION_DENIED: FailureKind.CONFIG,
    _Common.ENCRYPTION_KEY_CHECK_FAILED: FailureKind.CONFIG,
    _Common.SECRETS_ACCESS_CHECK_FAILED: FailureKind.CONFIG,
    _Common.WAITING_FOR_OPERATION: FailureKind.PLATFORM,
    _Common.IMMEDIATE_RETRY: FailureKind.PLATFORM,
    _Common.POSTPONED_RETRY: FailureKind.PLATFORM,
    _Common.INTERNAL: FailureKind.PLATFORM,
    _Common.VPC_NETWORK_NOT_FOUND: FailureKind.CONFIG,
}

# What the code of an attempt's status says where the command left no exit code of its own.
STATUS_CODES: dict[int, FailureKind] = {
    Code.CANCELLED: FailureKind.CANCELLED,
    Code.DEADLINE_EXCEEDED: FailureKind.TIMEOUT,
    Code.PERMISSION_DENIED: FailureKind.CONFIG,
    Code.UNAUTHENTICATED: FailureKind.CONFIG,
}

# What the service's sentences tell, in the order in which they are tried. Only these words are evidence:
# signal 9 alone says that something killed the process, not that memory ran out.
_TELLING: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (FailureKind.OUT_OF_MEMORY, re.compile(r"memory limit|out of memory|\bOOM", re.IGNORECASE)),
    (FailureKind.TIMEOUT, re.compile(r"configured timeout|maximum timeout|task timeout", re.IGNORECASE)),
    (
        FailureKind.CAPACITY,
        re.compile(r"quota|not enough|no available|insufficient|exhausted|stockout", re.IGNORECASE),
    ),
    (
        FailureKind.IMAGE,
        re.compile(
            r"image .*(not found|denied|unauthorized)|(failed|unable) to pull|manifest (unknown|not found)"
            r"|import(ing)? .*image",
            re.IGNORECASE,
        ),
    ),
    (
        FailureKind.CONFIG,
        re.compile(r"permission|forbidden|secret|service account|constraints/|encryption key", re.IGNORECASE),
    ),
)
_NOT_RETRYABLE = frozenset({FailureKind.CONFIG, FailureKind.IMAGE})


def condition(thing: Execution | Task, kind: str = COMPLETED) -> BareCondition:
    """Return a condition of an execution or a task by its type, an empty one where it has none."""
    for each in bare(thing).conditions:
        if each.type_ == kind:
            return each
    return _NONE


def job_state(execution: Execution) -> JobState | None:
    """Return our state, ``None`` where the service's word is not known here.

    An execution that was cancelled is never a success, whatever else is said of it: the service counts
    what was cancelled apart from what has failed.
    """
    execution = bare(execution)
    completed = condition(execution)
    state = CONDITION_STATES.get(completed.state)
    if state is None:
        return None
    meant = EXECUTION_REASONS.get(completed.execution_reason)
    if meant is not None:
        return meant
    if not state.is_terminal:
        return (
            _by_counts(execution) if execution.HasField("completion_time") else _on_its_way(execution, state)
        )
    if execution.cancelled_count and not execution.failed_count:
        return JobState.CANCELLED
    return JobState.FAILED if execution.failed_count else state


def _by_counts(execution: Execution) -> JobState:
    """Return how an execution has ended whose condition lags behind."""
    if execution.failed_count:
        return JobState.FAILED
    is_whole = execution.succeeded_count >= max(1, execution.task_count)
    return JobState.SUCCEEDED if is_whole and not execution.cancelled_count else JobState.CANCELLED


def _on_its_way(execution: Execution, state: JobState) -> JobState:
    if execution.running_count or execution.succeeded_count or execution.failed_count:
        return JobState.RUNNING
    has_started = condition(execution, "Started").state == _State.CONDITION_SUCCEEDED
    return state.advance(JobState.STARTING) if has_started or execution.HasField("start_time") else state


def is_cancelling(execution: Execution) -> bool:
    """Return whether somebody's cancel is under way."""
    return bool(condition(execution).execution_reason == _Reason.CANCELLING)


def is_over(execution: Execution) -> bool:
    """Return whether the execution has ended."""
    state = job_state(execution)
    return state is not None and state.is_terminal


def word(execution: Execution) -> str:
    """Return the service's own words for where an execution is, numbers where the client has none."""
    completed = condition(execution)
    state, reason = _STATES.get(completed.state) or str(completed.state), reason_word(completed)
    return f"{state} ({reason})" if reason else state


def counts(execution: Execution, size: int, *, failed_indexes: Iterable[int] = ()) -> ArrayCounts:
    """Return how far the tasks are.

    Once the execution has failed, every task that did not succeed counts as failed, so that what is
    missing is what must run again.
    """
    execution = bare(execution)
    succeeded = min(execution.succeeded_count, size)
    failed = execution.failed_count + execution.cancelled_count
    if job_state(execution) is JobState.FAILED:
        failed = size - succeeded
    return ArrayCounts(
        size=size,
        succeeded=succeeded,
        failed=min(failed, size - succeeded),
        running=execution.running_count,
        failed_indexes=tuple(sorted(failed_indexes)),
    )


def detail(execution: Execution) -> str | None:
    """Return the service's last word on why an execution is as it is."""
    return condition(execution).message or None


# Failures


def has_succeeded(task: Task) -> bool:
    """Return whether a task has ended well."""
    return bool(condition(task).state == _State.CONDITION_SUCCEEDED)


def has_failed(task: Task) -> bool:
    """Return whether a task has ended badly by itself, not because all of them were cancelled."""
    completed = condition(task)
    was_cancelled = completed.execution_reason in (_Reason.CANCELLED, _Reason.CANCELLING, _Reason.DELETED)
    return bool(completed.state == _State.CONDITION_FAILED) and not was_cancelled


def task_failure(task: Task, handle: JobHandle) -> Failure:
    """Return why a task failed, by its last attempt."""
    attempt, completed = task.last_attempt_result, condition(task)
    said = attempt.status.message or completed.message
    index = handle.original_index(task.index)
    subject = f"index {index}" if handle.size > 1 else "it"
    kind, message = _cause(task, said, subject=subject)
    return Failure(
        kind=kind,
        retryable=kind not in _NOT_RETRYABLE,
        message=message,
        index=index,
        exit_code=attempt.exit_code or None,
        native_reason=said or reason_word(completed) or None,
        console_url=handle.console_url,
    )


def _cause(task: Task, said: str, *, subject: str) -> tuple[FailureKind, str]:
    attempt = task.last_attempt_result
    told = _kind_told(said)
    if told in (FailureKind.OUT_OF_MEMORY, FailureKind.TIMEOUT):
        return told, f"{subject} failed: {said}"
    if attempt.exit_code:
        return FailureKind.USER_CODE, f"{subject} exited with code {attempt.exit_code}"
    if attempt.term_signal:
        return FailureKind.USER_CODE, f"{subject} was ended by {_signal(attempt.term_signal)}"
    kind = _kind_of_reason(condition(task)) or STATUS_CODES.get(attempt.status.code) or told
    return kind or FailureKind.PLATFORM, f"{subject} failed: {said or 'the service gives no reason'}"


def job_failure(execution: Execution, handle: JobHandle) -> Failure:
    """Return why an execution failed of which no task did."""
    completed = condition(execution)
    said = completed.message
    kind = _kind_of_reason(completed) or _kind_told(said) or FailureKind.PLATFORM
    return Failure(
        kind=kind,
        retryable=kind not in _NOT_RETRYABLE,
        message=f"the job failed: {said or 'the service gives no reason'}",
        native_reason=said or reason_word(completed) or None,
        console_url=handle.console_url,
    )


def _kind_of_reason(completed: BareCondition) -> FailureKind | None:
    kind = COMMON_REASONS.get(completed.reason, FailureKind.PLATFORM)
    return None if kind is FailureKind.PLATFORM else kind


def _kind_told(text: str) -> FailureKind | None:
    return next((kind for kind, pattern in _TELLING if pattern.search(text)), None)


def _signal(number: int) -> str:
    names = {each.value: each.name for each in signal.Signals}
    hint = ", most often for want of memory" if number == signal.SIGKILL else ""
    return f"signal {number}{f' ({names[number]})' if number in names else ''}{hint}"


# The vendor's enums; a word of a later service is a plain number


def reason_word(completed: Condition | BareCondition) -> str:
    """Return the reason of a condition, empty where it has none."""
    completed = bare(completed)
    kind = completed.WhichOneof("reasons")
    number = getattr(completed, kind) if kind in _REASONS else 0
    return (_REASONS[kind].get(number) or str(number)) if number else ""


# Where a person looks


def console_url(name: str, *, tab: str = "tasks") -> str:
    """Return the page of an execution in the Google Cloud console.

    :param name: the full name of the execution
    :param tab: ``tasks`` or ``logs``
    """
    _, project, _, region, _, _, _, execution = name.split("/")
    return (
        f"https://console.cloud.google.com/run/jobs/executions/details/{region}/{execution}/{tab}"
        f"?project={quote(project, safe='')}"
    )


def cancel_command(name: str) -> str:
    """Return what a person types to cancel an execution of this full name.

    https://cloud.google.com/sdk/gcloud/reference/run/jobs/executions/cancel
    """
    _, project, _, region, _, _, _, execution = name.split("/")
    return f"gcloud run jobs executions cancel {execution} --region={region} --project={project}"
