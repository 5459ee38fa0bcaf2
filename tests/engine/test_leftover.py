"""What of an array is left to run after a failure, and what a retry makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, JobOutcome
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.leftover import Leftover, leftover_of, merged
from airflow_provider_jobs.engine.submission import Submission, Submitter
from tests.contract.fake import FakeBackend
from tests.engine.test_submission import CLEARED, FIRST, RETRY, Claim, Store, patient, replace, store

__all__ = ["store"]

THIRD = replace(FIRST, try_number=3, try_id="three")


def spec(*failing: int, size: int = 6) -> JobSpec:
    """An array whose indexes report their number, and of which some fail."""
    lines = ['::airflow::{"outputs": {"is": "done"}}']
    script = {"states": ["RUNNING", "FAILED"], "exit_codes": {str(i): 1 for i in failing}, "lines": lines}
    return JobSpec(image="i", command=("true",), array_size=size, options={"fake": script})


def submit(
    fake: FakeBackend, store: Store | None, claim: Claim, asked: JobSpec, *, parts: bool = True
) -> Submission:
    return Submitter(patient(fake), store, parts=parts).submit_once(asked, claim)


def fail(fake: FakeBackend, store: Store | None, submission: Submission, *indexes: int) -> None:
    """Let a job fail in some indexes, and where there is a record, let the task report it."""
    job = fake.job(submission.handle)
    job.script = job.script.model_copy(update={"exit_codes": dict.fromkeys(indexes, 1)})
    fake.move(submission.handle, JobState.RUNNING)
    fake.move(submission.handle, JobState.FAILED)
    if store is None:
        return
    (report,) = fake.describe([submission.handle])
    assert report.array
    outputs = {
        submission.handle.original_index(task): {"is": "done"} for task in range(submission.handle.size)
    }
    outcome = JobOutcome(
        handle=submission.handle,
        state=JobState.FAILED,
        array=merged(report.array, submission.array_size),
        outputs={**(submission.earlier_outputs or {}), **outputs},
    )
    assert store.record
    store.save(store.record.counting(FailureKind.USER_CODE).ended(leftover_of(outcome)))


def test_a_retry_submits_the_failed_indexes_alone_under_their_own_numbers(store: Store | None) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 1, 4)
    second = submit(fake, store, RETRY, spec())
    assert second.handle.indexes == (1, 4)
    assert fake.job(second.handle).spec.indexes == (1, 4)
    assert second.array_size == 6
    assert "Only indexes 1,4 are submitted; the others have succeeded" in second.notes


def test_a_third_try_submits_what_the_second_has_left(store: Store | None) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 1, 4)
    fail(fake, store, submit(fake, store, RETRY, spec()), 4)
    third = submit(fake, store, THIRD, spec())
    assert third.handle.indexes == (4,)
    assert set(third.earlier_outputs or {}) == {0, 1, 2, 3, 5}


def test_what_succeeded_before_is_kept_for_the_result(store: Store | None) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 1, 4)
    second = submit(fake, store, RETRY, spec())
    assert second.earlier_outputs == {index: {"is": "done"} for index in (0, 2, 3, 5)}


def test_a_retry_that_takes_over_a_part_knows_what_succeeded_before(store: Store | None) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 1, 4)
    second = submit(fake, store, RETRY, spec())
    fake.play(second.handle, JobState.RUNNING)
    third = submit(fake, store, THIRD, spec())
    assert third.handle == second.handle
    assert third.array_size == 6
    assert set(third.earlier_outputs or {}) == {0, 2, 3, 5}


def test_a_failure_that_nobody_reported_leaves_its_part_too() -> None:
    fake, store = FakeBackend(), Store()
    first = submit(fake, store, FIRST, spec())
    fail(fake, None, first, 2)
    second = submit(fake, store, RETRY, spec())
    assert second.handle.indexes == (2,)
    assert set(second.earlier_outputs or {}) == {0, 1, 3, 4, 5}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda fake, store: submit(fake, store, CLEARED, spec()), id="cleared"),
        pytest.param(lambda fake, store: submit(fake, store, RETRY, spec(), parts=False), id="opted out"),
    ],
)
def test_everything_runs_again_where_that_is_wanted(
    store: Store | None, change: Callable[[FakeBackend, Store | None], Submission]
) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 1, 4)
    again = change(fake, store)
    assert again.handle.indexes is None
    assert again.handle.size == 6
    assert again.earlier_outputs is None


def test_everything_runs_again_where_all_indexes_failed(store: Store | None) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 0, 1, 2, 3, 4, 5)
    assert submit(fake, store, RETRY, spec()).handle.indexes is None


def test_changed_arguments_run_everything(store: Store | None) -> None:
    fake = FakeBackend()
    fail(fake, store, submit(fake, store, FIRST, spec()), 1)
    other = spec().model_copy(update={"image": "another"})
    assert submit(fake, store, RETRY, other).handle.indexes is None


@pytest.mark.parametrize(
    ("state", "array"),
    [
        (JobState.CANCELLED, ArrayCounts(size=3, succeeded=1, failed=2, failed_indexes=(0, 1))),
        (JobState.FAILED, ArrayCounts(size=3, succeeded=0, failed=1, failed_indexes=(1,))),
        (JobState.FAILED, ArrayCounts(size=3, succeeded=1, failed=2)),
        (JobState.FAILED, ArrayCounts(size=1, failed=1, failed_indexes=(0,))),
    ],
)
def test_only_an_array_whose_every_index_is_known_leaves_a_part(state: JobState, array: ArrayCounts) -> None:
    handle = submit(FakeBackend(), None, FIRST, spec()).handle
    assert leftover_of(JobOutcome(handle=handle, state=state, array=array)) is None


def test_the_counts_of_a_part_become_those_of_the_whole() -> None:
    part = ArrayCounts(size=2, succeeded=1, failed=1, failed_indexes=(7,))
    assert merged(part, 10) == ArrayCounts(size=10, succeeded=9, failed=1, failed_indexes=(7,))
    assert merged(part, 2) == part


def test_a_leftover_is_small_whatever_the_array() -> None:
    left = Leftover(fingerprint="0123456789abcdef", indexes="0-4999,5001-9998")
    assert left.part_of(spec(size=10_000)).task_count == 9_998
    assert len(str(left.to_json())) < 120
