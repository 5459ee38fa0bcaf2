"""kubectl, as it is installed, against the local cloud."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.kubernetes.emulator.conftest import (
    JOBS,
    MERGE,
    Kube,
    conditions,
    container,
    indexed,
    job,
    until,
)
from tests.conftest import service_is_absent

Kubectl = Callable[..., str]


@pytest.fixture
def failing_kubectl(cloud: LocalCloud, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs kubectl with the kubeconfig of the Airflow connection; tells how it ended."""
    program = shutil.which("kubectl")
    if program is None:
        service_is_absent("kubectl is not installed")
    config = tmp_path / "kubeconfig"
    config.write_text(cloud.connections["kubernetes_default"]["extra"]["kube_config"])
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(config)}

    def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments], env=environment, input=stdin, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    return run


@pytest.fixture
def kubectl(failing_kubectl: Callable[..., subprocess.CompletedProcess[str]]) -> Kubectl:
    """Runs kubectl, which must succeed; returns what it prints."""

    def run(*arguments: str, stdin: str | None = None) -> str:
        done = failing_kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_create_get_wait_logs_and_delete(kubectl: Kubectl):
    assert (
        kubectl("create", "job", "hello", "--image=busybox", "--", "echo", "hi")
        == "job.batch/hello created\n"
    )
    assert "condition met" in kubectl("wait", "--for=condition=Complete", "job/hello", "--timeout=30s")
    assert kubectl("logs", "job/hello") == "hi\n"
    header, row = kubectl("get", "jobs").splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[:3] == ["hello", "Complete", "1/1"]
    assert kubectl("delete", "job", "hello").startswith('job.batch "hello" deleted')
    assert kubectl("get", "jobs,pods") == ""


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl):
    def apply(**spec: object) -> str:
        return kubectl("apply", "-f", "-", stdin=json.dumps(indexed("sleep 60", **spec)))

    assert apply(parallelism=1) == "job.batch/work created\n"
    assert apply(parallelism=1) == "job.batch/work unchanged\n"
    assert apply(parallelism=2) == "job.batch/work configured\n"
    assert kubectl("get", "job", "work", "-o", "jsonpath={.spec.parallelism}") == "2"
    server_side = json.dumps(indexed("sleep 60", parallelism=3))
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=server_side)


def test_what_is_wrong_with_a_manifest_is_said_before_and_by_the_server(
    failing_kubectl: Callable[..., subprocess.CompletedProcess[str]],
):
    wrong = json.dumps(job(parallelismm=1))
    told = failing_kubectl("create", "-f", "-", stdin=wrong)
    assert told.returncode == 1
    assert 'strict decoding error: unknown field "spec.parallelismm"' in told.stderr
    warned = failing_kubectl("create", "--validate=warn", "-f", "-", stdin=wrong)
    assert warned.returncode == 0
    assert 'Warning: unknown field "spec.parallelismm"' in warned.stderr
    refused = failing_kubectl("create", "-f", "-", stdin=json.dumps(job(name="Bad_Name")))
    assert 'The Job "Bad_Name" is invalid: metadata.name: Invalid value' in refused.stderr


def test_a_dry_run_on_the_server_changes_nothing(kubectl: Kubectl):
    told = kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(job()))
    assert told == "job.batch/work created (server dry run)\n"
    assert kubectl("get", "jobs") == ""


def test_logs_are_followed_to_the_end(kubectl: Kubectl):
    script = "for i in 1 2 3; do echo line $i; sleep 0.1; done"
    kubectl("run", "talker", "--image=busybox", "--restart=Never", "--", "sh", "-c", script)
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/talker", "--timeout=30s")
    assert kubectl("logs", "-f", "talker") == "line 1\nline 2\nline 3\n"
    assert kubectl("logs", "talker", "--tail=1", "--timestamps").endswith("Z line 3\n")


def test_logs_of_several_pods_and_containers(kubectl: Kubectl):
    containers = [container("echo a", name="a"), container("echo b", name="b")]
    kubectl(
        "create", "-f", "-", stdin=json.dumps(indexed(completions=2, template={"containers": containers}))
    )
    kubectl("wait", "--for=condition=Complete", "job/work", "--timeout=30s")
    told = kubectl("logs", "-l", "job-name=work", "--all-containers")
    assert sorted(told.split()) == ["a", "a", "b", "b"]


def test_describe_tells_of_a_job_and_of_a_pod(kubectl: Kubectl, kube: Kube):
    kube.run(indexed("exit $JOB_COMPLETION_INDEX", completions=2, backoffLimitPerIndex=0, backoffLimit=9))
    told = kubectl("describe", "job", "work")
    assert "0 Active (0 Ready) / 1 Succeeded / 1 Failed" in told
    assert "Completed Indexes:  0" in told
    assert "FailedIndexes" in told
    told = kubectl("describe", "pods", "-l", "batch.kubernetes.io/job-completion-index=1")
    assert "Exit Code:    1" in told
    assert "Controlled By:  Job/work" in told
    assert "Successfully assigned default/" in told


