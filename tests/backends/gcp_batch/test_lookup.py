"""How many calls it takes to know how many jobs are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import Work, write_shell_spec

SPEC = JobSpec(script="true", prelude=False)


@pytest.fixture
def waiting_cloud(quiet_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield a local cloud in which no job ever starts."""
    quiet_cloud.admin.hold("scheduled")
    yield quiet_cloud
    quiet_cloud.admin.release()


def submit(backend: GcpBatchBackend, count: int) -> list[JobHandle]:
    """Submit some jobs."""
    keys = [JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t") for _ in range(count)]
    return [backend.submit(SPEC, key) for key in keys]


def calls_of_describe(
    cloud: LocalCloud, backend: GcpBatchBackend, handles: list[JobHandle]
) -> dict[str, int]:
    """Describe the jobs and return how often each method was called for it."""
    cloud.admin.clear_counters()
    reports = list(backend.describe(handles))
    assert sorted(report.native_id for report in reports) == sorted(handle.native_id for handle in handles)
    assert all(report.found for report in reports)
    counted = cloud.admin.counters().items()
    return {name.rpartition("/")[2]: entry["calls"] for name, entry in counted}


@pytest.mark.parametrize(
    ("count", "calls"),
    [(1, {"GetJob": 1}), (9, {"GetJob": 9}), (10, {"ListJobs": 1}), (1000, {"ListJobs": 1})],
)
def test_few_jobs_are_asked_for_one_by_one_and_many_with_a_page(
    waiting_cloud: LocalCloud, backend: GcpBatchBackend, count: int, calls: dict[str, int]
) -> None:
    assert calls_of_describe(waiting_cloud, backend, submit(backend, count)) == calls


def test_other_peoples_jobs_do_not_make_a_few_dearer(
    waiting_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    ours = submit(backend, 3)
    submit(backend, 40)
    assert calls_of_describe(waiting_cloud, backend, ours) == {"GetJob": 3}


def test_jobs_behind_many_newer_ones_cost_at_most_twice_what_single_calls_do(
    waiting_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    ours = submit(backend, 12)
    submit(backend, 400)
    calls = calls_of_describe(waiting_cloud, backend, ours)
    assert calls == {"ListJobs": 2, "GetJob": 12}


def test_older_jobs_of_the_region_are_not_read(waiting_cloud: LocalCloud, backend: GcpBatchBackend) -> None:
    submit(backend, 400)
    assert calls_of_describe(waiting_cloud, backend, submit(backend, 12)) == {"ListJobs": 1}


def test_one_job_that_is_gone_costs_one_call_more(
    waiting_cloud: LocalCloud, backend: GcpBatchBackend
) -> None:
    handles = submit(backend, 20)
    backend.hook.delete_job(handles[7].native_id)
    waiting_cloud.admin.clear_counters()
    reports = list(backend.describe(handles))
    assert len(reports) == len(handles)
    assert [report.native_id for report in reports if not report.found] == [handles[7].native_id]
    assert waiting_cloud.admin.calls("ListJobs") == 1
    assert waiting_cloud.admin.calls("GetJob") == 1


class TestFailures:
    def end(self, backend: GcpBatchBackend, work: Work) -> tuple[JobHandle, JobState | None]:
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        handle = backend.submit(write_shell_spec(work), key)
        while True:
            (report,) = backend.describe([handle])
            if report.state and report.state.is_terminal:
                return handle, report.state

    def test_a_success_costs_no_look_at_its_tasks(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        self.end(backend, Work(size=3))
        assert quiet_cloud.admin.calls("ListTasks") == 0

    def test_many_failures_are_all_named_and_the_first_ten_explained(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        handle, state = self.end(backend, Work(size=25, exit_codes=dict.fromkeys(range(5, 25), 9)))
        assert state is JobState.FAILED
        quiet_cloud.admin.clear_counters()
        (report,) = backend.describe([handle])
        assert report.array is not None
        assert report.array.failed_indexes == tuple(range(5, 25))
        assert [failure.index for failure in report.failures] == list(range(5, 15))
        assert quiet_cloud.admin.calls("ListTasks") == 1

    def test_indexes_that_never_ran_count_as_failed(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        spec = write_shell_spec(Work(size=4, exit_codes={1: 9}), parallelism=1).model_copy(
            update={"native": {"taskGroups": [{"schedulingPolicy": "IN_ORDER"}]}}
        )
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        handle = backend.submit(spec, key)
        state = None
        while state is not JobState.FAILED:
            (report,) = backend.describe([handle])
            state = report.state
        assert report.array is not None
        assert report.array.succeeded + report.array.failed == 4
        assert set(report.array.failed_indexes) >= {1}
        assert len(report.array.failed_indexes) == report.array.failed

    def test_a_preempted_task_is_told_from_one_that_failed(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        handle = backend.submit(write_shell_spec(Work(size=2, runs_on=True)), key)
        while next(backend.describe([handle])).array.running < 2:  # type: ignore[union-attr]
            pass
        uid = backend.hook.get_job(handle.native_id).uid
        quiet_cloud.admin.interrupt(uid, 1, reason="preempted")
        quiet_cloud.admin.interrupt(uid, 0, reason="lost")
        state = None
        while not (state and state.is_terminal):
            (report,) = backend.describe([handle])
            state = report.state
        assert [(failure.index, failure.kind.value) for failure in report.failures] == [
            (0, "PLATFORM"),
            (1, "PREEMPTED"),
        ]


def test_the_run_limit_of_the_service_is_a_timeout(quiet_cloud: LocalCloud, backend: GcpBatchBackend) -> None:
    spec = write_shell_spec(Work(runs_on=True), max_run_seconds=1)
    handle = backend.submit(spec, JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t"))
    state = None
    while not (state and state.is_terminal):
        (report,) = backend.describe([handle])
        state = report.state
    (failure,) = report.failures
    assert failure.kind.value == "TIMEOUT"
