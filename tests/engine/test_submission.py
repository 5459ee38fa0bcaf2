"""One task instance, one job: what is found, what is taken over, what is submitted.

What holds with a record and without one is tested with both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from airflow_provider_jobs.core.errors import (
    AmbiguousError,
    CredentialsExpired,
    InvalidRequest,
    SubmissionStopped,
    UnavailableError,
)
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.asking import Service
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.records import SubmissionRecord
from airflow_provider_jobs.engine.submission import Submission, Submitter
from tests.contract.fake import FakeBackend
from tests.engine.clockwork import new_fake

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
FIRST = Claim(key=KEY, try_number=1, generation=2, try_id="one")
RETRY = replace(FIRST, try_number=2, try_id="two")
CLEARED = replace(FIRST, try_number=2, generation=3, try_id="cleared")
RUN_AGAIN = replace(FIRST, try_id="of another run")
SPEC = JobSpec(image="busybox", command=("true",))
OTHER_SPEC = JobSpec(image="busybox", command=("false",))


@dataclass
class Store:
    """A record that outlives everything in these tests."""

    record: SubmissionRecord | None = None
    owner: str | None = None

    def load(self) -> SubmissionRecord | None:
        return None if self.record is None else SubmissionRecord.from_json(self.record.to_json())

    def save(self, record: SubmissionRecord) -> None:
        self.record = record

    def announce(self, owner: str) -> None:
        self.owner = owner

    def announced(self) -> str | None:
        return self.owner

    def end(self) -> None:
        assert self.record
        self.record = self.record.ended(None)


@pytest.fixture(params=["with a record", "without a record"])
def store(request: pytest.FixtureRequest) -> Store | None:
    return Store() if request.param == "with a record" else None


def patient(fake: FakeBackend, **options: Any) -> Service:
    """Ask a service without waiting between two questions."""
    return Service(fake, sleep=lambda seconds: None, **options)


def submit(
    fake: FakeBackend,
    store: Store | None,
    claim: Claim = FIRST,
    spec: JobSpec = SPEC,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Submission:
    submitter = Submitter(patient(fake), store, parts=True, is_stopped=is_stopped)
    return submitter.submit_once(spec, claim)


def running(fake: FakeBackend, submission: Submission) -> None:
    fake.play(submission.handle, JobState.RUNNING)


def self_naming(*, lag_finds: int = 0) -> FakeBackend:
    """Return a service that names its jobs itself, and shows a new one only to a later find."""
    fake = new_fake(find_lag_seconds=10)
    fake.names_jobs_itself = True
    fake.lag_finds = lag_finds
    return fake


class TestOneJob:
    def test_the_intent_is_kept_before_the_service_is_asked_to_submit(self) -> None:
        fake, store = FakeBackend(), Store()
        phases: list[str | None] = []
        fake.before = lambda method: (
            phases.append(store.record.phase if store.record else store.owner) if method == "submit" else None
        )
        submit(fake, store)
        store.end()
        submit(fake, store, RETRY)
        assert phases == [FIRST.owner, "intent"]
        assert store.record
        assert store.record.phase == "submitted"

    def test_the_same_try_twice_is_one_job(self, store: Store | None) -> None:
        fake = FakeBackend()
        first, second = submit(fake, store), submit(fake, store)
        assert first.handle == second.handle
        assert second.adopted
        assert len(fake.jobs) == 1

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
    def test_the_same_try_takes_its_own_result_whatever_it_is(
        self, store: Store | None, state: JobState
    ) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        fake.move(first.handle, state)
        assert submit(fake, store).handle == first.handle

    def test_two_processes_that_run_the_same_try_submit_one_job(self, store: Store | None) -> None:
        fake = FakeBackend()
        other: list[Submission] = []

        def meanwhile(method: str) -> None:
            if not other:
                fake.before = lambda method: None
                other.append(submit(fake, store))

        fake.before = meanwhile
        mine = submit(fake, store)
        assert mine.handle == other[0].handle
        assert len(fake.jobs) == 1
        assert fake.cancelled == []

    def test_of_two_jobs_that_a_service_named_itself_the_younger_goes(self, store: Store | None) -> None:
        fake = self_naming(lag_finds=3)
        other: list[Submission] = []

        def meanwhile(method: str) -> None:
            if method == "submit" and not other:
                fake.before = lambda method: None
                other.append(submit(fake, store))

        fake.before = meanwhile
        mine = submit(fake, store)
        assert mine.handle == other[0].handle
        assert [name for name, _ in fake.cancelled] == [f"p/{mine.handle.name.rpartition('-')[0]}-1"]
        assert "twin" in " ".join(mine.notes)

    def test_a_stopped_task_sends_nothing(self, store: Store | None) -> None:
        fake = FakeBackend()
        with pytest.raises(SubmissionStopped):
            submit(fake, store, is_stopped=lambda: True)
        assert not fake.jobs

    def test_what_a_time_limit_breaks_off_is_taken_back(self, store: Store | None) -> None:
        class TimeIsUp(BaseException):
            """As Airflow's own, which is no Exception."""

        fake = FakeBackend()
        fake.lose_answer("submit", TimeIsUp())  # type: ignore[arg-type]
        with pytest.raises(TimeIsUp):
            submit(fake, store)
        assert len(fake.cancelled) == len(fake.jobs) == 1


