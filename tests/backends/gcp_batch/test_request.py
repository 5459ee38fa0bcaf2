"""Every argument of the operator arrives at the service as its own field of the job.

What is compared is what the local cloud keeps of the request that the vendor's client sent.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import batch_v1
from google.protobuf import json_format

from airflow_provider_jobs.backends.gcp_batch import request
from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.backends.gcp_batch.operator import GcpBatchJobOperator
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.identity import JobKey, job_labels
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
GROUP = ("taskGroups", 0)
TASK = (*GROUP, "taskSpec")
RUNNABLE = (*TASK, "runnables", 0)
INSTANCE = ("allocationPolicy", "instances", 0)
POLICY = (*INSTANCE, "policy")
NETWORK = ("allocationPolicy", "network", "networkInterfaces", 0)
SECRET = "projects/p/secrets/token/versions/latest"
GPU = {"type": "nvidia-tesla-t4", "count": 2}

# Arguments, the path of a field in the service's JSON, and what must stand there.
ARRIVES: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    ({"image": "busybox:1"}, (*RUNNABLE, "container", "imageUri"), "busybox:1"),
    ({"command": ["a", "b c"], "prelude": False}, (*RUNNABLE, "container", "entrypoint"), "a"),
    ({"command": ["a", "b c"], "prelude": False}, (*RUNNABLE, "container", "commands"), ["b c"]),
    ({"command": ["a", "b c"]}, (*RUNNABLE, "container", "commands", -2), "a"),
    ({"script": "true", "prelude": False}, (*RUNNABLE, "container", "commands"), ["-c", "true"]),
    ({"image": None, "script": "true", "prelude": False}, (*RUNNABLE, "script", "text"), "true"),
    ({"env": {"A": "1"}}, (*TASK, "environment", "variables", "A"), "1"),
    ({"secrets": {"TOKEN": SECRET}}, (*TASK, "environment", "secretVariables", "TOKEN"), SECRET),
    ({"input": {"a": 1}}, (*TASK, "environment", "variables", "JOB_INPUT"), '{"a": 1}'),
    ({"inputs": [7, 8], "array_size": 2}, (*TASK, "environment", "variables", "JOB_INPUT_1"), "8"),
    ({"cpu": 0.5}, (*TASK, "computeResource", "cpuMilli"), "500"),
    ({"memory": "4Gi"}, (*TASK, "computeResource", "memoryMib"), "4096"),
    ({"gpu": GPU}, (*POLICY, "accelerators"), [{"type": "nvidia-tesla-t4", "count": "2"}]),
    ({"gpu": GPU}, (*INSTANCE, "installGpuDrivers"), True),
    ({"gpu": 1, "machine_type": "a2-highgpu-1g"}, (*INSTANCE, "installGpuDrivers"), True),
    ({"gpu": GPU, "install_gpu_drivers": False}, (*INSTANCE, "installGpuDrivers"), None),
    ({"array_size": 5}, (*GROUP, "taskCount"), "5"),
    ({"array_size": 5}, (*TASK, "environment", "variables", "JOB_COUNT"), "5"),
    ({"array_size": 5, "parallelism": 2}, (*GROUP, "parallelism"), "2"),
    ({"max_run_seconds": 90}, (*TASK, "maxRunDuration"), "90s"),
    ({"execution_timeout": timedelta(minutes=2)}, (*TASK, "maxRunDuration"), "120s"),
    ({"spot": True}, (*POLICY, "provisioningModel"), "SPOT"),
    ({"labels": {"team": "ml"}}, ("labels", "team"), "ml"),
    ({"labels": {"team": "ml"}}, ("allocationPolicy", "labels", "team"), "ml"),
    ({"native": {"priority": 7}}, ("priority",), "7"),
    ({"machine_type": "e2-standard-2"}, (*POLICY, "machineType"), "e2-standard-2"),
    ({"min_cpu_platform": "Intel Ice Lake"}, (*POLICY, "minCpuPlatform"), "Intel Ice Lake"),
    ({"provisioning_model": "STANDARD"}, (*POLICY, "provisioningModel"), "STANDARD"),
    (
        {"allowed_locations": ["europe-west1-b", "zones/europe-west1-c"]},
        ("allocationPolicy", "location", "allowedLocations"),
        ["zones/europe-west1-b", "zones/europe-west1-c"],
    ),
    (
        {"service_account": "a@p.iam.gserviceaccount.com"},
        ("allocationPolicy", "serviceAccount", "email"),
        "a@p.iam.gserviceaccount.com",
    ),
    (
        {"service_account": "a@p.iam.gserviceaccount.com", "service_account_scopes": ["s"]},
        ("allocationPolicy", "serviceAccount", "scopes"),
        ["s"],
    ),
    ({"network": "global/networks/n"}, (*NETWORK, "network"), "global/networks/n"),
    (
        {"subnetwork": "regions/europe-west1/subnetworks/s"},
        (*NETWORK, "subnetwork"),
        "regions/europe-west1/subnetworks/s",
    ),
    ({"network": "global/networks/n", "no_external_ip": True}, (*NETWORK, "noExternalIpAddress"), True),
    ({"boot_disk_gib": 50}, (*POLICY, "bootDisk", "sizeGb"), "50"),
    ({"boot_disk_type": "pd-ssd"}, (*POLICY, "bootDisk", "type"), "pd-ssd"),
    ({"boot_disk_image": "batch-debian"}, (*POLICY, "bootDisk", "image"), "batch-debian"),
    ({"max_retry_count": 3}, (*TASK, "maxRetryCount"), 3),
    (
        {"max_retry_count": 1, "lifecycle_policies": [{"action": "RETRY_TASK", "exit_codes": [50001, 9]}]},
        (*TASK, "lifecyclePolicies"),
        [{"action": "RETRY_TASK", "actionCondition": {"exitCodes": [50001, 9]}}],
    ),
    ({"priority": 12}, ("priority",), "12"),
    ({"container_options": "--network host"}, (*RUNNABLE, "container", "options"), "--network host"),
    ({"container_volumes": ["/a:/b"]}, (*RUNNABLE, "container", "volumes"), ["/a:/b"]),
    ({}, ("logsPolicy", "destination"), "CLOUD_LOGGING"),
    ({"logs_policy": {"path": "/mnt/l"}}, ("logsPolicy",), {"destination": "PATH", "logsPath": "/mnt/l"}),
    ({"logs_policy": "NONE"}, ("logsPolicy", "destination"), None),
]


def operator(**arguments: Any) -> GcpBatchJobOperator:
    """Return an operator that runs nothing worth mentioning."""
    given = {"image": "busybox:1", **arguments}
    if not {"command", "script", "native"} & given.keys():
        given["command"] = ["true"]
    return GcpBatchJobOperator(task_id="t", region="europe-west1", **given)


def recorded(backend: GcpBatchBackend, spec: JobSpec) -> dict[str, Any]:
    """Submit a spec and return the job as the service keeps it, in the service's JSON."""
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    job = backend.hook.get_job(backend.submit(spec, key).native_id)
    return json_format.MessageToDict(batch_v1.Job.pb(job))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path, ``None`` where it ends."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


