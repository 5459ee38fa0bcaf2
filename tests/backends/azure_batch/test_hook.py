"""The hook's calls against a local cloud."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent import futures
from typing import Any

import pendulum
import pytest
from azure.batch.models import BatchJob

from airflow_provider_jobs.backends.azure_batch.hook import ADD_ROUNDS, AzureBatchHook
from airflow_provider_jobs.backends.azure_batch.task_chunks import MAX_TASKS_PER_CALL
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    AmbiguousError,
    Conflict,
    InvalidRequest,
    NotFound,
    TransientError,
    UnavailableError,
)
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.speaker import CONN_ID, Speaker


def new_id() -> str:
    """Return an id that nothing has."""
    return f"j-{uuid.uuid4().hex[:12]}"


def pool(pool_id: str, **more: Any) -> dict[str, Any]:
    """Return a pool without nodes."""
    machine = {
        "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"},
        "nodeAgentSKUId": "batch.node.ubuntu 22.04",
    }
    return {"id": pool_id, "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": machine, **more}


def create_job(hook: AzureBatchHook, **more: Any) -> str:
    """Create a job under a new id and return it."""
    job_id = new_id()
    hook.create_job({"id": job_id, "poolInfo": {"poolId": "default"}, **more})
    return job_id


def task(task_id: str, command: str = "/bin/sh -c true") -> dict[str, Any]:
    """Return a task."""
    return {"id": task_id, "commandLine": command}


def until_done(hook: AzureBatchHook, job_id: str) -> None:
    """Return once all tasks have completed."""
    while any(hook.list_tasks(job_id, filter="state ne 'completed'")):
        pass


class TestPools:
    def test_a_pool_is_created_listed_resized_and_deleted(self, hook: AzureBatchHook) -> None:
        pool_id = new_id()
        hook.create_pool(pool(pool_id, targetDedicatedNodes=0))
        with pytest.raises(AlreadyExists):
            hook.create_pool(pool(pool_id))
        hook.resize_pool(pool_id, dedicated_nodes=2)
        assert hook.get_pool(pool_id).current_dedicated_nodes == 2
        (node, _) = hook.list_nodes(pool_id)
        assert hook.get_node(pool_id, node.id).state == node.state
        assert pool_id in {each.id for each in hook.list_pools(select=["id"])}
        hook.delete_pool(pool_id)
        with pytest.raises(NotFound, match="PoolNotFound"):
            hook.get_pool(pool_id)

    def test_without_waiting_it_returns_while_the_service_is_at_it(
        self, quiet_cloud: LocalCloud, hook: AzureBatchHook
    ) -> None:
        pool_id = new_id()
        hook.create_pool(pool(pool_id, targetDedicatedNodes=0))
        hook.resize_pool(pool_id, low_priority_nodes=1, wait=False)
        assert hook.get_pool(pool_id).target_low_priority_nodes == 1
        hook.delete_pool(pool_id, wait=False)
        quiet_cloud.admin.reset()

    def test_a_pool_that_is_not_there_is_not_found(self, hook: AzureBatchHook) -> None:
        for call in (hook.get_pool, lambda name: list(hook.list_nodes(name)), hook.delete_pool):
            with pytest.raises(NotFound, match="somebody deleted it"):
                call("nobody")


class TestJobs:
    def test_a_job_is_created_changed_and_read(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook, priority=3)
        hook.update_job(job_id, {"priority": 7})
        assert hook.get_job(job_id).priority == 7
        assert hook.get_job(job_id, select=["id", "state"]).priority is None
        assert hook.get_task_counts(job_id).task_counts.active == 0

    def test_an_id_that_is_taken_is_an_error(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        with pytest.raises(AlreadyExists, match="JobExists"):
            hook.create_job({"id": job_id.upper(), "poolInfo": {"poolId": "default"}})

    def test_a_job_that_is_wrong_is_refused(self, hook: AzureBatchHook) -> None:
        with pytest.raises(InvalidRequest):
            hook.create_job({"id": "a b", "poolInfo": {"poolId": "default"}})

    def test_jobs_are_listed_by_a_filter(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        (found,) = hook.list_jobs(filter=f"id eq '{job_id}'", select=["id", "state"])
        assert isinstance(found, BatchJob)
        assert found.id == job_id

    def test_a_job_that_is_ended_keeps_the_reason_and_ending_it_again_is_a_conflict(
        self, hook: AzureBatchHook
    ) -> None:
        job_id = create_job(hook)
        hook.terminate_job(job_id, "enough")
        ran = hook.get_job(job_id).execution_info
        assert ran is not None
        assert ran.termination_reason == "enough"
        with pytest.raises(Conflict):
            hook.terminate_job(job_id)

    def test_a_delete_that_waits_returns_when_the_job_is_gone(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        hook.delete_job(job_id)
        with pytest.raises(NotFound):
            hook.get_job(job_id)

    @pytest.mark.parametrize("method", ["terminate_job", "delete_job"])
    def test_waiting_ends_with_what_is_still_going_on(
        self, quiet_cloud: LocalCloud, hook: AzureBatchHook, method: str
    ) -> None:
        job_id = create_job(hook)
        hook.create_task(job_id, task("1", "/bin/sh -c 'exec sleep 600'"))
        for stage in ("cancelled", "deleted"):
            quiet_cloud.admin.hold(stage)
        with pytest.raises(TransientError, match=f"job {job_id} is still .* after 0.3 seconds"):
            getattr(hook, method)(job_id, timeout_seconds=0.3)
        quiet_cloud.admin.release()


class TestTasks:
    def test_one_task_is_added_read_ended_and_deleted(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        hook.create_task(job_id, task("one", "/bin/sh -c 'exec sleep 600'"))
        with pytest.raises(AlreadyExists, match="TaskExists"):
            hook.create_task(job_id, task("one"))
        hook.terminate_task(job_id, "one")
        until_done(hook, job_id)
        ran = hook.get_task(job_id, "one").execution_info
        assert ran is not None
        assert ran.failure_info is not None
        assert ran.failure_info.code == "TaskEnded"
        with pytest.raises(Conflict):
            hook.terminate_task(job_id, "one")
        hook.delete_task(job_id, "one")
        with pytest.raises(NotFound, match="TaskNotFound"):
            hook.get_task(job_id, "one")

    def test_a_hundred_go_into_a_request_and_a_list_goes_on_over_all_pages(
        self, quiet_cloud: LocalCloud, hook: AzureBatchHook
    ) -> None:
        job_id = create_job(hook)
        quiet_cloud.admin.clear_counters()
        hook.add_tasks(job_id, [task(str(number)) for number in range(MAX_TASKS_PER_CALL + 1)])
        assert quiet_cloud.admin.calls("CreateTaskCollection") == 2
        listing = hook.list_tasks(job_id, select=["id"], page_size=40)
        assert quiet_cloud.admin.calls("ListTasks") == 0
        assert len({each.id for each in listing}) == MAX_TASKS_PER_CALL + 1
        assert quiet_cloud.admin.calls("ListTasks") == 3

    def test_a_megabyte_goes_into_a_request(self, quiet_cloud: LocalCloud, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        quiet_cloud.admin.clear_counters()
        large = {"environmentSettings": [{"name": "A", "value": "x" * 300_000}]}
        hook.add_tasks(job_id, [{**task(str(number)), **large} for number in range(5)])
        assert quiet_cloud.admin.calls("CreateTaskCollection") == 2
        assert len(list(hook.list_tasks(job_id))) == 5

    def test_tasks_that_are_there_are_fine(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        hook.add_tasks(job_id, [task("1")])
        hook.add_tasks(job_id, [task("1"), task("2")])
        assert {each.id for each in hook.list_tasks(job_id)} == {"1", "2"}

    def test_a_task_that_is_refused_is_named(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        with pytest.raises(InvalidRequest, match="task a b was not added"):
            hook.add_tasks(job_id, [task("fine"), task("a b")])

    def test_a_job_that_has_ended_takes_no_more(self, hook: AzureBatchHook) -> None:
        job_id = create_job(hook)
        hook.terminate_job(job_id)
        with pytest.raises(Conflict, match=r"Job(Completed|BeingTerminated).*job_id"):
            hook.add_tasks(job_id, [task("1")])


class TestFiles:
    @pytest.fixture
    def written(self, hook: AzureBatchHook) -> tuple[str, str]:
        job_id = create_job(hook)
        hook.create_task(job_id, task("1", "/bin/sh -c 'printf 0123456789; mkdir d; echo x > \"d/a b\"'"))
        until_done(hook, job_id)
        return job_id, "1"

    def test_files_are_listed_by_name(self, hook: AzureBatchHook, written: tuple[str, str]) -> None:
        files = {each.name: each for each in hook.list_task_files(*written, "startswith(name,'std')")}
        assert set(files) == {"stdout.txt", "stderr.txt"}
        assert files["stdout.txt"].properties is not None
        assert files["stdout.txt"].properties.content_length == 10

    @pytest.mark.parametrize(
        ("start", "length", "content"),
        [
            (0, None, b"0123456789"),
            (0, 4, b"0123"),
            (3, 4, b"3456"),
            (8, 100, b"89"),
            (4, None, b"456789"),
            (10, 5, b""),
            (99, 5, b""),
        ],
    )
    def test_a_range_is_read(
        self, hook: AzureBatchHook, written: tuple[str, str], start: int, length: int | None, content: bytes
    ) -> None:
        assert hook.read_task_file(*written, "stdout.txt", start=start, length=length).content == content

    def test_a_path_is_one_name(self, hook: AzureBatchHook, written: tuple[str, str]) -> None:
        part = hook.read_task_file(*written, "wd/d/a b")
        assert part.content == b"x\n"
        assert part.modified is not None

    def test_a_file_that_is_not_there_is_not_found(
        self, hook: AzureBatchHook, written: tuple[str, str]
    ) -> None:
        with pytest.raises(NotFound):
            hook.read_task_file(*written, "nothing.txt")

    def test_the_log_is_text(self, hook: AzureBatchHook, written: tuple[str, str]) -> None:
        assert hook.read_logs(*written) == "0123456789"
        assert hook.read_logs(*written, "stderr.txt") == ""


class TestCallsAreSentOnce:
    def test_trouble_is_raised_at_the_first_answer(
        self, quiet_cloud: LocalCloud, hook: AzureBatchHook
    ) -> None:
        quiet_cloud.admin.add_fault(method="GetJob", error={"code": 503}, times=1)
        with pytest.raises(TransientError):
            hook.get_job("j")
        assert quiet_cloud.admin.calls("GetJob") == 1

    @pytest.mark.parametrize(
        "call",
        [
            lambda hook, job_id: hook.add_tasks(job_id, [task("1")]),
            lambda hook, job_id: hook.update_job(job_id, {"priority": 1}),
            lambda hook, job_id: hook.terminate_job(job_id, wait=False),
            lambda hook, job_id: hook.delete_job(job_id, wait=False),
        ],
        ids=["CreateTaskCollection", "UpdateJob", "TerminateJob", "DeleteJob"],
    )
    def test_a_change_whose_answer_is_lost_is_ambiguous(
        self,
        quiet_cloud: LocalCloud,
        hook: AzureBatchHook,
        request: pytest.FixtureRequest,
        call: Callable[[AzureBatchHook, str], None],
    ) -> None:
        job_id = create_job(hook)
        method = request.node.callspec.id
        quiet_cloud.admin.add_fault(method=method, drop_answer="reset", times=1)
        with pytest.raises(AmbiguousError):
            call(hook, job_id)
        assert quiet_cloud.admin.calls(method) == 1

    def test_a_call_ends_at_its_deadline(self, quiet_cloud: LocalCloud) -> None:
        quiet_cloud.admin.add_fault(method="GetJob", delay_seconds=5)
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
            AzureBatchHook(timeout_seconds=0.3).get_job("j")

    def test_threads_share_one_client(self, hook: AzureBatchHook) -> None:
        with futures.ThreadPoolExecutor(8) as threads:
            clients = set(threads.map(lambda _: id(hook.connection), range(32)))
        assert len(clients) == 1


class TestPartialFailures:
    """What the service adds in part is completed, and nothing is sent twice that it has taken."""

    @staticmethod
    def results(**statuses: str) -> dict[str, Any]:
        """Return the service's words on tasks ``t0``, ``t1`` and on."""
        error = {"code": "InternalError", "message": {"value": "The server has trouble."}}
        value = [
            {"taskId": name, "status": status, **({} if status == "Success" else {"error": error})}
            for name, status in statuses.items()
        ]
        return {"value": value}

    def test_only_tasks_that_failed_by_the_servers_fault_are_sent_again(self, speaker: Speaker) -> None:
        speaker.say(
            self.results(t0="Success", t1="ServerError", t2="ServerError"),
            self.results(t1="Success", t2="ServerError"),
            self.results(t2="Success"),
        )
        AzureBatchHook(CONN_ID).add_tasks("j", [task(f"t{number}") for number in range(3)])
        sent = [[each["id"] for each in json.loads(body)["value"]] for body in speaker.heard]
        assert sent == [["t0", "t1", "t2"], ["t1", "t2"], ["t2"]]

    def test_a_server_that_keeps_failing_is_trouble(self, speaker: Speaker) -> None:
        speaker.say(self.results(t0="ServerError"))
        with pytest.raises(TransientError, match="task t0 was not added"):
            AzureBatchHook(CONN_ID).add_tasks("j", [task("t0")])
        assert len(speaker.heard) == ADD_ROUNDS

    def test_a_refused_task_ends_it_at_once(self, speaker: Speaker) -> None:
        speaker.say(self.results(t0="ServerError", t1="ClientError"))
        with pytest.raises(InvalidRequest, match="task t1 was not added"):
            AzureBatchHook(CONN_ID).add_tasks("j", [task("t0"), task("t1")])
        assert len(speaker.heard) == 1


@pytest.mark.parametrize("status", [200, 206])
def test_a_range_may_be_answered_in_both_ways(speaker: Speaker, status: int) -> None:
    headers = {"Content-Type": "application/octet-stream", "Last-Modified": "Fri, 20 Nov 2026 12:00:00 GMT"}
    speaker.say(b"\xff\x00abc", status=status, headers=headers)
    part = AzureBatchHook(CONN_ID).read_task_file("j", "t", "stdout.txt", start=3, length=5)
    assert part.content == b"\xff\x00abc"
    assert part.modified == pendulum.datetime(2026, 11, 20, 12)
