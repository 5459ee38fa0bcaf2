"""Every argument of the operator arrives at the API server as its own field of the Job.

What is compared is what the vendor's client really sent: a recorder stands between it and the local cloud.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_jobs.backends.kubernetes import request
from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.backends.kubernetes.operator import KubernetesJobOperator
from airflow_provider_jobs.core.errors import InvalidArgument, InvalidRequest
from airflow_provider_jobs.core.identity import JobKey, job_labels
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS
from tests.wire import Recorder

Json = dict[str, Any]

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
SPEC = ("spec",)
TEMPLATE = (*SPEC, "template")
POD = (*TEMPLATE, "spec")
MAIN = (*POD, "containers", 0)
INDEX_OF_POD = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
GPU = {"type": "amd.com/gpu", "count": 2}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
FAIL_JOB = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
ENOUGH = {"rules": [{"succeededIndexes": "0"}]}
PROXY = {"name": "proxy", "image": "proxy:1"}
MANIFEST: Json = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "theirs", "labels": {"team": "ml"}, "annotations": {"a": "b"}},
    "spec": {
        "backoffLimit": 4,
        "ttlSecondsAfterFinished": 5,
        "template": {
            "metadata": {"labels": {"tier": "back"}},
            "spec": {
                "restartPolicy": "OnFailure",
                "tolerations": [{"key": "a", "operator": "Exists"}],
                "containers": [
                    {
                        "name": "own",
                        "image": "python:3.12",
                        "command": ["python"],
                        "args": ["run.py"],
                        "env": [{"name": "A", "value": "theirs"}, {"name": "B", "value": "theirs"}],
                        "resources": {"limits": {"cpu": "4"}},
                    },
                    {"name": "side", "image": "side:1"},
                ],
            },
        },
    },
}

# Arguments, the path of a field in the API's JSON, and what must stand there; a name picks from a list.
ARRIVES: list[tuple[Json, tuple[Any, ...], Any]] = [
    ({"image": "busybox:1"}, (*MAIN, "image"), "busybox:1"),
    ({"command": ["a", "b c"], "prelude": False}, (*MAIN, "command"), ["a", "b c"]),
    ({"command": ["a", "b c"]}, (*MAIN, "command", -2), "a"),
    ({"script": "true", "prelude": False}, (*MAIN, "command"), ["/bin/sh", "-c", "true"]),
    ({"env": {"A": "1"}}, (*MAIN, "env", "A", "value"), "1"),
    (
        {"secrets": {"TOKEN": "keys/token"}},
        (*MAIN, "env", "TOKEN", "valueFrom", "secretKeyRef"),
        {"name": "keys", "key": "token"},
    ),
    ({"input": {"a": 1}}, (*MAIN, "env", "JOB_INPUT", "value"), '{"a": 1}'),
    ({"inputs": [7, 8], "array_size": 2}, (*MAIN, "env", "JOB_INPUT_1", "value"), "8"),
    ({"cpu": 0.5}, (*MAIN, "resources"), {"requests": {"cpu": "500m"}, "limits": {"cpu": "500m"}}),
    ({"cpu": 2}, (*MAIN, "resources", "limits", "cpu"), "2"),
    ({"memory": "4Gi"}, (*MAIN, "resources", "requests", "memory"), "4Gi"),
    ({"gpu": 1}, (*MAIN, "resources", "limits", "nvidia.com/gpu"), "1"),
    ({"gpu": GPU}, (*MAIN, "resources", "requests", "amd.com/gpu"), "2"),
    ({"array_size": 5}, (*SPEC, "completions"), 5),
    ({"array_size": 5}, (*SPEC, "completionMode"), "Indexed"),
    ({"array_size": 5}, (*SPEC, "parallelism"), 5),
    ({"array_size": 5}, (*SPEC, "backoffLimitPerIndex"), 0),
    ({"array_size": 5}, (*MAIN, "env", "JOB_COUNT", "value"), "5"),
    ({"array_size": 5, "prelude": False}, (*MAIN, "env", "JOB_INDEX", "valueFrom"), INDEX_OF_POD),
    ({"array_size": 5, "parallelism": 2}, (*SPEC, "parallelism"), 2),
    ({"array_size": 5, "parallelism": 9}, (*SPEC, "parallelism"), 5),
    ({"max_run_seconds": 90}, (*POD, "activeDeadlineSeconds"), 90),
    ({"execution_timeout": timedelta(minutes=2)}, (*POD, "activeDeadlineSeconds"), 120),
    ({"spot": False}, (*POD, "nodeSelector"), None),
    ({"labels": {"team": "ml"}}, ("metadata", "labels", "team"), "ml"),
    ({"labels": {"team": "ml"}}, (*TEMPLATE, "metadata", "labels", "team"), "ml"),
    ({"native": {"spec": {"backoffLimit": 7}}}, (*SPEC, "backoffLimit"), 7),
    ({"native": {"spec": {"template": {"spec": {"hostNetwork": True}}}}}, (*POD, "hostNetwork"), True),
    ({}, (*SPEC, "backoffLimit"), 0),
    ({}, (*SPEC, "completionMode"), None),
    ({}, (*POD, "restartPolicy"), "Never"),
    ({"service_account": "trainer"}, (*POD, "serviceAccountName"), "trainer"),
    ({"backoff_limit": 3}, (*SPEC, "backoffLimit"), 3),
    ({"backoff_limit": 3, "array_size": 2}, (*SPEC, "backoffLimitPerIndex"), None),
    ({"backoff_limit_per_index": 2, "array_size": 2}, (*SPEC, "backoffLimitPerIndex"), 2),
    ({"backoff_limit_per_index": 2}, (*SPEC, "completionMode"), "Indexed"),
    ({"max_failed_indexes": 1, "array_size": 2}, (*SPEC, "maxFailedIndexes"), 1),
    ({"pod_failure_policy": FAIL_JOB}, (*SPEC, "podFailurePolicy"), FAIL_JOB),
    ({"success_policy": ENOUGH, "array_size": 2}, (*SPEC, "successPolicy"), ENOUGH),
    ({"ttl_seconds_after_finished": 60}, (*SPEC, "ttlSecondsAfterFinished"), 60),
    ({"ttl_seconds_after_finished": 0}, (*SPEC, "ttlSecondsAfterFinished"), 0),
    ({"active_deadline_seconds": 600}, (*SPEC, "activeDeadlineSeconds"), 600),
    ({"suspend": True}, (*SPEC, "suspend"), True),
    ({"restart_policy": "OnFailure"}, (*POD, "restartPolicy"), "OnFailure"),
    ({"restart_policy": "OnFailure", "array_size": 2}, (*SPEC, "backoffLimitPerIndex"), None),
    ({"termination_grace_seconds": 5}, (*POD, "terminationGracePeriodSeconds"), 5),
    (
        {"env_from": [{"configmap": "settings"}, {"secret": "keys", "prefix": "K_", "optional": True}]},
        (*MAIN, "envFrom"),
        [
            {"configMapRef": {"name": "settings"}},
            {"prefix": "K_", "secretRef": {"name": "keys", "optional": True}},
        ],
    ),
    (
        {"cpu": 1, "container_resources": {"limits": {"cpu": 2, "ephemeral-storage": "1Gi"}}},
        (*MAIN, "resources"),
        {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "ephemeral-storage": "1Gi"}},
    ),
    (
        {"node_selector": {"kubernetes.io/arch": "amd64"}},
        (*POD, "nodeSelector", "kubernetes.io/arch"),
        "amd64",
    ),
    ({"tolerations": [{"key": "k", "value": "v"}]}, (*POD, "tolerations"), [{"key": "k", "value": "v"}]),
    ({"affinity": AFFINITY}, (*POD, "affinity"), AFFINITY),
    ({"security_context": {"runAsUser": 1000}}, (*MAIN, "securityContext"), {"runAsUser": 1000}),
    ({"pod_security_context": {"fsGroup": 2000}}, (*POD, "securityContext"), {"fsGroup": 2000}),
    ({"image_pull_secrets": ["registry"]}, (*POD, "imagePullSecrets"), [{"name": "registry"}]),
    ({"image_pull_policy": "Always"}, (*MAIN, "imagePullPolicy"), "Always"),
    ({"priority_class": "high"}, (*POD, "priorityClassName"), "high"),
    ({"annotations": {"a": "b"}}, ("metadata", "annotations", "a"), "b"),
    ({"annotations": {"a": "b"}}, (*TEMPLATE, "metadata", "annotations", "a"), "b"),
    ({"containers": [PROXY]}, (*POD, "containers", 1), PROXY),
    ({"containers": [PROXY]}, (*MAIN, "name"), "main"),
    (
        {"containers": [PROXY]},
        (*TEMPLATE, "metadata", "annotations", "kubectl.kubernetes.io/default-container"),
        "main",
    ),
    (
        {"init_containers": [{**PROXY, "restartPolicy": "Always"}]},
        (*POD, "initContainers", 0, "name"),
        "proxy",
    ),
    ({"manifest": MANIFEST}, (*SPEC, "backoffLimit"), 4),
]

VOLUMES: list[tuple[Json, Json]] = [
    ({"pvc": "data"}, {"persistentVolumeClaim": {"claimName": "data"}}),
    ({"configmap": "settings"}, {"configMap": {"name": "settings"}}),
    ({"secret": "keys"}, {"secret": {"secretName": "keys"}}),
    ({"empty_dir": True}, {"emptyDir": {}}),
    (
        {"empty_dir": {"medium": "Memory", "size_limit": "1Gi"}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ),
    ({"host_path": "/opt"}, {"hostPath": {"path": "/opt"}}),
    ({"source": {"nfs": {"server": "s", "path": "/p"}}}, {"nfs": {"server": "s", "path": "/p"}}),
]


def operator(**arguments: Any) -> KubernetesJobOperator:
    """Return an operator that runs nothing worth mentioning."""
    given = {"image": "busybox:1", **arguments}
    if not {"command", "script", "manifest"} & given.keys():
        given["command"] = ["true"]
    return KubernetesJobOperator(task_id="t", **given)


Send = Callable[[JobSpec], Json]


@pytest.fixture(scope="module")
def send(cloud: LocalCloud) -> Iterator[Send]:
    """Return what submits a spec and returns the body that was sent."""
    with Recorder(cloud.http) as recorder, pytest.MonkeyPatch.context() as patch:
        connection = json.dumps(cloud.connections["kubernetes_default"])
        patch.setenv("AIRFLOW_CONN_RECORDED", connection.replace(cloud.http, recorder.url))
        backend = KubernetesBackend(BackendRef(backend="kubernetes", conn_id="recorded"))

        def submit(spec: JobSpec) -> Json:
            backend.submit(spec, JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t"))
            sent = recorder.sent("/apis/batch/v1/namespaces/default/jobs")
            assert sent.query["fieldValidation"] == ["Strict"]
            body: Json = sent.json
            return body

        yield submit


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path, ``None`` where it ends."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, str):
            value = next((item for item in value if item.get("name") == step), None)
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


@pytest.mark.parametrize(("arguments", "path", "expected"), ARRIVES)
def test_the_argument_arrives_at_the_service(
    send: Send, arguments: Json, path: tuple[Any, ...], expected: Any
) -> None:
    assert at(send(operator(**arguments).resolve_targets()[0].spec), path) == expected


@pytest.mark.parametrize(("volume", "source"), VOLUMES)
def test_a_volume_arrives_with_its_mount(send: Send, volume: Json, source: Json) -> None:
    given = {**volume, "mount_path": "/data", "sub_path": "a", "read_only": True}
    body = send(operator(volumes=[{"empty_dir": True, "mount_path": "/x"}, given]).resolve_targets()[0].spec)
    assert at(body, (*POD, "volumes", 1)) == {"name": "volume-1", **source}
    mount = {"name": "volume-1", "mountPath": "/data", "subPath": "a", "readOnly": True}
    assert at(body, (*MAIN, "volumeMounts", 1)) == mount


def test_a_volume_may_have_a_name_for_other_containers(send: Send) -> None:
    body = send(
        operator(volumes=[{"empty_dir": True, "mount_path": "/x", "name": "shared"}])
        .resolve_targets()[0]
        .spec
    )
    assert at(body, (*POD, "volumes", 0, "name")) == "shared"


def test_every_argument_has_a_row_in_the_table() -> None:
    tried = {name for arguments, _, _ in ARRIVES for name in arguments} | {"volumes"}
    assert {*SPEC_FIELDS, *KubernetesJobOperator.option_fields} <= tried


class TestOurMarks:
    def test_job_and_pods_carry_our_labels_and_a_name_with_room_for_an_index(self) -> None:
        job = request.build_job(JobSpec(image="busybox", array_size=100_000), KEY)
        assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"] == job_labels(KEY)
        assert request.digest_of(job["metadata"]["name"]) == KEY.digest
        long = JobKey(dag_id="d" * 200, run_id="r", task_id="t" * 200)
        assert len(f"{request.name_of(long)}-99999") == 63

    def test_native_and_manifest_cannot_unsay_them(self) -> None:
        labels = {request.KEY_LABEL: "other"}
        native = {
            "metadata": {"name": "other", "labels": labels},
            "spec": {"template": {"metadata": {"labels": labels}}},
        }
        for spec in (
            JobSpec(image="busybox", native=native),
            JobSpec(options={"manifest": {**MANIFEST, "metadata": native["metadata"]}}),
        ):
            job = request.build_job(spec, KEY)
            assert job["metadata"]["name"] == request.name_of(KEY)
            assert job["metadata"]["labels"][request.KEY_LABEL] == KEY.digest
            assert job["spec"]["template"]["metadata"]["labels"][request.KEY_LABEL] == KEY.digest

    def test_the_same_spec_and_key_give_the_same_request(self) -> None:
        spec = JobSpec(image="busybox", array_size=3, labels={"a": "b"}, options={"manifest": MANIFEST})
        before = json.dumps(MANIFEST)
        assert request.build_job(spec, KEY) == request.build_job(spec, KEY)
        assert json.dumps(MANIFEST) == before


class TestArrays:
    def test_some_indexes_of_an_array_know_their_original_ones(self) -> None:
        job = request.build_job(JobSpec(image="busybox", script="true", array_size=9, indexes=(7,)), KEY)
        assert (request.task_count(job), request.index_map(job)) == (1, (7,))
        assert job["spec"]["completionMode"] == "Indexed"
        assert at(job, (*MAIN, "env", "JOB_COUNT", "value")) == "9"

    def test_a_command_of_a_manifest_that_runs_some_indexes_again_learns_which(self) -> None:
        spec = JobSpec(array_size=9, indexes=(4, 7), options={"manifest": MANIFEST})
        main = at(request.build_job(spec, KEY), MAIN)
        assert main["command"][0] == "/bin/sh"
        assert main["command"][-2:] == ["python", "run.py"]
        assert "args" not in main

    def test_attempts_are_counted_where_the_service_counts_them(self) -> None:
        spec = JobSpec(image="b", script="true", array_size=2, options={"backoff_limit_per_index": 2})
        counted = request.build_job(spec, KEY)
        assert at(counted, (*MAIN, "env", "JOB_INDEX_FAILURE_COUNT", "valueFrom", "fieldRef")) is not None
        once = request.build_job(JobSpec(image="b", script="true", array_size=2), KEY)
        assert at(once, (*MAIN, "env", "JOB_INDEX_FAILURE_COUNT")) is None

    def test_a_part_of_an_array_cannot_have_another_count(self) -> None:
        spec = JobSpec(image="b", array_size=5, indexes=(1, 2), native={"spec": {"completions": 5}})
        with pytest.raises(InvalidArgument, match="completions is 5 where 2 indexes are to run"):
            request.build_job(spec, KEY)


class TestManifest:
    def test_it_is_kept_where_no_argument_says_otherwise(self, send: Send) -> None:
        body = send(JobSpec(options={"manifest": MANIFEST}))
        assert body["metadata"]["labels"]["team"] == "ml"
        assert body["metadata"]["annotations"] == {"a": "b"}
        assert at(body, (*SPEC, "ttlSecondsAfterFinished")) == 5
        assert at(body, (*POD, "restartPolicy")) == "OnFailure"
        assert at(body, (*TEMPLATE, "metadata", "labels", "tier")) == "back"
        assert at(body, (*MAIN, "command")) == ["python"]
        assert at(body, (*MAIN, "args")) == ["run.py"]
        assert [each["name"] for each in at(body, (*POD, "containers"))] == ["own", "side"]

    def test_arguments_are_laid_on_it(self, send: Send) -> None:
        body = send(
            JobSpec(
                image="python:3.13",
                command=("other",),
                prelude=False,
                env={"A": "ours"},
                cpu=2,
                options={
                    "manifest": MANIFEST,
                    "tolerations": [{"key": "b", "operator": "Exists"}],
                    "ttl_seconds_after_finished": 9,
                },
            )
        )
        main = at(body, MAIN)
        assert (main["name"], main["image"], main["command"]) == ("own", "python:3.13", ["other"])
        assert "args" not in main
        assert [(each["name"], each["value"]) for each in main["env"]] == [
            ("A", "ours"),
            ("B", "theirs"),
            ("JOB_COUNT", "1"),
        ]
        assert main["resources"] == {"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}
        assert [each["key"] for each in at(body, (*POD, "tolerations"))] == ["a", "b"]
        assert at(body, (*SPEC, "ttlSecondsAfterFinished")) == 9

    def test_the_container_that_its_annotation_names_is_the_jobs_own(self) -> None:
        manifest = json.loads(json.dumps(MANIFEST))
        annotation = {"kubectl.kubernetes.io/default-container": "side"}
        manifest["spec"]["template"]["metadata"]["annotations"] = annotation
        main = at(request.build_job(JobSpec(image="new:1", options={"manifest": manifest}), KEY), MAIN)
        assert (main["name"], main["image"]) == ("side", "new:1")

    def test_its_own_indexes_are_counted(self) -> None:
        manifest = json.loads(json.dumps(MANIFEST))
        manifest["spec"] |= {"completionMode": "Indexed", "completions": 6, "parallelism": 2}
        job = request.build_job(JobSpec(options={"manifest": manifest}), KEY)
        assert request.task_count(job) == 6
        assert job["spec"]["parallelism"] == 2
        assert at(job, (*MAIN, "env", "JOB_COUNT", "value")) == "6"
        assert at(job, (*MAIN, "env", "JOB_INDEX", "valueFrom")) == INDEX_OF_POD

    def test_a_namespace_that_is_not_the_tasks_is_refused(self) -> None:
        manifest = {**MANIFEST, "metadata": {"namespace": "theirs"}}
        spec = JobSpec(options={"manifest": manifest})
        assert "namespace" not in request.build_job(spec, KEY, namespace="theirs")["metadata"]
        with pytest.raises(
            InvalidArgument, match=r"^manifest: it names namespace 'theirs'.*namespace='theirs'"
        ):
            request.build_job(spec, KEY, namespace="ml")

    def test_yaml_is_read_with_its_texts_as_they_are(self) -> None:
        text = """
        kind: Job
        spec:
          template:
            metadata: {annotations: {since: 2030-01-01}}
            spec: {containers: [{name: a, image: b}]}
        """
        job = request.build_job(JobSpec(options={"manifest": text}), KEY)
        assert at(job, (*TEMPLATE, "metadata", "annotations", "since")) == "2030-01-01"


class TestNative:
    def test_it_may_be_the_whole_job(self, send: Send) -> None:
        native = {"spec": {"template": {"spec": {"containers": [{"image": "b", "command": ["true"]}]}}}}
        assert at(send(JobSpec(native=native)), (*MAIN, "image")) == "b"

    def test_a_field_that_the_service_does_not_know_is_refused_and_not_dropped(
        self, backend: KubernetesBackend
    ) -> None:
        spec = JobSpec(image="b", native={"spec": {"paralelism": 3}})
        with pytest.raises(InvalidRequest, match=r"unknown field \"spec\.paralelism\".*Correct the name"):
            backend.submit(spec, KEY)
