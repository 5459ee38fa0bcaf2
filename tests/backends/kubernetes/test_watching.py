"""Watched jobs on a local cloud: what they cost, and what is told of them."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.kubernetes import lookup, request
from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.backends.kubernetes.mapping import CANCELLED_ANNOTATION
from airflow_provider_jobs.core.backend import Watches
from airflow_provider_jobs.core.errors import AccessDenied, JobsError
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud

SUSPENDED = JobSpec(image="busybox", script="true", prelude=False, options={"suspend": True})
FAILS = SUSPENDED.model_copy(update={"script": "exit 3"})
PATIENCE_SECONDS = 30


class Watcher:
    """A thread that reads a backend's watch, as the engine's does."""

    def __init__(self, backend: KubernetesBackend) -> None:
        self.backend = backend
        self.told: queue.Queue[str | JobsError | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for bunch in self.backend.watch():
                for native_id in bunch:
                    self.told.put(native_id)
            self.told.put(None)
        except JobsError as error:
            self.told.put(error)

    def start(self) -> None:
        """Return once the watch is under way."""
        self._thread.start()
        while self.backend._informer._stream is None and self._thread.is_alive():
            pass

    def next(self) -> str | JobsError | None:
        """Return what it tells next: an id, or how it ended."""
        return self.told.get(timeout=PATIENCE_SECONDS)

    def until(self, handle: JobHandle, *states: JobState) -> JobReport:
        """Return the report once an id has come that makes it one of these states."""
        while True:
            assert self.next() == handle.native_id
            (report,) = self.backend.describe([handle])
            if report.state in states:
                return report

    def stop(self) -> None:
        """Return once it has ended."""
        self.backend.stop_watching()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def watcher(quiet_cloud: LocalCloud, backend: KubernetesBackend) -> Iterator[Watcher]:
    """Yield a watch that is not begun."""
    made = Watcher(backend)
    yield made
    made.stop()


def submit(backend: KubernetesBackend, spec: JobSpec = SUSPENDED) -> JobHandle:
    """Submit a job under a new key, and return it once the service has seen that it is suspended."""
    handle = backend.submit(spec, JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t"))
    while backend.describe([handle])[0].native_state != "Suspended":
        pass
    return handle


def calls(cloud: LocalCloud) -> dict[str, int]:
    """Return the calls since they were counted from 0, by what was called."""
    return {
        name.removeprefix("kubernetes/"): entry["calls"]
        for name, entry in cloud.admin.counters().items()
        if name.startswith("kubernetes/")
    }


def test_jobs_that_wait_cost_no_call(quiet_cloud: LocalCloud, watcher: Watcher) -> None:
    backend = watcher.backend
    handles = [submit(backend) for _ in range(20)]
    quiet_cloud.admin.clear_counters()
    watcher.start()
    assert {watcher.next() for _ in handles} == {handle.native_id for handle in handles}
    assert calls(quiet_cloud) == {"list jobs": 1, "watch jobs": 1}
    quiet_cloud.admin.clear_counters()
    for _ in range(5):
        assert {report.state for report in backend.describe(handles)} == {JobState.QUEUED}
    assert calls(quiet_cloud) == {}


def test_a_job_that_ends_is_told_and_reported_without_a_call_for_it(
    quiet_cloud: LocalCloud, watcher: Watcher
) -> None:
    backend = watcher.backend
    handle = submit(backend)
    watcher.start()
    assert watcher.next() == handle.native_id
    backend.hook.resume_job(handle.name)
    quiet_cloud.admin.clear_counters()
    report = watcher.until(handle, JobState.SUCCEEDED)
    assert report.started_at
    assert report.ended_at
    # Its pods, once, for when it began.
    assert calls(quiet_cloud) == {"list pods": 1}


def test_a_job_that_fails_is_told_with_its_failure(quiet_cloud: LocalCloud, watcher: Watcher) -> None:
    backend = watcher.backend
    handle = submit(backend, FAILS)
    watcher.start()
    assert watcher.next() == handle.native_id
    backend.hook.resume_job(handle.name)
    quiet_cloud.admin.clear_counters()
    (failure,) = watcher.until(handle, JobState.FAILED).failures
    assert (failure.kind, failure.exit_code) == (FailureKind.USER_CODE, 3)
    assert set(calls(quiet_cloud)) == {"list pods"}


def test_a_job_that_is_newer_than_the_watch_is_asked_for(quiet_cloud: LocalCloud, watcher: Watcher) -> None:
    backend = watcher.backend
    watcher.start()
    handle = submit(backend)
    backend.hook.patch_job(handle.name, {"metadata": {"labels": {request.KEY_LABEL: None}}})
    while handle.native_id in backend._informer.known([handle]) or watcher.told.empty():
        pass
    quiet_cloud.admin.clear_counters()
    assert backend.describe([handle])[0].found
    assert calls(quiet_cloud) == {"get jobs": 1}


def test_a_job_that_is_deleted_is_told_and_gone_when_the_service_says_so(
    quiet_cloud: LocalCloud, watcher: Watcher
) -> None:
    backend = watcher.backend
    handle = submit(backend)
    watcher.start()
    assert watcher.next() == handle.native_id
    backend.delete(handle)
    assert watcher.next() == handle.native_id
    while backend._informer.known([handle]):
        pass
    quiet_cloud.admin.clear_counters()
    assert not backend.describe([handle])[0].found
    assert calls(quiet_cloud) == {"get jobs": 1}


def test_what_a_cancel_did_is_told(watcher: Watcher) -> None:
    backend = watcher.backend
    handle = submit(backend)
    watcher.start()
    assert watcher.next() == handle.native_id
    backend.cancel(handle, "not wanted")
    assert watcher.until(handle, JobState.CANCELLED).detail == "cancelled: not wanted"


def test_without_the_right_to_watch_jobs_are_asked_for(quiet_cloud: LocalCloud, watcher: Watcher) -> None:
    backend = watcher.backend
    handles = [submit(backend) for _ in range(5)]
    quiet_cloud.admin.add_fault(method="watch jobs", error={"code": 403})
    watcher.start()
    while isinstance(told := watcher.next(), str):
        pass
    assert isinstance(told, AccessDenied)
    assert "Grant watch on jobs of API group 'batch' in namespace default" in str(told)
    quiet_cloud.admin.clear_counters()
    assert all(report.found for report in backend.describe(handles))
    assert calls(quiet_cloud) == {"list jobs": 1}


def test_a_service_that_forgot_its_past_is_asked_for_all_jobs(
    quiet_cloud: LocalCloud, backend: KubernetesBackend
) -> None:
    handle = submit(backend)
    watch = backend.watch()
    told = filter(None, watch)
    assert next(told) == [handle.native_id]
    backend.hook.patch_job(handle.name, {"metadata": {"annotations": {CANCELLED_ANNOTATION: "not wanted"}}})
    assert next(told) == [handle.native_id]
    watch.close()
    backend.delete(handle)
    quiet_cloud.admin.call("POST", "/kubernetes/compact")
    quiet_cloud.admin.clear_counters()
    watch = backend.watch()
    told = filter(None, watch)
    assert next(told) == [handle.native_id]
    assert calls(quiet_cloud) == {"watch jobs": 1, "list jobs": 1}
    watch.close()


def test_a_watch_is_what_the_engine_asks_for(backend: KubernetesBackend) -> None:
    assert isinstance(backend, Watches)


def test_once_a_watch_is_stopped_jobs_are_asked_for(quiet_cloud: LocalCloud, watcher: Watcher) -> None:
    backend = watcher.backend
    handle = submit(backend)
    watcher.start()
    assert watcher.next() == handle.native_id
    watcher.stop()
    assert watcher.next() is None
    quiet_cloud.admin.clear_counters()
    assert backend.describe([handle])[0].found
    assert calls(quiet_cloud) == {"get jobs": 1}


def test_a_job_that_runs_and_has_no_pods_is_asked_for_them_only_when_it_has_gone_on(
    quiet_cloud: LocalCloud, watcher: Watcher
) -> None:
    backend, hook = watcher.backend, watcher.backend.hook
    handle = submit(backend, SUSPENDED.model_copy(update={"script": "exec sleep 600"}))
    hook.resume_job(handle.name)
    while not (pods := hook.list_pods_page(label_selector=f"job-name={handle.name}").items):
        pass
    pod = pods[0]["metadata"]["name"]
    hook.core_v1_client.patch_namespaced_pod(
        pod, "default", {"metadata": {"labels": {request.KEY_LABEL: None}}}
    )
    while not hook.get_job_json(handle.name)["status"].get("ready"):
        pass
    quiet_cloud.admin.clear_counters()
    for _ in range(5):
        (told,) = backend.describe([handle])
        assert (told.state, told.started_at) == (JobState.RUNNING, None)
    assert calls(quiet_cloud) == {"get jobs": 5, "list pods": 1}
    watcher.start()
    assert watcher.next() == handle.native_id
    for _ in range(5):
        (told,) = backend.describe([handle])
        assert (told.state, told.started_at) == (JobState.RUNNING, None)
    assert calls(quiet_cloud) == {"get jobs": 5, "list pods": 1, "list jobs": 1, "watch jobs": 1}
    hook.core_v1_client.delete_namespaced_pod(pod, "default")
    assert watcher.until(handle, JobState.FAILED).started_at


def test_a_job_whose_pod_may_begin_without_being_counted_is_asked_for_it_now_and_then(
    quiet_cloud: LocalCloud, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet_cloud.admin.hold("running")
    probe = {"exec": {"command": ["true"]}}
    side = {"name": "side", "image": "busybox", "command": ["true"], "readinessProbe": probe}
    spec = SUSPENDED.model_copy(update={"options": {"containers": [side]}})
    handle = backend.submit(spec, JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t"))
    while not backend.hook.get_job_json(handle.name)["status"].get("active"):
        pass
    for seconds, lists in ((1e6, 1), (1e-9, 3)):
        monkeypatch.setattr(lookup, "_LOOK_AGAIN_SECONDS", seconds)
        quiet_cloud.admin.clear_counters()
        for _ in range(3):
            (told,) = backend.describe([handle])
            assert (told.state, told.started_at) == (JobState.RUNNING, None)
        assert calls(quiet_cloud) == {"get jobs": 3, "list pods": lists}
