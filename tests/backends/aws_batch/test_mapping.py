"""The service's words for states and failures, walked over all of them."""

from __future__ import annotations

from typing import Any

import botocore.session
import pendulum
import pytest

from airflow_provider_jobs.backends.aws_batch import mapping
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.states import JobState

STATUSES = botocore.session.get_session().get_service_model("batch").shape_for("JobStatus").enum
ID = "0e5a6f3e-0000-4000-8000-000000000000"
HANDLE = JobHandle(
    ref=BackendRef(backend="aws_batch", conn_id="c"),
    native_id=ID,
    name="j",
    submitted_at=pendulum.datetime(2030, 1, 1),
)
ARRAY = HANDLE.model_copy(update={"size": 4})


def job(status: str, said: str = "", **fields: Any) -> dict[str, Any]:
    """Return a described job."""
    return {"jobId": ID, "jobName": "j", "status": status, "statusReason": said, **fields}


def array(status: str, *, size: int = 4, said: str = "", **summary: int) -> dict[str, Any]:
    """Return a described array with so many children in each status."""
    return job(status, said, arrayProperties={"size": size, "statusSummary": summary})


def failed(said: str = "", *, code: int | None = None, reason: str = "", **fields: Any) -> dict[str, Any]:
    """Return a job whose second and last attempt failed."""
    earlier = {
        "container": {"exitCode": 77, "reason": "OutOfMemoryError: the first one"},
        "statusReason": "no",
    }
    container = {name: value for name, value in (("exitCode", code), ("reason", reason)) if value}
    last = {"container": {**container, "logStreamName": "s"}, "statusReason": said}
    return job(
        "FAILED", said, attempts=[earlier, last], container={**container, "logStreamName": "s"}, **fields
    )


class TestStates:
    @pytest.mark.parametrize("status", STATUSES)
    def test_every_status_is_mapped(self, status: str) -> None:
        assert isinstance(mapping.job_state(job(status)), JobState)

    def test_there_are_seven_and_no_row_beyond_them(self) -> None:
        assert set(mapping.JOB_STATES) == set(STATUSES)
        assert len(STATUSES) == 7

    @pytest.mark.parametrize(
        ("status", "ours"),
        [
            ("SUBMITTED", JobState.SUBMITTED),
            ("PENDING", JobState.QUEUED),
            ("RUNNABLE", JobState.QUEUED),
            ("STARTING", JobState.STARTING),
            ("RUNNING", JobState.RUNNING),
            ("SUCCEEDED", JobState.SUCCEEDED),
            ("FAILED", JobState.FAILED),
        ],
    )
    def test_a_status_is_what_it_says(self, status: str, ours: JobState) -> None:
        assert mapping.job_state(job(status)) is ours

    def test_a_word_of_a_later_service_is_unknown_and_told_as_it_is(self) -> None:
        assert mapping.job_state(job("DREAMING")) is None
        assert mapping.word(job("DREAMING")) == "DREAMING"

    @pytest.mark.parametrize(
        ("summary", "ours"),
        [
            ({}, JobState.QUEUED),
            ({"PENDING": 4}, JobState.QUEUED),
            ({"RUNNABLE": 4}, JobState.QUEUED),
            ({"RUNNABLE": 3, "STARTING": 1}, JobState.STARTING),
            ({"RUNNABLE": 3, "RUNNING": 1}, JobState.RUNNING),
            ({"RUNNABLE": 3, "SUCCEEDED": 1}, JobState.RUNNING),
            ({"RUNNABLE": 3, "FAILED": 1}, JobState.RUNNING),
            ({"RUNNABLE": 4, "RUNNING": 0}, JobState.QUEUED),
            ({"DREAMING": 4}, JobState.QUEUED),
        ],
    )
    def test_an_array_that_is_pending_is_as_far_as_its_furthest_child(
        self, summary: dict[str, int], ours: JobState
    ) -> None:
        assert mapping.job_state(array("PENDING", **summary)) is ours

    @pytest.mark.parametrize(
        ("fields", "ours"),
        [
            ({"isTerminated": True}, JobState.CANCELLED),
            ({"isCancelled": True}, JobState.CANCELLED),
            ({"statusReason": f"{mapping.CANCEL_PREFIX}execution_timeout"}, JobState.CANCELLED),
            ({"statusReason": "Terminated by somebody", "isTerminated": True}, JobState.CANCELLED),
            ({"statusReason": "somebody wrote Cancelled by Airflow: x"}, JobState.FAILED),
            (
                {
                    "statusReason": "Canceled by JobStateTimeLimit action due to reason: "
                    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
                    "isCancelled": True,
                },
                JobState.FAILED,
            ),
            ({"isTerminated": False}, JobState.FAILED),
        ],
    )
    def test_a_job_that_somebody_stopped_is_cancelled_and_one_that_its_queue_gave_up_has_failed(
        self, fields: dict[str, Any], ours: JobState
    ) -> None:
        assert mapping.job_state({**job("FAILED"), **fields}) is ours

    def test_a_job_that_succeeded_before_it_was_stopped_has_succeeded(self) -> None:
        assert mapping.job_state(job("SUCCEEDED", isTerminated=True)) is JobState.SUCCEEDED


