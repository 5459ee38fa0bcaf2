"""Jobs that many submissions share: made once, never ended, and only one's own tasks are touched."""

from __future__ import annotations

import pytest
from azure.batch.models import BatchJobState

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.core.errors import Conflict, InvalidArgument
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.work import RUNS_ON, ended, ids_of, new_key, report_of, sharing, spec, until


class TestSharedJobs:
    def test_the_job_is_made_once_and_takes_the_tasks_of_many(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        shared = sharing("many")
        handles = [shared.submit(spec(array_size=2), new_key()) for _ in range(3)]
        assert quiet_cloud.admin.calls("CreateJob") == 1
        assert len(ids_of(backend, handles[0])) == 6
        for handle in handles:
            assert ended(backend, handle).array is not None
        assert backend.hook.get_job("many").state == BatchJobState.ACTIVE

    def test_cancelling_and_deleting_touch_the_tasks_of_one_submission_alone(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        shared = sharing("touched")
        mine, other = (shared.submit(spec(*RUNS_ON, array_size=2), new_key()) for _ in range(2))
        until(backend, mine, lambda told: told.state is JobState.RUNNING)
        backend.cancel(mine, "why")
        told = ended(backend, mine)
        assert told.state is JobState.CANCELLED
        assert told.failures[0].kind is FailureKind.CANCELLED
        assert report_of(backend, other).state is JobState.RUNNING
        backend.delete(mine)
        until(backend, mine, lambda told: not told.found)
        assert report_of(backend, other).state is JobState.RUNNING
        backend.cancel(mine, "again")
        backend.delete(mine)
        backend.cancel(other, "the test is over")

    def test_without_a_pool_the_job_must_be_there(self, cloud: LocalCloud) -> None:
        work = spec(options={})
        with pytest.raises(InvalidArgument, match=r"job_id: there is no job nowhere.*Give pool_id too"):
            sharing("nowhere").submit(work, new_key())
        sharing("somewhere").submit(spec(), new_key())
        assert sharing("somewhere").submit(work, new_key()).native_id.startswith("somewhere/")

    def test_a_job_on_another_pool_is_refused(self, cloud: LocalCloud) -> None:
        sharing("pooled").submit(spec(), new_key())
        with pytest.raises(
            InvalidArgument, match="pool_id: job pooled exists and runs on pool default, not on"
        ):
            sharing("pooled").submit(spec(options={"pool_id": "other"}), new_key())

    def test_a_job_that_has_ended_is_refused(self, backend: AzureBatchBackend) -> None:
        sharing("over").submit(spec(), new_key())
        backend.hook.terminate_job("over")
        with pytest.raises(Conflict, match="give another job_id"):
            sharing("over").submit(spec(), new_key())

    def test_tasks_that_never_ran_when_the_job_was_ended_are_cancelled(self, quiet_cloud: LocalCloud) -> None:
        shared = sharing("halted")
        quiet_cloud.admin.hold("scheduled")
        handle = shared.submit(spec(*RUNS_ON), new_key())
        shared.hook.terminate_job("halted", "enough of it", wait=False)
        told = ended(shared, handle)
        assert told.state is JobState.CANCELLED
        assert "ended by request" in told.failures[0].message
        quiet_cloud.admin.release()

    def test_a_part_of_an_array_is_found_with_its_original_indexes(self, cloud: LocalCloud) -> None:
        shared, key = sharing("parts"), new_key()
        handle = shared.submit(spec(array_size=9, indexes=(3, 7)), key)
        assert (handle.size, handle.indexes) == (2, (3, 7))
        assert shared.find(key) == handle

    def test_submissions_of_a_shared_job_are_read_with_one_list(self, quiet_cloud: LocalCloud) -> None:
        shared = sharing("grouped")
        handles = [shared.submit(spec(*RUNS_ON), new_key()) for _ in range(12)]
        quiet_cloud.admin.clear_counters()
        assert all(report.found for report in shared.describe(handles))
        assert quiet_cloud.admin.calls("ListTasks") == 1
        assert quiet_cloud.admin.calls("GetJob") == 1
        for handle in handles:
            shared.cancel(handle, "the test is over")
