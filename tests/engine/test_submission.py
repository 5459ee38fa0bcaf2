"""One task instance, one job: what is found, what is taken over, what is submitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from airflow_provider_jobs.core.errors import AmbiguousError, InvalidRequest, UnavailableError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.submission import Claim, Submission, SubmissionRecord, Submitter
from tests.contract.fake import FakeBackend

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
FIRST = Claim(key=KEY, try_number=1, generation=2)
RETRY = replace(FIRST, try_number=2)
CLEARED = replace(FIRST, try_number=2, generation=3)
SPEC = JobSpec(image="busybox", command=("true",))
OTHER_SPEC = JobSpec(image="busybox", command=("false",))


@dataclass
class Store:
    """A record that outlives everything in these tests."""

    record: SubmissionRecord | None = None

    def load(self) -> SubmissionRecord | None:
        return None if self.record is None else SubmissionRecord.from_json(self.record.to_json())

    def save(self, record: SubmissionRecord) -> None:
        self.record = record

    def end(self) -> None:
        assert self.record
        self.record = self.record.model_copy(update={"phase": "ended"})


def submit(fake: FakeBackend, store: Store | None, claim: Claim = FIRST, spec: JobSpec = SPEC) -> Submission:
    return Submitter(fake, store, sleep=lambda seconds: None).submit_once(spec, claim)


def running(fake: FakeBackend, submission: Submission) -> None:
    fake.play(submission.handle, JobState.RUNNING)


def test_the_intent_is_kept_before_the_service_is_asked_to_submit() -> None:
    fake, store = FakeBackend(), Store()
    phases: list[str | None] = []
    fake.before = lambda method: (
        phases.append(store.record.phase if store.record else None) if method == "submit" else None
    )
    submit(fake, store)
    assert phases == ["intent"]
    assert store.record
    assert store.record.phase == "submitted"


def test_the_same_claim_twice_is_one_job() -> None:
    fake, store = FakeBackend(), Store()
    first, second = submit(fake, store), submit(fake, store)
    assert first.handle == second.handle
    assert second.adopted
    assert len(fake.jobs) == 1


def test_two_processes_that_run_the_same_try_submit_one_job() -> None:
    fake, store = FakeBackend(), Store()
    other: list[Submission] = []

    def meanwhile(method: str) -> None:
        if method == "find" and not other:
            fake.before = lambda method: None
            other.append(submit(fake, store))

    fake.before = meanwhile
    mine = submit(fake, store)
    assert mine.handle == other[0].handle
    assert len(fake.jobs) == 1
    assert fake.cancelled == []


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
def test_a_retry_takes_over_a_job_that_runs_or_has_succeeded(state: JobState) -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    fake.move(first.handle, state)
    second = submit(fake, store, RETRY)
    assert second.handle == first.handle
    assert second.adopted


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_retry_submits_a_new_job_after_one_that_has_failed(state: JobState) -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    fake.move(first.handle, state)
    second = submit(fake, store, RETRY)
    assert second.handle.name != first.handle.name
    assert (second.attempt, second.adopted) == (2, False)


def test_a_retry_after_a_reported_failure_submits_a_new_job() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    fake.move(first.handle, JobState.SUCCEEDED)
    store.end()
    assert submit(fake, store, RETRY).attempt == 2


def test_a_retry_after_a_reported_failure_whose_job_is_gone_submits_a_new_job() -> None:
    fake, store = FakeBackend(), Store()
    fake.forget(submit(fake, store).handle)
    store.end()
    assert submit(fake, store, RETRY).attempt == 2


def test_a_cleared_success_runs_again() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    fake.move(first.handle, JobState.SUCCEEDED)
    second = submit(fake, store, CLEARED)
    assert second.handle.name != first.handle.name
    assert "cleared" in second.notes[0]


def test_a_job_left_running_by_a_cleared_task_is_cancelled_and_not_taken_over() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    running(fake, first)
    second = submit(fake, store, CLEARED)
    assert [name for name, _ in fake.cancelled] == [first.handle.native_id]
    assert second.handle.name != first.handle.name


def test_a_job_that_is_being_cancelled_is_not_taken_over() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    running(fake, first)
    fake.cancel(first.handle, "killed")
    assert submit(fake, store, RETRY).attempt == 2


def test_a_changed_spec_is_not_taken_over_and_the_log_says_why() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    running(fake, first)
    second = submit(fake, store, RETRY, OTHER_SPEC)
    assert second.attempt == 2
    assert "arguments have changed" in second.notes[0]
    assert len(fake.cancelled) == 1


def test_a_job_left_behind_by_a_deleted_run_of_the_same_name_is_not_the_result_of_the_new_one() -> None:
    fake = FakeBackend()
    old = submit(fake, Store())
    fake.move(old.handle, JobState.SUCCEEDED)
    new = submit(fake, Store())
    assert new.handle.name != old.handle.name
    assert not new.adopted


def test_a_crash_before_the_submission_leads_to_one_job() -> None:
    fake, store = FakeBackend(), Store()
    fake.refuse("submit", InvalidRequest("the process died here"))
    with pytest.raises(InvalidRequest):
        submit(fake, store)
    assert submit(fake, store, RETRY).attempt == 1
    assert len(fake.jobs) == 1


def test_a_crash_after_the_submission_leads_to_one_job() -> None:
    fake, store = FakeBackend(), Store()
    fake.lose_answer("submit", InvalidRequest("the process died here"))
    with pytest.raises(InvalidRequest):
        submit(fake, store)
    assert submit(fake, store, RETRY).adopted
    assert len(fake.jobs) == 1


@pytest.mark.parametrize(
    "prepare",
    [
        lambda fake: fake.lose_answer("submit", AmbiguousError("connection reset")),
        lambda fake: fake.refuse("submit", AmbiguousError("connection reset")),
        lambda fake: fake.refuse("submit", UnavailableError("503"), times=3),
        lambda fake: fake.lose_answer("submit", UnavailableError("503 after the work was done")),
    ],
)
def test_an_answer_that_never_came_leads_to_one_job(prepare: Callable[[FakeBackend], None]) -> None:
    fake = FakeBackend()
    prepare(fake)
    submit(fake, Store())
    assert len(fake.jobs) == 1


def test_a_service_out_of_reach_is_told_at_once_and_not_only_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeBackend()
    fake.refuse("find", UnavailableError("http://127.0.0.1:1 refuses"))
    submit(fake, Store())
    assert "http://127.0.0.1:1 refuses" in caplog.text


def test_an_answer_that_never_comes_at_all_is_raised_in_the_end() -> None:
    fake = FakeBackend()
    fake.refuse("submit", AmbiguousError("connection reset"), times=100)
    with pytest.raises(AmbiguousError):
        submit(fake, Store())


def test_without_a_store_a_running_job_of_an_earlier_try_is_taken_over() -> None:
    fake = FakeBackend()
    first = submit(fake, None)
    running(fake, first)
    assert submit(fake, None, RETRY).handle == first.handle


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_without_a_store_a_job_that_has_ended_is_not_taken_over(state: JobState) -> None:
    fake = FakeBackend()
    first = submit(fake, None)
    fake.move(first.handle, state)
    assert submit(fake, None, RETRY).handle.name != first.handle.name


def test_a_lost_answer_to_a_cancel_or_a_look_is_asked_again() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store)
    running(fake, first)
    fake.lose_answer("cancel", AmbiguousError("connection reset"))
    fake.lose_answer("find", AmbiguousError("connection reset"))
    submit(fake, store, CLEARED)
    assert {name for name, _ in fake.cancelled} == {first.handle.native_id}
    assert len(fake.jobs) == 2
