"""Every argument of the operator arrives at the service as its own field of the job or of the execution.

What is compared is what the vendor's client sent, in the JSON of the service's reference.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import run_v2
from google.protobuf import json_format

from airflow_provider_jobs.backends.cloud_run.backend import CloudRunBackend
from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.backends.cloud_run.operator import CloudRunJobOperator
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS
from tests.google_cloud.wire import GrpcRecorder

TEMPLATE = ("job", "template")
TASK = (*TEMPLATE, "template")
MAIN = (*TASK, "containers", 0)
LIMITS = (*MAIN, "resources", "limits")
VPC = (*TASK, "vpcAccess")
OVERRIDES = ("overrides",)
MAIN_OVERRIDE = (*OVERRIDES, "containerOverrides", 0)
SECRET = "projects/p/secrets/token/versions/latest"
KMS = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
VOLUME = {"name": "v", "mount_path": "/v"}

# Arguments of a job that is made, the path of a field in the JSON of what was sent, and what must stand
# there. A path begins with "job" in the request that makes it, with "overrides" in that which runs it.
ARRIVES: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    ({"image": "busybox:1"}, (*MAIN, "image"), "busybox:1"),
    ({"command": ["a", "b c"], "prelude": False}, (*MAIN, "command"), ["a"]),
    ({"command": ["a", "b c"], "prelude": False}, (*MAIN_OVERRIDE, "args"), ["b c"]),
    ({"command": ["a", "b c"]}, (*MAIN, "command"), ["/bin/sh"]),
    ({"command": ["a", "b c"]}, (*MAIN_OVERRIDE, "args", -2), "a"),
    ({"script": "true", "prelude": False}, (*MAIN_OVERRIDE, "args"), ["-c", "true"]),
    ({"command": None, "args": ["a", "b"]}, (*MAIN_OVERRIDE, "args"), ["a", "b"]),
    ({"command": None, "args": ["a", "b"]}, (*MAIN, "command"), None),
    ({"env": {"A": "1"}}, (*MAIN_OVERRIDE, "env", 0), {"name": "A", "value": "1"}),
    (
        {"secrets": {"TOKEN": SECRET}},
        (*MAIN, "env"),
        [
            {
                "name": "TOKEN",
                "valueSource": {"secretKeyRef": {"secret": "projects/p/secrets/token", "version": "latest"}},
            }
        ],
    ),
    ({"input": {"a": 1}}, ("variables", "JOB_INPUT"), '{"a": 1}'),
    ({"inputs": [7, 8], "array_size": 2}, ("variables", "JOB_INPUT_1"), "8"),
    ({"cpu": 2}, (*LIMITS, "cpu"), "2"),
    ({"memory": "2Gi"}, (*LIMITS, "memory"), "2048Mi"),
    ({"gpu": 1, "cpu": 4, "memory": "16Gi"}, (*LIMITS, "nvidia.com/gpu"), "1"),
    ({"gpu": 1, "cpu": 4, "memory": "16Gi"}, (*TASK, "nodeSelector", "accelerator"), "nvidia-l4"),
    (
        {"gpu": {"type": "nvidia-h100", "count": 1}, "cpu": 8, "memory": "32Gi"},
        (*TASK, "nodeSelector", "accelerator"),
        "nvidia-h100",
    ),
    (
        {"gpu": 1, "cpu": 4, "memory": "16Gi", "gpu_zonal_redundancy": False},
        (*TASK, "gpuZonalRedundancyDisabled"),
        True,
    ),
    (
        {"gpu": 1, "cpu": 4, "memory": "16Gi", "gpu_zonal_redundancy": True},
        (*TASK, "gpuZonalRedundancyDisabled"),
        False,
    ),
    ({"array_size": 5}, (*OVERRIDES, "taskCount"), 5),
    ({"array_size": 5}, ("variables", "JOB_COUNT"), "5"),
    ({"array_size": 5}, (*TEMPLATE, "taskCount"), None),
    ({"array_size": 1}, (*OVERRIDES, "taskCount"), 1),
    ({"task_count": 5}, (*OVERRIDES, "taskCount"), 5),
    ({"array_size": 5, "parallelism": 2}, (*TEMPLATE, "parallelism"), 2),
    ({"array_size": 5, "parallelism": 2}, (*TEMPLATE, "taskCount"), 5),
    ({"array_size": 2, "parallelism": 5}, (*TEMPLATE, "parallelism"), 2),
    ({"max_run_seconds": 90}, (*OVERRIDES, "timeout"), "90s"),
    ({"execution_timeout": timedelta(minutes=2)}, (*OVERRIDES, "timeout"), "120s"),
    ({}, (*OVERRIDES, "timeout"), None),
    ({"spot": False}, (*TASK, "maxRetries"), 0),
    ({"labels": {"team": "ml"}}, ("job", "labels", "team"), "ml"),
    ({"labels": {"team": "ml"}}, (*TEMPLATE, "labels", "team"), "ml"),
    ({"native": {"annotations": {"a": "b"}}}, ("job", "annotations", "a"), "b"),
    ({"native": {"overrides": {"timeout": "7s"}}}, (*OVERRIDES, "timeout"), "7s"),
    ({}, (*TASK, "maxRetries"), 0),
    ({"max_retries": 3}, (*TASK, "maxRetries"), 3),
    (
        {"service_account": "a@p.iam.gserviceaccount.com"},
        (*TASK, "serviceAccount"),
        "a@p.iam.gserviceaccount.com",
    ),
    ({"execution_environment": "gen2"}, (*TASK, "executionEnvironment"), "EXECUTION_ENVIRONMENT_GEN2"),
    ({"network": "n"}, (*VPC, "networkInterfaces"), [{"network": "n"}]),
    ({"subnetwork": "s"}, (*VPC, "networkInterfaces"), [{"subnetwork": "s"}]),
    (
        {"network": "n", "network_tags": ["a"]},
        (*VPC, "networkInterfaces"),
        [{"network": "n", "tags": ["a"]}],
    ),
    (
        {"vpc_connector": "projects/p/locations/r/connectors/c"},
        (*VPC, "connector"),
        "projects/p/locations/r/connectors/c",
    ),
    ({"network": "n", "vpc_egress": "all-traffic"}, (*VPC, "egress"), "ALL_TRAFFIC"),
    ({"network": "n", "vpc_egress": "private-ranges-only"}, (*VPC, "egress"), "PRIVATE_RANGES_ONLY"),
    (
        {"volumes": [{**VOLUME, "gcs": {"bucket": "b", "read_only": True}}]},
        (*TASK, "volumes"),
        [{"name": "v", "gcs": {"bucket": "b", "readOnly": True}}],
    ),
    (
        {"volumes": [{**VOLUME, "nfs": {"server": "s", "path": "/p"}}]},
        (*TASK, "volumes"),
        [{"name": "v", "nfs": {"server": "s", "path": "/p"}}],
    ),
    (
        {"volumes": [{**VOLUME, "secret": {"secret": "s", "items": [{"path": "f", "version": "3"}]}}]},
        (*TASK, "volumes"),
        [{"name": "v", "secret": {"secret": "s", "items": [{"path": "f", "version": "3"}]}}],
    ),
    (
        {"volumes": [{**VOLUME, "secret": {"secret": "s", "items": [{"path": "f"}]}}]},
        (*TASK, "volumes", 0, "secret", "items", 0, "version"),
        "latest",
    ),
    (
        {"volumes": [{**VOLUME, "empty_dir": {"size_limit": "1Gi"}}]},
        (*TASK, "volumes"),
        [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
    ),
    (
        {"volumes": [{**VOLUME, "cloud_sql_instance": {"instances": ["p:r:i"]}}]},
        (*TASK, "volumes"),
        [{"name": "v", "cloudSqlInstance": {"instances": ["p:r:i"]}}],
    ),
    (
        {"volumes": [{**VOLUME, "gcs": {"bucket": "b"}}]},
        (*MAIN, "volumeMounts"),
        [{"name": "v", "mountPath": "/v"}],
    ),
    (
        {"containers": [{"name": "proxy", "image": "envoy:1", "depends_on": ["job"]}]},
        (*TASK, "containers", 1),
        {"name": "proxy", "image": "envoy:1", "dependsOn": ["job"]},
    ),
    ({"encryption_key": KMS}, (*TASK, "encryptionKey"), KMS),
    ({"binary_authorization": "default"}, ("job", "binaryAuthorization", "useDefault"), True),
    (
        {"binary_authorization": "projects/p/platforms/cloudRun/strict"},
        ("job", "binaryAuthorization", "policy"),
        "projects/p/platforms/cloudRun/strict",
    ),
    ({"launch_stage": "BETA"}, ("job", "launchStage"), "BETA"),
]

# The same for a job that exists.
ARRIVES_AT_EXISTING: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    ({"args": ["arg-1", "arg-2"]}, (*MAIN_OVERRIDE, "args"), ["arg-1", "arg-2"]),
    ({}, (*MAIN_OVERRIDE, "args"), None),
    ({}, (*MAIN_OVERRIDE, "name"), None),
    ({"clear_args": True}, (*MAIN_OVERRIDE, "clearArgs"), True),
    ({"env": {"ENV_1": "HELLO"}}, (*MAIN_OVERRIDE, "env", 0), {"name": "ENV_1", "value": "HELLO"}),
    ({"task_count": 2}, (*OVERRIDES, "taskCount"), 2),
    ({"task_count": 2}, ("variables", "JOB_COUNT"), "2"),
    ({"task_count": 1}, (*OVERRIDES, "taskCount"), 1),
    ({"array_size": 2}, (*OVERRIDES, "taskCount"), 2),
    ({}, (*OVERRIDES, "taskCount"), None),
    ({}, ("variables", "JOB_COUNT"), None),
    ({"task_timeout_seconds": 10}, (*OVERRIDES, "timeout"), "10s"),
    ({"input": [1]}, ("variables", "JOB_INPUT"), "[1]"),
    (
        {"container_overrides": [{"name": "main", "args": ["x"], "env": {"B": "2"}}], "env": {"A": "1"}},
        MAIN_OVERRIDE,
        {
            "name": "main",
            "args": ["x"],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "2"},
                {"name": "AIRFLOW_JOB_KEY", "value": "*"},
            ],
        },
    ),
    (
        {"container_overrides": [{"name": "a"}, {"name": "b", "clear_args": True}]},
        (*OVERRIDES, "containerOverrides", 1, "clearArgs"),
        True,
    ),
    ({"native": {"overrides": {"taskCount": 3}}}, (*OVERRIDES, "taskCount"), 3),
]


def sent(wire: GrpcRecorder, operator: CloudRunJobOperator) -> dict[str, Any]:
    """Submit an operator's job and return the requests that were sent for it, in the service's JSON."""
    (target,) = operator.resolve_targets()
    wire.calls.clear()
    key = JobKey(dag_id=uuid.uuid4().hex, run_id="r", task_id="t")
    CloudRunBackend(target.ref).submit(target.spec, key)
    run = as_json(wire.sent("RunJob", run_v2.RunJobRequest))
    if operator.image is not None:
        run["job"] = as_json(wire.sent("CreateJob", run_v2.CreateJobRequest))["job"]
    variables = at(run, (*MAIN_OVERRIDE, "env"))
    run["variables"] = {variable["name"]: variable.get("value") for variable in variables}
    for variable in variables:
        if variable["name"] == "AIRFLOW_JOB_KEY":
            assert variable["value"] == key.digest
            variable["value"] = "*"
    return run


def as_json(message: Any) -> dict[str, Any]:
    """Return a message in the JSON of the service's reference."""
    return json_format.MessageToDict(type(message).pb(message))


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
    wire: GrpcRecorder, arguments: dict[str, Any], path: tuple[Any, ...], expected: Any
) -> None:
    given = {"image": "busybox:1", **arguments}
    if not {"command", "script"} & given.keys():
        given["command"] = ["true"]
    operator = CloudRunJobOperator(task_id="t", region="europe-west1", gcp_conn_id="wired", **given)
    assert at(sent(wire, operator), path) == expected


