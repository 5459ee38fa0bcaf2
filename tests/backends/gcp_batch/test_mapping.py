"""The service's words for states and failures, walked over all of them."""

from __future__ import annotations

import pendulum
import pytest
from google.cloud.batch_v1 import Job, JobStatus, StatusEvent, Task, TaskExecution, TaskStatus

from airflow_provider_jobs.backends.gcp_batch import mapping
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.states import JobState

NAME = "projects/p/locations/europe-west1/jobs/j"
HANDLE = JobHandle(
    ref=BackendRef(backend="gcp_batch", conn_id="c"),
    native_id=NAME,
    name="j",
    size=4,
    submitted_at=pendulum.datetime(2030, 1, 1),
)
MACHINE = "on zones/europe-west1-b/instances/1"


def failed_task(index: int = 1, *, code: int | None = None, said: str = "") -> Task:
    """Return a task whose last attempt failed."""
    execution = TaskExecution(exit_code=code) if code is not None else None
    events = [
        StatusEvent(task_state=TaskStatus.State.FAILED, description="an earlier attempt with exit code 77"),
        StatusEvent(task_state=TaskStatus.State.RUNNING),
        StatusEvent(task_state=TaskStatus.State.FAILED, description=said, task_execution=execution),
    ]
    return Task(
        name=f"{NAME}/taskGroups/group0/tasks/{index}",
        status=TaskStatus(state=TaskStatus.State.FAILED, status_events=events),
    )


def job(state: JobStatus.State, **counts: int) -> Job:
    """Return a job in a state with so many tasks in each of theirs."""
    group = JobStatus.TaskGroupStatus(counts=counts)
    return Job(name=NAME, status=JobStatus(state=state, task_groups={"group0": group}))


class TestStates:
    @pytest.mark.parametrize("state", list(JobStatus.State), ids=lambda state: state.name)
    def test_every_state_of_a_job_is_mapped(self, state: JobStatus.State) -> None:
        assert isinstance(mapping.job_state(job(state)), JobState)
        assert mapping.word(job(state)) == state.name

    @pytest.mark.parametrize("state", list(TaskStatus.State), ids=lambda state: state.name)
    def test_every_state_of_a_task_is_mapped(self, state: TaskStatus.State) -> None:
        assert isinstance(mapping.TASK_STATES[state], JobState)

    def test_there_are_nine_states_of_a_job_and_no_row_beyond_them(self) -> None:
        assert len(mapping.JOB_STATES) == len(JobStatus.State) == 9
        assert len(mapping.TASK_STATES) == len(TaskStatus.State) == 7

    @pytest.mark.parametrize(
        ("state", "ours"),
        [
            ("QUEUED", JobState.QUEUED),
            ("SCHEDULED", JobState.STARTING),
            ("RUNNING", JobState.RUNNING),
            ("SUCCEEDED", JobState.SUCCEEDED),
            ("FAILED", JobState.FAILED),
            ("CANCELLED", JobState.CANCELLED),
        ],
    )
    def test_a_state_is_what_it_says(self, state: str, ours: JobState) -> None:
        assert mapping.job_state(job(JobStatus.State[state])) is ours

    @pytest.mark.parametrize(
        "state", ["CANCELLATION_IN_PROGRESS", "DELETION_IN_PROGRESS", "STATE_UNSPECIFIED"]
    )
    @pytest.mark.parametrize("before", [JobState.QUEUED, JobState.RUNNING])
    def test_a_job_on_its_way_out_keeps_the_state_it_had(self, state: str, before: JobState) -> None:
        told = mapping.job_state(job(JobStatus.State[state]))
        assert told is not None
        assert before.advance(told) is before

    def test_a_word_of_a_later_service_is_unknown_and_told_as_it_is(self) -> None:
        later = Job.deserialize(b"\x4a\x02\x08\x63")
        assert mapping.job_state(later) is None
        assert mapping.word(later) == "99"


