"""The hook's calls against a local cloud."""

from __future__ import annotations

import itertools
import uuid
from concurrent import futures
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    InvalidRequest,
    JobsError,
    NotFound,
    TransientError,
    UnavailableError,
)
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.conftest import REGION

PARENT = f"projects/local-project/locations/{REGION}"


def job(script: str = "true", *, size: int = 1, **fields: Any) -> run_v2.Job:
    """Return a job."""
    container = run_v2.Container(name="main", image="busybox:1", command=["/bin/sh", "-c", script])
    task = run_v2.TaskTemplate(containers=[container], max_retries=0)
    return run_v2.Job(template=run_v2.ExecutionTemplate(task_count=size, template=task), **fields)


def create(hook: CloudRunHook, made: run_v2.Job | None = None) -> run_v2.Job:
    """Create a job under a new id."""
    return hook.create_job(None, REGION, f"j-{uuid.uuid4().hex[:12]}", made or job())


def until_over(hook: CloudRunHook, name: str) -> run_v2.Execution:
    """Return the execution once it has ended."""
    executions = map(hook.get_execution, itertools.repeat(name))
    return next(found for found in executions if found.completion_time)


def completed(execution: run_v2.Execution) -> run_v2.Condition:
    """Return the condition that ends an execution."""
    return next(each for each in execution.conditions if each.type_ == "Completed")


class TestJobs:
    def test_a_job_is_created_in_the_connections_project_and_returned(self, hook: CloudRunHook) -> None:
        made = create(hook)
        assert made.name.startswith(f"{PARENT}/jobs/j-")
        assert hook.get_job(made.name).uid == made.uid

    def test_a_dict_is_a_job_too(self, hook: CloudRunHook) -> None:
        template = {"template": {"template": {"containers": [{"image": "busybox:1"}]}}}
        assert hook.create_job("local-project", REGION, f"j-{uuid.uuid4().hex[:12]}", template).uid

    def test_an_id_that_is_taken_is_an_error(self, hook: CloudRunHook) -> None:
        made = create(hook)
        with pytest.raises(AlreadyExists):
            hook.create_job(None, REGION, made.name.rpartition("/")[2], job())

    @pytest.mark.parametrize("job_id", ["Big", "1st", "a_b", "a-"])
    def test_an_id_that_breaks_the_pattern_is_refused(self, hook: CloudRunHook, job_id: str) -> None:
        with pytest.raises(InvalidRequest):
            hook.create_job(None, REGION, job_id, job())

    def test_a_region_that_is_none_is_told_where_to_look(self, hook: CloudRunHook) -> None:
        with pytest.raises(JobsError, match=r"region|locations"):
            hook.create_job(None, "mars-west1", "j", job())

    def test_a_job_that_is_not_there_is_not_found(self, hook: CloudRunHook) -> None:
        with pytest.raises(NotFound, match=r"NOT_FOUND.*somebody may have deleted it"):
            hook.get_job(f"{PARENT}/jobs/nobody")

    def test_an_update_puts_the_job_in_the_place_of_the_old_one(self, hook: CloudRunHook) -> None:
        made = create(hook)
        changed = job("false", labels={"a": "b"})
        changed.name = made.name
        updated = hook.update_job(changed)
        assert updated.generation > made.generation
        assert hook.get_job(made.name).labels["a"] == "b"

    def test_an_update_of_another_version_than_the_last_changes_nothing(self, hook: CloudRunHook) -> None:
        made = create(hook)
        for label, expected in (("first", None), ("second", TransientError)):
            changed = job(labels={"turn": label})
            changed.name, changed.etag = made.name, made.etag
            if expected is None:
                hook.update_job(changed)
                continue
            with pytest.raises(expected):
                hook.update_job(changed)
        assert hook.get_job(made.name).labels["turn"] == "first"

    def test_an_update_may_create(self, hook: CloudRunHook) -> None:
        changed = job()
        changed.name = f"{PARENT}/jobs/j-{uuid.uuid4().hex[:12]}"
        with pytest.raises(NotFound):
            hook.update_job(changed)
        assert hook.update_job(changed, allow_missing=True).name == changed.name

    def test_a_list_goes_on_over_all_pages_only_as_far_as_it_is_read(
        self, quiet_cloud: LocalCloud, hook: CloudRunHook
    ) -> None:
        names = {create(hook).name for _ in range(5)}
        listing = hook.list_jobs(None, REGION, page_size=2)
        assert quiet_cloud.admin.calls("ListJobs") == 0
        first = [next(listing), next(listing)]
        assert quiet_cloud.admin.calls("ListJobs") == 1
        assert {found.name for found in [*first, *listing]} == names
        assert quiet_cloud.admin.calls("ListJobs") == 3

    def test_a_delete_that_waits_returns_when_the_job_is_gone(self, hook: CloudRunHook) -> None:
        made = create(hook)
        hook.delete_job(made.name)
        with pytest.raises(NotFound):
            hook.get_job(made.name)

    def test_a_delete_of_another_version_than_the_last_deletes_nothing(self, hook: CloudRunHook) -> None:
        made = create(hook)
        with pytest.raises(JobsError):
            hook.delete_job(made.name, etag='"another"')
        assert hook.get_job(made.name).uid == made.uid


