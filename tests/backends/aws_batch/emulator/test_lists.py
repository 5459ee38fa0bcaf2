"""ListJobs: what is listed, filters, pages."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import Client, define, describe, run, submit, until

STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")


def _names(batch: Client, **asked: Any) -> list[str]:
    found = batch.list_jobs(jobQueue="default", **asked)["jobSummaryList"]
    return [job["jobName"] for job in found]


def _filter(name: str, value: object) -> list[dict[str, Any]]:
    return [{"name": name, "values": [str(value)]}]


def test_only_running_jobs_are_listed_unless_a_status_is_named(batch: Client):
    run(batch, name="done")
    run(batch, "exit 1", name="bad")
    until(batch, submit(batch, "exec sleep 600", name="busy"), "RUNNING")
    assert _names(batch) == ["busy"]
    assert _names(batch, jobStatus="SUCCEEDED") == ["done"]
    assert _names(batch, jobStatus="FAILED") == ["bad"]
    assert _names(batch, jobStatus="PENDING") == []


def test_a_summary_holds_the_service_s_members(batch: Client):
    job = run(batch, "exit 3")
    (found,) = batch.list_jobs(jobQueue="default", jobStatus="FAILED")["jobSummaryList"]
    own = ("jobArn", "jobId", "jobName", "createdAt", "status", "statusReason", "startedAt", "stoppedAt")
    assert found == {**{name: job[name] for name in own}, "container": {"exitCode": 3}}


def test_jobs_are_listed_of_their_queue_alone_by_name_or_arn(batch: Client):
    run(batch, name="here")
    run(batch, name="there", queue="spot")
    arn = "arn:aws:batch:eu-west-1:123456789012:job-queue/spot"
    for queue in ("spot", arn):
        found = batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]
        assert [job["jobName"] for job in found] == ["there"]
    with pytest.raises(ClientError, match="not found"):
        batch.list_jobs(jobQueue="nowhere")


@pytest.mark.parametrize("asked", [{}, {"jobQueue": "default", "arrayJobId": "x"}])
def test_exactly_one_place_to_look_must_be_named(batch: Client, asked: dict[str, str]):
    with pytest.raises(ClientError, match="Exactly one of"):
        batch.list_jobs(**asked)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("test1", ["Test1"]),
        ("TEST1*", ["Test10", "Test1"]),
        ("test", []),
        ("*", ["other", "Test10", "Test1"]),
    ],
)
def test_names_are_filtered_whatever_their_case_and_by_their_beginning(
    batch: Client, value: str, names: list[str]
):
    for name in ("Test1", "Test10", "other"):
        run(batch, name=name)
    assert _names(batch, filters=_filter("JOB_NAME", value)) == names


def test_a_filter_lists_jobs_of_every_status(batch: Client):
    run(batch, name="a")
    run(batch, "exit 1", name="a")
    until(batch, submit(batch, "exec sleep 600", name="a"), "RUNNING")
    found = batch.list_jobs(jobQueue="default", filters=_filter("JOB_NAME", "a"), jobStatus="FAILED")
    assert [job["status"] for job in found["jobSummaryList"]] == ["RUNNING", "FAILED", "SUCCEEDED"]
    assert {job["jobDefinition"].rpartition("/")[2] for job in found["jobSummaryList"]} == {
        "work:1",
        "work:2",
        "work:3",
    }


def test_jobs_are_filtered_by_definition(batch: Client):
    for name in ("jd1", "jd1A"):
        run(batch, name=name, jobDefinition=define(batch, name=name))
    run(batch, name="second", jobDefinition=define(batch, name="jd1"))
    assert _names(batch, filters=_filter("JOB_DEFINITION", "jd1")) == ["second", "jd1"]
    assert _names(batch, filters=_filter("JOB_DEFINITION", "jd1*")) == ["second", "jd1A", "jd1"]
    assert _names(batch, filters=_filter("JOB_DEFINITION", "JD1")) == []
    arn = "arn:aws:batch:eu-west-1:123456789012:job-definition/jd1:1"
    assert _names(batch, filters=_filter("JOB_DEFINITION", arn)) == ["jd1"]


def test_jobs_are_filtered_by_when_they_were_created(batch: Client):
    first = run(batch, name="first")["createdAt"]
    while (second := describe(batch, run(batch, name="second")["jobId"])["createdAt"]) == first:
        continue
    assert _names(batch, filters=_filter("BEFORE_CREATED_AT", first + 1)) == ["first"]
    assert "first" not in _names(batch, filters=_filter("AFTER_CREATED_AT", first))
    assert _names(batch, filters=_filter("AFTER_CREATED_AT", second)) == []


@pytest.mark.parametrize(
    "filters",
    [
        [{"name": "OTHER", "values": ["x"]}],
        [{"name": "JOB_NAME", "values": []}],
        [{"name": "JOB_NAME", "values": ["a"]}, {"name": "JOB_NAME", "values": ["b"]}],
        [{"name": "AFTER_CREATED_AT", "values": ["yesterday"]}],
    ],
)
def test_filters_that_cannot_be_are_refused(batch: Client, filters: list[dict[str, Any]]):
    run(batch)
    with pytest.raises(ClientError) as raised:
        batch.list_jobs(jobQueue="default", filters=filters)
    assert raised.value.response["Error"]["Code"] == "ClientException"


def test_pages_lead_to_each_other_and_hold_what_was_asked_for(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("assigned")
    jobs = [submit(batch, jobDefinition=define(batch) if not number else "work") for number in range(5)]
    for job_id in jobs:
        until(batch, job_id, "RUNNABLE")
    asked = {"jobQueue": "default", "jobStatus": "RUNNABLE", "maxResults": 2}
    seen, token = [], None
    while True:
        page = batch.list_jobs(**asked, **({"nextToken": token} if token else {}))
        seen.append([job["jobId"] for job in page["jobSummaryList"]])
        if (token := page.get("nextToken")) is None:
            break
    assert seen == [jobs[:2:-1], jobs[2:0:-1], jobs[:1]]


def test_a_token_of_another_list_is_refused(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("assigned")
    for _ in range(2):
        until(batch, submit(batch), "RUNNABLE")
    token = batch.list_jobs(jobQueue="default", jobStatus="RUNNABLE", maxResults=1)["nextToken"]
    with pytest.raises(ClientError, match="nextToken is invalid"):
        batch.list_jobs(jobQueue="spot", jobStatus="RUNNABLE", nextToken=token)


def test_a_filtered_page_holds_a_hundred_at_most(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("scheduled")
    define(batch)
    for _ in range(101):
        submit(batch, jobDefinition="work", name="many")
    page = batch.list_jobs(jobQueue="default", filters=_filter("JOB_NAME", "many"), maxResults=1000)
    assert len(page["jobSummaryList"]) == 100
    assert page["nextToken"]


def _listed_as(batch: Client, job_id: str) -> list[str]:
    """The statuses whose lists have the job."""
    return [
        status
        for status in STATUSES
        for job in batch.list_jobs(jobQueue="default", jobStatus=status)["jobSummaryList"]
        if job["jobId"] == job_id
    ]


@pytest.mark.parametrize(
    ("stage", "status"), [("scheduled", "SUBMITTED"), ("assigned", "RUNNABLE"), ("running", "STARTING")]
)
def test_a_job_is_in_the_list_of_its_status_alone_on_its_way(
    cloud: LocalCloud, batch: Client, stage: str, status: str
):
    cloud.admin.hold(stage)
    job_id = submit(batch, "exit 1")
    until(batch, job_id, status)
    assert _listed_as(batch, job_id) == [status]
    cloud.admin.release()
    until(batch, job_id, "FAILED")
    assert _listed_as(batch, job_id) == ["FAILED"]


def test_a_job_that_waits_for_another_moves_from_list_to_list(cloud: LocalCloud, batch: Client):
    rule = cloud.admin.hold("assigned")
    first = submit(batch)
    second = submit(batch, dependsOn=[{"jobId": first}])
    until(batch, second, "PENDING")
    assert (_listed_as(batch, first), _listed_as(batch, second)) == (["RUNNABLE"], ["PENDING"])
    cloud.admin.release(rule)
    until(batch, second, "SUCCEEDED")
    assert _listed_as(batch, second) == ["SUCCEEDED"]


def test_an_array_and_a_job_that_is_tried_again_are_in_the_list_of_their_status(batch: Client):
    array = submit(batch, "exec sleep 600", arrayProperties={"size": 2})
    until(batch, f"{array}:1", "RUNNING")
    assert _listed_as(batch, array) == ["PENDING"]
    batch.terminate_job(jobId=array, reason="enough")
    until(batch, array, "FAILED")
    assert _listed_as(batch, array) == ["FAILED"]
    again = submit(batch, "exit 1", retryStrategy={"attempts": 3})
    until(batch, again, "FAILED")
    assert _listed_as(batch, again) == ["FAILED"]


def test_a_job_that_is_forgotten_is_in_no_list(cloud: LocalCloud, batch: Client):
    job = run(batch, name="gone")
    cloud.admin.remove(job["jobId"])
    assert _listed_as(batch, job["jobId"]) == []
    assert _names(batch, filters=_filter("JOB_NAME", "gone")) == []
