"""The hook's calls against a local cloud, and its connection in all shapes."""

from __future__ import annotations

import json
import uuid
from concurrent import futures
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.backends.kubernetes.connection import all_items
from airflow_provider_jobs.backends.kubernetes.errors import ResourceVersionExpired
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AlreadyExists,
    AmbiguousError,
    InvalidArgument,
    InvalidRequest,
    JobsError,
    NoCapacity,
    NotFound,
    UnavailableError,
)
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud

Json = dict[str, Any]


def job(script: str = "true", *, size: int = 1, suspend: bool = False) -> Json:
    """Return a Job under a new name."""
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
    spec: Json = {
        "suspend": suspend,
        "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    }
    if size > 1:
        spec |= {"completionMode": "Indexed", "completions": size, "parallelism": size}
    return {"metadata": {"name": f"j-{uuid.uuid4().hex[:12]}", "labels": {"test": "hook"}}, "spec": spec}


def create(hook: KubernetesJobHook, made: Json | None = None) -> str:
    """Create a Job and return its name."""
    return str(hook.create_job(made or job()).metadata.name)


def until(hook: KubernetesJobHook, name: str, kind: str) -> client.V1Job:
    """Return the Job once it has a condition."""
    while True:
        found = hook.get_job(name)
        if any(each.type == kind and each.status == "True" for each in found.status.conditions or ()):
            return found


class TestJobs:
    def test_a_job_is_created_in_the_connections_namespace_and_returned(
        self, hook: KubernetesJobHook
    ) -> None:
        made = hook.create_job(job())
        assert isinstance(made, client.V1Job)
        assert made.metadata.namespace == "default"
        assert hook.get_job(made.metadata.name).metadata.uid == made.metadata.uid
        assert hook.get_job_json(made.metadata.name)["metadata"]["uid"] == made.metadata.uid

    def test_the_clients_own_model_is_a_job_too(self, hook: KubernetesJobHook) -> None:
        container = client.V1Container(name="main", image="busybox", command=["true"])
        pod = client.V1PodSpec(restart_policy="Never", containers=[container])
        spec = client.V1JobSpec(template=client.V1PodTemplateSpec(spec=pod))
        name = f"j-{uuid.uuid4().hex[:12]}"
        made = hook.create_job(client.V1Job(metadata=client.V1ObjectMeta(name=name), spec=spec))
        assert made.metadata.name == name

    def test_a_name_that_is_taken_is_an_error(self, hook: KubernetesJobHook) -> None:
        made = job()
        create(hook, made)
        with pytest.raises(AlreadyExists, match=r"AlreadyExists: jobs\.batch .* already exists"):
            hook.create_job(made)

    def test_what_the_service_refuses_is_told_in_its_words(self, hook: KubernetesJobHook) -> None:
        with pytest.raises(InvalidRequest, match=r"metadata\.name: Invalid value: \"Bad_Name\""):
            hook.create_job({**job(), "metadata": {"name": "Bad_Name"}})

    def test_a_namespace_that_is_not_there_is_told(self, hook: KubernetesJobHook) -> None:
        with pytest.raises(NotFound, match=r'namespaces "nowhere" not found.*Check the namespace'):
            hook.create_job(job(), "nowhere")

    def test_a_quota_that_is_used_up_is_no_capacity(
        self, quiet_cloud: LocalCloud, hook: KubernetesJobHook
    ) -> None:
        quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
        hook.core_v1_client.create_namespaced_resource_quota("default", quota)
        create(hook)
        with pytest.raises(NoCapacity, match=r"exceeded quota: few.*ResourceQuota"):
            hook.create_job(job())

    def test_a_job_that_is_not_there_is_not_found(self, hook: KubernetesJobHook) -> None:
        for call in (hook.get_job, hook.get_job_json, hook.delete_job, hook.suspend_job):
            with pytest.raises(NotFound, match="somebody deleted it"):
                call("nobody")

    def test_a_list_goes_on_over_all_pages_only_as_far_as_it_is_read(
        self, quiet_cloud: LocalCloud, hook: KubernetesJobHook
    ) -> None:
        names = {create(hook) for _ in range(5)}
        listing = hook.list_jobs(label_selector="test=hook", page_size=2)
        assert quiet_cloud.admin.calls("list jobs") == 0
        first = list(islice(listing, 2))
        assert quiet_cloud.admin.calls("list jobs") == 1
        assert {found.metadata.name for found in [*first, *listing]} == names
        assert quiet_cloud.admin.calls("list jobs") == 3

    def test_selectors_choose(self, hook: KubernetesJobHook) -> None:
        name = create(hook)
        assert list(hook.list_jobs(label_selector="test=other")) == []
        (found,) = hook.list_jobs(field_selector=f"metadata.name={name}")
        assert found.metadata.name == name
        assert [each["metadata"]["name"] for each in all_items(hook.list_jobs_page, page_size=1)].count(
            name
        ) == 1


class TestEnding:
    def test_a_suspended_job_has_no_pods_until_it_is_resumed(self, hook: KubernetesJobHook) -> None:
        name = create(hook, job("exec sleep 600", suspend=True))
        until(hook, name, "Suspended")
        assert list(hook.list_pods(label_selector=f"job-name={name}")) == []
        assert hook.resume_job(name).spec.suspend is False
        while not hook.get_job(name).status.ready:
            pass
        assert hook.suspend_job(name).spec.suspend is True
        until(hook, name, "Suspended")
        hook.delete_job(name)

    def test_a_job_that_was_stopped_cannot_be_made_to_run_again(self, hook: KubernetesJobHook) -> None:
        name = create(hook, job("exec sleep 600"))
        stopped = hook.stop_job(name, "enough")
        assert stopped.metadata.annotations["airflow-provider-jobs/cancelled"] == "enough"
        until(hook, name, "Suspended")
        hook.resume_job(name)
        failed = until(hook, name, "Failed")
        assert [each.reason for each in failed.status.conditions if each.type == "Failed"] == [
            "DeadlineExceeded"
        ]

    @pytest.mark.parametrize("policy", ["Background", "Foreground"])
    def test_a_deleted_job_is_gone_and_its_pods_with_it(self, hook: KubernetesJobHook, policy: str) -> None:
        name = create(hook, job("exec sleep 600"))
        hook.delete_job(name, propagation_policy=policy, grace_period_seconds=0)
        while list(hook.list_pods(label_selector=f"job-name={name}")):
            pass
        while list(hook.list_jobs(field_selector=f"metadata.name={name}")):
            pass

    def test_pods_may_be_left_behind(self, hook: KubernetesJobHook) -> None:
        name = create(hook)
        until(hook, name, "Complete")
        hook.delete_job(name, propagation_policy="Orphan")
        assert len(list(hook.list_pods(label_selector=f"job-name={name}"))) == 1


class TestPods:
    def test_pods_and_events_of_a_job(self, hook: KubernetesJobHook) -> None:
        name = create(hook, job(size=3))
        until(hook, name, "Complete")
        pods = list(hook.list_pods(label_selector=f"job-name={name}", page_size=2))
        assert [type(pod) for pod in pods] == [client.V1Pod] * 3
        assert {pod.status.phase for pod in pods} == {"Succeeded"}
        told = list(hook.list_events(kind="Job", name=name))
        assert "Completed" in {event.reason for event in told}
        assert {event.involved_object.name for event in told} == {name}

    def test_the_log_of_one_index_is_its_own(self, hook: KubernetesJobHook) -> None:
        name = create(hook, job('echo "I am $JOB_COMPLETION_INDEX"', size=4))
        until(hook, name, "Complete")
        (line,) = hook.read_logs(name, index=2)
        assert (line.index, line.message, line.container) == (2, "I am 2", None)
        assert len(hook.read_logs(name)) == 4

    def test_a_log_is_bytes_and_can_be_read_from_a_time_on_and_to_a_limit(
        self, hook: KubernetesJobHook
    ) -> None:
        name = create(hook, job('echo "caf\u00e9"; echo two'))
        until(hook, name, "Complete")
        (pod,) = hook.list_pods(label_selector=f"job-name={name}")
        read = pod.metadata.name
        assert hook.read_pod_log(read).decode() == "caf\u00e9\ntwo\n"
        assert hook.read_pod_log(read, container="main", limit_bytes=4) == b"caf\xc3"
        assert hook.read_pod_log(read, since_time="2100-01-01T00:00:00Z") == b""
        assert hook.read_pod_log(read, timestamps=True).startswith(b"20")
        with pytest.raises(NotFound):
            hook.read_pod_log("nobody")


class TestWatching:
    def test_changes_come_from_a_list_on(self, hook: KubernetesJobHook) -> None:
        since = hook.list_jobs_page().resource_version
        name = create(hook)
        changes = []
        for change, found in hook.watch_jobs(resource_version=since, timeout_seconds=30):
            if found.metadata.name == name:
                changes.append(change)
                if any(each.type == "Complete" for each in found.status.conditions or ()):
                    break
        assert changes[0] == "ADDED"
        assert set(changes[1:]) == {"MODIFIED"}

    def test_a_watch_ends_when_its_time_is_up(self, quiet_cloud: LocalCloud, hook: KubernetesJobHook) -> None:
        assert list(hook.watch_pods(timeout_seconds=1)) == []
        assert quiet_cloud.admin.calls("watch pods") == 1

    def test_a_version_that_is_too_old_is_told_and_not_hidden(
        self, quiet_cloud: LocalCloud, hook: KubernetesJobHook
    ) -> None:
        since = hook.list_jobs_page().resource_version
        create(hook)
        quiet_cloud.admin.call("POST", "/kubernetes/compact")
        with pytest.raises(ResourceVersionExpired, match="List again"):
            list(hook.watch_jobs(resource_version=since, timeout_seconds=5))

    def test_the_right_to_watch_may_be_missing(
        self, quiet_cloud: LocalCloud, hook: KubernetesJobHook
    ) -> None:
        quiet_cloud.admin.add_fault(method="watch *", error={"code": 403})
        with pytest.raises(AccessDenied, match=r"cannot watch resource \"jobs\".*Grant watch on jobs"):
            list(hook.watch_jobs(timeout_seconds=1))


class TestCallsAreSentOnce:
    @pytest.mark.parametrize(("code", "error"), [(503, UnavailableError), (429, JobsError)])
    def test_trouble_is_raised_at_the_first_answer(
        self, quiet_cloud: LocalCloud, hook: KubernetesJobHook, code: int, error: type[Exception]
    ) -> None:
        name = create(hook)
        quiet_cloud.admin.clear_counters()
        quiet_cloud.admin.add_fault(method="get jobs", error={"code": code}, times=1)
        with pytest.raises(error):
            hook.get_job(name)
        assert quiet_cloud.admin.calls("get jobs") == 1

    def test_a_lost_answer_is_not_asked_for_again(
        self, quiet_cloud: LocalCloud, hook: KubernetesJobHook
    ) -> None:
        quiet_cloud.admin.add_fault(method="create jobs", drop_answer="reset", times=1)
        with pytest.raises(AmbiguousError):
            hook.create_job(job())
        assert quiet_cloud.admin.calls("create jobs") == 1

    def test_a_call_ends_at_its_deadline(self, quiet_cloud: LocalCloud) -> None:
        impatient = KubernetesJobHook(deadline_seconds=0.3)
        quiet_cloud.admin.add_fault(method="list jobs", delay_seconds=5)
        with pytest.raises(UnavailableError, match="Read timed out"):
            next(impatient.list_jobs())

    def test_threads_share_one_client(self, hook: KubernetesJobHook) -> None:
        with futures.ThreadPoolExecutor(8) as pool:
            clients = set(pool.map(lambda _: id(hook.api_client), range(32)))
        assert len(clients) == 1


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str = "mine", **extra: Any) -> None:
    """Set a connection."""
    value = json.dumps({"conn_type": "kubernetes", "extra": extra})
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)


