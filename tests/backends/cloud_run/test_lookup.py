"""How many calls it takes to know how many executions are, to find one, and to read their logs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run import lookup
from airflow_provider_jobs.backends.cloud_run.backend import CloudRunBackend
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, LogCursor
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.conftest import REF
from tests.contract.world import Work, write_shell_spec

SPEC = JobSpec(image="busybox:1", script="exit 0")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (run_v2.Execution, [*lookup._FIELDS, *lookup._SEARCH_FIELDS]),
        (run_v2.Task, lookup._TASK_FIELDS),
        (run_v2.ListExecutionsResponse, ["nextPageToken", "executions"]),
        (run_v2.ListTasksResponse, ["nextPageToken", "tasks"]),
    ],
)
def test_every_field_that_is_asked_for_is_one_of_the_services(kind: Any, fields: list[str]) -> None:
    for field in fields:
        message = kind.pb(kind()).DESCRIPTOR
        for step in field.split("."):
            known = {each.json_name: each for each in message.fields}
            assert step in known, field
            message = known[step].message_type


@pytest.fixture
def waiting_cloud(quiet_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield a local cloud in which no execution ever starts."""
    quiet_cloud.admin.hold("scheduled")
    yield quiet_cloud
    quiet_cloud.admin.release()


def submit(backend: CloudRunBackend, count: int, *, task_id: str = "t") -> list[JobHandle]:
    """Submit some executions of one task."""
    keys = [JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id=task_id) for _ in range(count)]
    return [backend.submit(SPEC, key) for key in keys]


def calls(cloud: LocalCloud) -> dict[str, int]:
    """Return how often each method was called since the counts were cleared."""
    return {name.rpartition("/")[2]: entry["calls"] for name, entry in cloud.admin.counters().items()}


def calls_of_describe(
    cloud: LocalCloud, backend: CloudRunBackend, handles: list[JobHandle]
) -> dict[str, int]:
    """Describe the executions and return how often each method was called for it."""
    cloud.admin.clear_counters()
    reports = list(backend.describe(handles))
    assert sorted(report.native_id for report in reports) == sorted(handle.native_id for handle in handles)
    assert all(report.found for report in reports)
    return calls(cloud)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, {"GetExecution": 1}), (9, {"GetExecution": 9}), (10, {"ListExecutions": 1})],
)
def test_few_executions_are_asked_for_one_by_one_and_many_with_a_page(
    waiting_cloud: LocalCloud, backend: CloudRunBackend, count: int, expected: dict[str, int]
) -> None:
    assert calls_of_describe(waiting_cloud, backend, submit(backend, count)) == expected


