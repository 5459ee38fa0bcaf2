"""What the backend adds to the contract: submissions broken off anywhere, shared jobs, few calls."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.batch.models import BatchJobState

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    AmbiguousError,
    InvalidArgument,
    InvalidRequest,
    NoCapacity,
    TransientError,
)
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.identity import job_labels
from airflow_provider_jobs.core.models import BackendRef, LogCursor
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.conftest import REF
from tests.backends.azure_batch.speaker import CONN_ID, Speaker
from tests.backends.azure_batch.work import (
    POOL,
    RUNS_ON,
    ended,
    ids_of,
    new_key,
    report_of,
    sharing,
    spec,
    until,
)


class TestHandles:
    def test_its_reference_is_the_account_alone_so_that_one_group_polls_all_jobs(
        self, backend: AzureBatchBackend
    ) -> None:
        shared = sharing(f"s-{uuid.uuid4().hex[:8]}")
        handles = [each.submit(spec(), new_key()) for each in (backend, shared)]
        assert [handle.ref for handle in handles] == [REF, REF]
        assert [report.found for report in AzureBatchBackend(REF).describe(handles)] == [True, True]

    def test_the_job_carries_our_labels_and_ends_with_its_tasks(self, backend: AzureBatchBackend) -> None:
        key = new_key()
        handle = backend.submit(spec(labels={"team": "ml"}), key)
        ended(backend, handle)
        job = backend.hook.get_job(handle.native_id)
        metadata = {item.name: item.value for item in job.metadata or ()}
        assert {**job_labels(key), "team": "ml"}.items() <= metadata.items()
        while job.state != BatchJobState.COMPLETED:
            job = backend.hook.get_job(handle.native_id)
        assert job.execution_info is not None
        assert job.execution_info.termination_reason == "AllTasksComplete"

    @pytest.mark.parametrize(
        ("scope", "message"),
        [({"job_id": "a b"}, "^job_id: 'a b' is no id"), ({"region": "x"}, "^region: ")],
    )
    def test_a_scope_that_cannot_be_meant_is_refused(self, scope: dict[str, str], message: str) -> None:
        with pytest.raises(InvalidArgument, match=message):
            AzureBatchBackend(BackendRef(backend="azure_batch", conn_id=REF.conn_id, scope=scope))


class TestBrokenOff:
    """A submission of 150 tasks that dies at any of its requests."""

    SIZE = 150

    @pytest.mark.parametrize(
        "fault", [{"error": {"code": 500}}, {"drop_answer": "reset"}], ids=["failed", "lost"]
    )
    @pytest.mark.parametrize(
        ("job_id", "method", "skip"),
        [
            (None, "CreateJob", 0),
            (None, "CreateTaskCollection", 0),
            (None, "CreateTaskCollection", 1),
            (None, "UpdateJob", 0),
            ("shared", "CreateJob", 0),
            ("shared", "CreateTaskCollection", 0),
            ("shared", "CreateTaskCollection", 1),
        ],
    )
    def test_it_is_completed_when_it_is_submitted_again_and_nothing_is_there_twice(
        self, quiet_cloud: LocalCloud, fault: dict[str, Any], job_id: str | None, method: str, skip: int
    ) -> None:
        backend = AzureBatchBackend(REF) if job_id is None else sharing(job_id)
        key, work = new_key(), spec(array_size=self.SIZE)
        quiet_cloud.admin.hold("scheduled")
        quiet_cloud.admin.add_fault(method=method, skip=skip, times=1, **fault)
        with pytest.raises((TransientError, AmbiguousError)):
            backend.submit(work, key)
        last = ("CreateTaskCollection", 1) if job_id else ("UpdateJob", 0)
        is_whole = (method, skip) == last and "drop_answer" in fault
        assert (backend.find(key) is not None) is is_whole
        handle = backend.submit(work, key)
        assert (handle.size, handle.indexes) == (self.SIZE, None)
        assert len(ids_of(backend, handle)) == self.SIZE
        assert backend.find(key) == handle
        quiet_cloud.admin.release()

    def test_only_the_tasks_that_are_missing_are_sent(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        key, work = new_key(), spec(array_size=self.SIZE)
        quiet_cloud.admin.add_fault(method="CreateTaskCollection", skip=1, times=1, error={"code": 500})
        with pytest.raises(TransientError):
            backend.submit(work, key)
        quiet_cloud.admin.clear_counters()
        backend.submit(work, key)
        assert quiet_cloud.admin.calls("CreateTaskCollection") == 1

    @pytest.mark.parametrize("job_id", [None, "shared"])
    def test_what_was_half_submitted_with_other_arguments_is_removed_first(
        self, quiet_cloud: LocalCloud, job_id: str | None
    ) -> None:
        backend = AzureBatchBackend(REF) if job_id is None else sharing(job_id)
        key = new_key()
        quiet_cloud.admin.add_fault(method="CreateTaskCollection", skip=1, times=1, error={"code": 500})
        with pytest.raises(TransientError):
            backend.submit(spec(array_size=self.SIZE), key)
        work = spec("echo", "new", array_size=2)
        with pytest.raises(TransientError, match="was half submitted with other arguments"):
            backend.submit(work, key)
        while True:
            try:
                handle = backend.submit(work, key)
            except TransientError:
                continue
            break
        assert len(ids_of(backend, handle)) == 2
        assert ended(backend, handle).state is JobState.SUCCEEDED

    def test_a_job_that_is_being_deleted_is_waited_for(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        key = new_key()
        handle = backend.submit(spec(*RUNS_ON), key)
        until(backend, handle, lambda told: told.state is JobState.RUNNING)
        quiet_cloud.admin.hold("deleted")
        backend.delete(handle)
        with pytest.raises(TransientError, match="is being deleted"):
            backend.submit(spec(*RUNS_ON), key)
        quiet_cloud.admin.release()

    def test_a_refused_spec_sends_nothing(self, quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
        for values in ({"secrets": {"TOKEN": "geheim"}}, {"input": "x" * 1_200_000}):
            with pytest.raises(InvalidArgument):
                backend.submit(spec(**values), new_key())
        assert quiet_cloud.admin.calls("CreateJob") == 0


class TestNotOurs:
    def test_a_job_of_our_name_that_is_not_ours_is_never_taken_over(self, backend: AzureBatchBackend) -> None:
        key = new_key()
        backend.hook.create_job({"id": Place.for_key(key, None).job_id, "poolInfo": {"poolId": "default"}})
        for call in (lambda: backend.submit(spec(), key), lambda: backend.find(key)):
            with pytest.raises(AlreadyExists, match="exists and was not made for this task"):
                call()

    def test_a_task_of_our_name_that_is_not_ours_is_never_taken_over(self, cloud: LocalCloud) -> None:
        backend, key = sharing("foreign"), new_key()
        place = Place.for_key(key, "foreign")
        backend.submit(spec(), new_key())
        backend.hook.create_task("foreign", {"id": place.task_id(0), "commandLine": "true"})
        for call in (lambda: backend.submit(spec(), key), lambda: backend.find(key)):
            with pytest.raises(AlreadyExists, match="exists and was not made for this task"):
                call()


class TestCalls:
    def test_jobs_of_their_own_cost_one_list_each_and_one_for_all(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handles = [backend.submit(spec(*RUNS_ON), new_key()) for _ in range(6)]
        quiet_cloud.admin.clear_counters()
        assert all(report.found for report in backend.describe(handles))
        assert quiet_cloud.admin.calls("ListTasks") == 6
        assert quiet_cloud.admin.calls("ListJobs") == 1
        assert quiet_cloud.admin.calls("GetJob") == 0

    def test_a_job_that_has_succeeded_costs_one_call(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handle = backend.submit(spec(array_size=3), new_key())
        ended(backend, handle)
        quiet_cloud.admin.clear_counters()
        list(backend.describe([handle]))
        assert {name.rpartition("/")[2] for name in quiet_cloud.admin.counters()} == {"ListTasks"}

    def test_submitting_one_task_takes_three_requests(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        backend.submit(spec(), new_key())
        counted = {
            name.rpartition("/")[2]: each["calls"] for name, each in quiet_cloud.admin.counters().items()
        }
        assert counted == {"CreateJob": 1, "CreateTaskCollection": 1, "UpdateJob": 1}


class TestEndings:
    def test_our_reason_stands_in_the_failure(self, backend: AzureBatchBackend) -> None:
        handle = backend.submit(spec(*RUNS_ON), new_key())
        until(backend, handle, lambda told: told.state is JobState.RUNNING)
        backend.cancel(handle, "killed in Airflow")
        told = ended(backend, handle)
        assert told.state is JobState.CANCELLED
        assert told.failures[0].kind is FailureKind.CANCELLED
        until(backend, handle, lambda told: "killed in Airflow" in told.failures[0].message)

    def test_a_limit_of_time_is_no_cancel(self, backend: AzureBatchBackend) -> None:
        handle = backend.submit(spec(*RUNS_ON, max_run_seconds=1), new_key())
        told = ended(backend, handle)
        assert told.state is JobState.FAILED
        assert told.failures[0].kind is FailureKind.TIMEOUT

    def test_a_program_that_is_not_there_is_a_mistake_that_no_retry_mends(
        self, backend: AzureBatchBackend
    ) -> None:
        told = ended(backend, backend.submit(spec("no-such-program"), new_key()))
        assert told.failures[0].kind is FailureKind.CONFIG
        assert not told.failures[0].retryable

    def test_an_exit_condition_that_ends_the_job_fails_it(self, backend: AzureBatchBackend) -> None:
        options = {**POOL, "exit_conditions": {"default": {"job_action": "terminate"}}}
        script = '[ "$JOB_INDEX" = 1 ] && exit 6; exec sleep 600'
        handle = backend.submit(spec("/bin/sh", "-c", script, array_size=2, options=options), new_key())
        told = ended(backend, handle)
        assert told.state is JobState.FAILED
        assert [(failure.index, failure.exit_code) for failure in told.failures] == [(1, 6)]

    def test_a_job_that_ends_before_it_is_submitted_to_the_end_is_told_as_it_ended(
        self, speaker: Speaker
    ) -> None:
        refusal = {"code": "JobCompleted", "message": {"value": "It has ended."}}
        job = {"id": "j", "state": "completed", "executionInfo": {"terminateReason": "a person"}}
        speaker.say((201, {}), (409, refusal), (200, job), (200, {"value": []}), (200, job))
        backend = AzureBatchBackend(BackendRef(backend="azure_batch", conn_id=CONN_ID))
        told = report_of(backend, backend.submit(spec(), new_key()))
        assert told.state is JobState.CANCELLED
        assert "a person" in told.failures[0].message

    def test_a_task_on_a_node_that_was_taken_away_runs_again(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handle = backend.submit(spec(*RUNS_ON), new_key())
        until(backend, handle, lambda told: told.state is JobState.RUNNING)
        (run,) = quiet_cloud.admin.jobs()
        quiet_cloud.admin.hold("scheduled")
        quiet_cloud.admin.interrupt(run["uid"], 0, reason="preempted")
        told = until(backend, handle, lambda told: told.state is not JobState.RUNNING)
        assert told.state in (JobState.QUEUED, JobState.STARTING)
        quiet_cloud.admin.release()


class TestNoRoom:
    @pytest.mark.parametrize("code", ["ActiveJobAndScheduleQuotaReached", "PoolQuotaReached"])
    def test_a_quota_of_the_account_sends_the_job_elsewhere(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend, code: str
    ) -> None:
        quiet_cloud.admin.add_fault(method="CreateJob", error={"code": code}, times=1)
        with pytest.raises(NoCapacity, match="job_id"):
            backend.submit(spec(), new_key())

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("AutoPoolCreationFailedWithQuotaReached", NoCapacity),
            ("InvalidAutoPoolSettings", InvalidRequest),
        ],
    )
    def test_a_pool_that_could_not_be_made_is_told_by_the_jobs_own_error(
        self, speaker: Speaker, code: str, kind: type[Exception]
    ) -> None:
        error = {"code": code, "message": "m", "category": "UserError"}
        refusal = {"code": "JobCompleted", "message": {"value": "It has ended."}}
        job = {"id": "j", "state": "completed", "executionInfo": {"schedulingError": error}}
        speaker.say((201, {}), (409, refusal), (200, job))
        ref = BackendRef(backend="azure_batch", conn_id=CONN_ID)
        with pytest.raises(kind, match=f"could not be started: {code}"):
            AzureBatchBackend(ref).submit(spec(), new_key())


class TestAutoPools:
    AUTO_POOL = {
        "vm_size": "standard_d2s_v3",
        "image_reference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"},
        "node_agent_sku_id": "batch.node.ubuntu 22.04",
    }

    def test_its_nodes_stay_until_the_last_lines_are_read_and_then_go(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        options = {"auto_pool": {**self.AUTO_POOL, "hold_seconds": 3}}
        handle = backend.submit(spec("echo", "last words", options=options, spot=True), new_key())
        assert ended(backend, handle).state is JobState.SUCCEEDED
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert [line.message for line in page.lines] == ["last words"]
        while any(pool.id.startswith("airflow") for pool in backend.hook.list_pools(select=["id"])):
            pass
        assert backend.hook.get_job(handle.native_id).state == BatchJobState.COMPLETED