def kube_config(*servers: str) -> Json:
    """Return a kube config with a context for each server, ``c0`` and on; the first is the current one."""
    names = [f"c{n}" for n in range(len(servers))]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c0",
        "clusters": [
            {"name": name, "cluster": {"server": url}} for name, url in zip(names, servers, strict=True)
        ],
        "users": [{"name": "u", "user": {"token": "geheim"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in names],
    }


class TestConnection:
    @pytest.mark.parametrize("prefix", ["", "extra__kubernetes__"])
    @pytest.mark.parametrize("as_text", [True, False])
    def test_a_kube_config_as_json(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, prefix: str, as_text: bool
    ) -> None:
        config: Any = kube_config(cloud.http)
        extra = {
            f"{prefix}kube_config": json.dumps(config) if as_text else config,
            f"{prefix}namespace": "kube-public",
        }
        connect(monkeypatch, **extra)
        hook = KubernetesJobHook("mine")
        assert hook.namespace == "kube-public"
        assert hook.test_connection() == (
            True,
            f"Jobs of namespace kube-public at {cloud.http} can be listed",
        )

    def test_a_kube_config_as_a_path_and_a_context_in_it(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = tmp_path / "config"
        path.write_text(json.dumps(kube_config("http://127.0.0.1:1", cloud.http)))
        connect(monkeypatch, kube_config_path=str(path))
        assert KubernetesJobHook("mine", cluster_context="c1").test_connection()[0]
        works, told = KubernetesJobHook("mine").test_connection()
        assert not works
        assert "http://127.0.0.1:1" in told
        scope = {"cluster_context": "c1", "namespace": "default"}
        backend = KubernetesBackend(BackendRef(backend="kubernetes", conn_id="mine", scope=scope))
        assert backend.hook.test_connection()[0]

    def test_hooks_of_two_clusters_never_mix_them(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(monkeypatch, "here", kube_config=kube_config(cloud.http))
        connect(monkeypatch, "there", kube_config=kube_config("http://127.0.0.1:1"))
        hooks = [KubernetesJobHook(name) for name in ("here", "there") * 8]
        with futures.ThreadPoolExecutor(16) as pool:
            hosts = list(pool.map(lambda hook: hook.api_client.configuration.host, hooks))
        assert hosts == [cloud.http, "http://127.0.0.1:1"] * 8
        assert client.Configuration.get_default_copy().host not in hosts

    def test_a_namespace_that_is_given_counts_before_the_connections(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(monkeypatch, kube_config=kube_config(cloud.http), namespace="kube-public")
        assert KubernetesJobHook("mine", namespace="default").namespace == "default"
        connect(monkeypatch, kube_config=kube_config(cloud.http))
        assert KubernetesJobHook("mine").namespace == "default"

    def test_one_that_does_not_exist_is_named_in_one_line(self) -> None:
        with pytest.raises(InvalidArgument) as caught:
            KubernetesJobHook("nowhere")
        assert str(caught.value).startswith("kubernetes_conn_id: there is no connection 'nowhere'. Create it")
        assert "\n" not in str(caught.value)

    def test_an_address_that_refuses_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, kube_config=kube_config("http://127.0.0.1:1"))
        hook = KubernetesJobHook("mine")
        for call in (lambda: hook.get_job("j"), lambda: hook.create_job(job())):
            with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:1.*Connection refused"):
                call()

    @pytest.mark.parametrize(
        "extra",
        [
            {"kube_config": '{"token": "geheim'},
            {"kube_config": {"users": "geheim"}},
            {"kube_config": {**kube_config("http://127.0.0.1:1"), "current-context": "geheim"}},
            {"kube_config_path": "/does/not/exist/geheim"},
            {"kube_config_path": "/geheim", "kube_config": "{}"},
            {"in_cluster": True},
        ],
    )
    def test_a_configuration_that_cannot_be_used_is_told_without_a_word_of_it(
        self, monkeypatch: pytest.MonkeyPatch, extra: Json
    ) -> None:
        connect(monkeypatch, **extra)
        hook = KubernetesJobHook("mine")
        with pytest.raises(
            AccessDenied, match="the configuration of connection 'mine' cannot be used"
        ) as caught:
            hook.get_job("j")
        assert "geheim" not in str(caught.value)
        assert hook.test_connection()[0] is False

    def test_the_hook_shows_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, kube_config=kube_config("http://127.0.0.1:1"))
        assert "geheim" not in repr(KubernetesJobHook("mine"))