class TestExitCodes:
    @pytest.mark.parametrize(
        ("code", "kind", "reason"),
        [
            (50001, FailureKind.PREEMPTED, "Spot Preemption"),
            (50002, FailureKind.PLATFORM, "Batch no longer receives VM updates"),
            (50003, FailureKind.PLATFORM, "VM is rebooted during task execution"),
            (50004, FailureKind.PLATFORM, "tasks cannot be canceled"),
            (50005, FailureKind.TIMEOUT, "task runs over the maximum runtime"),
            (50006, FailureKind.PLATFORM, "VM is recreated during task execution"),
        ],
    )
    def test_a_reserved_code_has_its_kind_and_is_not_the_commands(
        self, code: int, kind: FailureKind, reason: str
    ) -> None:
        said = (
            f"Task state is updated from RUNNING to FAILED {MACHINE} due to {reason} with exit code {code}."
        )
        failure = mapping.task_failure(failed_task(code=code, said=said), HANDLE)
        assert (failure.kind, failure.retryable, failure.exit_code) == (kind, True, None)
        assert str(code) in failure.message
        assert failure.native_reason == said

    @pytest.mark.parametrize("code", [1, 2, 3, 126, 127, 137, 143, 255])
    def test_every_other_code_is_the_users_code(self, code: int) -> None:
        said = f"Task state is updated from RUNNING to FAILED {MACHINE} with exit code {code}."
        failure = mapping.task_failure(failed_task(code=code, said=said), HANDLE)
        assert (failure.kind, failure.retryable) == (FailureKind.USER_CODE, True)
        assert (failure.index, failure.exit_code) == (1, code)

    def test_a_killed_process_is_out_of_memory_only_where_the_service_says_so(self) -> None:
        killed = mapping.task_failure(failed_task(code=137, said="with exit code 137"), HANDLE)
        assert killed.kind is FailureKind.USER_CODE
        assert "memory" in killed.message
        told = mapping.task_failure(failed_task(code=137, said="container was OOMKilled"), HANDLE)
        assert told.kind is FailureKind.OUT_OF_MEMORY

    def test_an_array_of_one_needs_no_index_in_its_message(self) -> None:
        single = HANDLE.model_copy(update={"size": 1})
        assert mapping.task_failure(failed_task(0, code=3), single).message == "it exited with code 3"
        assert mapping.task_failure(failed_task(2, code=3), HANDLE).message == "index 2 exited with code 3"

    def test_the_index_is_the_original_one(self) -> None:
        part = HANDLE.model_copy(update={"size": 2, "indexes": (5, 8)})
        assert mapping.task_failure(failed_task(1, code=3), part).index == 8