class TestFailures:
    @pytest.mark.parametrize(
        ("said", "reason", "kind", "retryable"),
        [
            ("Host EC2 (instance i-0c1) terminated.", "", FailureKind.PREEMPTED, True),
            ("Your Spot Task was interrupted.", "", FailureKind.PREEMPTED, True),
            ("Job attempt duration exceeded timeout", "", FailureKind.TIMEOUT, True),
            (
                "Essential container in task exited",
                "OutOfMemoryError: Container killed due to memory usage",
                FailureKind.OUT_OF_MEMORY,
                True,
            ),
            (
                "Task failed to start",
                "CannotPullContainerError: Error response from daemon: manifest for x not found",
                FailureKind.IMAGE,
                False,
            ),
            ("Task failed to start", "CannotPullImageManifestError: no", FailureKind.IMAGE, False),
            (
                "Task failed to start",
                "CannotPullContainerError: dial tcp 1.2.3.4:443: i/o timeout",
                FailureKind.IMAGE,
                True,
            ),
            (
                "Task failed to start",
                "CannotPullContainerError: toomanyrequests: Rate exceeded",
                FailureKind.IMAGE,
                True,
            ),
            (
                "ResourceInitializationError: unable to pull secrets: AccessDenied",
                "",
                FailureKind.CONFIG,
                False,
            ),
            ("Container Overrides length must be at most 8192", "", FailureKind.CONFIG, False),
            (
                "Task failed to start",
                'CannotStartContainerError: exec: "nope": executable file not found in $PATH',
                FailureKind.CONFIG,
                False,
            ),
            ("Task failed to start", "CannotInspectContainerError: x", FailureKind.PLATFORM, True),
            ("Task failed to start", "DockerTimeoutError: Could not transition", FailureKind.PLATFORM, True),
            ("Dependent Job failed", "", FailureKind.CONFIG, False),
            ("JobQueue deleted", "", FailureKind.CONFIG, False),
            (
                "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
                "",
                FailureKind.CAPACITY,
                True,
            ),
            (
                "Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE",
                "",
                FailureKind.CONFIG,
                False,
            ),
            ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - higher", "", FailureKind.CONFIG, False),
            ("ACTION_REQUIRED - CE(s) are invalid.", "", FailureKind.CONFIG, False),
            ("something new", "", FailureKind.PLATFORM, True),
            ("", "", FailureKind.PLATFORM, True),
        ],
    )
    def test_the_services_words_tell_the_kind(
        self, said: str, reason: str, kind: FailureKind, retryable: bool
    ) -> None:
        failure = mapping.part_failure(failed(said, reason=reason), HANDLE)
        assert (failure.kind, failure.retryable) == (kind, retryable)
        assert all(word in (failure.native_reason or "") for word in (said, reason))
        assert failure.message.startswith("it failed: ")

    @pytest.mark.parametrize("code", [1, 2, 3, 126, 127, 137, 139, 143, 255])
    def test_every_exit_code_is_the_users_code(self, code: int) -> None:
        failure = mapping.part_failure(failed("Essential container in task exited", code=code), HANDLE)
        assert (failure.kind, failure.retryable) == (FailureKind.USER_CODE, True)
        assert (failure.index, failure.exit_code) == (0, code)
        assert str(code) in failure.message

    def test_a_killed_process_is_out_of_memory_only_where_the_service_says_so(self) -> None:
        killed = mapping.part_failure(failed("Essential container in task exited", code=137), HANDLE)
        assert killed.kind is FailureKind.USER_CODE
        assert "memory" in killed.message
        told = mapping.part_failure(failed("Essential ...", code=137, reason="OutOfMemoryError: x"), HANDLE)
        assert (told.kind, told.exit_code) == (FailureKind.OUT_OF_MEMORY, 137)

    def test_the_exit_code_of_a_machine_that_was_taken_away_is_not_the_commands(self) -> None:
        failure = mapping.part_failure(failed("Host EC2 (instance i-1) terminated.", code=137), HANDLE)
        assert (failure.kind, failure.exit_code) == (FailureKind.PREEMPTED, None)

    def test_a_job_that_was_stopped_says_so_whatever_its_container_said(self) -> None:
        said = f"{mapping.CANCEL_PREFIX}killed in Airflow"
        failure = mapping.part_failure(failed(said, code=143, isTerminated=True), HANDLE)
        assert (failure.kind, failure.exit_code) == (FailureKind.CANCELLED, None)
        assert "killed in Airflow" in failure.message

    def test_the_index_is_the_original_one_and_an_array_of_one_needs_none_in_its_message(self) -> None:
        child = {**failed("Essential ...", code=3), "jobId": f"{ID}:1", "arrayProperties": {"index": 1}}
        part = ARRAY.model_copy(update={"size": 2, "indexes": (5, 8)})
        assert mapping.part_failure(child, part).index == 8
        assert mapping.part_failure(child, part).message == "index 8 exited with code 3"
        assert mapping.part_failure(failed("", code=3), HANDLE).message == "it exited with code 3"

    def test_a_node_is_named(self) -> None:
        node = {**failed("Essential ...", code=3), "jobId": f"{ID}#2", "nodeDetails": {"nodeIndex": 2}}
        failure = mapping.part_failure(node, HANDLE)
        assert (failure.index, failure.message) == (0, "node 2 exited with code 3")

    def test_a_task_with_several_containers_fails_as_the_one_that_did(self) -> None:
        containers = [{"name": "helper", "exitCode": 0}, {"name": "main", "exitCode": 9, "reason": "r"}]
        several = job("FAILED", "Essential ...", attempts=[{"taskProperties": [{"containers": containers}]}])
        failure = mapping.part_failure(several, HANDLE)
        assert (failure.kind, failure.exit_code) == (FailureKind.USER_CODE, 9)

    @pytest.mark.parametrize(
        ("said", "container", "kind", "code"),
        [
            ("", {"exitCode": 4, "reason": "Error"}, FailureKind.USER_CODE, 4),
            ("", {"exitCode": 137, "reason": "OOMKilled"}, FailureKind.OUT_OF_MEMORY, 137),
            ("", {"reason": "ImagePullBackOff"}, FailureKind.IMAGE, None),
            ("Pod was terminated in response to imminent node shutdown.", {}, FailureKind.PREEMPTED, None),
        ],
    )
    def test_a_pod_fails_as_its_container_did(
        self, said: str, container: dict[str, Any], kind: FailureKind, code: int | None
    ) -> None:
        pod = job("FAILED", said, eksAttempts=[{"containers": [container], "statusReason": said}])
        failure = mapping.part_failure(pod, HANDLE)
        assert (failure.kind, failure.exit_code) == (kind, code)

    def test_an_array_that_failed_without_a_failed_child_says_why(self) -> None:
        failure = mapping.job_failure(array("FAILED", said="Dependent Job failed"), ARRAY)
        assert (failure.kind, failure.index) == (FailureKind.CONFIG, None)
        assert failure.message == "the job failed: a job that it depends on failed (Dependent Job failed)"


