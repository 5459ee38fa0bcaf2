"""Cancelling and terminating: whole jobs, single children, before and after the start."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import Client, describe, make_queue, run, submit, until

LONG = "exec sleep 600"


def test_a_terminated_job_fails_with_the_reason_that_was_given(batch: Client):
    job_id = submit(batch, LONG, retryStrategy={"attempts": 3})
    until(batch, job_id, "RUNNING")
    batch.terminate_job(jobId=job_id, reason="not needed any more")
    job = until(batch, job_id)
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "not needed any more"
    assert job["isTerminated"] is True
    assert job["container"]["exitCode"] == 137
    assert len(job["attempts"]) == 1


def test_a_cancellation_leaves_a_running_job_alone(batch: Client):
    job_id = submit(batch, LONG)
    until(batch, job_id, "RUNNING")
    batch.cancel_job(jobId=job_id, reason="too late")
    job = describe(batch, job_id)
    assert job["status"] == "RUNNING"
    assert "isCancelled" not in job
    batch.terminate_job(jobId=job_id, reason="now")
    assert until(batch, job_id)["statusReason"] == "now"


@pytest.mark.parametrize(("stage", "status"), [("scheduled", "SUBMITTED"), ("assigned", "RUNNABLE")])
@pytest.mark.parametrize("verb", ["cancel_job", "terminate_job"])
def test_a_job_that_has_not_started_ends_without_an_attempt(
    cloud: LocalCloud, batch: Client, stage: str, status: str, verb: str
):
    cloud.admin.hold(stage)
    job_id = submit(batch)
    until(batch, job_id, status)
    getattr(batch, verb)(jobId=job_id, reason="changed my mind")
    job = until(batch, job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "changed my mind")
    assert job["attempts"] == []
    assert "startedAt" not in job
    assert job.get("isCancelled" if verb == "cancel_job" else "isTerminated") is True


def test_a_job_that_is_starting_can_be_terminated_and_not_cancelled(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("running")
    job_id = submit(batch)
    until(batch, job_id, "STARTING")
    batch.cancel_job(jobId=job_id, reason="no")
    assert describe(batch, job_id)["status"] == "STARTING"
    batch.terminate_job(jobId=job_id, reason="yes")
    job = until(batch, job_id)
    assert job["statusReason"] == "yes"
    assert "startedAt" not in job


@pytest.mark.parametrize("verb", ["cancel_job", "terminate_job"])
def test_a_pending_job_ends_when_what_it_depends_on_has(cloud: LocalCloud, batch: Client, verb: str):
    cloud.admin.hold("running", job="*/first/*")
    first = submit(batch, name="first")
    second = submit(batch, name="second", dependsOn=[{"jobId": first}])
    until(batch, second, "PENDING")
    getattr(batch, verb)(jobId=second, reason="stop")
    assert describe(batch, second)["status"] == "PENDING"
    cloud.admin.release()
    job = until(batch, second)
    assert (job["status"], job["statusReason"]) == ("FAILED", "stop")
    assert job["attempts"] == []


def test_terminating_an_array_terminates_its_children(batch: Client):
    job_id = submit(batch, LONG, arrayProperties={"size": 3})
    for index in range(3):
        until(batch, f"{job_id}:{index}", "RUNNING")
    batch.terminate_job(jobId=job_id, reason="all of you")
    parent = until(batch, job_id)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "all of you")
    children = [describe(batch, f"{job_id}:{index}") for index in range(3)]
    assert {child["statusReason"] for child in children} == {"all of you"}
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 3


def test_cancelling_an_array_spares_the_children_that_run(batch: Client):
    job_id = submit(batch, LONG, queue=make_queue(batch, vcpus=2), arrayProperties={"size": 4})
    for index in (0, 1):
        until(batch, f"{job_id}:{index}", "RUNNING")
    batch.cancel_job(jobId=job_id, reason="the rest")
    for index in (2, 3):
        assert until(batch, f"{job_id}:{index}")["statusReason"] == "the rest"
    assert describe(batch, job_id)["status"] == "PENDING"
    assert describe(batch, f"{job_id}:0")["status"] == "RUNNING"
    batch.terminate_job(jobId=job_id, reason="and those")
    until(batch, job_id)


def test_one_child_can_be_terminated_alone(batch: Client):
    script = f'[ "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 ] || {LONG}'
    job_id = submit(batch, script, arrayProperties={"size": 2})
    until(batch, f"{job_id}:1", "RUNNING")
    batch.terminate_job(jobId=f"{job_id}:1", reason="only this one")
    parent = until(batch, job_id)
    assert parent["statusReason"] == "Array Child Job failed"
    assert "isTerminated" not in parent
    assert describe(batch, f"{job_id}:1")["statusReason"] == "only this one"
    assert describe(batch, f"{job_id}:0")["status"] == "SUCCEEDED"


def test_stopping_is_harmless_for_ended_and_unknown_jobs(batch: Client):
    job = run(batch)
    for verb in (batch.cancel_job, batch.terminate_job):
        verb(jobId=job["jobId"], reason="late")
        verb(jobId="unknown", reason="late")
    assert describe(batch, job["jobId"]) == job


def test_the_first_reason_stays(batch: Client):
    job_id = submit(batch, "trap '' TERM; sleep 600 & wait")
    until(batch, job_id, "RUNNING")
    batch.terminate_job(jobId=job_id, reason="first")
    batch.terminate_job(jobId=job_id, reason="second")
    assert until(batch, job_id)["statusReason"] == "first"


def test_many_jobs_can_be_stopped_with_one_request(batch: Client):
    job_ids = [submit(batch, LONG) for _ in range(3)]
    for job_id in job_ids:
        until(batch, job_id, "RUNNING")
    told = batch.terminate_jobs(jobs=[*job_ids, "unknown"], reason="together")
    assert (told["successful"], told["errors"]) == ([*job_ids, "unknown"], [])
    assert {until(batch, job_id)["statusReason"] for job_id in job_ids} == {"together"}
    with pytest.raises(ClientError, match="supported is  50"):
        batch.cancel_jobs(jobs=["x"] * 51, reason="too many")


def test_a_reason_has_at_most_1024_characters(batch: Client):
    with pytest.raises(ClientError, match="at most 1024"):
        batch.terminate_job(jobId=submit(batch), reason="x" * 1025)
