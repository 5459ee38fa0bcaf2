"""A task retries as often as its policy says for the cause of the failure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction, RetryDecision

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.engine.records import SubmissionRecord
from airflow_provider_jobs.exceptions import JobFailed
from airflow_provider_jobs.operators import JobRetry, JobRetryPolicy
from airflow_provider_jobs.operators.records import TaskStateRecords
from tests.operators.fake_service import StateStore


def failed(kind: FailureKind, *, retryable: bool = True) -> JobFailed:
    return JobFailed("it failed", Failure(kind=kind, retryable=retryable, message="it failed"))


def context(**failures: int) -> dict[str, Any]:
    """A task whose record has counted these failures, with the one that is judged."""
    store = StateStore()
    record = SubmissionRecord(
        key=JobKey(dag_id="d", run_id="r", task_id="t"),
        generation=5,
        failures={FailureKind(kind.upper()): count for kind, count in failures.items()},
    )
    TaskStateRecords(store).save(record)
    return {"task_state_store": store}


def decide(
    policy: JobRetryPolicy, error: BaseException, told: Any = None, *, number: int = 1
) -> RetryDecision:
    return policy.evaluate(error, try_number=number, max_tries=9, context=told)


POLICY = JobRetryPolicy(platform=5, user_code=1, out_of_memory=0, capacity=(2, timedelta(minutes=10)))


@pytest.mark.parametrize(
    ("kind", "failures", "action"),
    [
        (FailureKind.PLATFORM, {"platform": 5}, RetryAction.RETRY),
        (FailureKind.PLATFORM, {"platform": 6}, RetryAction.FAIL),
        (FailureKind.USER_CODE, {"user_code": 1, "platform": 4}, RetryAction.RETRY),
        (FailureKind.USER_CODE, {"user_code": 2}, RetryAction.FAIL),
        (FailureKind.OUT_OF_MEMORY, {"out_of_memory": 1}, RetryAction.FAIL),
    ],
)
def test_failures_are_counted_by_cause(
    kind: FailureKind, failures: dict[str, int], action: RetryAction
) -> None:
    decision = decide(POLICY, failed(kind), context(**failures), number=8)
    assert decision.action is action
    assert kind.value in (decision.reason or "")


def test_a_delay_is_the_causes_own() -> None:
    decision = decide(POLICY, failed(FailureKind.CAPACITY), context(capacity=1))
    assert decision.retry_delay == timedelta(minutes=10)
    assert decide(POLICY, failed(FailureKind.PLATFORM), context(platform=1)).retry_delay is None


def test_where_nobody_counts_the_tries_count() -> None:
    assert decide(POLICY, failed(FailureKind.USER_CODE), number=1).action is RetryAction.RETRY
    assert decide(POLICY, failed(FailureKind.USER_CODE), number=2).action is RetryAction.FAIL


def test_a_cause_that_is_not_given_is_left_to_the_task_or_fails_at_once() -> None:
    assert decide(POLICY, failed(FailureKind.LOST)).action is RetryAction.DEFAULT
    assert decide(POLICY, failed(FailureKind.IMAGE, retryable=False)).action is RetryAction.FAIL


def test_a_cause_that_would_fail_at_once_can_be_retried() -> None:
    policy = JobRetryPolicy(image=2)
    error = failed(FailureKind.IMAGE, retryable=False)
    assert decide(policy, error, context(image=1)).action is RetryAction.RETRY


def test_what_is_no_failure_of_a_job_is_left_to_the_task() -> None:
    assert decide(POLICY, ValueError("a bug")).action is RetryAction.DEFAULT


@pytest.mark.parametrize("value", [-1, 1.5, True, "3", (3, 60), (None, timedelta(0))])
def test_a_rule_that_cannot_be_meant_is_refused_with_its_name(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="platform"):
        JobRetryPolicy(platform=value)


def test_an_unknown_cause_is_refused() -> None:
    with pytest.raises(TypeError, match="sunspots"):
        JobRetryPolicy(sunspots=3)  # type: ignore[call-arg]


def test_a_policy_survives_json() -> None:
    assert JobRetryPolicy.deserialize(POLICY.serialize()).rules == POLICY.rules
    assert POLICY.rules[FailureKind.CAPACITY] == JobRetry(2, timedelta(minutes=10))