class TestCounts:
    @pytest.mark.parametrize(
        ("described", "size", "counts"),
        [
            (array("PENDING", SUCCEEDED=2, RUNNING=1, RUNNABLE=1), 4, (2, 0, 1)),
            (array("PENDING", FAILED=1, RUNNING=3), 4, (0, 1, 3)),
            (array("FAILED", SUCCEEDED=1, FAILED=1), 4, (1, 3, 0)),
            (array("FAILED"), 4, (0, 4, 0)),
            (array("SUCCEEDED", SUCCEEDED=3), 4, (4, 0, 0)),
            (job("RUNNING"), 1, (0, 0, 1)),
            (job("SUCCEEDED"), 1, (1, 0, 0)),
            (job("FAILED"), 1, (0, 1, 0)),
            (job("RUNNABLE"), 1, (0, 0, 0)),
        ],
    )
    def test_children_are_counted_and_once_over_whatever_did_not_succeed_has_failed(
        self, described: dict[str, Any], size: int, counts: tuple[int, int, int]
    ) -> None:
        told = mapping.counts(described, size)
        assert (told.succeeded, told.failed, told.running) == counts
        assert told.size == size


class TestTimes:
    def test_a_job_began_with_its_first_attempt(self) -> None:
        attempts = [{"startedAt": 1000, "container": {}}, {"startedAt": 9000, "container": {}}]
        repeated = job("SUCCEEDED", attempts=attempts, startedAt=9000, stoppedAt=12_345)
        assert mapping.started_at(repeated) == pendulum.datetime(1970, 1, 1, 0, 0, 1)
        assert mapping.ended_at(repeated) == pendulum.datetime(1970, 1, 1, 0, 0, 12, microsecond=345_000)

    @pytest.mark.parametrize("fields", [{}, {"startedAt": 0}, {"attempts": [], "startedAt": None}])
    def test_a_job_that_has_not_begun_has_no_times(self, fields: dict[str, Any]) -> None:
        assert mapping.started_at(job("RUNNABLE", **fields)) is None
        assert mapping.ended_at(job("RUNNABLE", stoppedAt=5, **fields)) is None


@pytest.mark.parametrize(
    ("arn", "url"),
    [
        (
            f"arn:aws:batch:eu-west-1:123456789012:job/{ID}",
            f"https://eu-west-1.console.aws.amazon.com/batch/home?region=eu-west-1#jobs/detail/{ID}",
        ),
        (
            f"arn:aws-cn:batch:cn-north-1:123456789012:job/{ID}",
            f"https://cn-north-1.console.amazonaws.cn/batch/home?region=cn-north-1#jobs/detail/{ID}",
        ),
        ("", None),
        ("somewhere", None),
    ],
)
def test_the_console_link_leads_to_the_job(arn: str, url: str | None) -> None:
    assert mapping.console_url(arn) == url
