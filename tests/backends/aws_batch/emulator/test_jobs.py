"""Single jobs: what is told of them from submission to end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    PARAMETER,
    SECRET,
    Client,
    define,
    describe,
    lines,
    run,
    submit,
    until,
    variables,
)


def test_a_job_that_ends_well_tells_its_whole_story(batch: Client):
    job = run(batch, "echo hello")
    assert job["status"] == "SUCCEEDED"
    assert job["statusReason"] == "Essential container in task exited"
    assert job["jobArn"] == f"arn:aws:batch:eu-west-1:123456789012:job/{job['jobId']}"
    assert job["jobQueue"] == "arn:aws:batch:eu-west-1:123456789012:job-queue/default"
    assert job["jobDefinition"] == "arn:aws:batch:eu-west-1:123456789012:job-definition/work:1"
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    (attempt,) = job["attempts"]
    assert attempt["container"]["exitCode"] == job["container"]["exitCode"] == 0
    assert attempt["container"]["logStreamName"] == job["container"]["logStreamName"]
    assert re.fullmatch(r"work/default/[0-9a-f]{32}", job["container"]["logStreamName"])
    assert job["container"]["taskArn"].endswith(job["container"]["logStreamName"].rpartition("/")[2])
    assert (job["dependsOn"], job["parameters"], job["tags"], job["eksAttempts"]) == ([], {}, {}, [])
    assert job["platformCapabilities"] == ["EC2"]


def test_an_exit_code_fails_the_job_and_is_told(batch: Client):
    job = run(batch, "exit 3")
    assert job["status"] == "FAILED"
    assert job["container"]["exitCode"] == 3
    assert job["statusReason"] == "Essential container in task exited"
    assert "reason" not in job["container"]


def test_a_container_killed_by_a_signal_has_the_code_of_a_shell(batch: Client):
    assert run(batch, "kill -9 $$")["container"]["exitCode"] == 137


def test_a_command_that_cannot_start_is_told_in_the_container_s_reason(batch: Client):
    definition = define(batch, command=["/no/such/program"])
    job = run(batch, jobDefinition=definition)
    assert job["statusReason"] == "Task failed to start"
    assert job["container"]["reason"].startswith("CannotStartContainerError: ")
    assert job["container"]["exitCode"] == 127


@pytest.mark.parametrize(
    ("stage", "status", "shown"),
    [
        ("scheduled", "SUBMITTED", set()),
        ("assigned", "RUNNABLE", set()),
        ("running", "STARTING", {"taskArn"}),
        ("finished", "RUNNING", {"taskArn", "logStreamName"}),
    ],
)
def test_a_job_can_be_held_in_every_status(
    cloud: LocalCloud, batch: Client, stage: str, status: str, shown: set[str]
):
    cloud.admin.hold(stage, job="default/slow/*")
    job_id = submit(batch, "true", name="slow")
    job = until(batch, job_id, status)
    if stage == "finished":
        while "exitCode" not in (job := describe(batch, job_id))["container"]:
            continue
    assert {key for key in ("taskArn", "logStreamName") if key in job["container"]} == shown
    assert job["status"] == status
    cloud.admin.release()
    assert until(batch, job_id)["status"] == "SUCCEEDED"


def test_a_log_stream_is_there_from_the_moment_the_container_runs(
    cloud: LocalCloud, batch: Client, logs: Client
):
    cloud.admin.hold("running")
    job_id = submit(batch, "exec sleep 600")
    until(batch, job_id, "STARTING")
    with pytest.raises(ClientError, match="log group does not exist"):
        logs.describe_log_streams(logGroupName="/aws/batch/job")
    cloud.admin.release()
    job = until(batch, job_id, "RUNNING")
    assert lines(logs, job) == []


def test_the_variables_of_a_job_are_those_of_the_service(batch: Client, logs: Client):
    job = run(batch, "env", containerOverrides={"environment": [{"name": "OWN", "value": "1"}]})
    found = variables(logs, job)
    assert found["AWS_BATCH_JOB_ID"] == job["jobId"]
    assert {key: found[key] for key in found if key.startswith("AWS_") and key != "AWS_BATCH_JOB_ID"} == {
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JQ_NAME": "default",
        "AWS_BATCH_CE_NAME": "default",
        "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
    }
    assert found["OWN"] == "1"


def test_overrides_change_the_command_the_variables_and_the_resources(batch: Client, logs: Client):
    environment = [{"name": "KEPT", "value": "1"}, {"name": "CHANGED", "value": "1"}]
    overrides = {
        "command": ["sh", "-c", "echo $KEPT $CHANGED $NEW"],
        "environment": [{"name": "CHANGED", "value": "2"}, {"name": "NEW", "value": "3"}],
        "resourceRequirements": [{"type": "VCPU", "value": "4"}],
    }
    job = run(batch, jobDefinition=define(batch, environment=environment), containerOverrides=overrides)
    assert lines(logs, job) == ["1 2 3"]
    assert job["container"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "4"},
        {"type": "MEMORY", "value": "128"},
    ]


def test_parameters_take_the_place_of_references_in_the_command(batch: Client, logs: Client):
    definition = define(
        batch, "echo Ref::greeting Ref::name Ref::unknown", parameters={"greeting": "hello", "name": "you"}
    )
    job = run(batch, jobDefinition=definition, parameters={"name": "world"})
    assert lines(logs, job) == ["hello world Ref::unknown"]
    assert job["parameters"] == {"greeting": "hello", "name": "world"}
    assert job["container"]["command"][2] == "echo Ref::greeting Ref::name Ref::unknown"


def test_secrets_are_variables_and_stay_references_in_descriptions(batch: Client, logs: Client):
    secrets = [
        {"name": "WHOLE", "valueFrom": SECRET},
        {"name": "PART", "valueFrom": f"{SECRET}:password::"},
        {"name": "STORED", "valueFrom": PARAMETER},
    ]
    job = run(batch, 'echo "$WHOLE" "$PART" "$STORED"', jobDefinition=define(batch, _ECHO, secrets=secrets))
    assert lines(logs, job) == ['{"user": "me", "password": "s3cret"} s3cret from the store']
    assert job["container"]["secrets"] == secrets
    assert job["container"]["environment"] == []


_ECHO = 'echo "$WHOLE" "$PART" "$STORED"'


def test_a_secret_that_is_missing_fails_the_job_before_it_runs(batch: Client):
    secrets = [{"name": "GONE", "valueFrom": SECRET.replace("token", "other")}]
    job = run(batch, jobDefinition=define(batch, secrets=secrets))
    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("ResourceInitializationError: unable to pull secrets")
    assert "startedAt" not in job
    assert "logStreamName" not in job["container"]


def test_too_long_overrides_fail_the_job_before_any_attempt(batch: Client):
    environment = [{"name": "LONG", "value": "x" * 8192}]
    job = run(batch, containerOverrides={"environment": environment})
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Container Overrides length must be at most 8192"
    assert job["attempts"] == []


def test_a_long_command_in_the_definition_is_no_override(batch: Client):
    assert run(batch, f": {'x' * 9000}")["status"] == "SUCCEEDED"


def test_unknown_ids_are_absent_and_known_ones_come_once(batch: Client):
    job_id = submit(batch)
    asked = [job_id, "00000000-0000-0000-0000-000000000000", job_id, f"{job_id}:0", "nonsense"]
    assert [job["jobId"] for job in batch.describe_jobs(jobs=asked)["jobs"]] == [job_id]


def test_a_job_is_found_by_its_arn_too(batch: Client):
    job = run(batch)
    assert describe(batch, job["jobArn"])["jobId"] == job["jobId"]


def test_more_than_a_hundred_ids_are_refused(batch: Client):
    assert batch.describe_jobs(jobs=["x"] * 100)["jobs"] == []
    with pytest.raises(ClientError, match="Maximum number of jobs supported is  100"):
        batch.describe_jobs(jobs=["x"] * 101)


def test_a_job_that_was_removed_is_unknown_afterwards(cloud: LocalCloud, batch: Client):
    job = run(batch)
    cloud.admin.remove(job["jobId"])
    assert batch.describe_jobs(jobs=[job["jobId"]])["jobs"] == []
    assert batch.list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"] == []


@pytest.mark.parametrize(
    ("queue", "reason", "told"),
    [
        ("spot", "preempted", r"Host EC2 \(instance i-[0-9a-f]{17}\) terminated\."),
        ("default", "lost", r"Host EC2 \(instance i-[0-9a-f]{17}\) terminated\."),
        ("fargate-spot", "preempted", r"Your Spot Task was interrupted\."),
    ],
)
def test_a_lost_machine_is_told_in_the_status_reason(
    cloud: LocalCloud, batch: Client, queue: str, reason: str, told: str
):
    definition = fargate(batch, "exec sleep 600") if "fargate" in queue else define(batch, "exec sleep 600")
    job_id = submit(batch, queue=queue, jobDefinition=definition)
    until(batch, job_id, "RUNNING")
    cloud.admin.interrupt(job_id, 0, reason=reason)
    job = until(batch, job_id)
    assert re.fullmatch(told, job["statusReason"])
    assert "exitCode" not in job["container"]


def test_memory_that_was_not_enough_is_told_in_the_container_s_reason(cloud: LocalCloud, batch: Client):
    job_id = submit(batch, "exec sleep 600")
    until(batch, job_id, "RUNNING")
    cloud.admin.interrupt(job_id, 0, reason="out_of_memory")
    job = until(batch, job_id)
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert job["container"]["exitCode"] == 137
    assert job["statusReason"] == "Essential container in task exited"


def fargate(batch: Client, script: str) -> str:
    needs = [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]
    properties: dict[str, Any] = {
        "image": "busybox",
        "command": ["sh", "-c", script],
        "resourceRequirements": needs,
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    }
    made = batch.register_job_definition(
        jobDefinitionName="on-fargate",
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties=properties,
    )
    return f"on-fargate:{made['revision']}"


def test_a_job_on_fargate_names_no_machine(batch: Client, logs: Client):
    job = run(batch, queue="fargate", jobDefinition=fargate(batch, "env"))
    assert job["platformCapabilities"] == ["FARGATE"]
    assert "containerInstanceArn" not in job["container"]
    assert variables(logs, job)["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"


def test_a_timeout_ends_the_job_and_is_not_retried(cloud: LocalCloud, batch: Client):
    job_id = submit(
        batch,
        "exec sleep 600",
        timeout={"attemptDurationSeconds": 60},
        retryStrategy={"attempts": 3},
    )
    assert until(batch, job_id, "RUNNING")["timeout"] == {"attemptDurationSeconds": 60}
    cloud.admin.interrupt(job_id, 0, reason="timed_out")
    job = until(batch, job_id)
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert job["container"]["exitCode"] == 137
    assert len(job["attempts"]) == 1
