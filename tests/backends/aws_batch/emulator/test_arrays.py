"""Array jobs: the parent, its children, and how they are listed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    Client,
    client,
    describe,
    lines,
    run,
    submit,
    until,
    variables,
)


def _children(batch: Client, job_id: str, size: int) -> list[dict]:
    jobs = batch.describe_jobs(jobs=[f"{job_id}:{index}" for index in range(size)])["jobs"]
    return sorted(jobs, key=lambda job: job["arrayProperties"]["index"])


def test_children_know_their_index_and_the_size_of_the_array(batch: Client, logs: Client):
    parent = run(batch, "env", arrayProperties={"size": 3})
    for index, child in enumerate(_children(batch, parent["jobId"], 3)):
        found = variables(logs, child)
        assert found["AWS_BATCH_JOB_ID"] == child["jobId"] == f"{parent['jobId']}:{index}"
        assert found["AWS_BATCH_JOB_ARRAY_INDEX"] == str(index)
        assert found["AWS_BATCH_JOB_ARRAY_SIZE"] == "3"
        assert child["arrayProperties"] == {"index": index, "statusSummary": {}}


def test_every_child_has_its_own_end_and_log_stream(batch: Client, logs: Client):
    script = 'echo "$AWS_BATCH_JOB_ARRAY_INDEX"; exit $AWS_BATCH_JOB_ARRAY_INDEX'
    parent = run(batch, script, arrayProperties={"size": 3})
    children = _children(batch, parent["jobId"], 3)
    assert [child["container"]["exitCode"] for child in children] == [0, 1, 2]
    assert [child["status"] for child in children] == ["SUCCEEDED", "FAILED", "FAILED"]
    assert [lines(logs, child) for child in children] == [["0"], ["1"], ["2"]]


def test_a_parent_with_a_failed_child_fails_and_says_so(batch: Client):
    parent = run(batch, '[ "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 ]', arrayProperties={"size": 4})
    assert parent["status"] == "FAILED"
    assert parent["statusReason"] == "Array Child Job failed"
    summary = parent["arrayProperties"]["statusSummary"]
    assert {status: count for status, count in summary.items() if count} == {"SUCCEEDED": 1, "FAILED": 3}


def test_a_parent_has_the_size_and_neither_attempts_nor_a_log_stream(batch: Client):
    parent = run(batch, arrayProperties={"size": 2})
    assert parent["status"] == "SUCCEEDED"
    assert parent["arrayProperties"]["size"] == 2
    assert parent["attempts"] == []
    assert "statusReason" not in parent
    assert "logStreamName" not in parent["container"]
    assert parent["container"]["command"] == ["sh", "-c", "true"]


def test_a_parent_is_pending_while_its_children_run(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("running")
    job_id = submit(batch, arrayProperties={"size": 2})
    parent = until(batch, job_id, "PENDING")
    while parent["arrayProperties"]["statusSummary"]["STARTING"] < 2:
        parent = describe(batch, job_id)
    assert parent["status"] == "PENDING"
    assert set(parent["arrayProperties"]["statusSummary"]) == {
        "SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED",
    }  # fmt: skip
    cloud.admin.release()
    assert until(batch, job_id)["status"] == "SUCCEEDED"


def test_children_are_listed_by_their_parent_and_not_in_their_queue(batch: Client):
    parent = run(batch, arrayProperties={"size": 3})
    listed = batch.list_jobs(arrayJobId=parent["jobId"], jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [child["jobId"] for child in listed] == [f"{parent['jobId']}:{index}" for index in range(3)]
    assert [child["arrayProperties"] for child in listed] == [{"index": index} for index in range(3)]
    assert {child["container"]["exitCode"] for child in listed} == {0}
    queued = batch.list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [job["jobId"] for job in queued] == [parent["jobId"]]
    assert queued[0]["arrayProperties"]["size"] == 3


def test_only_running_children_are_listed_unless_a_status_is_named(cloud: LocalCloud, batch: Client):
    job_id = submit(
        batch, '[ "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 ] || exec sleep 600', arrayProperties={"size": 3}
    )
    until(batch, f"{job_id}:0", "SUCCEEDED")
    for index in (1, 2):
        until(batch, f"{job_id}:{index}", "RUNNING")
    running = batch.list_jobs(arrayJobId=job_id)["jobSummaryList"]
    assert [child["arrayProperties"]["index"] for child in running] == [1, 2]
    succeeded = batch.list_jobs(arrayJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [child["arrayProperties"]["index"] for child in succeeded] == [0]


def test_listing_by_an_id_that_is_no_array_is_empty(batch: Client):
    single = run(batch)
    for job_id in (single["jobId"], f"{single['jobId']}:0", "unknown"):
        assert batch.list_jobs(arrayJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"] == []


@pytest.mark.parametrize("size", [0, 1, 10_001, -5])
def test_an_array_has_two_to_ten_thousand_children(batch: Client, size: int):
    with pytest.raises(ClientError, match="Array size must be between 2 and 10000"):
        submit(batch, arrayProperties={"size": size})


def test_no_array_properties_are_a_plain_job(batch: Client):
    assert "arrayProperties" not in run(batch, arrayProperties={})


def test_an_index_outside_of_the_array_is_unknown(batch: Client):
    job_id = submit(batch, arrayProperties={"size": 2})
    asked = [f"{job_id}:1", f"{job_id}:2", f"{job_id}:x", f"{job_id}#0"]
    assert [job["jobId"] for job in batch.describe_jobs(jobs=asked)["jobs"]] == [f"{job_id}:1"]


def test_ten_thousand_children_run_at_once_and_are_paged(cloud: LocalCloud):
    with LocalCloud("--dialect", "aws_batch", "--simulate-sleep") as large:
        batch = client(large, "batch")
        job_id = submit(batch, "sleep 0", arrayProperties={"size": 10_000})
        assert until(batch, job_id)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10_000
        pages = batch.get_paginator("list_jobs").paginate(arrayJobId=job_id, jobStatus="SUCCEEDED")
        sizes = [len(page["jobSummaryList"]) for page in pages]
    assert sizes == [1000] * 10
