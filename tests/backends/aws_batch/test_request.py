"""Every argument of the operator arrives at the service as its own field of a request.

What is compared is the request that boto3 really sent.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.backends.aws_batch.operator import AwsBatchJobOperator
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS
from tests.backends.aws_batch.conftest import new_key
from tests.wire import Recorder

KEY = JobKey(dag_id="d", run_id="r", task_id="t")
ROLE = "arn:aws:iam::123456789012:role/batch"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"
OVERRIDES = ("containerOverrides",)
ENV = (*OVERRIDES, "environment")
CONTAINER = ("containerProperties",)
NODE = ("nodeOverrides", "nodePropertyOverrides", 0, "containerOverrides")
TASK_CONTAINER = ("ecsPropertiesOverride", "taskProperties", 0, "containers", 0)
POD_CONTAINER = ("eksPropertiesOverride", "podProperties", "containers", 0)
FARGATE = {"platform": "FARGATE", "execution_role": ROLE, "job_queue": "fargate"}
ECS = {
    "image": None,
    "job_definition": "several:1",
    "ecs_properties_override": {"taskProperties": [{"containers": [{"name": "main"}]}]},
}
FAIR = {"share_identifier": "teamA", "job_queue": "fair"}
RULES = {"attempts": 3, "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}]}
EFS = {"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}
MOUNT = {"sourceVolume": "data", "containerPath": "/data", "readOnly": True}
AWSLOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "/mine"}}

# Arguments, the path of a field of SubmitJob, and what must stand there.
SUBMITTED: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    ({"job_queue": "fargate", **FARGATE}, ("jobQueue",), "fargate"),
    ({"image": None, "job_definition": "mine:3"}, ("jobDefinition",), "mine:3"),
    ({"command": ["a", "b c"], "prelude": False}, (*OVERRIDES, "command"), ["a", "b c"]),
    ({"command": ["a", "b c"]}, (*OVERRIDES, "command", -2), "a"),
    ({"script": "true", "prelude": False}, (*OVERRIDES, "command"), ["/bin/sh", "-c", "true"]),
    ({"env": {"A": "1"}}, (*ENV, "A"), "1"),
    ({"input": {"a": 1}}, (*ENV, "JOB_INPUT"), '{"a": 1}'),
    ({"inputs": [7, 8], "array_size": 2}, (*ENV, "JOB_INPUT_1"), "8"),
    ({"cpu": 2}, (*OVERRIDES, "resourceRequirements", "VCPU"), "2"),
    ({"cpu": 0.5, **FARGATE}, (*OVERRIDES, "resourceRequirements", "VCPU"), "0.5"),
    ({"cpu": 0.5, **FARGATE}, (*OVERRIDES, "resourceRequirements", "MEMORY"), "1024"),
    ({"memory": "4Gi"}, (*OVERRIDES, "resourceRequirements", "MEMORY"), "4096"),
    ({"gpu": 2}, (*OVERRIDES, "resourceRequirements", "GPU"), "2"),
    ({"array_size": 5}, ("arrayProperties",), {"size": 5}),
    ({"array_size": 1}, ("arrayProperties",), None),
    ({"array_size": 5}, (*ENV, "JOB_COUNT"), "5"),
    ({"max_run_seconds": 90}, ("timeout",), {"attemptDurationSeconds": 90}),
    ({"execution_timeout": timedelta(minutes=2)}, ("timeout",), {"attemptDurationSeconds": 120}),
    ({"execution_timeout": timedelta(seconds=5)}, ("timeout",), {"attemptDurationSeconds": 60}),
    ({"labels": {"team": "ml"}}, ("tags", "team"), "ml"),
    ({"tags": {"Cost Center": "7"}}, ("tags", "Cost Center"), "7"),
    ({**FAIR, "native": {"schedulingPriorityOverride": 4}}, ("schedulingPriorityOverride",), 4),
    ({"depends_on": [{"jobId": "j-1"}]}, ("dependsOn",), [{"jobId": "j-1"}]),
    (
        {"depends_on": [{"jobId": "j-1", "type": "N_TO_N"}], "array_size": 2},
        ("dependsOn",),
        [{"jobId": "j-1", "type": "N_TO_N"}],
    ),
    ({"depends_on": [{"type": "SEQUENTIAL"}], "array_size": 2}, ("dependsOn",), [{"type": "SEQUENTIAL"}]),
    ({"retry_strategy": RULES}, ("retryStrategy",), RULES),
    (FAIR, ("shareIdentifier",), "teamA"),
    ({**FAIR, "scheduling_priority": 12}, ("schedulingPriorityOverride",), 12),
    ({"parameters": {"codec": "mp4"}}, ("parameters",), {"codec": "mp4"}),
    ({"propagate_tags": True}, ("propagateTags",), True),
    ({"container_overrides": {"environment": [{"name": "B", "value": "2"}]}}, (*ENV, "B"), "2"),
    ({"container_overrides": {"environment": [{"name": "B", "value": "2"}]}}, (*ENV, "JOB_COUNT"), "1"),
    (ECS, (*TASK_CONTAINER, "name"), "main"),
    ({**ECS, "env": {"A": "1"}}, (*TASK_CONTAINER, "environment", "A"), "1"),
    ({**ECS, "cpu": 2}, (*TASK_CONTAINER, "resourceRequirements", "VCPU"), "2"),
    ({**ECS, "command": ["x"], "prelude": False}, (*TASK_CONTAINER, "command"), ["x"]),
    (ECS, OVERRIDES, None),
    ({"num_nodes": 3}, ("nodeOverrides", "numNodes"), 3),
    ({"num_nodes": 3, "env": {"A": "1"}}, (*NODE, "environment", "A"), "1"),
    ({"num_nodes": 3}, ("nodeOverrides", "nodePropertyOverrides", 0, "targetNodes"), "0:"),
    (
        {"image": None, "job_definition": "many:1", "node_overrides": {"numNodes": 7}},
        ("nodeOverrides", "numNodes"),
        7,
    ),
    ({"num_nodes": 3}, OVERRIDES, None),
]

EKS = {"job_definition": "pods:1", "eks_properties_override": {}, "job_queue": "eks"}
# The same for a pod.
SUBMITTED_TO_EKS: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    ({"image": "mine:2"}, (*POD_CONTAINER, "image"), "mine:2"),
    ({"image": None}, (*POD_CONTAINER, "image"), None),
    ({"command": ["echo", "$(HOME) $X"], "prelude": False}, (*POD_CONTAINER, "command", -1), "$$(HOME) $$X"),
    ({"env": {"A": "$1"}}, (*POD_CONTAINER, "env", "A"), "$$1"),
    ({"cpu": 0.25}, (*POD_CONTAINER, "resources", "limits", "cpu"), "0.25"),
    ({"memory": "1Gi"}, (*POD_CONTAINER, "resources", "limits", "memory"), "1024Mi"),
    ({"gpu": 1}, (*POD_CONTAINER, "resources", "limits", "nvidia.com/gpu"), "1"),
    (
        {"eks_properties_override": {"podProperties": {"containers": [{"name": "main"}]}}},
        (*POD_CONTAINER, "name"),
        "main",
    ),
    ({}, OVERRIDES, None),
]

# Arguments, the path of a field of RegisterJobDefinition, and what must stand there.
REGISTERED: list[tuple[dict[str, Any], tuple[Any, ...], Any]] = [
    ({}, ("type",), "container"),
    ({}, ("platformCapabilities",), ["EC2"]),
    ({}, ("tags",), {"managed-by": "airflow-provider-jobs"}),
    ({"command": ["x"]}, (*CONTAINER, "command"), None),
    ({"env": {"A": "1"}}, (*CONTAINER, "environment"), None),
    ({"cpu": 4}, (*CONTAINER, "resourceRequirements", "VCPU"), "1"),
    ({"gpu": 2}, (*CONTAINER, "resourceRequirements", "GPU"), "2"),
    (FARGATE, ("platformCapabilities",), ["FARGATE"]),
    ({"execution_role": ROLE}, (*CONTAINER, "executionRoleArn"), ROLE),
    ({"job_role": ROLE}, (*CONTAINER, "jobRoleArn"), ROLE),
    (
        {"secrets": {"TOKEN": SECRET}, "execution_role": ROLE},
        (*CONTAINER, "secrets", "TOKEN"),
        SECRET,
    ),
    ({"log_configuration": AWSLOGS}, (*CONTAINER, "logConfiguration"), AWSLOGS),
    (
        {"linux_parameters": {"initProcessEnabled": True}},
        (*CONTAINER, "linuxParameters"),
        {"initProcessEnabled": True},
    ),
    ({"volumes": [EFS], "mount_points": [MOUNT]}, (*CONTAINER, "volumes"), [EFS]),
    ({"volumes": [EFS], "mount_points": [MOUNT]}, (*CONTAINER, "mountPoints"), [MOUNT]),
    (
        {"assign_public_ip": True, **FARGATE},
        (*CONTAINER, "networkConfiguration"),
        {"assignPublicIp": "ENABLED"},
    ),
    (
        {"assign_public_ip": False, **FARGATE},
        (*CONTAINER, "networkConfiguration"),
        {"assignPublicIp": "DISABLED"},
    ),
    ({"ephemeral_storage_gib": 50, **FARGATE}, (*CONTAINER, "ephemeralStorage"), {"sizeInGiB": 50}),
    (
        {"fargate_platform_version": "1.4.0", **FARGATE},
        (*CONTAINER, "fargatePlatformConfiguration"),
        {"platformVersion": "1.4.0"},
    ),
    (
        {"runtime_platform": {"cpuArchitecture": "ARM64"}, **FARGATE},
        (*CONTAINER, "runtimePlatform"),
        {"cpuArchitecture": "ARM64"},
    ),
    (
        {"native": {"jobDefinition": {"containerProperties": {"readonlyRootFilesystem": True}}}},
        (*CONTAINER, "readonlyRootFilesystem"),
        True,
    ),
    ({"num_nodes": 3}, ("type",), "multinode"),
    ({"num_nodes": 3}, ("nodeProperties", "numNodes"), 3),
    ({"num_nodes": 3}, ("nodeProperties", "mainNode"), 0),
    ({"num_nodes": 3}, ("nodeProperties", "nodeRangeProperties", 0, "targetNodes"), "0:"),
    ({"num_nodes": 3}, ("platformCapabilities",), None),
]


def operator(**arguments: Any) -> AwsBatchJobOperator:
    """Return an operator that runs nothing worth mentioning."""
    given = {"image": f"busybox:{uuid.uuid4().hex}", "job_queue": "default", **arguments}
    if not {"command", "script"} & given.keys():
        given["command"] = ["true"]
    return AwsBatchJobOperator(task_id="t", aws_conn_id="recorded", **given)


def sent(task: AwsBatchJobOperator, recorder: Recorder, call: str) -> dict[str, Any]:
    """Submit the operator's job and return what was sent with a call."""
    recorder.requests.clear()
    (target,) = task.resolve_targets()
    AwsBatchBackend(target.ref).submit(target.spec, new_key())
    return recorder.sent(f"/v1/{call}").json


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path, ``None`` where it ends; lists of named things are asked by name."""
    for step in path:
        if isinstance(value, list) and isinstance(step, str):
            named = {item.get("name", item.get("type")): item for item in value}
            value = named.get(step, {}).get("value", named.get(step, {}).get("valueFrom"))
        elif isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


@pytest.fixture(scope="module")
def job_ids(recorder: Recorder) -> dict[str, str]:
    """Register the definitions that are named here, and return the id of an array of 2 in place of "j-1"."""
    hook = AwsBatchHook("recorded")
    sizes = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    main = {"name": "main", "image": "busybox", "resourceRequirements": sizes}
    container = {"image": "busybox", "resourceRequirements": sizes, "command": ["true"]}
    nodes = {"targetNodes": "0:", "container": container}
    for _ in range(3):
        hook.register_job_definition(
            jobDefinitionName="mine", type="container", containerProperties=container
        )
    hook.register_job_definition(
        jobDefinitionName="several",
        type="container",
        ecsProperties={"taskProperties": [{"containers": [main]}]},
    )
    hook.register_job_definition(
        jobDefinitionName="many",
        type="multinode",
        nodeProperties={"numNodes": 2, "mainNode": 0, "nodeRangeProperties": [nodes]},
    )
    hook.register_job_definition(
        jobDefinitionName="pods",
        type="container",
        eksProperties={"podProperties": {"containers": [{"name": "main", "image": "busybox"}]}},
    )
    _make_queue(hook, "fair", schedulingPolicyArn=hook.batch.create_scheduling_policy(name="fair")["arn"])
    _make_queue(hook, "eks")
    job = hook.submit_job(
        jobName="first", jobQueue="default", jobDefinition="mine", arrayProperties={"size": 2}
    )
    return {"j-1": job["jobId"]}


def _make_queue(hook: AwsBatchHook, name: str, **fields: Any) -> None:
    """Create a queue on a compute environment of its own; one named "eks" is of EKS."""
    cluster = {"eksClusterArn": "arn:aws:eks:us-east-1:123456789012:cluster/c", "kubernetesNamespace": "n"}
    hook.batch.create_compute_environment(
        computeEnvironmentName=name,
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "maxvCpus": 16,
            "minvCpus": 0,
            "instanceTypes": ["optimal"],
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
            "instanceRole": "ecsInstanceRole",
        },
        **({"eksConfiguration": cluster} if name == "eks" else {}),
    )
    while next(hook.describe_compute_environments([name]))["status"] != "VALID":
        pass
    order = [{"order": 1, "computeEnvironment": name}]
    hook.batch.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order, **fields)
    while next(hook.describe_job_queues([name]))["status"] != "VALID":
        pass


def with_ids(value: Any, ids: dict[str, str]) -> Any:
    """Return the value with ids in place of their stand-ins."""
    if isinstance(value, list):
        return [with_ids(item, ids) for item in value]
    if isinstance(value, dict):
        return {name: with_ids(item, ids) for name, item in value.items()}
    return ids.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(("arguments", "path", "expected"), SUBMITTED)
def test_the_argument_arrives_with_the_job(
    recorder: Recorder,
    job_ids: dict[str, str],
    arguments: dict[str, Any],
    path: tuple[Any, ...],
    expected: Any,
) -> None:
    arguments, expected = with_ids(arguments, job_ids), with_ids(expected, job_ids)
    assert at(sent(operator(**arguments), recorder, "submitjob"), path) == expected


@pytest.mark.parametrize(("arguments", "path", "expected"), SUBMITTED_TO_EKS)
def test_the_argument_arrives_with_a_pod(
    recorder: Recorder,
    job_ids: dict[str, str],
    arguments: dict[str, Any],
    path: tuple[Any, ...],
    expected: Any,
) -> None:
    assert at(sent(operator(**{**EKS, **arguments}), recorder, "submitjob"), path) == expected


@pytest.mark.parametrize(("arguments", "path", "expected"), REGISTERED)
def test_the_argument_arrives_in_the_job_definition(
    recorder: Recorder, arguments: dict[str, Any], path: tuple[Any, ...], expected: Any
) -> None:
    assert at(sent(operator(**arguments), recorder, "registerjobdefinition"), path) == expected


def test_every_argument_has_a_row_in_a_table() -> None:
    rows = [*SUBMITTED, *SUBMITTED_TO_EKS, *REGISTERED]
    tried = {name for arguments, _, _ in rows for name in arguments} | {"eks_properties_override"}
    refused = {"parallelism", "spot"}
    assert {*SPEC_FIELDS, *AwsBatchJobOperator.option_fields, "job_queue"} - refused <= tried
