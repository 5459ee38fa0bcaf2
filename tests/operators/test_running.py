"""What a task makes of refusals, kills, preemptions and failed indexes, on a service in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.sdk import DAG, ExceptionRetryPolicy

from airflow_provider_jobs.core.errors import (
    AccessDenied,
    InvalidArgument,
    InvalidRequest,
    JobsError,
    NoCapacity,
)
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.clock import utc_now
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.exceptions import (
    JobCancelled,
    JobCapacityError,
    JobConfigError,
    JobFailed,
    JobPreempted,
    JobUserCodeError,
)
from tests.contract.fake import FakeBackend
from tests.operators.fake_service import FakeJobOperator, Task, fake_service

DONE = '::airflow::{"outputs": {"is": "done"}}'


@pytest.fixture
def fake() -> Iterator[FakeBackend]:
    with fake_service() as service:
        yield service


@pytest.fixture(params=[True, False], ids=["with a record", "without a record"])
def task(request: pytest.FixtureRequest) -> Task:
    return Task(has_record=request.param)


def script(*failing: int, states: Sequence[str] = ("SUCCEEDED",), **values: Any) -> dict[str, Any]:
    return {"states": list(states), "exit_codes": {str(index): 1 for index in failing}, **values}


def preempt(fake: FakeBackend, times: int) -> None:
    """Let the machines of the next jobs be taken away as soon as they are submitted."""
    left = [times]
    failure = Failure(kind=FailureKind.PREEMPTED, retryable=True, message="spot VM was reclaimed")

    def strike(method: str) -> None:
        newest = list(fake.jobs.values())[-1:]
        if method == "describe" and left[0] and newest and not newest[0].failures:
            left[0] -= 1
            fake.move(newest[0].handle, JobState.FAILED, failures=[failure])

    fake.before = strike


class TestRefusals:
    @pytest.mark.parametrize(
        ("error", "expected", "at_once"),
        [
            (InvalidRequest("no such machine type", native_code="INVALID_ARGUMENT"), JobConfigError, True),
            (AccessDenied("no batch.jobs.create"), JobConfigError, True),
            (InvalidArgument("image", "it is no image"), JobConfigError, True),
            (NoCapacity("CPUS quota is used up"), JobCapacityError, False),
        ],
    )
    def test_a_refused_submission_says_why_and_fails_at_once_where_a_retry_would_not_help(
        self, fake: FakeBackend, error: JobsError, expected: type[JobFailed], at_once: bool
    ) -> None:
        fake.refuse("submit", error)
        with pytest.raises(expected, match=str(error).partition(":")[0]) as raised:
            Task().run(FakeJobOperator())
        assert isinstance(raised.value, AirflowFailException) is at_once
        assert raised.value.__cause__ is error
        assert raised.value.job_id is None

    def test_a_retry_policy_is_asked_about_a_refusal_too(self, fake: FakeBackend) -> None:
        fake.refuse("submit", AccessDenied("no batch.jobs.create"))
        operator = FakeJobOperator(retry_policy=ExceptionRetryPolicy(rules=[]))
        with pytest.raises(JobConfigError) as raised:
            Task().run(operator)
        assert not isinstance(raised.value, AirflowFailException)

    def test_a_failure_names_its_job(self, fake: FakeBackend) -> None:
        with pytest.raises(JobUserCodeError) as raised:
            Task().run(FakeJobOperator(script_of_states=script(0)))
        assert raised.value.job_id in fake.jobs


class TestKills:
    def test_a_kill_before_the_job_is_sent_sends_nothing(self, fake: FakeBackend) -> None:
        operator = FakeJobOperator(deferrable=True)
        fake.before = lambda method: operator.on_kill() if method == "find" else None
        with pytest.raises(JobCancelled):
            Task(has_record=False).run(operator)
        assert not fake.jobs

    def test_a_kill_while_the_job_is_sent_cancels_it(self, fake: FakeBackend) -> None:
        operator = FakeJobOperator(deferrable=True, script_of_states=script(states=("RUNNING",)))
        fake.before = lambda method: operator.on_kill() if method == "submit" else None
        with pytest.raises(JobCancelled):
            Task().run(operator)
        assert [job.state for job in fake.jobs.values()] == [JobState.CANCELLED]

    def test_on_kill_leave_keeps_what_was_sent(self, fake: FakeBackend) -> None:
        operator = FakeJobOperator(
            deferrable=True, on_kill="leave", script_of_states=script(states=("RUNNING",))
        )
        fake.before = lambda method: operator.on_kill() if method == "submit" else None
        with pytest.raises(JobCancelled):
            Task().run(operator)
        assert fake.cancelled == []

    def test_a_task_that_is_not_killed_defers(self, fake: FakeBackend) -> None:
        with DAG("d", schedule=None):
            operator = FakeJobOperator(deferrable=True)
        with pytest.raises(TaskDeferred):
            Task().run(operator)


class TestPreemptions:
    def test_a_preempted_job_is_submitted_again_within_the_try(self, fake: FakeBackend, task: Task) -> None:
        preempt(fake, times=2)
        task.run(FakeJobOperator(preemption_retries=2, script_of_states=script()))
        assert (task.tries, task.job["attempts"], task.job["state"]) == (1, 3, "SUCCEEDED")
        assert len(fake.jobs) == 3

    def test_one_preemption_too_many_fails_the_try(self, fake: FakeBackend, task: Task) -> None:
        preempt(fake, times=3)
        with pytest.raises(JobPreempted):
            task.run(FakeJobOperator(preemption_retries=2, script_of_states=script()))
        assert len(fake.jobs) == 3

    def test_each_try_has_preemption_retries_of_its_own(self, fake: FakeBackend, task: Task) -> None:
        operator = FakeJobOperator(preemption_retries=1, script_of_states=script())
        preempt(fake, times=3)
        with pytest.raises(JobPreempted):
            task.run(operator)
        task.run(operator)
        assert task.job["attempts"] == 4

    def test_an_error_of_the_command_is_no_preemption(self, fake: FakeBackend) -> None:
        with pytest.raises(JobUserCodeError):
            Task().run(FakeJobOperator(preemption_retries=5, script_of_states=script(0)))
        assert len(fake.jobs) == 1

    @pytest.mark.parametrize("value", [-1, 1.5, "3", True])
    def test_a_number_of_preemptions_that_cannot_be_meant_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidArgument, match="preemption_retries"):
            FakeJobOperator(preemption_retries=value)


class TestFailedIndexes:
    def test_a_retry_runs_the_failed_indexes_alone_and_the_result_is_whole(
        self, fake: FakeBackend, task: Task
    ) -> None:
        operator = FakeJobOperator(array_size=5, script_of_states=script(1, 3, lines=[DONE]))
        with pytest.raises(JobUserCodeError):
            task.run(operator)
        assert task.job["array"] == {"size": 5, "succeeded": 3, "failed": 2, "failed_indexes": "1,3"}
        fake.before = lambda method: _mend(fake) if method == "describe" else None
        result = task.run(operator)
        assert list(fake.jobs.values())[-1].handle.indexes == (1, 3)
        assert result == {str(index): {"is": "done"} for index in range(5)}
        assert task.job["array"] == {"size": 5, "succeeded": 5, "failed": 0, "failed_indexes": ""}
        assert task.job["attempts"] == 2

    def test_fail_when_looks_at_the_whole_array_and_not_at_its_last_part(
        self, fake: FakeBackend, task: Task
    ) -> None:
        operator = FakeJobOperator(array_size=5, script_of_states=script(1, 3), fail_when=0.3)
        with pytest.raises(JobUserCodeError):
            task.run(operator)
        fake.before = lambda method: _mend(fake, but=3) if method == "describe" else None
        task.run(operator)
        assert task.job["array"] == {"size": 5, "succeeded": 4, "failed": 1, "failed_indexes": "3"}

    def test_retry_failed_only_can_be_switched_off(self, fake: FakeBackend, task: Task) -> None:
        operator = FakeJobOperator(array_size=5, script_of_states=script(1), retry_failed_only=False)
        for _ in range(2):
            with pytest.raises(JobUserCodeError):
                task.run(operator)
        assert [job.handle.indexes for job in fake.jobs.values()] == [None, None]


def _mend(fake: FakeBackend, *, but: int | None = None) -> None:
    """Let what is submitted now succeed, but for one index."""
    job = list(fake.jobs.values())[-1]
    if job.handle.indexes is not None:
        codes = {but: 1} if but is not None else {}
        job.script = job.script.model_copy(update={"exit_codes": codes})


@pytest.mark.parametrize(("map_index", "reason"), [(3, "mapped tasks"), (None, "the result of another task")])
def test_a_task_that_could_not_begin_in_the_triggerer_says_why(
    fake: FakeBackend, capfd: pytest.CaptureFixture[str], map_index: int | None, reason: str
) -> None:
    task = Task()
    with DAG("d", schedule=None):
        operator = FakeJobOperator(submit_from="triggerer", deferrable=True, script_of_states=script())
    with pytest.raises(TaskDeferred):
        task.run(operator, map_index=map_index)
    told = capfd.readouterr().out
    assert told.count("does not hold here") == 1
    assert reason in told


def test_a_worker_that_was_slow_has_the_next_one_woken_later(fake: FakeBackend) -> None:
    before = utc_now()
    with DAG("d", schedule=None):
        operator = FakeJobOperator(deferrable=True)
    with pytest.raises(TaskDeferred) as deferral:
        Task().run(operator, began=before.subtract(seconds=12))
    plan = WaitPlan.from_json(deferral.value.trigger.plan)  # type: ignore[attr-defined]
    assert plan.wakes_from is not None
    assert plan.wakes_from >= before.add(seconds=5 + 12)
