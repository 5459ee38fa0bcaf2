"""A failed job raises what it died of, with everything a person needs at night."""

from __future__ import annotations

import pickle

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_jobs import exceptions
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, BackendRef, JobHandle, JobOutcome
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.verdict import is_success, with_failure
from airflow_provider_jobs.exceptions import JobFailed, job_exception

HANDLE = JobHandle(
    ref=BackendRef(backend="gcp_batch", conn_id="c"),
    native_id="projects/p/locations/r/jobs/j",
    name="j",
    size=8,
    submitted_at=pendulum.datetime(2030, 1, 1),
    console_url="https://console.example/j",
)


def outcome(*failures: Failure, state: JobState = JobState.FAILED, **values: object) -> JobOutcome:
    array = ArrayCounts(size=8, succeeded=7, failed=1, failed_indexes=(5,))
    return JobOutcome(handle=HANDLE, state=state, array=array, failures=failures, **values)  # type: ignore[arg-type]


def failure(kind: FailureKind, *, retryable: bool = True) -> Failure:
    return Failure(
        kind=kind,
        retryable=retryable,
        message="index 5 exited with code 3",
        index=5,
        exit_code=3,
        native_reason="Task state is updated from RUNNING to FAILED",
        log_tail=("almost there", "it broke"),
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FailureKind.USER_CODE, "JobUserCodeError"),
        (FailureKind.OUT_OF_MEMORY, "JobOutOfMemory"),
        (FailureKind.TIMEOUT, "JobTimedOut"),
        (FailureKind.PREEMPTED, "JobPreempted"),
        (FailureKind.IMAGE, "JobImageError"),
        (FailureKind.CAPACITY, "JobCapacityError"),
        (FailureKind.CONFIG, "JobConfigError"),
        (FailureKind.CANCELLED, "JobCancelled"),
        (FailureKind.LOST, "JobLost"),
        (FailureKind.PLATFORM, "JobPlatformError"),
    ],
)
def test_each_kind_has_its_exception(kind: FailureKind, name: str) -> None:
    error = job_exception(outcome(failure(kind)), may_fail_at_once=True)
    assert type(error) is getattr(exceptions, name)
    assert isinstance(error, JobFailed)
    assert isinstance(error, AirflowException)


def test_every_kind_is_covered() -> None:
    assert set(exceptions._BY_KIND) == set(FailureKind)


def test_the_message_names_index_exit_code_reason_last_lines_and_console() -> None:
    text = str(job_exception(outcome(failure(FailureKind.USER_CODE)), may_fail_at_once=True))
    for part in (
        "index 5",
        "code 3",
        "RUNNING to FAILED",
        "almost there",
        "it broke",
        "https://console.example/j",
    ):
        assert part in text
    assert "1 of 8 indexes failed: 5" in text


def test_a_failure_that_a_retry_cannot_mend_fails_at_once_and_is_still_caught_by_its_name() -> None:
    error = job_exception(outcome(failure(FailureKind.IMAGE, retryable=False)), may_fail_at_once=True)
    assert isinstance(error, AirflowFailException)
    assert isinstance(error, exceptions.JobImageError)


def test_a_retry_policy_is_asked_about_such_a_failure_too() -> None:
    error = job_exception(outcome(failure(FailureKind.IMAGE, retryable=False)), may_fail_at_once=False)
    assert not isinstance(error, AirflowFailException)


def test_an_exception_keeps_its_failure_when_pickled() -> None:
    error = job_exception(outcome(failure(FailureKind.USER_CODE)), may_fail_at_once=True)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.failure) == (type(error), str(error), error.failure)


@pytest.mark.parametrize(
    ("state", "cancelled_for", "name"),
    [
        (JobState.CANCELLED, None, "JobCancelled"),
        (JobState.CANCELLED, "execution_timeout", "JobTimedOut"),
        (JobState.CANCELLED, "queue_timeout", "JobQueueTimeout"),
        (JobState.RUNNING, "execution_timeout", "JobTimedOut"),
        (JobState.SUCCEEDED, "execution_timeout", "JobTimedOut"),
        (JobState.LOST, None, "JobLost"),
        (JobState.FAILED, None, "JobPlatformError"),
    ],
)
def test_an_end_without_a_reason_of_the_service_still_has_its_exception(
    state: JobState, cancelled_for: str | None, name: str
) -> None:
    ended = outcome(state=state, cancelled_for=cancelled_for)
    assert not is_success(ended)
    assert type(job_exception(with_failure(ended), may_fail_at_once=True)).__name__ == name
