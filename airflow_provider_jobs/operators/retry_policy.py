"""Airflow's ``retry_policy`` in terms of why a job failed. Needs Airflow 3.3."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

try:
    from airflow.sdk import RetryPolicy
    from airflow.sdk.definitions.retry_policy import RetryDecision
except ImportError as error:
    raise ImportError("JobRetryPolicy needs Airflow 3.3 or later, which has retry policies") from error

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.exceptions import JobFailed
from airflow_provider_jobs.operators.records import task_state_records


class JobRetry(NamedTuple):
    """How often a task may be retried for one kind of failure, and after how long.

    :param retries: how often; 0 fails the task at the first
    :param delay: how long to wait before; the task's ``retry_delay`` if not given
    """

    retries: int
    delay: timedelta | None = None


Rule: TypeAlias = "int | JobRetry | tuple[int, timedelta] | None"


class JobRetryPolicy(RetryPolicy):
    """Says for each kind of failure how often a task is retried, within its ``retries``.

    Failures are counted by kind since the task was last cleared, so that a lost machine does not use up what
    is meant for the command. A kind that is not given retries as without a policy: at once failed where the
    same job would fail again, else as the task says. What is not a job's failure is left to the task.

    ``JobRetryPolicy(platform=5, user_code=1, out_of_memory=0, capacity=(3, timedelta(minutes=10)))``

    :param user_code: the command exited with an error of its own
    :param out_of_memory: it needed more memory than it was given
    :param timeout: it ran longer than the service's limit or ``execution_timeout``
    :param preempted: the machine was taken away, more often than ``preemption_retries``
    :param image: the image cannot be pulled
    :param capacity: no capacity or quota, or ``queue_timeout`` has passed
    :param config: what was asked for cannot be run, or the submission was refused
    :param cancelled: somebody cancelled the job
    :param lost: the service no longer knows the job
    :param platform: the service's own trouble
    """

    def __init__(  # noqa: PLR0913 - one for each kind
        self,
        *,
        user_code: Rule = None,
        out_of_memory: Rule = None,
        timeout: Rule = None,
        preempted: Rule = None,
        image: Rule = None,
        capacity: Rule = None,
        config: Rule = None,
        cancelled: Rule = None,
        lost: Rule = None,
        platform: Rule = None,
    ) -> None:
        given = {
            FailureKind.USER_CODE: user_code,
            FailureKind.OUT_OF_MEMORY: out_of_memory,
            FailureKind.TIMEOUT: timeout,
            FailureKind.PREEMPTED: preempted,
            FailureKind.IMAGE: image,
            FailureKind.CAPACITY: capacity,
            FailureKind.CONFIG: config,
            FailureKind.CANCELLED: cancelled,
            FailureKind.LOST: lost,
            FailureKind.PLATFORM: platform,
        }
        self.rules = {kind: _rule(kind, value) for kind, value in given.items() if value is not None}

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,  # noqa: ARG002 - the promise's name
        context: Any = None,
    ) -> RetryDecision:
        """Return whether to retry after this failure, and after how long."""
        if not isinstance(exception, JobFailed):
            return RetryDecision.default()
        kind, rule = exception.failure.kind, self.rules.get(exception.failure.kind)
        if rule is None:
            if exception.failure.retryable:
                return RetryDecision.default()
            return RetryDecision.fail(f"{kind.value}: the same job would fail again")
        count = _count(kind, context) or try_number
        if count > rule.retries:
            return RetryDecision.fail(
                f"{kind.value}: failure {count}, and {rule.retries} retries are allowed"
            )
        return RetryDecision.retry(rule.delay, f"{kind.value}: retry {count} of {rule.retries}")

    def serialize(self) -> dict[str, Any]:
        """Return the policy as JSON."""
        return {
            kind.value.lower(): [rule.retries, rule.delay.total_seconds() if rule.delay else None]
            for kind, rule in self.rules.items()
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> JobRetryPolicy:
        """Read what :meth:`serialize` wrote."""
        return cls(
            **{
                name: JobRetry(retries, timedelta(seconds=seconds) if seconds is not None else None)
                for name, (retries, seconds) in data.items()
            }
        )


def _rule(kind: FailureKind, value: Any) -> JobRetry:
    retries, delay = value if isinstance(value, tuple) else (value, None)
    is_count = isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0
    if not is_count or not (delay is None or isinstance(delay, timedelta)):
        raise InvalidArgument(
            kind.value.lower(),
            f"{value!r} is refused",
            remedy="Write a number of retries such as 3, or with a delay (3, timedelta(minutes=10))",
        )
    return JobRetry(retries, delay)


def _count(kind: FailureKind, context: Any) -> int:
    """Return how often the task has failed for this kind, with this failure; 0 where nobody has counted."""
    records = task_state_records(context) if context else None
    record = records.load() if records else None
    return record.failures.get(kind, 0) if record else 0
