"""What a round costs: many submissions that wait, run, and end, by the calls that are counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pendulum
import pytest

from airflow_provider_jobs.backends.azure_batch import hook as hooks
from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.lookup import LOOKS, ROUNDS
from airflow_provider_jobs.backends.azure_batch.mapping import Tally
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.backends.azure_batch.seen import Seen
from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.conftest import REF
from tests.backends.azure_batch.work import new_key, sharing, spec

SLEEPS = ("sleep", "600")
FIRST_ENDS = ("/bin/sh", "-c", '[ "$JOB_INDEX" = 0 ] && exit 3; exec sleep 600')


@pytest.fixture(scope="module")
def sleepy_cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud on which any number of tasks sleep at once, with Airflow's connections to it."""
    with (
        LocalCloud("--dialect", "azure_batch", "--simulate-sleep") as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        for conn_id, connection in started.connections.items():
            patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        yield started


@pytest.fixture
def cloud(sleepy_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield it without jobs, faults and counts."""
    sleepy_cloud.admin.reset()
    sleepy_cloud.admin.clear_counters()
    yield sleepy_cloud
    sleepy_cloud.admin.reset()


def submit(backend: AzureBatchBackend, count: int, *command: str, size: int = 1) -> list[JobHandle]:
    """Submit so many."""
    return [backend.submit(spec(*command, array_size=size), new_key()) for _ in range(count)]


def describe(
    cloud: LocalCloud, backend: AzureBatchBackend, handles: Sequence[JobHandle]
) -> tuple[list[JobReport], dict[str, int]]:
    """Return the reports in the order of the handles, and how often each method was called for them."""
    cloud.admin.clear_counters()
    reports = list(backend.describe(handles))
    by_id = {report.native_id: report for report in reports}
    assert len(reports) == len(by_id) == len(handles)
    calls = {name.rpartition("/")[2]: each["calls"] for name, each in cloud.admin.counters().items()}
    return [by_id[handle.native_id] for handle in handles], calls


def until_all(
    backend: AzureBatchBackend, handles: Sequence[JobHandle], state: JobState
) -> dict[JobState | None, int]:
    """Describe until all are in a state; they are looked at anew by another backend each time."""
    while True:
        counted = Counter(report.state for report in AzureBatchBackend(REF).describe(handles))
        if counted[state] == len(handles):
            return counted


class TestJobsOfTheirOwn:
    def test_what_runs_is_one_list_of_jobs_and_a_few_looks(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handles = submit(backend, 20, *SLEEPS)
        until_all(backend, handles, JobState.RUNNING)
        _, first = describe(cloud, backend, handles)
        assert first == {"ListJobs": 1, "ListTasks": 20}
        for _ in range(3):
            reports, calls = describe(cloud, backend, handles)
            assert {report.state for report in reports} == {JobState.RUNNING}
            assert all(report.started_at for report in reports)
            assert calls == {"ListJobs": 1, "ListTasks": LOOKS}

    def test_what_waits_is_looked_at_in_turn_and_seen_started_within_four_rounds(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        cloud.admin.hold("scheduled")
        handles = submit(backend, 40, *SLEEPS)
        list(backend.describe(handles))
        for _ in range(2):
            reports, calls = describe(cloud, backend, handles)
            assert {report.state for report in reports} <= {JobState.QUEUED, JobState.STARTING}
            assert calls == {"ListJobs": 1, "ListTasks": 10}
        cloud.admin.release()
        until_all(backend, handles, JobState.RUNNING)
        for _ in range(ROUNDS + 1):
            reports, _ = describe(cloud, backend, handles)
        assert {report.state for report in reports} == {JobState.RUNNING}

    def test_an_end_is_seen_at_once_and_costs_one_look(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handles = submit(backend, 20, *SLEEPS)
        until_all(backend, handles, JobState.RUNNING)
        list(backend.describe(handles))
        for handle in handles[:2]:
            backend.hook.terminate_task(handle.native_id, "0")
        until_all(backend, handles[:2], JobState.CANCELLED)
        while any(job.id == handles[0].native_id for job in backend.hook.list_jobs("state eq 'active'")):
            pass
        reports, calls = describe(cloud, backend, handles)
        assert [report.state for report in reports[:2]] == [JobState.CANCELLED] * 2
        assert {report.state for report in reports[2:]} == {JobState.RUNNING}
        assert calls["ListTasks"] <= LOOKS + 2
        assert calls["ListJobs"] == 1
        assert calls.get("GetJob", 0) <= 2

    def test_a_job_that_somebody_deleted_is_not_found(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handles = submit(backend, 20, *SLEEPS)
        until_all(backend, handles, JobState.RUNNING)
        list(backend.describe(handles))
        backend.hook.delete_job(handles[5].native_id)
        reports, _ = describe(cloud, backend, handles)
        assert [index for index, report in enumerate(reports) if not report.found] == [5]

    def test_arrays_count_what_had_ended_at_the_last_look(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handles = submit(backend, 20, *FIRST_ENDS, size=2)
        for handle in handles:
            while not list(backend.hook.list_tasks(handle.native_id, "state eq 'completed'")):
                pass
        while not all(
            report.array and (report.array.failed, report.array.running) == (1, 1)
            for report in AzureBatchBackend(REF).describe(handles)
        ):
            pass
        list(backend.describe(handles))
        reports, calls = describe(cloud, backend, handles)
        assert calls == {"ListJobs": 1, "ListTasks": LOOKS}
        for report in reports:
            assert report.array is not None
            assert (report.array.failed, report.array.failed_indexes, report.array.running) == (1, (0,), 1)

    def test_what_was_seen_before_a_call_failed_is_told_before_it_is(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handles = submit(backend, 12)
        until_all(backend, handles, JobState.SUCCEEDED)
        cloud.admin.add_fault(method="ListTasks", skip=7, times=1, error={"code": 429})
        told: list[JobReport] = []
        with pytest.raises(ThrottledError):
            told.extend(backend.describe(handles))
        assert {report.state for report in told} <= {JobState.SUCCEEDED}
        left = [each for each in handles if each.native_id not in {report.native_id for report in told}]
        reports, calls = describe(cloud, backend, left)
        assert {report.state for report in reports} == {JobState.SUCCEEDED}
        assert calls["ListTasks"] == len(left) < len(handles)


class TestSharedJobs:
    def test_a_thousand_tasks_are_one_list(self, cloud: LocalCloud) -> None:
        shared = sharing("waits")
        cloud.admin.hold("scheduled")
        (whole,) = submit(shared, 1, *SLEEPS, size=960)
        handles = [whole, *submit(shared, 20, *SLEEPS, size=2)]
        for _ in range(2):
            reports, calls = describe(cloud, shared, handles)
            assert {report.state for report in reports} <= {JobState.QUEUED, JobState.STARTING}
            assert calls == {"ListTasks": 1, "GetJob": 1}
        cloud.admin.release()

    @pytest.mark.parametrize(("ends", "lists"), [(3, 2), (18, 2)])
    def test_ends_cost_one_list_more(self, cloud: LocalCloud, ends: int, lists: int) -> None:
        shared = sharing(f"ends-{ends}")
        submit(shared, 5)
        handles = submit(shared, 20, *SLEEPS)
        until_all(shared, handles, JobState.RUNNING)
        for handle in handles[:ends]:
            place = Place.of(handle.native_id)
            shared.hook.terminate_task(place.job_id, place.task_id(0))
        until_all(shared, handles[:ends], JobState.CANCELLED)
        reports, calls = describe(cloud, shared, handles)
        assert [report.state for report in reports[:ends]] == [JobState.CANCELLED] * ends
        assert {report.state for report in reports[ends:]} == {JobState.RUNNING}
        assert calls == {"ListTasks": lists, "GetJob": 1}

    def test_an_array_of_which_a_part_has_ended_is_looked_at_once_for_that(self, cloud: LocalCloud) -> None:
        shared = sharing("parts-of-arrays")
        handles = submit(shared, 20, *FIRST_ENDS, size=2)
        while not all(
            report.array and (report.array.failed, report.array.running) == (1, 1)
            for report in AzureBatchBackend(REF).describe(handles)
        ):
            pass
        list(shared.describe(handles))
        reports, calls = describe(cloud, shared, handles)
        assert calls == {"ListTasks": 1, "GetJob": 1}
        for report in reports:
            assert report.array is not None
            assert (report.array.failed, report.array.failed_indexes, report.array.running) == (1, (0,), 1)

    def test_tasks_of_others_make_it_at_most_twice_as_dear(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hooks, "MAX_PAGE", 10)
        shared = sharing("crowded")
        cloud.admin.hold("scheduled")
        submit(shared, 1, *SLEEPS, size=90)
        handles = submit(shared, 20, *SLEEPS)
        reports, calls = describe(cloud, shared, handles)
        assert all(report.found for report in reports)
        # Two lists by name, of two pages here, beside at most as many pages of the whole.
        assert calls["ListTasks"] <= 2 + 2 + 2
        cloud.admin.release()

    def test_a_job_that_is_gone_is_gone_for_all(self, cloud: LocalCloud) -> None:
        shared = sharing("gone-for-all")
        handles = submit(shared, 20, *SLEEPS)
        shared.hook.delete_job("gone-for-all")
        reports, calls = describe(cloud, shared, handles)
        assert not any(report.found for report in reports)
        assert calls == {"ListTasks": 1}


def handle_of(native_id: str) -> JobHandle:
    """Return a handle."""
    return JobHandle(ref=REF, native_id=native_id, name="j", submitted_at=pendulum.now("UTC"))


class TestSeen:
    def test_what_was_seen_longest_ago_comes_first(self) -> None:
        seen, handles = Seen(), [handle_of(name) for name in "abcd"]
        for name in "abca":
            seen.keep(name, Tally(running=1))
        found = seen.longest_ago(handles, 3)
        assert [handle.native_id for handle in found] == ["d", "b", "c"]

    def test_it_is_bounded(self) -> None:
        seen = Seen(most=2)
        for name in "abc":
            seen.keep(name, Tally(running=1))
        assert [seen.tally(name) is None for name in "abc"] == [True, False, False]