def test_executions_of_many_jobs_are_one_page_of_their_region(
    waiting_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    handles = [submit(backend, 1, task_id=f"t{number}")[0] for number in range(12)]
    assert calls_of_describe(waiting_cloud, backend, handles) == {"ListExecutions": 1}


def test_many_executions_of_a_few_jobs_are_one_page_of_each_job(
    waiting_cloud: LocalCloud, backend: CloudRunBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "OWN_LIST", 12)
    handles = [*submit(backend, 12, task_id="one"), *submit(backend, 13, task_id="two")]
    submit(backend, 30, task_id="others")
    alone = submit(backend, 1, task_id="alone")
    assert calls_of_describe(waiting_cloud, backend, handles) == {"ListExecutions": 2}
    together = calls_of_describe(waiting_cloud, backend, [*handles, *alone])
    assert together == {"ListExecutions": 2, "GetExecution": 1}


def test_a_thousand_executions_of_a_job_are_one_page(
    waiting_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    (first,) = submit(backend, 1)
    job = first.native_id.partition("/executions/")[0]
    names = [backend.hook.run_job(job).name for _ in range(999)]
    handles = [first, *(first.model_copy(update={"native_id": name}) for name in names)]
    assert calls_of_describe(waiting_cloud, backend, handles) == {"ListExecutions": 1}


def test_executions_of_other_jobs_do_not_stand_in_the_way_of_one_jobs(
    waiting_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    ours = submit(backend, 10)
    submit(backend, 150, task_id="others")
    assert calls_of_describe(waiting_cloud, backend, ours) == {"ListExecutions": 1}


def test_one_execution_that_is_gone_costs_one_call_more(
    waiting_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    handles = submit(backend, 12)
    backend.hook.delete_execution(handles[7].native_id)
    waiting_cloud.admin.clear_counters()
    reports = list(backend.describe(handles))
    assert len(reports) == len(handles)
    assert [report.native_id for report in reports if not report.found] == [handles[7].native_id]
    assert calls(waiting_cloud) == {"ListExecutions": 1, "GetExecution": 1}


def test_finding_asks_for_the_executions_of_one_job(
    waiting_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    submit(backend, 20)
    submit(backend, 20, task_id="others")
    waiting_cloud.admin.clear_counters()
    assert backend.find(JobKey(dag_id="d", run_id="another", task_id="t")) is None
    assert calls(waiting_cloud) == {"ListExecutions": 1}


def test_a_submission_looks_for_the_key_and_at_the_job_and_runs_it(
    waiting_cloud: LocalCloud, backend: CloudRunBackend
) -> None:
    submit(backend, 1)
    waiting_cloud.admin.clear_counters()
    submit(backend, 1)
    assert calls(waiting_cloud) == {"ListExecutions": 1, "GetJob": 1, "RunJob": 1}


class TestFailures:
    def end(self, backend: CloudRunBackend, work: Work) -> tuple[JobHandle, JobState | None]:
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        handle = backend.submit(write_shell_spec(work), key)
        while True:
            (report,) = backend.describe([handle])
            if report.state and report.state.is_terminal:
                return handle, report.state

    def test_a_success_costs_no_look_at_its_tasks(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        self.end(backend, Work(size=3))
        assert quiet_cloud.admin.calls("ListTasks") == 0

    def test_many_failures_are_all_named_and_the_first_ten_explained(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        handle, state = self.end(backend, Work(size=25, exit_codes=dict.fromkeys(range(5, 25), 9)))
        assert state is JobState.FAILED
        quiet_cloud.admin.clear_counters()
        (report,) = backend.describe([handle])
        assert report.array is not None
        assert report.array.failed_indexes == tuple(range(5, 25))
        assert [failure.index for failure in report.failures] == list(range(5, 15))
        assert calls(quiet_cloud) == {"GetExecution": 1, "ListTasks": 1}


class TestLogs:
    def test_the_logs_of_all_executions_of_a_project_are_one_query(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        elsewhere = CloudRunBackend(REF.model_copy(update={"scope": {"region": "us-east4"}}))
        spec = write_shell_spec(Work(size=2, lines=2))
        handles = [
            own.submit(spec, JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id=f"t{number}"))
            for number in range(4)
            for own in (backend, elsewhere)
        ]
        together = CloudRunBackend(handles[0].ref)
        while not all(report.state is JobState.SUCCEEDED for report in together.describe(handles)):
            pass
        quiet_cloud.admin.clear_counters()
        pages = together.read_logs([LogCursor(handle=handle) for handle in handles])
        assert [len(page.lines) for page in pages] == [4] * 8
        assert calls(quiet_cloud) == {"ListLogEntries": 1}

    def test_lines_that_can_be_read_only_later_are_not_lost(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        quiet_cloud.admin.set_log_delay(0.5)
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        handle = backend.submit(write_shell_spec(Work(size=3, lines=3)), key)
        while next(backend.describe([handle])).state is not JobState.SUCCEEDED:
            pass
        quiet_cloud.admin.set_log_delay(0)
        cursor, found = LogCursor(handle=handle), []
        while len(found) < 9:
            (page,) = backend.read_logs([cursor])
            found += [(line.index, line.message) for line in page.lines]
            cursor = LogCursor(handle=handle, position=page.position)
        assert sorted(found) == [(index, f"line {n}") for index in range(3) for n in range(3)]

    def test_what_is_written_to_stderr_is_a_warning(
        self, quiet_cloud: LocalCloud, backend: CloudRunBackend
    ) -> None:
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        script = "echo out; echo err >&2"
        handle = backend.submit(SPEC.model_copy(update={"script": script}), key)
        lines: list[tuple[str, str, str]] = []
        while len(lines) < 2:
            lines = [
                (line.message, line.stream, line.level) for line in backend.hook.read_logs(handle.native_id)
            ]
        assert sorted(lines) == [("err", "stderr", "warning"), ("out", "stdout", "info")]


def test_a_key_that_was_not_there_is_looked_for_again_among_newer_executions_alone(
    waiting_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "FEW", 2)
    monkeypatch.setattr(lookup, "LIST_LAG_SECONDS", 0)
    backend, key = CloudRunBackend(REF), JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    submit(backend, 7)
    assert backend.find(key) is None
    waiting_cloud.admin.clear_counters()
    assert backend.find(key) is None
    assert calls(waiting_cloud) == {"ListExecutions": 1}
    made = CloudRunBackend(REF).submit(SPEC, key)
    submit(CloudRunBackend(REF), 3)
    assert backend.find(key) == made