def test_explain_knows_the_fields(kubectl: Kubectl):
    told = kubectl("explain", "job.spec.podFailurePolicy.rules")
    assert "action\t<string> -required-" in told
    assert "GROUP:      batch" in told


def test_get_watch_sees_changes(kubectl: Kubectl, kube: Kube):
    kube.create(job("sleep 0.3"))
    told = kubectl("get", "jobs", "--watch", "--request-timeout=5s")
    assert "Running" in told
    assert "Complete" in told


def test_get_watch_sees_jobs_come_into_a_selection_and_leave_it(
    cloud: LocalCloud, kubectl: Kubectl, kube: Kube
):
    kube.create(job(suspend=True))
    kube.until_job(conditions)
    heard: list[str] = []
    watch = ("get", "jobs", "--watch-only", "--output-watch-events", "-l", "tier=a", "--request-timeout=5s")
    reader = threading.Thread(target=lambda: heard.append(kubectl(*watch)))
    cloud.admin.clear_counters()
    reader.start()
    until(lambda: cloud.admin.calls("watch jobs"), bool)
    for tier in ("a", "b"):
        kube.call("PATCH", f"{JOBS}/work", {"metadata": {"labels": {"tier": tier}}}, content_type=MERGE)
    reader.join()
    assert [line.split()[:2] for line in heard[0].splitlines()[1:]] == [
        ["ADDED", "work"],
        ["DELETED", "work"],
    ]


def test_patch_suspends_and_resumes(kubectl: Kubectl):
    kubectl("create", "-f", "-", stdin=json.dumps(job(suspend=True)))
    kubectl("wait", "--for=condition=Suspended", "job/work", "--timeout=30s")
    kubectl("patch", "job", "work", "-p", '{"spec": {"suspend": false}}')
    kubectl("wait", "--for=condition=Complete", "job/work", "--timeout=30s")


def test_the_things_that_jobs_refer_to(kubectl: Kubectl):
    kubectl("create", "namespace", "ml")
    kubectl("create", "-n", "ml", "configmap", "settings", "--from-literal=COLOUR=green")
    kubectl("create", "-n", "ml", "secret", "generic", "keys", "--from-literal=TOKEN=s3cret")
    kubectl("create", "-n", "ml", "serviceaccount", "trainer")
    kubectl("create", "-n", "ml", "quota", "few", "--hard=pods=3,count/jobs.batch=2")
    assert "settings" in kubectl("get", "-n", "ml", "configmaps")
    assert kubectl("get", "-n", "ml", "secret", "keys", "-o", "jsonpath={.data.TOKEN}") == "czNjcmV0"
    assert "pods: 0/3" in kubectl("get", "-n", "ml", "quota")
    assert "count/jobs.batch  0     2" in kubectl("describe", "-n", "ml", "quota", "few")
    kubectl("delete", "namespace", "ml")
    assert "ml" not in kubectl("get", "namespaces").split()


def test_who_may_do_what(
    kubectl: Kubectl, cloud: LocalCloud, failing_kubectl: Callable[..., subprocess.CompletedProcess[str]]
):
    assert kubectl("auth", "can-i", "create", "jobs") == "yes\n"
    # Over plain HTTP kubectl keeps its token to itself.
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    cloud.admin.add_fault(method="kubernetes/watch pods", error={"code": 403})
    assert failing_kubectl("auth", "can-i", "watch", "pods").stdout == "no\n"
    assert "cannot watch resource" in failing_kubectl("get", "pods", "--watch-only").stderr


def test_a_drained_node_loses_its_pods_and_takes_none_until_it_is_wanted_again(kubectl: Kubectl, kube: Kube):
    kube.create(job("sleep 60", backoffLimit=3))
    kube.until_job(lambda found: found["status"].get("ready"))
    told = kubectl("drain", "k8s-node-1", "--timeout=30s")
    assert "node/k8s-node-1 drained" in told
    [waiting] = until(kube.pods, lambda found: len(found) == 1 and "nodeName" not in found[0]["spec"])
    assert waiting["status"]["phase"] == "Pending"
    kubectl("uncordon", "k8s-node-1")
    kube.until_job(lambda found: found["status"].get("ready"))


def test_events_nodes_and_everything_else(kubectl: Kubectl, kube: Kube):
    kube.run(job())
    assert "Job completed" in kubectl("events", "--for", "job/work")
    assert "SuccessfulCreate" in kubectl("get", "events", "--sort-by=.lastTimestamp")
    assert "k8s-node-1" in kubectl("get", "nodes", "-o", "wide")
    assert "nvidia.com/gpu" in kubectl("describe", "node", "k8s-node-1")
    assert "job.batch/work" in kubectl("get", "all")
    assert "jobs" in kubectl("api-resources", "--api-group=batch")
    assert "Server Version: v1.36.2" in kubectl("version")
    assert "deleted" in kubectl("delete", "jobs", "--all")
