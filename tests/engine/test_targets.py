"""Several places for one job: which is asked, when the next one is, and that there is one job at a time."""

from __future__ import annotations

from dataclasses import replace

import pendulum
import pytest

from airflow_provider_jobs.core.errors import InvalidRequest, NoCapacity, ThrottledError
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, BackendRef, JobHandle, JobOutcome
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import Target, Terms, submit_to_first, targets_from
from airflow_provider_jobs.engine.verdict import found_no_room
from tests.contract.fake import FakeBackend
from tests.engine.test_submission import FIRST, RETRY, Store

NAMES = ("north", "south", "east")


class Places:
    """Three services in order, each with jobs of its own."""

    def __init__(self) -> None:
        self.refs = [BackendRef(backend=name, conn_id=f"{name}_default") for name in NAMES]
        self.fakes = {ref.backend: FakeBackend(ref) for ref in self.refs}
        self.targets = [
            Target(JobSpec(image=f"{ref.backend}/tool", command=("true",)), ref) for ref in self.refs
        ]
        self.opened: list[str] = []
        self.notes: list[str] = []

    def submit(self, store: Store | None, claim: Claim = FIRST) -> Submission:
        terms = Terms(note=self.notes.append)
        return submit_to_first(self.targets, claim=claim, store=store, open_backend=self.open, terms=terms)

    def open(self, ref: BackendRef) -> FakeBackend:
        self.opened.append(ref.backend)
        return self.fakes[ref.backend]

    def jobs(self) -> dict[str, int]:
        return {name: len(fake.jobs) for name, fake in self.fakes.items()}


def test_the_first_place_gets_the_job_and_no_other_is_touched() -> None:
    places = Places()
    assert places.submit(Store()).handle.ref.backend == "north"
    assert places.opened == ["north"]
    assert places.notes == []


def test_a_place_without_room_passes_the_job_on_and_the_log_says_so() -> None:
    places = Places()
    places.fakes["north"].refuse("submit", NoCapacity("vCPU quota is used up"))
    submission = places.submit(Store())
    assert submission.handle.ref.backend == "south"
    assert places.jobs() == {"north": 0, "south": 1, "east": 0}
    assert places.notes == ["north has no room for the job: vCPU quota is used up; south is tried"]


def test_the_job_is_written_anew_for_each_place() -> None:
    places = Places()
    places.fakes["north"].refuse("submit", NoCapacity("full"))
    submission = places.submit(Store())
    assert places.fakes["south"].job(submission.handle).spec.image == "south/tool"


def test_where_no_place_has_room_the_last_refusal_is_raised() -> None:
    places = Places()
    for name, fake in places.fakes.items():
        fake.refuse("submit", NoCapacity(f"{name} is full"))
    with pytest.raises(NoCapacity, match="east is full"):
        places.submit(Store())
    assert places.jobs() == {"north": 0, "south": 0, "east": 0}


def test_a_request_that_is_wrong_is_not_carried_elsewhere() -> None:
    places = Places()
    places.fakes["north"].refuse("submit", InvalidRequest("no such machine"))
    with pytest.raises(InvalidRequest):
        places.submit(Store())
    assert places.opened == ["north"]


def test_a_throttled_submission_is_repeated_at_the_same_place() -> None:
    places = Places()
    places.fakes["north"].refuse("submit", ThrottledError("slow down"))
    assert places.submit(Store()).handle.ref.backend == "north"


@pytest.mark.parametrize("claim", [FIRST, RETRY])
def test_a_job_under_way_at_a_later_place_is_taken_over_there(claim: Claim) -> None:
    places, store = Places(), Store()
    places.fakes["north"].refuse("submit", NoCapacity("full"))
    first = places.submit(store)
    places.fakes["south"].move(first.handle, JobState.RUNNING)
    again = places.submit(store, claim)
    assert again.handle == first.handle
    assert again.adopted
    assert places.jobs() == {"north": 0, "south": 1, "east": 0}


def test_a_retry_after_a_reported_failure_begins_at_the_first_place_again() -> None:
    places, store = Places(), Store()
    places.fakes["north"].refuse("submit", NoCapacity("full"))
    places.submit(store)
    store.end()
    assert places.submit(store, RETRY).handle.ref.backend == "north"


def test_a_cleared_task_begins_at_the_first_place_again() -> None:
    places, store = Places(), Store()
    places.fakes["north"].refuse("submit", NoCapacity("full"))
    places.submit(store)
    cleared = replace(RETRY, generation=FIRST.generation + 1)
    assert places.submit(store, cleared).handle.ref.backend == "north"


def test_without_a_record_every_place_is_searched_before_another_job_is_submitted() -> None:
    places = Places()
    places.fakes["north"].refuse("submit", NoCapacity("full"))
    first = places.submit(None)
    places.fakes["south"].move(first.handle, JobState.RUNNING)
    again = places.submit(None, RETRY)
    assert again.handle == first.handle
    assert places.jobs() == {"north": 0, "south": 1, "east": 0}


def test_the_places_that_are_left_begin_with_the_one_that_was_tried() -> None:
    places = Places()
    names = [[target.ref.backend for target in targets_from(places.targets, ref)] for ref in places.refs]
    assert names == [["north", "south", "east"], ["south", "east"], ["east"]]
    assert not targets_from(places.targets, BackendRef(backend="moon", conn_id="c"))


def outcome(state: JobState, **values: object) -> JobOutcome:
    ref = BackendRef(backend="north", conn_id="c")
    handle = JobHandle(ref=ref, native_id="n", name="n", submitted_at=pendulum.now("UTC"))
    return JobOutcome.model_validate(
        {"handle": handle, "state": state, "array": ArrayCounts(size=1), **values}
    )


FULL = Failure(kind=FailureKind.CAPACITY, retryable=True, message="no machines left")


@pytest.mark.parametrize(
    ("ended", "goes_on"),
    [
        (outcome(JobState.CANCELLED, cancelled_for="queue_timeout"), True),
        (outcome(JobState.FAILED, cancelled_for="queue_timeout"), True),
        (outcome(JobState.QUEUED, cancelled_for="queue_timeout"), False),
        (outcome(JobState.SUCCEEDED, cancelled_for="queue_timeout"), False),
        (outcome(JobState.CANCELLED, cancelled_for="execution_timeout"), False),
        (outcome(JobState.CANCELLED), False),
        (outcome(JobState.FAILED, failures=(FULL,)), True),
        (outcome(JobState.FAILED, failures=(FULL,), started_at=pendulum.now("UTC")), False),
        (outcome(JobState.FAILED), False),
        (outcome(JobState.SUCCEEDED), False),
        (outcome(JobState.LOST), False),
    ],
    ids=str,
)
def test_only_a_job_that_has_ended_without_having_found_room_goes_elsewhere(
    ended: JobOutcome, goes_on: bool
) -> None:
    assert (found_no_room(ended) is not None) is goes_on