class TestUnusedJobs:
    OURS = {"managed-by": "airflow-provider-jobs"}

    def test_only_our_own_that_nobody_uses_are_deleted(
        self, quiet_cloud: LocalCloud, hook: CloudRunHook
    ) -> None:
        unused, foreign = create(hook, job(labels=self.OURS)), create(hook)
        running = create(hook, job("exec sleep 600", labels=self.OURS))
        execution = hook.run_job(running.name)
        assert hook.delete_unused_jobs(None, REGION) == []
        assert hook.delete_unused_jobs(None, REGION, unused_for=timedelta()) == [unused.name]
        left = {found.name for found in hook.list_jobs(None, REGION)}
        assert left == {foreign.name, running.name}
        hook.cancel_execution(execution.name)


class TestRunning:
    def test_an_execution_is_started_and_returned_before_it_ends(
        self, quiet_cloud: LocalCloud, hook: CloudRunHook
    ) -> None:
        made = create(hook)
        quiet_cloud.admin.hold("scheduled")
        execution = hook.run_job(made.name)
        assert execution.name.startswith(f"{made.name}/executions/")
        assert not hook.get_execution(execution.name).completion_time
        quiet_cloud.admin.release()
        assert completed(until_over(hook, execution.name)).state == run_v2.Condition.State.CONDITION_SUCCEEDED

    def test_overrides_are_this_executions_alone(self, hook: CloudRunHook) -> None:
        made = create(hook)
        env = [{"name": "A", "value": "1"}]
        overrides = {"container_overrides": [{"name": "main", "env": env}], "task_count": 2}
        execution = hook.run_job(made.name, overrides)
        assert execution.task_count == 2
        (container,) = execution.template.containers
        assert {each.name: each.value for each in container.env}["A"] == "1"
        assert hook.get_job(made.name).template.task_count == 1

    def test_a_job_that_changed_since_is_not_run(self, hook: CloudRunHook) -> None:
        made = create(hook)
        changed = job("false")
        changed.name = made.name
        hook.update_job(changed)
        with pytest.raises(TransientError):
            hook.run_job(made.name, etag=made.etag)
        assert list(hook.list_executions(made.name)) == []

    def test_a_job_that_is_not_there_cannot_be_run(self, hook: CloudRunHook) -> None:
        with pytest.raises(NotFound):
            hook.run_job(f"{PARENT}/jobs/nobody")