@pytest.mark.parametrize(("arguments", "path", "expected"), ARRIVES)
def test_the_argument_arrives_at_the_service(
    backend: GcpBatchBackend, arguments: dict[str, Any], path: tuple[Any, ...], expected: Any
) -> None:
    assert at(recorded(backend, operator(**arguments).resolve_targets()[0].spec), path) == expected


def test_every_argument_has_a_row_in_the_table() -> None:
    tried = {name for arguments, _, _ in ARRIVES for name in arguments} | {"logs_policy"}
    assert {*SPEC_FIELDS, *GcpBatchJobOperator.option_fields} <= tried


class TestWhatRuns:
    def test_the_image_keeps_its_entry_point_where_nothing_is_to_run(self) -> None:
        job = request.build_job(JobSpec(image="busybox"), KEY)
        container = job.task_groups[0].task_spec.runnables[0].container
        assert (container.entrypoint, list(container.commands)) == ("", [])

    def test_a_command_without_an_image_runs_on_the_machine_word_by_word(self) -> None:
        job = request.build_job(JobSpec(command=("echo", "a b"), prelude=False), KEY)
        assert job.task_groups[0].task_spec.runnables[0].script.text == "exec echo 'a b'"

    def test_a_shell_that_the_script_chooses_stays_its_first_line(self) -> None:
        job = request.build_job(JobSpec(script="#!/bin/bash\necho hi"), KEY)
        text = job.task_groups[0].task_spec.runnables[0].script.text
        assert text.startswith("#!/bin/bash\nJOB_INDEX=")
        assert text.endswith("echo hi")

    def test_a_script_for_no_shell_needs_the_prelude_off(self) -> None:
        script = "#!/usr/bin/env python3\nprint()"
        with pytest.raises(InvalidArgument, match=r"script: it begins with .*python3.*prelude=False"):
            request.build_job(JobSpec(script=script), KEY)
        job = request.build_job(JobSpec(script=script, prelude=False), KEY)
        assert job.task_groups[0].task_spec.runnables[0].script.text == script

    def test_nothing_to_run_is_refused(self) -> None:
        with pytest.raises(InvalidArgument, match="image: nothing says what to run"):
            request.build_job(JobSpec(native={"priority": 3}), KEY)