class TestReasons:
    @pytest.mark.parametrize(
        ("said", "kind", "is_retryable"),
        [
            ("VM creation failed: Quota CPUS exceeded. Limit: 24 in region r", FailureKind.CAPACITY, True),
            ("Error: code - CODE_GCE_ZONE_RESOURCE_POOL_EXHAUSTED", FailureKind.CAPACITY, True),
            ("zone does not have enough resources available", FailureKind.CAPACITY, True),
            ("pull access denied for nope, repository does not exist", FailureKind.IMAGE, False),
            ("manifest for busybox:nope not found: manifest unknown", FailureKind.IMAGE, False),
            ("code - CODE_SERVICE_ACCOUNT_MISMATCH", FailureKind.CONFIG, False),
            (
                "caller does not have access to act as the specified service account",
                FailureKind.CONFIG,
                False,
            ),
            ("Constraint constraints/compute.vmExternalIpAccess violated", FailureKind.CONFIG, False),
            (
                "No VM has agent reporting correctly within time window 1080 seconds",
                FailureKind.CONFIG,
                False,
            ),
            ("INVALID_FIELD_VALUE,BACKEND_ERROR", FailureKind.CONFIG, False),
            ("something new", FailureKind.PLATFORM, True),
        ],
    )
    def test_a_job_that_failed_without_a_failed_task_says_why(
        self, said: str, kind: FailureKind, is_retryable: bool
    ) -> None:
        events = [
            StatusEvent(description="Job state is set from QUEUED to SCHEDULED for job projects/1/x/jobs/j."),
            StatusEvent(description=f"Job state is set from SCHEDULED to FAILED for job a/b.{said}"),
        ]
        failure = mapping.job_failure(events, HANDLE)
        assert (failure.kind, failure.retryable, failure.index) == (kind, is_retryable, None)
        assert said in failure.message

    def test_a_service_that_says_nothing_is_told_so(self) -> None:
        failure = mapping.job_failure([], HANDLE)
        assert (failure.kind, failure.native_reason) == (
            FailureKind.PLATFORM,
            "the service gives no reason",
        )

    def test_a_plain_change_of_state_is_no_reason(self) -> None:
        plain = StatusEvent(description="Job state is set from QUEUED to SCHEDULED for job a/b.")
        assert mapping.last_reason([plain]) is None
        assert mapping.last_reason([StatusEvent(description="Quota is short"), plain]) == "Quota is short"

    @pytest.mark.parametrize(
        ("state", "told"),
        [
            ("SCHEDULED", "Quota is short"),
            ("FAILED", "Quota is short"),
            ("RUNNING", None),
            ("SUCCEEDED", None),
        ],
    )
    def test_what_a_job_waited_for_is_no_reason_of_one_that_runs_or_has_succeeded(
        self, state: str, told: str | None
    ) -> None:
        waited = job(JobStatus.State[state])
        change = f"Job state is set from QUEUED to {state} for job a/b."
        waited.status.status_events = [StatusEvent(description=each) for each in ("Quota is short", change)]
        assert mapping.detail(waited) == told


class TestCounts:
    def test_a_running_job_counts_by_state(self) -> None:
        counts = mapping.counts(job(JobStatus.State.RUNNING, SUCCEEDED=2, RUNNING=1, PENDING=1), 4)
        assert (counts.succeeded, counts.running, counts.failed) == (2, 1, 0)

    def test_once_failed_whatever_did_not_succeed_has_failed(self) -> None:
        failed = job(JobStatus.State.FAILED, SUCCEEDED=1, FAILED=1, UNEXECUTED=2)
        assert mapping.counts(failed, 4).failed == 3
        assert mapping.counts(job(JobStatus.State.FAILED), 4).failed == 4

    def test_words_of_a_later_service_are_left_out(self) -> None:
        counts = mapping.counts(job(JobStatus.State.RUNNING, SLEEPING=3, RUNNING=1), 4)
        assert (counts.size, counts.running) == (4, 1)


def test_console_links_lead_to_the_job_and_its_logs() -> None:
    base = "https://console.cloud.google.com/batch/jobsDetail/regions/europe-west1/jobs/j"
    assert mapping.console_url(NAME) == f"{base}/details?project=p"
    assert mapping.console_url(NAME, tab="logs") == f"{base}/logs?project=p"


def test_the_first_time_a_state_was_reached_is_when_it_began() -> None:
    def event(change: str, second: int) -> StatusEvent:
        return StatusEvent(
            description=f"Job state is set from {change} for job a/b.",
            event_time=pendulum.datetime(2030, 1, 1, 0, 0, second),
        )

    done = Job(
        status=JobStatus(
            status_events=[
                event("QUEUED to SCHEDULED", 1),
                event("SCHEDULED to RUNNING", 2),
                event("RUNNING to SUCCEEDED", 9),
            ]
        )
    )
    assert mapping.changed_at(done, "RUNNING") == pendulum.datetime(2030, 1, 1, 0, 0, 2)
    assert mapping.changed_at(done, "SUCCEEDED", "FAILED") == pendulum.datetime(2030, 1, 1, 0, 0, 9)
    assert mapping.changed_at(done, "CANCELLED") is None
