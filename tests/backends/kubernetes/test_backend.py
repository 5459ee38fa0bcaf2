"""What the contract does not ask of every service: calls counted, missing rights, what only pods tell."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from airflow_provider_jobs.backends.kubernetes import request
from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.backends.kubernetes.mapping import CANCELLED_ANNOTATION
from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidArgument,
    NoCapacity,
    TransientError,
    UnavailableError,
)
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.identity import JobKey, job_labels
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud

SPEC = JobSpec(image="busybox", script="true", prelude=False)
RUNS_ON = JobSpec(image="busybox", script="exec sleep 600", prelude=False)
STUBBORN = JobSpec(
    image="busybox",
    script="trap '' TERM; while :; do sleep 0.1; done",
    prelude=False,
    options={"termination_grace_seconds": 1},
)


def new_key() -> JobKey:
    """Return a key that no job has."""
    return JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")


def report(backend: KubernetesBackend, handle: JobHandle) -> JobReport:
    """Return the report of one job."""
    (told,) = backend.describe([handle])
    return told


def until(backend: KubernetesBackend, handle: JobHandle, state: JobState) -> JobReport:
    """Return the report once the job is in a state."""
    while (told := report(backend, handle)).state is not state:
        assert not (told.state and told.state.is_terminal), told
    return told


def failure(backend: KubernetesBackend, **values: Any) -> Failure:
    """Return the one failure of a job that is submitted and fails."""
    handle = backend.submit(JobSpec(**{"image": "busybox", "prelude": False, **values}), new_key())
    (found,) = until(backend, handle, JobState.FAILED).failures
    return found


class TestHandles:
    def test_the_handle_names_the_connections_namespace_where_none_was_given(self, cloud: LocalCloud) -> None:
        backend = KubernetesBackend(BackendRef(backend="kubernetes", conn_id="kubernetes_default"))
        handle = backend.submit(SPEC, new_key())
        assert handle.ref.scope == {"namespace": "default"}
        assert handle.native_id == f"default/{handle.name}"
        assert KubernetesBackend(handle.ref).describe([handle])[0].found

    def test_the_platforms_dashboard_is_linked_where_the_connection_names_it(
        self, cloud: LocalCloud, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert backend.submit(SPEC, new_key()).console_url is None
        connection = cloud.connections["kubernetes_default"]
        extra = {**connection["extra"], "job_url": "https://dashboard.example/{namespace}/{name}?a={}"}
        monkeypatch.setenv("AIRFLOW_CONN_LINKED", json.dumps({**connection, "extra": extra}))
        linked = KubernetesBackend(BackendRef(backend="kubernetes", conn_id="linked"))
        handle = linked.submit(SPEC, new_key())
        assert handle.console_url == f"https://dashboard.example/default/{handle.name}?a={{}}"

    def test_the_job_carries_our_labels_and_a_name_by_its_key(self, backend: KubernetesBackend) -> None:
        key = new_key()
        handle = backend.submit(SPEC, key)
        held = backend.hook.get_job_json(request.name_of(key))["metadata"]["labels"]
        assert {name: held.get(name) for name in job_labels(key)} == job_labels(key)
        assert handle.name == request.name_of(key)

    @pytest.mark.parametrize("labels", [{}, {request.KEY_LABEL: "another"}])
    def test_a_job_of_our_name_that_is_not_ours_is_never_taken_over(
        self, backend: KubernetesBackend, labels: dict[str, str]
    ) -> None:
        key = new_key()
        foreign = request.build_job(SPEC, key)
        foreign["metadata"]["labels"] = foreign["spec"]["template"]["metadata"]["labels"] = labels
        backend.hook.create_job(foreign)
        for call in (lambda: backend.submit(SPEC, key), lambda: backend.find(key)):
            with pytest.raises(AlreadyExists, match="exists and was not made for this task"):
                call()

    @pytest.mark.parametrize(
        ("scope", "message"),
        [({"namespace": "My Space"}, "^namespace: 'My Space' is refused"), ({"zone": "b"}, "^zone: ")],
    )
    def test_a_scope_that_cannot_be_meant_is_refused(self, scope: dict[str, str], message: str) -> None:
        with pytest.raises(InvalidArgument, match=message):
            KubernetesBackend(BackendRef(backend="kubernetes", conn_id="kubernetes_default", scope=scope))

    def test_a_connection_that_does_not_exist_is_named(self) -> None:
        with pytest.raises(InvalidArgument, match="no connection 'nowhere'"):
            KubernetesBackend(BackendRef(backend="kubernetes", conn_id="nowhere"))

    def test_a_job_that_is_still_being_deleted_is_not_taken_for_the_new_one(
        self, backend: KubernetesBackend
    ) -> None:
        key = new_key()
        handle = backend.submit(STUBBORN, key)
        until(backend, handle, JobState.RUNNING)
        backend.hook.delete_job(handle.name, propagation_policy="Foreground")
        with pytest.raises(TransientError, match="is being deleted"):
            backend.submit(STUBBORN, key)

    def test_a_refused_spec_sends_nothing(self, quiet_cloud: LocalCloud, backend: KubernetesBackend) -> None:
        with pytest.raises(InvalidArgument, match=r"^secrets: TOKEN holds no reference"):
            backend.submit(SPEC.model_copy(update={"secrets": {"TOKEN": "geheim"}}), new_key())
        assert quiet_cloud.admin.calls("create jobs") == 0

    def test_a_quota_that_is_used_up_is_no_capacity(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
        backend.hook.core_v1_client.create_namespaced_resource_quota("default", quota)
        with pytest.raises(NoCapacity):
            backend.submit(SPEC, new_key())


class TestCalls:
    def test_one_job_is_one_read_and_many_are_one_list(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        held = SPEC.model_copy(update={"options": {"suspend": True}})
        handles = [backend.submit(held, new_key()) for _ in range(30)]
        for some, reads, lists in ((1, 1, 0), (3, 3, 0), (4, 0, 1), (30, 0, 1)):
            quiet_cloud.admin.clear_counters()
            assert all(told.found for told in backend.describe(handles[:some]))
            admin = quiet_cloud.admin
            assert (admin.calls("get jobs"), admin.calls("list jobs"), admin.calls("list pods")) == (
                reads,
                lists,
                0,
            )

    def test_other_peoples_jobs_are_not_read(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        held = SPEC.model_copy(update={"options": {"suspend": True}})
        handles = [backend.submit(held, new_key()) for _ in range(6)]
        page = backend.hook.list_jobs_page(label_selector=f"airflow-job-key={handles[0].name[-16:]}")
        assert [job["metadata"]["name"] for job in page.items] == [handles[0].name]

    def test_pods_are_read_once_when_the_job_has_begun_to_run(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        handle = backend.submit(RUNS_ON, new_key())
        until(backend, handle, JobState.RUNNING)
        quiet_cloud.admin.clear_counters()
        for _ in range(5):
            assert report(backend, handle).started_at
        assert quiet_cloud.admin.calls("list pods") == 0
        backend.delete(handle)

    def test_a_job_whose_label_was_taken_off_is_found_all_the_same(self, backend: KubernetesBackend) -> None:
        handles = [backend.submit(SPEC, new_key()) for _ in range(5)]
        backend.hook.patch_job(handles[2].name, {"metadata": {"labels": {request.KEY_LABEL: None}}})
        assert all(told.found for told in backend.describe(handles))

    def test_nothing_is_watched_unless_it_is_asked_for(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quiet_cloud.admin.add_fault(method="watch *", error={"code": 403})
        handle = backend.submit(SPEC, new_key())
        until(backend, handle, JobState.SUCCEEDED)
        backend.read_logs([LogCursor(handle=handle)])
        assert not [name for name in quiet_cloud.admin.counters() if "watch" in name]


class TestTimes:
    def test_a_job_that_waits_has_not_started_and_one_that_runs_did_after_it_was_submitted(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quiet_cloud.admin.hold("running")
        handle = backend.submit(SPEC, new_key())
        while report(backend, handle).state is not JobState.STARTING:
            pass
        assert report(backend, handle).started_at is None
        quiet_cloud.admin.release()
        done = until(backend, handle, JobState.SUCCEEDED)
        assert done.started_at
        assert done.ended_at
        assert handle.submitted_at <= done.started_at <= done.ended_at

    def test_a_suspended_job_is_queued(self, backend: KubernetesBackend) -> None:
        handle = backend.submit(SPEC.model_copy(update={"options": {"suspend": True}}), new_key())
        while (told := report(backend, handle)).native_state != "Suspended":
            pass
        assert (told.state, told.detail) == (JobState.QUEUED, "Job suspended")
        backend.hook.resume_job(handle.name)
        until(backend, handle, JobState.SUCCEEDED)


class TestFailures:
    def test_a_time_limit_per_pod(self, backend: KubernetesBackend) -> None:
        told = failure(backend, script="exec sleep 600", max_run_seconds=1)
        assert (told.kind, told.index, told.exit_code) == (FailureKind.TIMEOUT, 0, None)

    def test_a_time_limit_of_the_whole_job(self, backend: KubernetesBackend) -> None:
        told = failure(backend, script="exec sleep 600", options={"active_deadline_seconds": 1})
        assert (told.kind, told.index) == (FailureKind.TIMEOUT, None)
        assert "active_deadline_seconds" in told.message

    @pytest.mark.parametrize("reason", ["preempted", "lost", "unresponsive", "rebooted", "recreated"])
    @pytest.mark.parametrize("size", [1, 2])
    def test_a_pod_that_is_taken_away(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend, size: int, reason: str
    ) -> None:
        handle = backend.submit(RUNS_ON.model_copy(update={"array_size": size}), new_key())
        while (told := report(backend, handle).array) is None or told.running < size:
            pass
        for pod in quiet_cloud.admin.jobs():
            quiet_cloud.admin.interrupt(pod["uid"], 0, reason=reason)
        failures = until(backend, handle, JobState.FAILED).failures
        assert {each.kind for each in failures} == {FailureKind.PREEMPTED}
        assert all(each.retryable for each in failures)

    def test_a_command_that_is_not_there(self, backend: KubernetesBackend) -> None:
        told = failure(backend, command=("/no/such/program",))
        assert (told.kind, told.retryable, told.exit_code) == (FailureKind.CONFIG, False, None)

    def test_a_rule_that_makes_an_exit_code_final(self, backend: KubernetesBackend) -> None:
        rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
        told = failure(
            backend, script="exit 42", options={"pod_failure_policy": {"rules": rules}, "backoff_limit": 3}
        )
        assert (told.kind, told.exit_code, told.retryable) == (FailureKind.USER_CODE, 42, False)

    def test_a_container_beside_the_jobs_own_is_named(self, backend: KubernetesBackend) -> None:
        fetch = {"name": "fetch", "image": "busybox", "command": ["sh", "-c", "exit 5"]}
        told = failure(backend, script="true", options={"init_containers": [fetch]})
        assert (told.exit_code, told.message) == (5, "container 'fetch' of the job exited with code 5")

    def test_what_the_service_repeats_is_no_failure(self, backend: KubernetesBackend) -> None:
        script = 'echo "$JOB_ATTEMPT"; [ "$JOB_ATTEMPT" = 2 ]'
        spec = JobSpec(image="b", script=script, array_size=2, options={"backoff_limit_per_index": 2})
        handle = backend.submit(spec, new_key())
        done = until(backend, handle, JobState.SUCCEEDED)
        assert done.failures == ()
        assert done.array is not None
        assert (done.array.succeeded, done.array.failed) == (2, 0)

    def test_enough_indexes_are_a_success(self, backend: KubernetesBackend) -> None:
        options = {"success_policy": {"rules": [{"succeededIndexes": "0"}]}}
        script = '[ "$JOB_INDEX" = 0 ] || exec sleep 600'
        handle = backend.submit(JobSpec(image="b", script=script, array_size=3, options=options), new_key())
        done = until(backend, handle, JobState.SUCCEEDED)
        assert done.array is not None
        assert done.array.succeeded == 1


class TestRights:
    """A role may lack what only serves to tell more."""

    def test_without_pods_a_job_is_told_by_its_conditions(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quiet_cloud.admin.add_fault(method="list pods", error={"code": 403})
        script = '[ "$JOB_INDEX" != 1 ]'
        handle = backend.submit(JobSpec(image="b", script=script, array_size=3), new_key())
        told = until(backend, handle, JobState.FAILED)
        assert told.array is not None
        assert told.array.failed_indexes == (1,)
        assert [(each.index, each.kind) for each in told.failures] == [(1, FailureKind.USER_CODE)]
        assert told.started_at
        with pytest.raises(AccessDenied, match=r"cannot list resource \"pods\".*Grant list on pods"):
            backend.read_logs([LogCursor(handle=handle)])

    def test_without_events_a_job_is_explained_by_its_pods(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quiet_cloud.admin.add_fault(method="list events", error={"code": 403})
        nowhere = {"node_selector": {"disk": "gold"}}
        handle = backend.submit(SPEC.model_copy(update={"options": nowhere}), new_key())
        while (told := backend.explain(handle)) is None:
            pass
        assert "node_selector" in told
        quiet_cloud.admin.add_fault(method="list pods", error={"code": 403})
        assert backend.explain(handle) is None

    def test_without_the_right_to_change_jobs_a_cancel_deletes(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quiet_cloud.admin.add_fault(method="patch jobs", error={"code": 403})
        handle = backend.submit(RUNS_ON, new_key())
        until(backend, handle, JobState.RUNNING)
        backend.cancel(handle, "enough")
        assert not report(backend, handle).found


class TestCancelling:
    def test_the_reason_stays_on_the_job_and_its_pods_go(self, backend: KubernetesBackend) -> None:
        handle = backend.submit(RUNS_ON, new_key())
        until(backend, handle, JobState.RUNNING)
        backend.cancel(handle, "queue_timeout")
        done = until(backend, handle, JobState.CANCELLED)
        assert done.detail == "cancelled: queue_timeout"
        assert done.ended_at
        held = backend.hook.get_job_json(handle.name)
        assert held["metadata"]["annotations"][CANCELLED_ANNOTATION] == "queue_timeout"
        while list(backend.hook.list_pods(label_selector=f"job-name={handle.name}")):
            pass

    def test_a_job_that_never_ran_is_cancelled_too(self, backend: KubernetesBackend) -> None:
        handle = backend.submit(SPEC.model_copy(update={"options": {"suspend": True}}), new_key())
        backend.cancel(handle, "enough")
        assert until(backend, handle, JobState.CANCELLED).started_at is None

    def test_a_cancelled_job_that_somebody_resumes_stays_cancelled(self, backend: KubernetesBackend) -> None:
        handle = backend.submit(RUNS_ON, new_key())
        backend.cancel(handle, "enough")
        until(backend, handle, JobState.CANCELLED)
        backend.hook.resume_job(handle.name)
        while backend.hook.get_job(handle.name).status.failed is None:
            pass
        until(backend, handle, JobState.CANCELLED)
        backend.delete(handle)

    def test_a_cancel_that_never_reached_the_service_is_told_and_not_swallowed(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        handle = backend.submit(RUNS_ON, new_key())
        quiet_cloud.admin.add_fault(method="get jobs", error={"code": 503}, times=1)
        with pytest.raises(UnavailableError):
            backend.cancel(handle, "why")
        backend.delete(handle)

    def test_a_job_that_is_being_deleted_is_on_its_way_out(self, backend: KubernetesBackend) -> None:
        handle = backend.submit(STUBBORN, new_key())
        until(backend, handle, JobState.RUNNING)
        backend.hook.delete_job(handle.name, propagation_policy="Foreground")
        leaving = report(backend, handle)
        assert (leaving.found, leaving.cancelling, leaving.native_state) == (True, True, "Terminating")
        while report(backend, handle).found:
            pass


class TestExplaining:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"image": "registry.invalid/none:1"}, "ImagePull"),
            ({"gpu": 100}, "accelerator"),
            ({"cpu": 1000}, "less cpu"),
            ({"options": {"node_selector": {"disk": "gold"}}}, "node_selector"),
            ({"secrets": {"TOKEN": "nowhere/token"}}, "CreateContainerConfigError"),
            ({"options": {"volumes": [{"pvc": "nowhere", "mount_path": "/a"}]}}, "PersistentVolumeClaim"),
            ({"options": {"service_account": "nobody"}}, "service_account"),
            ({"options": {"suspend": True}}, "suspended"),
        ],
    )
    def test_a_job_that_waits_says_why(
        self, backend: KubernetesBackend, values: dict[str, Any], words: str
    ) -> None:
        handle = backend.submit(JobSpec(**{"image": "busybox", "script": "true", **values}), new_key())
        while (told := backend.explain(handle)) is None:
            assert not (report(backend, handle).state or JobState.QUEUED).is_terminal
        assert words in told
        backend.cancel(handle, "the test is over")

    def test_a_quota_of_pods_shows_in_the_jobs_events(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        quota = {"metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}}
        backend.hook.core_v1_client.create_namespaced_resource_quota("default", quota)
        handle = backend.submit(SPEC, new_key())
        while (told := backend.explain(handle)) is None:
            pass
        assert "ResourceQuota" in told
        assert "exceeded quota: no-pods" in told