class TestExecutions:
    def test_executions_are_listed_by_job_and_for_all_jobs_of_the_region(
        self, quiet_cloud: LocalCloud, hook: CloudRunHook
    ) -> None:
        ours, other = create(hook), create(hook)
        names = {hook.run_job(ours.name).name for _ in range(3)}
        foreign = hook.run_job(other.name).name
        assert {each.name for each in hook.list_executions(ours.name, page_size=2)} == names
        assert {each.name for each in hook.list_executions(f"{PARENT}/jobs/-")} == {*names, foreign}

    def test_a_cancel_that_waits_returns_when_the_execution_is_stopped(self, hook: CloudRunHook) -> None:
        execution = hook.run_job(create(hook, job("exec sleep 600")).name)
        hook.cancel_execution(execution.name)
        reason = completed(hook.get_execution(execution.name)).execution_reason
        assert reason == run_v2.Condition.ExecutionReason.CANCELLED

    def test_a_delete_that_waits_returns_when_the_execution_is_gone(self, hook: CloudRunHook) -> None:
        execution = hook.run_job(create(hook).name)
        until_over(hook, execution.name)
        hook.delete_execution(execution.name)
        with pytest.raises(NotFound):
            hook.get_execution(execution.name)

    @pytest.mark.parametrize(
        ("stage", "method"), [("cancelled", "cancel_execution"), ("deleted", "delete_execution")]
    )
    def test_waiting_ends_with_what_is_still_going_on(
        self, quiet_cloud: LocalCloud, hook: CloudRunHook, stage: str, method: str
    ) -> None:
        execution = hook.run_job(create(hook, job("exec sleep 600")).name)
        quiet_cloud.admin.hold(stage)
        with pytest.raises(TransientError, match=f"{execution.name} is still being .* after 0.3 seconds"):
            getattr(hook, method)(execution.name, timeout_seconds=0.3)
        quiet_cloud.admin.release()

    def test_without_waiting_both_return_at_once(self, quiet_cloud: LocalCloud, hook: CloudRunHook) -> None:
        execution = hook.run_job(create(hook, job("exec sleep 600")).name)
        quiet_cloud.admin.hold("cancelled")
        hook.cancel_execution(execution.name, wait=False)
        assert not hook.get_execution(execution.name).completion_time
        quiet_cloud.admin.release()


class TestTasks:
    def test_tasks_are_listed_page_by_page_and_got_one_by_one(self, hook: CloudRunHook) -> None:
        made = create(hook, job('[ "$CLOUD_RUN_TASK_INDEX" = 2 ] && exit 4; exit 0', size=5))
        execution = until_over(hook, hook.run_job(made.name).name)
        tasks = list(hook.list_tasks(execution.name, page_size=2))
        assert sorted(task.index for task in tasks) == [0, 1, 2, 3, 4]
        (failed,) = (task for task in tasks if task.index == 2)
        assert failed.last_attempt_result.exit_code == 4
        assert hook.get_task(failed.name) == failed


class TestOperations:
    def test_the_operation_of_an_execution_is_listed_got_and_forgotten(
        self, quiet_cloud: LocalCloud, hook: CloudRunHook
    ) -> None:
        execution = hook.run_job(create(hook).name)
        until_over(hook, execution.name)
        names = [operation.name for operation in hook.list_operations(None, REGION, page_size=1)]
        assert len(names) == 2
        assert hook.get_operation(names[0]).done
        hook.delete_operation(names[0])
        with pytest.raises(NotFound):
            hook.get_operation(names[0])


class TestLogs:
    def test_the_log_of_one_index_is_its_own(self, hook: CloudRunHook) -> None:
        made = create(hook, job('echo "I am $CLOUD_RUN_TASK_INDEX"', size=12))
        execution = until_over(hook, hook.run_job(made.name).name)
        while len(hook.read_logs(execution.name)) < 12:
            pass
        (line,) = hook.read_logs(execution.name, index=1)
        assert (line.index, line.message) == (1, "I am 1")


class TestCallsAreSentOnce:
    def test_trouble_is_raised_at_the_first_answer(self, quiet_cloud: LocalCloud, hook: CloudRunHook) -> None:
        made = create(hook)
        quiet_cloud.admin.add_fault(method="GetJob", error={"code": "UNAVAILABLE"}, times=1)
        with pytest.raises(UnavailableError):
            hook.get_job(made.name)
        assert quiet_cloud.admin.calls("GetJob") == 1

    def test_a_call_ends_at_its_deadline(self, quiet_cloud: LocalCloud) -> None:
        impatient = CloudRunHook(deadline_seconds=0.3)
        quiet_cloud.admin.add_fault(method="ListJobs", delay_seconds=5)
        with pytest.raises(UnavailableError, match="DEADLINE_EXCEEDED"):
            next(impatient.list_jobs(None, REGION))

    def test_threads_share_one_client(self, hook: CloudRunHook) -> None:
        with futures.ThreadPoolExecutor(8) as pool:
            clients = set(pool.map(lambda _: id(hook.jobs), range(32)))
        assert len(clients) == 1
