"""Jobs of several containers: tasks of ECS, pods of EKS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    GROUP,
    Client,
    describe,
    needs,
    run,
    settled,
    submit,
    until,
)
from tests.backends.aws_batch.emulator.conftest import environment as environment_of
from tests.backends.aws_batch.emulator.conftest import queue as queue_of


def _container(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "busybox",
        "command": ["sh", "-c", script],
        "resourceRequirements": needs(),
        **more,
    }


def _after(other: str, condition: str) -> dict[str, Any]:
    dependency = {"containerName": other, "condition": condition}
    return _container("after", "true", dependsOn=[dependency])


def _define(batch: Client, *containers: dict[str, Any]) -> str:
    made = batch.register_job_definition(
        jobDefinitionName="task",
        type="container",
        ecsProperties={"taskProperties": [{"containers": list(containers)}]},
    )
    return f"task:{made['revision']}"


def _containers(job: dict[str, Any]) -> list[dict[str, Any]]:
    return job["ecsProperties"]["taskProperties"][0]["containers"]


def _said(logs: Client, stream: str) -> list[str]:
    found = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    return [event["message"] for event in found["events"]]


def test_each_container_has_its_exit_code_and_log_stream(batch: Client, logs: Client):
    job = run(
        batch,
        jobDefinition=_define(
            batch,
            _container("main", "echo main", dependsOn=[{"containerName": "side", "condition": "COMPLETE"}]),
            _container("side", "echo side; exit 2", essential=False),
        ),
    )
    assert job["status"] == "SUCCEEDED"
    main, side = _containers(job)
    assert (main["exitCode"], side["exitCode"]) == (0, 2)
    assert main["logStreamName"].startswith("task/main/")
    assert (_said(logs, main["logStreamName"]), _said(logs, side["logStreamName"])) == (["main"], ["side"])
    assert "container" not in job
    (attempt,) = job["attempts"]
    named = attempt["taskProperties"][0]["containers"]
    assert [(each["name"], each["exitCode"]) for each in named] == [("main", 0), ("side", 2)]


def test_the_end_of_an_essential_container_ends_the_task(batch: Client):
    job = run(
        batch, jobDefinition=_define(batch, _container("a", "exit 3"), _container("b", "exec sleep 600"))
    )
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Essential container in task exited"
    assert [each["exitCode"] for each in _containers(job)] == [3, 137]


def test_a_container_waits_for_those_it_depends_on(batch: Client, logs: Client):
    setup = _container("setup", "sleep 0.1; date +%s%N", essential=False)
    main = _container("main", "date +%s%N", dependsOn=[{"containerName": "setup", "condition": "SUCCESS"}])
    job = run(batch, jobDefinition=_define(batch, main, setup))
    later, earlier = (int(_said(logs, each["logStreamName"])[0]) for each in _containers(job))
    assert earlier < later


def test_overrides_reach_a_container_by_its_name(batch: Client, logs: Client):
    after = [{"containerName": "side", "condition": "COMPLETE"}]
    main, side = (
        _container("main", "echo $WORD", dependsOn=after),
        _container("side", "echo $WORD", essential=False),
    )
    definition = _define(batch, main, side)
    change = {"name": "side", "environment": [{"name": "WORD", "value": "changed"}]}
    job = run(
        batch,
        jobDefinition=definition,
        ecsPropertiesOverride={"taskProperties": [{"containers": [change]}]},
    )
    main, side = _containers(job)
    assert (_said(logs, main["logStreamName"]), _said(logs, side["logStreamName"])) == ([], ["changed"])


@pytest.mark.parametrize(
    ("containers", "said"),
    [
        ([_container("a", "true"), _container("a", "true")], "must be unique"),
        ([_container("a", "true", essential=False)], "must be essential"),
        ([_container("a", "true"), _after("a", "SUCCESS")], "can't be set on an essential container"),
        ([_after("x", "START")], "does not have"),
    ],
)
def test_tasks_that_cannot_be_are_refused(batch: Client, containers: list, said: str):
    with pytest.raises(ClientError, match=said):
        _define(batch, *containers)


def test_container_overrides_do_not_fit_a_task_of_several_containers(batch: Client):
    definition = _define(batch, _container("main", "true"))
    with pytest.raises(ClientError, match="containerOverrides not applicable"):
        submit(batch, jobDefinition=definition, containerOverrides={"command": ["true"]})


@pytest.fixture
def on_eks(batch: Client) -> str:
    """A queue on a cluster of Kubernetes."""
    cluster = "arn:aws:eks:eu-west-1:123456789012:cluster/pods"
    resources = {
        "type": "EC2",
        "minvCpus": 0,
        "maxvCpus": 8,
        "subnets": ["subnet-1"],
        "instanceRole": "eksInstanceRole",
    }
    batch.create_compute_environment(
        computeEnvironmentName="pods",
        type="MANAGED",
        eksConfiguration={"eksClusterArn": cluster, "kubernetesNamespace": "batch"},
        computeResources=resources,
    )
    settled(lambda: environment_of(batch, "pods"))
    order = [{"order": 1, "computeEnvironment": "pods"}]
    batch.create_job_queue(jobQueueName="pods", priority=1, computeEnvironmentOrder=order)
    settled(lambda: queue_of(batch, "pods"))
    return "pods"


def _pod(batch: Client, *containers: dict[str, Any], **more: Any) -> str:
    made = batch.register_job_definition(
        jobDefinitionName="pod",
        type="container",
        eksProperties={"podProperties": {"containers": list(containers), **more}},
    )
    return f"pod:{made['revision']}"


def _in_pod(name: str, script: str) -> dict[str, Any]:
    resources = {"limits": {"cpu": "1", "memory": "128Mi"}}
    return {
        "name": name,
        "image": "busybox",
        "command": ["sh"],
        "args": ["-c", script],
        "resources": resources,
    }


def test_a_pod_runs_all_its_containers_to_their_end(batch: Client, on_eks: str):
    definition = _pod(batch, _in_pod("a", "exit 0"), _in_pod("b", "exit 4"))
    job = run(batch, queue=on_eks, jobDefinition=definition)
    assert job["status"] == "FAILED"
    containers = job["eksProperties"]["podProperties"]["containers"]
    assert [(each["exitCode"], each["reason"]) for each in containers] == [(0, "Completed"), (4, "Error")]
    (attempt,) = job["eksAttempts"]
    assert attempt["podName"] == job["eksProperties"]["podProperties"]["podName"]
    assert attempt["eksClusterArn"].endswith(":cluster/pods")
    assert job["attempts"] == []


def test_init_containers_run_first_and_overrides_reach_the_pod(cloud: LocalCloud, batch: Client, on_eks: str):
    definition = _pod(batch, _in_pod("main", "exit $CODE"), initContainers=[_in_pod("init", "exit 0")])
    change = {"name": "main", "env": [{"name": "CODE", "value": "7"}]}
    override = {"podProperties": {"containers": [change]}}
    job = run(batch, queue=on_eks, jobDefinition=definition, eksPropertiesOverride=override)
    pod = job["eksProperties"]["podProperties"]
    assert (pod["initContainers"][0]["exitCode"], pod["containers"][0]["exitCode"]) == (0, 7)


def test_a_failed_init_container_keeps_the_others_from_running(batch: Client, on_eks: str):
    definition = _pod(batch, _in_pod("main", "exit 0"), initContainers=[_in_pod("init", "exit 9")])
    job = run(batch, queue=on_eks, jobDefinition=definition)
    pod = job["eksProperties"]["podProperties"]
    assert job["status"] == "FAILED"
    assert pod["initContainers"][0]["exitCode"] == 9
    assert "exitCode" not in pod["containers"][0]


def test_pods_have_no_log_stream_in_cloudwatch(batch: Client, logs: Client, on_eks: str):
    run(batch, queue=on_eks, jobDefinition=_pod(batch, _in_pod("main", "echo x")))
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_pod_does_not_run_on_ecs_nor_a_task_on_eks(batch: Client, on_eks: str):
    for queue, definition in (("default", _pod(batch, _in_pod("a", "true"))), (on_eks, None)):
        with pytest.raises(ClientError, match="different container orchestration types"):
            submit(batch, queue=queue, jobDefinition=definition)


def test_a_pod_can_be_terminated(batch: Client, on_eks: str):
    job_id = submit(batch, queue=on_eks, jobDefinition=_pod(batch, _in_pod("main", "exec sleep 600")))
    until(batch, job_id, "RUNNING")
    batch.terminate_job(jobId=job_id, reason="done with it")
    assert until(batch, job_id)["statusReason"] == "done with it"
    assert describe(batch, job_id)["isTerminated"] is True