class TestCrashes:
    @pytest.mark.parametrize("find_is_late", [False, True])
    def test_a_crash_before_the_submission_leads_to_one_job(
        self, store: Store | None, find_is_late: bool
    ) -> None:
        fake = self_naming() if find_is_late else FakeBackend()
        fake.refuse("submit", InvalidRequest("the process died here"))
        with pytest.raises(InvalidRequest):
            submit(fake, store)
        submit(fake, store, RETRY)
        assert len(fake.jobs) == 1

    @pytest.mark.parametrize("lag_finds", [None, 0, 5])
    def test_a_crash_after_the_submission_leads_to_one_job(
        self, store: Store | None, lag_finds: int | None
    ) -> None:
        fake = FakeBackend() if lag_finds is None else self_naming(lag_finds=lag_finds)
        fake.lose_answer("submit", InvalidRequest("the process died here"))
        with pytest.raises(InvalidRequest):
            submit(fake, store)
        assert submit(fake, store, RETRY).adopted
        assert len(fake.jobs) == 1

    def test_a_job_that_was_just_submitted_is_found_by_its_handle_before_a_list_shows_it(self) -> None:
        fake, store = self_naming(), Store()
        first = submit(fake, store)
        fake.hidden_finds[first.handle.native_id] = 1_000
        assert submit(fake, store, RETRY).handle == first.handle

    def test_a_job_that_was_just_submitted_may_be_unknown_for_a_moment(self) -> None:
        fake, store = self_naming(), Store()
        first = submit(fake, store)
        job, looks = fake.jobs.pop(first.handle.native_id), [3]

        def come_back(method: str) -> None:
            looks[0] -= method == "describe"
            if not looks[0]:
                fake.jobs[first.handle.native_id] = job

        fake.before = come_back
        assert submit(fake, store, RETRY).handle == first.handle
        assert len(fake.jobs) == 1

    @pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
    def test_a_retry_takes_over_a_job_that_runs(self, store: Store | None, state: JobState) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        fake.play(first.handle, state)
        second = submit(fake, store, RETRY)
        assert second.handle == first.handle
        assert second.adopted

    def test_a_success_that_nobody_watched_is_the_result(self) -> None:
        fake, store = FakeBackend(), Store()
        first = submit(fake, store)
        fake.move(first.handle, JobState.SUCCEEDED)
        assert submit(fake, store, RETRY).handle == first.handle

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
    def test_without_a_record_a_job_of_an_earlier_try_that_has_ended_is_not_taken_over(
        self, state: JobState
    ) -> None:
        fake = FakeBackend()
        first = submit(fake, None)
        fake.move(first.handle, state)
        assert submit(fake, None, RETRY).handle.name != first.handle.name

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
    def test_a_retry_submits_a_new_job_after_one_that_has_failed(
        self, store: Store | None, state: JobState
    ) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        fake.move(first.handle, state)
        second = submit(fake, store, RETRY)
        assert second.handle.name != first.handle.name
        assert (second.attempt, second.adopted) == (2, False)

    def test_a_submission_that_was_broken_off_half_way_is_completed_under_its_own_name(
        self, store: Store | None
    ) -> None:
        fake = FakeBackend()
        asked: list[int] = []
        submit_whole = fake.submit
        fake.submit = lambda spec, key: asked.append(key.attempt) or submit_whole(spec, key)  # type: ignore[method-assign,func-returns-value]
        fake.refuse("submit", InvalidRequest("the process died here"))
        with pytest.raises(InvalidRequest):
            submit(fake, store)
        submit(fake, store, RETRY)
        assert asked == [1, 1]

    def test_a_third_try_takes_over_the_job_of_the_first(self, store: Store | None) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        running(fake, first)
        third = replace(FIRST, try_number=3, try_id="three")
        assert submit(fake, store, third).handle == first.handle