class TestNative:
    RUNNABLES = {"taskGroups": [{"taskCount": 3, "taskSpec": {"runnables": [{"script": {"text": "true"}}]}}]}

    def test_a_whole_job_is_taken_as_it_is_with_our_labels(self, backend: GcpBatchBackend) -> None:
        native = {
            **self.RUNNABLES,
            "labels": {"mine": "x"},
            "logsPolicy": {"destination": "PATH", "logsPath": "/l"},
        }
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        handle = backend.submit(operator(image=None, native=native).resolve_targets()[0].spec, key)
        job = backend.hook.get_job(handle.native_id)
        assert handle.size == 3
        assert dict(job.labels) == {**job_labels(key), "mine": "x"}
        assert job.logs_policy.logs_path == "/l"
        assert job.task_groups[0].task_spec.environment.variables["JOB_COUNT"] == "3"

    @pytest.mark.parametrize(
        "native",
        [
            {"taskGroups": [{"taskSpec": {"maxRetryCount": 2, "maxRunDuration": "60s"}}]},
            {"task_groups": [{"task_spec": {"max_retry_count": 2, "max_run_duration": "60s"}}]},
        ],
    )
    def test_both_spellings_are_laid_on_what_the_arguments_say(self, native: dict[str, Any]) -> None:
        job = request.build_job(JobSpec(image="busybox", array_size=4, native=native), KEY)
        (group,) = job.task_groups
        assert group.task_spec.max_retry_count == 2
        assert group.task_spec.max_run_duration == timedelta(seconds=60)
        assert group.task_count == 4
        assert group.task_spec.runnables[0].container.image_uri == "busybox"

    def test_names_of_variables_and_labels_are_left_as_they_are(self) -> None:
        native = {
            "labels": {"camelCase": "a"},
            "taskGroups": [{"taskSpec": {"environment": {"variables": {"camelCase": "b"}}}}],
        }
        job = request.build_job(JobSpec(image="busybox", native=native), KEY)
        assert job.labels["camelCase"] == "a"
        assert job.task_groups[0].task_spec.environment.variables["camelCase"] == "b"

    def test_our_labels_cannot_be_unsaid(self) -> None:
        native = {"labels": {request.KEY_LABEL: "other"}}
        job = request.build_job(JobSpec(image="busybox", native=native), KEY)
        assert job.labels[request.KEY_LABEL] == KEY.digest

    @pytest.mark.parametrize(
        ("native", "message"),
        [
            ({"taskGruops": []}, r"native: 'taskGruops' is no field of Job\. Known are allocationPolicy"),
            ({"taskGroups": [{"taskSpec": {"x": 1}}]}, r"native\.taskGroups\[0\]\.taskSpec: 'x' is no field"),
            ({"taskGroups": "x"}, r"native\.taskGroups: TaskGroup is written as a dict"),
            ({"priority": "geheim"}, r"native\.priority: the value does not fit the field"),
            (
                {"taskGroups": [{"taskSpec": {"maxRunDuration": 60}}]},
                r"native\.task_groups\.task_spec\.max_run_duration: the value does not fit",
            ),
        ],
    )
    def test_what_the_service_does_not_know_is_refused_by_name_without_its_value(
        self, native: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=message) as caught:
            request.build_job(JobSpec(image="busybox", native=native), KEY)
        assert "geheim" not in str(caught.value)

    def test_a_part_of_an_array_cannot_have_another_count(self) -> None:
        spec = JobSpec(
            image="busybox", array_size=5, indexes=(1, 2), native={"taskGroups": [{"taskCount": 5}]}
        )
        with pytest.raises(InvalidArgument, match="task_count is 5 where 2 indexes are to run"):
            request.build_job(spec, KEY)


class TestRefused:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"gpu": {"count": 1}}, "gpu: it names no type"),
            ({"spot": True, "options": {"provisioning_model": "STANDARD"}}, "spot: spot is set"),
            (
                {"inputs": ["x" * 600_000] * 2, "array_size": 2},
                r"inputs: the job is 1,2\d\d,\d\d\d bytes long",
            ),
            ({"array_size": 100_001}, "array_size: 100001 is refused"),
            ({"array_size": 9000, "parallelism": 5001}, "parallelism: 5001 is refused"),
        ],
    )
    def test_what_the_service_would_refuse(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidArgument, match=message):
            request.build_job(JobSpec(image="busybox", **values), KEY)


def test_the_same_spec_and_key_give_the_same_request() -> None:
    spec = JobSpec(image="busybox", array_size=3, labels={"a": "b"})
    assert request.build_job(spec, KEY) == request.build_job(spec, KEY)
