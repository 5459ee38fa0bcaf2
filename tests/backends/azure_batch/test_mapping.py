"""The service's words by tables that walk the vendor's own lists, and what many tasks add up to."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest
from azure.batch.models import (
    BatchJob,
    BatchJobState,
    BatchNodeState,
    BatchTask,
    BatchTaskExecutionResult,
    BatchTaskState,
)

from airflow_provider_jobs.backends.azure_batch import mapping
from airflow_provider_jobs.backends.azure_batch.explain import NODE_STATES
from airflow_provider_jobs.backends.azure_batch.failures import JOB_CODES, TASK_CODES
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport
from airflow_provider_jobs.core.states import JobState

Kind = FailureKind
AT = pendulum.datetime(2026, 11, 20, 12)


def handle(size: int = 1, *, native_id: str = "j", indexes: tuple[int, ...] | None = None) -> JobHandle:
    """Return the handle of a submission."""
    ref = BackendRef(backend="azure_batch", conn_id="c")
    return JobHandle(ref=ref, native_id=native_id, name="j", size=size, indexes=indexes, submitted_at=AT)


def task(index: int | str, state: str = "completed", **ran: Any) -> BatchTask:
    """Return a task as a list has it."""
    constraints = ran.pop("constraints", None)
    info = {"retryCount": 0, "requeueCount": 0, **ran}
    made = {"id": str(index), "state": state, "executionInfo": info}
    return BatchTask({**made, **({"constraints": constraints} if constraints else {})})


def failed(index: int | str, code: str = "FailureExitCode", message: str = "m", **ran: Any) -> BatchTask:
    """Return a task that completed without success."""
    details = [{"name": name, "value": value} for name, value in ran.pop("details", {}).items()]
    category = ran.pop("category", "UserError")
    info = {"code": code, "message": message, "category": category, "details": details}
    return task(index, result="failure", failureInfo=info, **ran)


def succeeded(index: int | str) -> BatchTask:
    """Return a task that completed with success."""
    return task(index, result="success", exitCode=0)


def job(state: str = "active", **ran: Any) -> BatchJob:
    """Return a job."""
    return BatchJob(
        {"id": "j", "state": state, "executionInfo": {"startTime": "2026-11-20T12:00:00Z", **ran}}
    )


def report(tasks: list[BatchTask], size: int | None = None, made: BatchJob | None = None) -> JobReport:
    """Return the report of tasks and their job."""
    of = handle(len(tasks) if size is None else size)
    return mapping.report(of, mapping.tally(tasks, of), made)


class TestTables:
    def test_every_state_of_a_task_is_known(self) -> None:
        assert {state.value for state in BatchTaskState} == {*mapping.TASK_STATES, mapping.COMPLETED}

    def test_every_result_of_a_task_is_known(self) -> None:
        assert {result.value for result in BatchTaskExecutionResult} == set(mapping.RESULTS)

    def test_every_state_of_a_job_is_known(self) -> None:
        assert {state.value for state in BatchJobState} == set(mapping.JOB_STATES)

    def test_every_state_of_a_node_is_known(self) -> None:
        assert {state.value for state in BatchNodeState} == set(NODE_STATES)

    @pytest.mark.parametrize("state", BatchTaskState, ids=lambda state: state.value)
    def test_a_word_is_the_same_in_any_case(self, state: BatchTaskState) -> None:
        written = task(0, state.value.capitalize(), result="Success")
        assert mapping.task_state(written) is mapping.task_state(task(0, state.value, result="success"))
        assert mapping.task_state(written) is not None


class TestStates:
    @pytest.mark.parametrize(
        ("states", "expected"),
        [
            (["active", "active"], JobState.QUEUED),
            (["preparing", "active"], JobState.STARTING),
            (["running", "preparing"], JobState.RUNNING),
        ],
    )
    def test_tasks_add_up_to_the_furthest(self, states: list[str], expected: JobState) -> None:
        told = report([task(index, state) for index, state in enumerate(states)], made=job())
        assert told.state is expected
        assert told.native_state == states[0]

    def test_a_task_that_has_ended_beside_one_that_waits_is_a_job_that_runs(self) -> None:
        told = report([succeeded(0), task(1, "active")], made=job())
        assert told.state is JobState.RUNNING
        assert told.array is not None
        assert (told.array.succeeded, told.array.failed) == (1, 0)

    def test_all_succeeded_is_a_success_whatever_the_job_says(self) -> None:
        for made in (None, job("terminating"), job("completed", terminateReason="killed in Airflow")):
            assert report([succeeded(0), succeeded(1)], made=made).state is JobState.SUCCEEDED

    def test_an_unknown_word_leaves_the_last_state(self) -> None:
        told = report([task(0, "hibernating")], made=job())
        assert (told.state, told.native_state, told.found) == (None, "hibernating", True)

    def test_a_task_that_completed_without_a_result_goes_by_its_exit_code(self) -> None:
        assert mapping.task_state(task(0, exitCode=0)) is JobState.SUCCEEDED
        assert mapping.task_state(task(0, exitCode=1)) is JobState.FAILED
        assert mapping.task_state(task(0)) is JobState.FAILED

    @pytest.mark.parametrize("state", ["terminating", "deleting"])
    def test_a_job_on_its_way_out_is_being_cancelled(self, state: str) -> None:
        told = report([task(0, "running")], made=job(state))
        assert (told.state, told.cancelling, told.native_state) == (JobState.RUNNING, True, state)

    def test_a_disabled_job_says_so(self) -> None:
        told = report([task(0, "active")], made=job("disabled"))
        assert (told.state, told.detail) == (JobState.QUEUED, "the job is disabled")

    def test_a_task_that_went_back_into_the_queue_says_so(self) -> None:
        told = report([task(0, "active", requeueCount=2)], made=job())
        assert told.detail is not None
        assert "put back into the queue 2 times" in told.detail

    def test_times_are_those_of_the_first_and_the_last_task(self) -> None:
        def ran(index: int, minute: int) -> BatchTask:
            times = {
                "startTime": f"2026-11-20T12:{minute:02}:00Z",
                "endTime": f"2026-11-20T12:{minute + 5:02}:00Z",
            }
            return task(index, result="success", **times)

        told = report([ran(0, 10), ran(1, 3)])
        assert (told.started_at, told.ended_at) == (AT.add(minutes=3), AT.add(minutes=15))


class TestEndings:
    def test_a_task_that_fails_fails_the_job_with_its_index(self) -> None:
        told = report([succeeded(0), failed(1, exitCode=3), succeeded(2)])
        assert told.state is JobState.FAILED
        assert told.array is not None
        assert told.array.failed_indexes == (1,)
        (failure,) = told.failures
        assert (failure.kind, failure.index, failure.exit_code) == (Kind.USER_CODE, 1, 3)
        assert failure.message == "index 1 exited with code 3"

    def test_a_task_that_was_ended_makes_the_job_cancelled_and_never_a_success(self) -> None:
        told = report([succeeded(0), failed(1, "TaskEnded"), failed(2, exitCode=4)], made=job())
        assert told.state is JobState.CANCELLED
        assert [failure.kind for failure in told.failures] == [Kind.CANCELLED, Kind.USER_CODE]

    def test_a_job_that_was_ended_leaves_tasks_that_will_never_run(self) -> None:
        made = job("completed", terminateReason="killed in Airflow", endTime="2026-11-20T12:30:00Z")
        told = report([succeeded(0), task(1, "active"), task(2, "active")], made=made)
        assert told.state is JobState.CANCELLED
        assert told.array is not None
        assert (told.array.failed, told.array.failed_indexes) == (2, (1, 2))
        assert "killed in Airflow" in told.failures[0].message

    @pytest.mark.parametrize(
        ("reason", "kind"),
        [
            ("TaskFailed", Kind.USER_CODE),
            ("MaxWallClockTimeExpiry", Kind.TIMEOUT),
            ("TerminateJobSchedule", Kind.CANCELLED),
        ],
    )
    def test_a_job_that_the_service_ended_has_failed(self, reason: str, kind: FailureKind) -> None:
        for tasks in ([task(0, "active")], [failed(0, "TaskEnded")]):
            told = report(tasks, made=job("completed", terminateReason=reason))
            assert told.state is JobState.FAILED
            assert [failure.kind for failure in told.failures] == [kind]

    def test_the_task_that_ended_its_job_is_the_failure(self) -> None:
        tasks = [failed(0, exitCode=9), failed(1, "TaskEnded"), task(2, "active")]
        told = report(tasks, made=job("completed", terminateReason="TaskFailed"))
        assert told.state is JobState.FAILED
        assert [(failure.kind, failure.index) for failure in told.failures] == [(Kind.USER_CODE, 0)]

    def test_a_list_that_lags_behind_a_job_that_ended_by_itself_is_waited_for(self) -> None:
        told = report([task(0, "running")], made=job("completed", terminateReason="AllTasksComplete"))
        assert told.state is JobState.RUNNING

    def test_tasks_that_somebody_deleted_make_the_submission_unknown(self) -> None:
        ended = job("completed", terminateReason="AllTasksComplete")
        for made in (job(), ended):
            assert not report([succeeded(0)], size=2, made=made).found
        assert report([succeeded(0), task(1, "active")], size=3, made=job()).found

    def test_very_many_failures_are_told_in_part_and_counted_in_full(self) -> None:
        told = report([failed(index, exitCode=1) for index in range(40)])
        assert len(told.failures) == mapping.MAX_DETAILED_FAILURES
        assert told.array is not None
        assert told.array.failed == 40


class TestIndexes:
    def test_tasks_of_a_shared_job_are_told_from_those_of_others(self) -> None:
        of = handle(2, native_id="shared/mine", indexes=(3, 7))
        tasks = [failed("mine-7", exitCode=1), succeeded("mine-3"), failed("mine-x-7"), failed("other-3")]
        told = mapping.report(of, mapping.tally(tasks, of), job())
        assert told.array is not None
        assert (told.array.succeeded, told.array.failed_indexes) == (1, (7,))

    def test_a_part_of_an_array_has_its_original_indexes(self) -> None:
        of = handle(2, indexes=(3, 7))
        told = mapping.report(of, mapping.tally([succeeded(3), failed(7, exitCode=2)], of), job())
        assert told.array is not None
        assert told.array.failed_indexes == (7,)
        assert told.failures[0].index == 7


WALL_CLOCK = {"Message": "The maximum execution time configured on the task was exceeded"}


class TestFailures:
    @pytest.mark.parametrize("code", TASK_CODES)
    def test_every_code_of_a_task_has_its_kind(self, code: str) -> None:
        (failure,) = report([failed(0, code, exitCode=1)], made=job()).failures
        assert failure.kind is TASK_CODES[code]
        assert failure.retryable is (failure.kind not in (Kind.CONFIG, Kind.IMAGE))

    @pytest.mark.parametrize("code", JOB_CODES)
    def test_every_code_of_a_job_that_could_not_start_has_its_kind(self, code: str) -> None:
        error = {"code": code, "message": "m", "category": "UserError"}
        told = report([task(0, "active")], made=job("completed", schedulingError=error))
        assert told.state is JobState.FAILED
        assert told.failures[0].kind in (JOB_CODES[code], Kind.CONFIG)
        assert code in (told.failures[0].native_reason or "")

    @pytest.mark.parametrize(
        ("ran", "kind"),
        [
            ({"code": "TaskEnded", "details": WALL_CLOCK, "exitCode": 137}, Kind.TIMEOUT),
            (
                {
                    "code": "TaskEnded",
                    "constraints": {"maxWallClockTime": "PT1M"},
                    "startTime": "2026-11-20T12:00:00Z",
                    "endTime": "2026-11-20T12:01:00Z",
                },
                Kind.TIMEOUT,
            ),
            (
                {
                    "code": "TaskEnded",
                    "constraints": {"maxWallClockTime": "PT1H"},
                    "startTime": "2026-11-20T12:00:00Z",
                    "endTime": "2026-11-20T12:01:00Z",
                },
                Kind.CANCELLED,
            ),
            ({"exitCode": 137}, Kind.USER_CODE),
            ({"exitCode": 137, "containerInfo": {"error": "OOMKilled"}}, Kind.OUT_OF_MEMORY),
            ({"code": "New", "message": "Error response: pull access denied for x"}, Kind.IMAGE),
            ({"code": "New", "message": "One or more container images specified are invalid"}, Kind.IMAGE),
            ({"code": "New", "message": "the node was preempted"}, Kind.PREEMPTED),
            ({"code": "New", "category": "ServerError"}, Kind.PLATFORM),
            ({"code": "New", "exitCode": 2}, Kind.USER_CODE),
            ({"code": "New"}, Kind.CONFIG),
        ],
    )
    def test_words_tell_what_the_code_does_not(self, ran: dict[str, Any], kind: FailureKind) -> None:
        (failure,) = report([failed(0, **ran)], made=job()).failures
        assert failure.kind is kind

    def test_a_kill_is_no_proof_that_memory_ran_out_but_a_hint(self) -> None:
        (failure,) = report([failed(0, exitCode=137)]).failures
        assert "most often for want of memory" in failure.message

    def test_details_are_told_without_signatures(self) -> None:
        source = {"BlobSource": "https://a.blob.core.windows.net/c/f?sv=1&sig=geheim", "FilePath": "f"}
        (failure,) = report([failed(0, "BlobNotFound", details=source)]).failures
        assert "https://a.blob.core.windows.net/c/f?..." in failure.message
        assert "FilePath: f" in failure.message
        assert "geheim" not in str(failure)

    def test_an_exit_code_belongs_to_the_users_own_command(self) -> None:
        (failure,) = report([failed(0, "TaskEnded", details=WALL_CLOCK, exitCode=137)]).failures
        assert failure.exit_code is None
        assert "max_run_seconds" in failure.message
