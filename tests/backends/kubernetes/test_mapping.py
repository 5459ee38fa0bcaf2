"""The service's words for the state of a Job, walked over all of them."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest
from kubernetes.client.models import V1JobStatus

from airflow_provider_jobs.backends.kubernetes import mapping
from airflow_provider_jobs.core.states import JobState
from tests.backends.kubernetes.api import condition, handle, job

# Every JobConditionType of k8s.io/api/batch/v1/types.go.
JOB_CONDITION_TYPES = {
    "Suspended": JobState.QUEUED,
    "Complete": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "FailureTarget": JobState.RUNNING,
    "SuccessCriteriaMet": JobState.RUNNING,
}
CANCELLED = {mapping.CANCELLED_ANNOTATION: "the user's kill"}


def stopped(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    """Return a Job that we asked to stop."""
    asked = job(*conditions, annotations=CANCELLED, **status)
    asked["spec"] |= {"suspend": True, "activeDeadlineSeconds": 1}
    return asked


class TestStates:
    @pytest.mark.parametrize("kind", JOB_CONDITION_TYPES)
    def test_every_condition_is_mapped_where_it_is_true_and_only_there(self, kind: str) -> None:
        told = job(condition(kind, message="why"))
        assert mapping.job_state(told) is JOB_CONDITION_TYPES[kind]
        assert (mapping.word(told), mapping.detail(told)) == (kind, "why")
        untrue = job(condition(kind, status="False"))
        assert (mapping.job_state(untrue), mapping.word(untrue)) == (JobState.QUEUED, "Created")

    def test_there_is_a_row_for_every_condition_and_none_beyond(self) -> None:
        assert mapping.CONDITIONS == JOB_CONDITION_TYPES

    def test_no_count_of_a_status_is_unknown_here(self) -> None:
        known = "active completed_indexes completion_time conditions failed failed_indexes ready start_time"
        known += " succeeded terminating uncounted_terminated_pods"
        assert set(V1JobStatus.attribute_map) == set(known.split())

    @pytest.mark.parametrize(
        ("status", "state", "word"),
        [
            ({}, JobState.QUEUED, "Created"),
            ({"active": 2, "ready": 0}, JobState.STARTING, "Active"),
            ({"active": 2, "ready": 1}, JobState.RUNNING, "Active"),
            ({"active": 1, "failed": 1}, JobState.RUNNING, "Active"),
            ({"succeeded": 1}, JobState.RUNNING, "Created"),
        ],
    )
    def test_without_a_condition_its_pods_tell(
        self, status: dict[str, int], state: JobState, word: str
    ) -> None:
        told = job(**status)
        assert (mapping.job_state(told), mapping.word(told)) == (state, word)

    @pytest.mark.parametrize("final", ["Complete", "Failed"])
    @pytest.mark.parametrize("other", ["FailureTarget", "SuccessCriteriaMet", "Suspended"])
    def test_the_end_counts_before_every_other_condition(self, final: str, other: str) -> None:
        for conditions in (
            [condition(final), condition(other)],
            [condition(other), condition(final)],
        ):
            assert mapping.word(job(*conditions)) == final

    def test_a_condition_of_a_later_service_changes_nothing(self) -> None:
        assert mapping.job_state(job(condition("Astonished"), active=1, ready=1)) is JobState.RUNNING

    def test_a_pod_that_runs_and_is_not_ready_for_a_probe_counts_as_running(self) -> None:
        told = job(active=1, ready=0)
        told["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"exec": {}}
        assert mapping.job_state(told) is JobState.RUNNING


class TestLeaving:
    @pytest.mark.parametrize("before", [JobState.QUEUED, JobState.RUNNING])
    def test_a_job_that_is_deleted_or_stopped_keeps_the_state_it_had(self, before: JobState) -> None:
        deleted = job(active=1)
        deleted["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
        assert mapping.word(deleted) == "Terminating"
        waits = stopped(condition("Suspended"), terminating=1)
        for told in (deleted, stopped(active=1), stopped(active=1, ready=1), waits):
            assert mapping.is_leaving(told)
            assert not mapping.is_over(told)
            assert before.advance(mapping.job_state(told)) is before

    @pytest.mark.parametrize(
        "told",
        [
            stopped(condition("Suspended")),
            stopped(condition("Suspended"), active=0, terminating=0, failed=1),
            stopped(condition("Failed", mapping.DEADLINE_EXCEEDED)),
        ],
    )
    def test_once_nothing_runs_a_stopped_job_is_cancelled_for_good(self, told: dict[str, Any]) -> None:
        assert mapping.job_state(told) is JobState.CANCELLED
        assert mapping.is_over(told)
        assert not mapping.is_leaving(told)
        assert mapping.detail(told) == "cancelled: the user's kill"
        assert mapping.ended_at(told) == pendulum.datetime(2030, 1, 1, 0, 10)

    @pytest.mark.parametrize(
        ("told", "state"),
        [
            (stopped(condition("Complete")), JobState.SUCCEEDED),
            (stopped(condition("Failed", "BackoffLimitExceeded")), JobState.FAILED),
            (job(condition("Failed", mapping.DEADLINE_EXCEEDED)), JobState.FAILED),
        ],
    )
    def test_a_job_that_ended_otherwise_stays_as_it_ended(
        self, told: dict[str, Any], state: JobState
    ) -> None:
        assert mapping.job_state(told) is state

    def test_a_job_that_others_suspend_is_not_cancelled(self) -> None:
        assert mapping.job_state(job(condition("Suspended"))) is JobState.QUEUED


class TestCounts:
    def test_ranges_become_numbers(self) -> None:
        told = job(size=10, active=2, ready=2, completedIndexes="0-2,5", failedIndexes="7,9")
        counts = mapping.counts(told, handle(10))
        assert (counts.succeeded, counts.failed, counts.running) == (4, 2, 2)
        assert counts.failed_indexes == (7, 9)

    def test_once_the_job_has_failed_whatever_did_not_succeed_counts_as_failed(self) -> None:
        told = job(condition("Failed", "BackoffLimitExceeded"), size=5, completedIndexes="0,3")
        counts = mapping.counts(told, handle(5))
        assert (counts.succeeded, counts.failed, counts.failed_indexes) == (2, 3, (1, 2, 4))

    def test_a_part_of_an_array_is_told_by_its_original_indexes(self) -> None:
        told = job(condition("Failed", "FailedIndexes"), size=2, completedIndexes="0", failedIndexes="1")
        assert mapping.counts(told, handle(2, (4, 8))).failed_indexes == (8,)

    def test_a_job_without_indexes_has_one(self) -> None:
        done = mapping.counts(job(condition("Complete"), succeeded=1), handle())
        assert (done.size, done.succeeded, done.failed) == (1, 1, 0)
        failed = mapping.counts(job(condition("Failed"), failed=3), handle())
        assert (failed.succeeded, failed.failed, failed.failed_indexes) == (0, 1, (0,))

    def test_a_failed_pod_that_is_replaced_is_no_failed_index(self) -> None:
        assert mapping.counts(job(active=1, failed=2), handle()).failed == 0


class TestTimes:
    def test_the_end_is_the_completion_or_the_failure(self) -> None:
        done = job(condition("Complete"), completionTime="2030-01-01T00:05:00Z")
        assert mapping.ended_at(done) == pendulum.datetime(2030, 1, 1, 0, 5)
        assert mapping.ended_at(job(condition("Failed"))) == pendulum.datetime(2030, 1, 1, 0, 10)
        assert mapping.ended_at(job(condition("Suspended"))) is None

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("2030-01-01T00:00:00Z", 0),
            ("2030-01-01T02:00:01+02:00", 1),
            ("2030-01-01T00:00:02.123456Z", 2),
        ],
    )
    def test_times_are_in_utc(self, text: str, seconds: int) -> None:
        told = mapping.moment(text)
        assert told.replace(microsecond=0) == pendulum.datetime(2030, 1, 1, 0, 0, seconds)
        assert told.timezone_name == "UTC"


@pytest.mark.parametrize(
    ("resources", "cpu", "mib"),
    [
        ({"requests": {"cpu": "500m", "memory": "1Gi"}}, 0.5, 1024.0),
        ({"limits": {"cpu": "2", "memory": "512Mi"}}, 2.0, 512.0),
        ({"requests": {"cpu": 1}, "limits": {"cpu": 4, "memory": 1048576}}, 1.0, 1.0),
        ({"requests": {"memory": "1e9"}}, None, 1e9 / 1024**2),
        ({"requests": {"cpu": "some"}}, None, None),
        ({}, None, None),
    ],
)
def test_what_a_pod_was_given_is_read_from_its_template(
    resources: dict[str, Any], cpu: float | None, mib: float | None
) -> None:
    told = job()
    containers = told["spec"]["template"]["spec"]["containers"]
    containers[0]["resources"] = resources
    assert mapping.given(told, "cpu") == cpu
    assert mapping.given(told, "memory", unit=mapping.MIB) == mib
    containers.append({"name": "helper", "resources": {"requests": {"cpu": "1", "memory": "1Mi"}}})
    assert mapping.given(told, "cpu") == (None if cpu is None else cpu + 1)
