"""The hook's calls against a local cloud."""

from __future__ import annotations

import itertools
import json
import uuid
from concurrent import futures

import grpc
import pytest
from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    InvalidRequest,
    JobsError,
    NotFound,
    TransientError,
    UnavailableError,
)
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud

REGION = "europe-west1"


def job(script: str = "true", *, size: int = 1) -> batch_v1.Job:
    """Return a job that logs."""
    runnable = batch_v1.Runnable(script=batch_v1.Runnable.Script(text=script))
    group = batch_v1.TaskGroup(task_count=size, task_spec=batch_v1.TaskSpec(runnables=[runnable]))
    return batch_v1.Job(task_groups=[group], logs_policy={"destination": "CLOUD_LOGGING"})


def create(hook: GcpBatchHook, made: batch_v1.Job | None = None) -> batch_v1.Job:
    """Create a job under a new id."""
    return hook.create_job(None, REGION, f"j-{uuid.uuid4().hex[:12]}", made or job())


def until_over(hook: GcpBatchHook, name: str) -> batch_v1.Job:
    """Return the job once it has ended."""
    over = {batch_v1.JobStatus.State.SUCCEEDED, batch_v1.JobStatus.State.FAILED}
    return next(found for found in map(hook.get_job, itertools.repeat(name)) if found.status.state in over)


class TestJobs:
    def test_a_job_is_created_in_the_connections_project_and_returned(self, hook: GcpBatchHook) -> None:
        made = create(hook)
        assert made.name.startswith(f"projects/local-project/locations/{REGION}/jobs/j-")
        assert hook.get_job(made.name).uid == made.uid

    def test_a_dict_is_a_job_too(self, hook: GcpBatchHook) -> None:
        made = hook.create_job(
            "local-project",
            REGION,
            f"j-{uuid.uuid4().hex[:12]}",
            {"task_groups": [{"task_spec": {"runnables": [{"script": {"text": "true"}}]}}]},
        )
        assert made.uid

    def test_a_request_id_makes_a_repeated_create_the_first(self, hook: GcpBatchHook) -> None:
        job_id, request_id = f"j-{uuid.uuid4().hex[:12]}", str(uuid.uuid4())
        first = hook.create_job(None, REGION, job_id, job(), request_id)
        assert hook.create_job(None, REGION, job_id, job(), request_id).uid == first.uid

    def test_an_id_that_is_taken_is_an_error(self, hook: GcpBatchHook) -> None:
        made = create(hook)
        with pytest.raises(AlreadyExists):
            hook.create_job(None, REGION, made.name.rpartition("/")[2], job())

    @pytest.mark.parametrize("job_id", ["Big", "1st", "a_b", "a-", "x" * 64])
    def test_an_id_that_breaks_the_pattern_is_told_the_pattern(self, hook: GcpBatchHook, job_id: str) -> None:
        with pytest.raises(InvalidRequest, match=r"\^\[a-z\]\(\[a-z0-9-\]"):
            hook.create_job(None, REGION, job_id, job())

    def test_a_region_that_is_none_is_told_where_to_look(self, hook: GcpBatchHook) -> None:
        with pytest.raises(JobsError, match=r"region|locations"):
            hook.create_job(None, "mars-west1", "j", job())

    def test_a_job_that_is_not_there_is_not_found(self, hook: GcpBatchHook) -> None:
        with pytest.raises(NotFound, match=r"NOT_FOUND.*somebody deleted it"):
            hook.get_job(f"projects/local-project/locations/{REGION}/jobs/nobody")

    def test_a_list_goes_on_over_all_pages_only_as_far_as_it_is_read(
        self, quiet_cloud: LocalCloud, hook: GcpBatchHook
    ) -> None:
        names = {create(hook).name for _ in range(5)}
        listing = hook.list_jobs(None, REGION, page_size=2)
        assert quiet_cloud.admin.calls("ListJobs") == 0
        first = [next(listing), next(listing)]
        assert quiet_cloud.admin.calls("ListJobs") == 1
        assert {found.name for found in [*first, *listing]} == names
        assert quiet_cloud.admin.calls("ListJobs") == 3


class TestTasks:
    def test_tasks_are_listed_page_by_page_and_by_state(self, hook: GcpBatchHook) -> None:
        made = create(hook, job('[ "$BATCH_TASK_INDEX" = 2 ] && exit 4; exit 0', size=5))
        until_over(hook, made.name)
        assert len(list(hook.list_tasks(made.name, page_size=2))) == 5
        (failed,) = hook.list_tasks(made.name, filter="State=FAILED")
        assert failed.name.endswith("/tasks/2")
        assert hook.get_task(made.name, 2) == failed


