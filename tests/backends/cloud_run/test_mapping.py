"""The service's words for states and failures, walked over all of them."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest
from google.cloud.run_v2 import Condition, Execution, Task, TaskAttemptResult
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from airflow_provider_jobs.backends.cloud_run import mapping
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.states import JobState

NAME = "projects/p/locations/europe-west1/jobs/j/executions/j-abcde"
START = pendulum.datetime(2030, 1, 1)
HANDLE = JobHandle(
    ref=BackendRef(backend="cloud_run", conn_id="c"),
    native_id=NAME,
    name="j-abcde",
    size=4,
    submitted_at=START,
)
State, Reason, Common = Condition.State, Condition.ExecutionReason, Condition.CommonReason


def execution(state: State | None = None, *, message: str = "", **fields: Any) -> Execution:
    """Return an execution of four tasks whose "Completed" has a state and a reason."""
    reasons = {name: fields.pop(name) for name in ("reason", "execution_reason") if name in fields}
    completed = Condition(
        type_="Completed", state=state or State.STATE_UNSPECIFIED, message=message, **reasons
    )
    others = fields.pop("others", [])
    return Execution(name=NAME, task_count=4, conditions=[*others, completed], **fields)


def task(index: int = 1, *, said: str = "", status: int = 0, **fields: Any) -> Task:
    """Return a task that has failed."""
    reasons = {name: fields.pop(name) for name in ("reason", "execution_reason") if name in fields}
    attempt = TaskAttemptResult(
        status=Status(code=status, message=said),
        exit_code=fields.pop("exit_code", 0),
        term_signal=fields.pop("term_signal", 0),
    )
    failed = Condition(type_="Completed", state=State.CONDITION_FAILED, **reasons)
    return Task(name=f"{NAME}/tasks/{index}", index=index, conditions=[failed], last_attempt_result=attempt)


class TestStates:
    def test_every_state_of_a_condition_is_in_the_table_and_no_other(self) -> None:
        assert set(mapping.CONDITION_STATES) == set(State)

    def test_every_reason_of_an_execution_is_in_the_table_and_no_other(self) -> None:
        assert set(mapping.EXECUTION_REASONS) == set(Reason)

    def test_every_common_reason_is_in_the_table_and_no_other(self) -> None:
        assert set(mapping.COMMON_REASONS) == set(Common)

    @pytest.mark.parametrize("reason", list(Reason), ids=lambda each: each.name)
    @pytest.mark.parametrize("state", list(State), ids=lambda each: each.name)
    def test_every_state_with_every_reason_is_a_state_of_ours_with_a_word(
        self, state: State, reason: Reason
    ) -> None:
        made = execution(state, execution_reason=reason)
        assert isinstance(mapping.job_state(made), JobState)
        assert state.name in mapping.word(made)

    @pytest.mark.parametrize(
        ("made", "state"),
        [
            (execution(), JobState.SUBMITTED),
            (execution(State.CONDITION_PENDING), JobState.QUEUED),
            (execution(State.CONDITION_RECONCILING), JobState.QUEUED),
            (execution(State.CONDITION_RECONCILING, start_time=START), JobState.STARTING),
            (
                execution(
                    State.CONDITION_RECONCILING,
                    others=[Condition(type_="Started", state=State.CONDITION_SUCCEEDED)],
                ),
                JobState.STARTING,
            ),
            (execution(State.CONDITION_RECONCILING, running_count=1), JobState.RUNNING),
            (execution(State.CONDITION_RECONCILING, succeeded_count=1), JobState.RUNNING),
            (execution(State.CONDITION_RECONCILING, failed_count=1), JobState.RUNNING),
            (execution(State.CONDITION_SUCCEEDED, succeeded_count=4), JobState.SUCCEEDED),
            (execution(State.CONDITION_FAILED, failed_count=1), JobState.FAILED),
            (
                execution(State.CONDITION_FAILED, execution_reason=Reason.NON_ZERO_EXIT_CODE),
                JobState.FAILED,
            ),
            (
                execution(State.CONDITION_RECONCILING, execution_reason=Reason.DELAYED_START_PENDING),
                JobState.QUEUED,
            ),
        ],
    )
    def test_an_execution_is_as_far_as_its_condition_and_counts_say(
        self, made: Execution, state: JobState
    ) -> None:
        assert mapping.job_state(made) is state

    @pytest.mark.parametrize("state", [State.CONDITION_SUCCEEDED, State.CONDITION_FAILED])
    @pytest.mark.parametrize(
        "fields",
        [
            {"execution_reason": Reason.CANCELLED},
            {"execution_reason": Reason.DELETED},
            {"execution_reason": Reason.CANCELLED, "succeeded_count": 4},
            {"cancelled_count": 1, "succeeded_count": 3},
            {"cancelled_count": 4},
        ],
    )
    def test_a_cancelled_execution_is_never_a_success(self, state: State, fields: dict[str, Any]) -> None:
        assert mapping.job_state(execution(state, **fields)) is JobState.CANCELLED

    def test_a_success_with_failed_tasks_is_none(self) -> None:
        made = execution(State.CONDITION_SUCCEEDED, succeeded_count=3, failed_count=1)
        assert mapping.job_state(made) is JobState.FAILED

    def test_tasks_that_were_not_run_after_a_failure_do_not_make_it_a_cancel(self) -> None:
        made = execution(State.CONDITION_FAILED, failed_count=1, cancelled_count=3)
        assert mapping.job_state(made) is JobState.FAILED

    @pytest.mark.parametrize("before", [JobState.QUEUED, JobState.RUNNING])
    def test_an_execution_on_its_way_out_keeps_the_state_it_had(self, before: JobState) -> None:
        made = execution(State.CONDITION_RECONCILING, execution_reason=Reason.CANCELLING, running_count=2)
        told = mapping.job_state(made)
        assert told is not None
        assert before.advance(told) is before
        assert mapping.is_cancelling(made)

    @pytest.mark.parametrize(
        ("counts", "state"),
        [
            ({"succeeded_count": 4}, JobState.SUCCEEDED),
            ({"succeeded_count": 3, "failed_count": 1}, JobState.FAILED),
            ({"succeeded_count": 3}, JobState.CANCELLED),
            ({"succeeded_count": 3, "cancelled_count": 1}, JobState.CANCELLED),
        ],
    )
    def test_an_end_whose_condition_lags_behind_is_told_by_the_counts(
        self, counts: dict[str, int], state: JobState
    ) -> None:
        made = execution(State.CONDITION_RECONCILING, completion_time=START, **counts)
        assert mapping.job_state(made) is state

    def test_an_execution_without_conditions_was_only_just_made(self) -> None:
        assert mapping.job_state(Execution(name=NAME)) is JobState.SUBMITTED

    def test_a_word_of_a_later_service_is_unknown_and_told_as_it_is(self) -> None:
        later = execution(State.CONDITION_PENDING)
        Execution.pb(later).conditions[0].state = 99
        assert mapping.job_state(later) is None
        assert mapping.word(later) == "99"

    def test_a_reason_of_a_later_service_changes_nothing(self) -> None:
        later = execution(State.CONDITION_FAILED)
        Execution.pb(later).conditions[0].execution_reason = 99
        assert mapping.job_state(later) is JobState.FAILED
        assert mapping.word(later) == "CONDITION_FAILED (99)"


class TestTaskFailures:
    @pytest.mark.parametrize("code", [1, 2, 3, 126, 127, 137, 143, 255])
    def test_an_exit_code_is_the_users_code(self, code: int) -> None:
        said = "The container exited with an error."
        failure = mapping.task_failure(task(status=Code.ABORTED, said=said, exit_code=code), HANDLE)
        assert (failure.kind, failure.retryable) == (FailureKind.USER_CODE, True)
        assert (failure.index, failure.exit_code) == (1, code)
        assert failure.message == f"index 1 exited with code {code}"
        assert failure.native_reason == said

    @pytest.mark.parametrize(
        ("said", "kind"),
        [
            ("The configured memory limit was reached.", FailureKind.OUT_OF_MEMORY),
            ("Memory limit of 512 MiB exceeded with 516 MiB used.", FailureKind.OUT_OF_MEMORY),
            ("The configured timeout was reached.", FailureKind.TIMEOUT),
            (
                "Terminating task because it has reached the maximum timeout of 10 seconds.",
                FailureKind.TIMEOUT,
            ),
        ],
    )
    @pytest.mark.parametrize("how", [{}, {"term_signal": 9}, {"exit_code": 1}])
    def test_a_limit_of_the_service_is_told_whatever_became_of_the_process(
        self, said: str, kind: FailureKind, how: dict[str, int]
    ) -> None:
        failure = mapping.task_failure(task(said=said, **how), HANDLE)
        assert (failure.kind, failure.retryable) == (kind, True)
        assert said in failure.message

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (9, "signal 9 (SIGKILL), most often for want of memory"),
            (11, "signal 11 (SIGSEGV)"),
            (99, "signal 99"),
        ],
    )
    def test_a_signal_alone_is_the_users_code_with_its_name(self, number: int, words: str) -> None:
        failure = mapping.task_failure(task(term_signal=number), HANDLE)
        assert (failure.kind, failure.exit_code) == (FailureKind.USER_CODE, None)
        assert failure.message == f"index 1 was ended by {words}"

    @pytest.mark.parametrize(
        ("fields", "kind", "is_retryable"),
        [
            ({"status": Code.DEADLINE_EXCEEDED}, FailureKind.TIMEOUT, True),
            ({"status": Code.CANCELLED}, FailureKind.CANCELLED, True),
            ({"status": Code.PERMISSION_DENIED}, FailureKind.CONFIG, False),
            ({"reason": Common.CONTAINER_MISSING}, FailureKind.IMAGE, False),
            ({"reason": Common.SECRETS_ACCESS_CHECK_FAILED}, FailureKind.CONFIG, False),
            ({"said": "quota exceeded"}, FailureKind.CAPACITY, True),
            ({"said": "Image 'x' not found"}, FailureKind.IMAGE, False),
            ({"said": "something new", "status": Code.INTERNAL}, FailureKind.PLATFORM, True),
            ({}, FailureKind.PLATFORM, True),
        ],
    )
    def test_a_task_that_never_ran_says_why(
        self, fields: dict[str, Any], kind: FailureKind, is_retryable: bool
    ) -> None:
        failure = mapping.task_failure(task(**fields), HANDLE)
        assert (failure.kind, failure.retryable, failure.exit_code) == (kind, is_retryable, None)

    def test_an_array_of_one_needs_no_index_in_its_message(self) -> None:
        single = HANDLE.model_copy(update={"size": 1})
        assert mapping.task_failure(task(0, exit_code=3), single).message == "it exited with code 3"

    def test_the_index_is_the_original_one(self) -> None:
        part = HANDLE.model_copy(update={"size": 2, "indexes": (5, 8)})
        assert mapping.task_failure(task(1, exit_code=3), part).index == 8

    def test_a_task_that_was_cancelled_with_all_others_did_not_fail_by_itself(self) -> None:
        assert not mapping.has_failed(task(execution_reason=Reason.CANCELLED))
        assert mapping.has_failed(task(execution_reason=Reason.NON_ZERO_EXIT_CODE))


class TestJobFailures:
    @pytest.mark.parametrize("reason", list(Common), ids=lambda each: each.name)
    def test_every_reason_has_its_kind(self, reason: Common) -> None:
        failure = mapping.job_failure(execution(State.CONDITION_FAILED, reason=reason), HANDLE)
        assert failure.kind is mapping.COMMON_REASONS[reason]
        assert failure.index is None

    def test_the_message_tells_where_the_reason_does_not(self) -> None:
        made = execution(State.CONDITION_FAILED, reason=Common.UNKNOWN, message="not enough CPU there")
        failure = mapping.job_failure(made, HANDLE)
        assert (failure.kind, failure.native_reason) == (FailureKind.CAPACITY, "not enough CPU there")

    def test_a_service_that_says_nothing_is_told_so(self) -> None:
        failure = mapping.job_failure(execution(State.CONDITION_FAILED), HANDLE)
        assert failure.message == "the job failed: the service gives no reason"


class TestCounts:
    def test_a_running_execution_counts_by_state(self) -> None:
        made = execution(State.CONDITION_RECONCILING, succeeded_count=2, running_count=1)
        counts = mapping.counts(made, 4)
        assert (counts.succeeded, counts.running, counts.failed) == (2, 1, 0)

    def test_once_failed_whatever_did_not_succeed_has_failed(self) -> None:
        made = execution(State.CONDITION_FAILED, succeeded_count=1, failed_count=1, cancelled_count=1)
        assert mapping.counts(made, 4).failed == 3

    def test_what_was_cancelled_did_not_succeed(self) -> None:
        made = execution(State.CONDITION_FAILED, execution_reason=Reason.CANCELLED, cancelled_count=3)
        assert mapping.counts(made, 4).failed == 3


def test_console_links_lead_to_the_execution_and_its_logs() -> None:
    base = "https://console.cloud.google.com/run/jobs/executions/details/europe-west1/j-abcde"
    assert mapping.console_url(NAME) == f"{base}/tasks?project=p"
    assert mapping.console_url(NAME, tab="logs") == f"{base}/logs?project=p"