@pytest.mark.parametrize(("arguments", "path", "expected"), ARRIVES_AT_EXISTING)
def test_the_argument_arrives_at_the_execution_of_a_job_that_exists(
    wire: GrpcRecorder, arguments: dict[str, Any], path: tuple[Any, ...], expected: Any
) -> None:
    containers = [{"name": each["name"]} for each in arguments.get("container_overrides", [{"name": "main"}])]
    job_name = f"j-{uuid.uuid4().hex[:12]}"
    made = [{**each, "image": "busybox:1", "command": ["true"]} for each in containers]
    template = {"template": {"template": {"containers": made}}}
    CloudRunHook().create_job(None, "europe-west1", job_name, template)
    operator = CloudRunJobOperator(
        task_id="t", region="europe-west1", gcp_conn_id="wired", job_name=job_name, **arguments
    )
    assert at(sent(wire, operator), path) == expected


def test_every_argument_has_a_row_in_the_table() -> None:
    tried = {name for arguments, _, _ in [*ARRIVES, *ARRIVES_AT_EXISTING] for name in arguments}
    assert {*SPEC_FIELDS, *CloudRunJobOperator.option_fields} <= tried


def test_a_reference_of_the_wired_connection_is_the_local_clouds(wire: GrpcRecorder) -> None:
    ref = BackendRef(backend="cloud_run", conn_id="wired", scope={"region": "europe-west1"})
    assert CloudRunBackend(ref).find(JobKey(dag_id="nobody", run_id="r", task_id="t")) is None
    assert [name for name, _ in wire.calls][-1] == "ListExecutions"
