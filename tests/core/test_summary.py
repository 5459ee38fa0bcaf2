"""What the record of a job says when the task is over."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.core.models import ArrayCounts, BackendRef, JobHandle, JobOutcome, JobSummary
from airflow_provider_jobs.core.states import JobState

SUBMITTED = pendulum.datetime(2030, 1, 1)
STARTED = SUBMITTED.add(seconds=30)


def summary(*, size: int = 1, array_size: int | None = None, **values: Any) -> JobSummary:
    """Return the summary of a job that ran for ten seconds, of so many indexes."""
    handle = JobHandle(
        ref=BackendRef(backend="fake", conn_id="c"),
        native_id="j",
        name="j",
        size=size,
        submitted_at=SUBMITTED,
    )
    whole = array_size or size
    outcome = {
        "handle": handle,
        "state": JobState.SUCCEEDED,
        "array": ArrayCounts(size=whole, succeeded=whole),
        "started_at": STARTED,
        "ended_at": STARTED.add(seconds=10),
        "vcpus": 2.0,
        "memory_mib": 512,
        **values,
    }
    return JobOutcome(**outcome).summary()


def test_what_one_index_was_given_is_counted_for_as_long_as_it_ran() -> None:
    told = summary()
    assert (told.queued_seconds, told.run_seconds) == (30.0, 10.0)
    assert (told.vcpu_seconds, told.memory_mib_seconds) == (20.0, 5120.0)
    assert not told.usage_is_bound


@pytest.mark.parametrize(("parallelism", "at_once"), [(None, 8), (3, 3), (100, 8)])
def test_of_an_array_it_is_a_bound_by_how_many_indexes_run_at_once(
    parallelism: int | None, at_once: int
) -> None:
    told = summary(size=8, parallelism=parallelism)
    assert told.vcpu_seconds == 2.0 * 10 * at_once
    assert told.memory_mib_seconds == 512.0 * 10 * at_once
    assert told.usage_is_bound


def test_where_the_run_times_of_all_indexes_are_known_it_is_their_sum() -> None:
    told = summary(size=8, index_seconds=12.5)
    assert (told.vcpu_seconds, told.memory_mib_seconds) == (25.0, 6400.0)
    assert not told.usage_is_bound
    never_ran = summary(size=8, index_seconds=0.0, started_at=None)
    assert (never_ran.vcpu_seconds, never_ran.usage_is_bound) == (0.0, False)


def test_a_retry_of_one_index_of_an_array_counts_that_index_alone() -> None:
    told = summary(size=1, array_size=8)
    assert told.array.size == 8
    assert told.vcpu_seconds == 20.0
    assert not told.usage_is_bound


@pytest.mark.parametrize(
    ("values", "vcpu_seconds", "memory_mib_seconds"),
    [
        ({"vcpus": None}, None, 5120.0),
        ({"memory_mib": None}, 20.0, None),
        ({"started_at": None}, None, None),
        ({"ended_at": None}, None, None),
    ],
)
def test_what_is_not_known_is_not_made_up(
    values: dict[str, Any], vcpu_seconds: float | None, memory_mib_seconds: float | None
) -> None:
    told = summary(**values)
    assert (told.vcpu_seconds, told.memory_mib_seconds) == (vcpu_seconds, memory_mib_seconds)


def test_clocks_that_differ_make_no_time_negative() -> None:
    assert summary(started_at=SUBMITTED.subtract(seconds=1)).queued_seconds == 0.0


def test_it_is_versioned_and_is_read_again_as_it_was_written() -> None:
    told = summary(attempts=3)
    assert told.version == 1
    assert told.attempts == 3
    assert JobSummary.model_validate(told.model_dump(mode="json")) == told