class TestEnding:
    def test_a_cancel_that_waits_returns_when_the_job_is_stopped(self, hook: GcpBatchHook) -> None:
        made = create(hook, job("exec sleep 600"))
        hook.cancel_job(made.name)
        assert hook.get_job(made.name).status.state == batch_v1.JobStatus.State.CANCELLED

    def test_a_delete_that_waits_returns_when_the_job_is_gone(self, hook: GcpBatchHook) -> None:
        made = create(hook)
        hook.delete_job(made.name)
        with pytest.raises(NotFound):
            hook.get_job(made.name)

    @pytest.mark.parametrize(("stage", "method"), [("cancelled", "cancel_job"), ("deleted", "delete_job")])
    def test_waiting_ends_with_what_is_still_going_on(
        self, quiet_cloud: LocalCloud, hook: GcpBatchHook, stage: str, method: str
    ) -> None:
        made = create(hook, job("exec sleep 600"))
        quiet_cloud.admin.hold(stage)
        with pytest.raises(TransientError, match=f"{made.name} is still being .* after 0.3 seconds"):
            getattr(hook, method)(made.name, timeout_seconds=0.3)
        quiet_cloud.admin.release()

    def test_without_waiting_both_return_at_once(self, quiet_cloud: LocalCloud, hook: GcpBatchHook) -> None:
        made = create(hook, job("exec sleep 600"))
        quiet_cloud.admin.hold("cancelled")
        hook.cancel_job(made.name, wait=False)
        state = hook.get_job(made.name).status.state
        assert state == batch_v1.JobStatus.State.CANCELLATION_IN_PROGRESS
        quiet_cloud.admin.release()


class TestLogs:
    def test_the_log_of_one_index_is_its_own(self, hook: GcpBatchHook) -> None:
        made = create(hook, job('echo "I am $BATCH_TASK_INDEX"', size=12))
        until_over(hook, made.name)
        while len(hook.read_logs(made.name)) < 12:
            pass
        (line,) = hook.read_logs(made.name, index=1)
        assert (line.index, line.message) == (1, "I am 1")


class TestCallsAreSentOnce:
    def test_trouble_is_raised_at_the_first_answer(self, quiet_cloud: LocalCloud, hook: GcpBatchHook) -> None:
        made = create(hook)
        quiet_cloud.admin.add_fault(method="GetJob", error={"code": "UNAVAILABLE"}, times=1)
        with pytest.raises(UnavailableError):
            hook.get_job(made.name)
        assert quiet_cloud.admin.calls("GetJob") == 1

    def test_a_call_ends_at_its_deadline(self, quiet_cloud: LocalCloud) -> None:
        impatient = GcpBatchHook(deadline_seconds=0.3)
        quiet_cloud.admin.add_fault(method="ListJobs", delay_seconds=5)
        with pytest.raises(UnavailableError, match="DEADLINE_EXCEEDED"):
            next(impatient.list_jobs(None, REGION))

    def test_threads_share_one_client(self, hook: GcpBatchHook) -> None:
        with futures.ThreadPoolExecutor(8) as pool:
            clients = set(pool.map(lambda _: id(hook.client), range(32)))
        assert len(clients) == 1


class _Recorder(grpc.GenericRpcHandler):
    """Answers every call with an empty message, or refuses those with a field mask; keeps their headers."""

    def __init__(self, *, refuses_masks: bool) -> None:
        self.masks: list[str | None] = []
        self._refuses_masks = refuses_masks

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        mask = dict(details.invocation_metadata).get("x-goog-fieldmask")
        self.masks.append(mask)
        is_refused = bool(mask) and self._refuses_masks

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if is_refused:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Request contains an invalid argument.")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


class TestFieldMasks:
    """What is asked for, as it goes over the wire."""

    @pytest.mark.parametrize(
        ("refuses", "masks"),
        [
            (False, ["name,uid,status,createTime,updateTime"] * 2),
            (True, ["name,uid,status,createTime,updateTime", None, None]),
        ],
    )
    def test_what_a_job_runs_is_not_asked_for_unless_the_service_refuses_that(
        self, monkeypatch: pytest.MonkeyPatch, refuses: bool, masks: list[str | None]
    ) -> None:
        recorder = _Recorder(refuses_masks=refuses)
        server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[recorder])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        extra = {"project": "p-1", "endpoint": f"http://127.0.0.1:{port}"}
        connection = json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_MINE", connection)
        backend = GcpBatchBackend(BackendRef(backend="gcp_batch", conn_id="mine", scope={"region": REGION}))
        name = f"projects/p-1/locations/{REGION}/jobs/j"
        for _ in range(2):
            backend._lookup._listing.get(name)
        server.stop(None).wait()
        assert recorder.masks == masks


def test_a_connection_of_its_own_type_works(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"project": "mine-1", "endpoint": f"http://{cloud.grpc}"}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": GcpBatchHook.conn_type, "extra": extra}))
    assert GcpBatchHook("mine").test_connection() == (True, "Jobs of project mine-1 can be listed")