class TestOtherJobs:
    def test_a_retry_after_a_reported_failure_submits_a_new_job(self) -> None:
        fake, store = FakeBackend(), Store()
        first = submit(fake, store)
        fake.move(first.handle, JobState.SUCCEEDED)
        store.end()
        assert submit(fake, store, RETRY).attempt == 2

    def test_a_retry_after_a_reported_failure_whose_job_is_gone_submits_a_new_job(self) -> None:
        fake, store = FakeBackend(), Store()
        fake.forget(submit(fake, store).handle)
        store.end()
        assert submit(fake, store, RETRY).attempt == 2

    def test_a_cleared_success_runs_again(self, store: Store | None) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        fake.move(first.handle, JobState.SUCCEEDED)
        assert submit(fake, store, CLEARED).handle.name != first.handle.name

    def test_a_job_left_running_by_a_cleared_task_is_cancelled_and_not_taken_over(
        self, store: Store | None
    ) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        running(fake, first)
        second = submit(fake, store, CLEARED)
        assert [name for name, _ in fake.cancelled] == [first.handle.native_id]
        assert second.handle.name != first.handle.name
        assert "cleared" in second.notes[0]

    def test_a_job_that_is_being_cancelled_is_not_taken_over(self, store: Store | None) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        running(fake, first)
        fake.cancel(first.handle, "killed")
        second = submit(fake, store, RETRY)
        assert second.attempt == 2
        assert "being cancelled" in second.notes[0]

    def test_a_changed_spec_is_not_taken_over_and_the_log_says_why(self, store: Store | None) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        running(fake, first)
        second = submit(fake, store, RETRY, OTHER_SPEC)
        assert second.attempt == 2
        assert "arguments have changed" in second.notes[0]
        assert [name for name, _ in fake.cancelled] == [first.handle.native_id]

    @pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.RUNNING])
    def test_a_job_left_behind_by_a_deleted_run_of_the_same_name_is_not_the_new_ones(
        self, store: Store | None, state: JobState
    ) -> None:
        fake = FakeBackend()
        old = submit(fake, store and Store())
        fake.play(old.handle, state)
        new = submit(fake, store and Store(), RUN_AGAIN)
        assert new.handle.name != old.handle.name
        assert not new.adopted
        assert len(fake.cancelled) == (state is JobState.RUNNING)

    def test_a_job_without_a_stamp_is_nobodys(self, store: Store | None) -> None:
        fake = FakeBackend()
        foreign = fake.submit(SPEC, KEY)
        assert submit(fake, store).handle.name != foreign.name


class TestTrouble:
    @pytest.mark.parametrize(
        "prepare",
        [
            lambda fake: fake.lose_answer("submit", AmbiguousError("connection reset")),
            lambda fake: fake.refuse("submit", AmbiguousError("connection reset")),
            lambda fake: fake.refuse("submit", AmbiguousError("500"), times=20),
            lambda fake: fake.refuse("submit", UnavailableError("503"), times=20),
            lambda fake: fake.lose_answer("submit", UnavailableError("503 after the work was done")),
        ],
    )
    @pytest.mark.parametrize("make", [FakeBackend, self_naming])
    def test_an_answer_that_never_came_leads_to_one_job(
        self, store: Store | None, make: Callable[[], FakeBackend], prepare: Callable[[FakeBackend], None]
    ) -> None:
        fake = make()
        prepare(fake)
        handle = submit(fake, store).handle
        active = set(fake.jobs) - {name for name, _ in fake.cancelled}
        assert active == {handle.native_id}

    def test_a_service_out_of_reach_is_told_at_once_and_not_only_in_the_end(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        fake = FakeBackend()
        fake.refuse("submit", UnavailableError("http://127.0.0.1:1 refuses"))
        submit(fake, Store())
        assert "http://127.0.0.1:1 refuses" in caplog.text

    def test_renewed_credentials_are_read_from_the_connection(self, store: Store | None) -> None:
        expired, renewed = FakeBackend(), FakeBackend()
        expired.refuse("find", CredentialsExpired("the token has expired"), times=1000)
        expired.refuse("submit", CredentialsExpired("the token has expired"), times=1000)
        submitter = Submitter(patient(expired, reopen=lambda: renewed), store)
        assert submitter.submit_once(SPEC, FIRST).handle.native_id in renewed.jobs

    def test_an_answer_that_never_comes_at_all_is_raised_in_the_end(self, store: Store | None) -> None:
        fake = FakeBackend()
        fake.refuse("submit", AmbiguousError("connection reset"), times=1000)
        with pytest.raises(AmbiguousError):
            submit(fake, store)

    def test_a_lost_answer_to_a_cancel_or_a_look_is_asked_again(self, store: Store | None) -> None:
        fake = FakeBackend()
        first = submit(fake, store)
        running(fake, first)
        fake.lose_answer("cancel", AmbiguousError("connection reset"))
        fake.lose_answer("find", AmbiguousError("connection reset"))
        submit(fake, store, CLEARED)
        assert {name for name, _ in fake.cancelled} == {first.handle.native_id}
        assert len(fake.jobs) == 2
