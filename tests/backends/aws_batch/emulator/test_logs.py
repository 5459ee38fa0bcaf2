"""CloudWatch Logs: events of one stream and of many, groups, streams, late lines."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    GROUP,
    Client,
    client,
    define,
    describe,
    lines,
    run,
    submit,
    until,
)

COUNT = "n=0; while [ $n -lt {} ]; do echo line $n; n=$((n + 1)); done"


def _stream(job: dict[str, Any]) -> str:
    return job["container"]["logStreamName"]


def _streams(batch: Client, job_id: str, size: int) -> list[str]:
    return [_stream(describe(batch, f"{job_id}:{index}")) for index in range(size)]


def _numbers(events: list[dict[str, Any]]) -> list[int]:
    return [int(event["message"].split()[1]) for event in events]


def test_both_outputs_are_one_stream_in_the_order_of_their_writing(batch: Client, logs: Client):
    job = run(batch, "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three")
    assert lines(logs, job) == ["one", "two", "three"]


def test_events_are_between_start_and_end_of_the_job(batch: Client, logs: Client):
    job = run(batch, "echo x")
    (event,) = logs.get_log_events(logGroupName=GROUP, logStreamName=_stream(job))["events"]
    assert job["startedAt"] <= event["timestamp"] <= job["stoppedAt"]
    assert event["ingestionTime"] >= event["timestamp"]


def test_empty_lines_are_not_events(batch: Client, logs: Client):
    assert lines(logs, run(batch, "echo; echo x; echo")) == ["x"]


def test_a_stream_is_read_from_its_head_by_forward_tokens(batch: Client, logs: Client):
    stream = _stream(run(batch, COUNT.format(25)))
    asked = {"logGroupName": GROUP, "logStreamName": stream, "startFromHead": True, "limit": 10}
    pages, token = [], None
    while True:
        page = logs.get_log_events(**asked, **({"nextToken": token} if token else {}))
        if page["nextForwardToken"] == token:
            break
        pages.append(_numbers(page["events"]))
        token = page["nextForwardToken"]
    assert pages == [list(range(10)), list(range(10, 20)), list(range(20, 25))]
    again = logs.get_log_events(**asked, nextToken=token)
    assert (again["events"], again["nextForwardToken"]) == ([], token)


def test_a_stream_is_read_from_its_end_unless_told_and_backward(batch: Client, logs: Client):
    stream = _stream(run(batch, COUNT.format(25)))
    asked = {"logGroupName": GROUP, "logStreamName": stream, "limit": 10}
    page = logs.get_log_events(**asked)
    assert _numbers(page["events"]) == list(range(15, 25))
    before = logs.get_log_events(**asked, nextToken=page["nextBackwardToken"])
    assert _numbers(before["events"]) == list(range(5, 15))
    first = logs.get_log_events(**asked, nextToken=before["nextBackwardToken"])
    assert _numbers(first["events"]) == list(range(5))
    none = logs.get_log_events(**asked, nextToken=first["nextBackwardToken"])
    assert (none["events"], none["nextBackwardToken"]) == ([], first["nextBackwardToken"])


def test_a_forward_token_finds_what_was_written_since(batch: Client, logs: Client):
    job_id = submit(batch, "echo one; sleep 0.3; echo two")
    job = until(batch, job_id, "RUNNING")
    asked = {"logGroupName": GROUP, "logStreamName": _stream(job), "startFromHead": True}
    while not (page := logs.get_log_events(**asked))["events"]:
        continue
    until(batch, job_id)
    later = logs.get_log_events(**asked, nextToken=page["nextForwardToken"])
    assert [event["message"] for event in (*page["events"], *later["events"])] == ["one", "two"]


def test_a_page_of_a_stream_holds_a_megabyte(batch: Client, logs: Client):
    script = "n=0; while [ $n -lt 5 ]; do head -c 250000 /dev/zero | tr '\\0' x; echo; n=$((n + 1)); done"
    stream = _stream(run(batch, script))
    asked = {"logGroupName": GROUP, "logStreamName": stream, "startFromHead": True}
    page = logs.get_log_events(**asked)
    assert len(page["events"]) == 4
    rest = logs.get_log_events(**asked, nextToken=page["nextForwardToken"])
    assert len(rest["events"]) == 1


def test_times_bound_events_with_the_start_in_and_the_end_out(batch: Client, logs: Client):
    job = run(batch, "echo a; sleep 0.02; echo b; sleep 0.02; echo c")
    asked = {"logGroupName": GROUP, "logStreamName": _stream(job), "startFromHead": True}
    a, b, c = (event["timestamp"] for event in logs.get_log_events(**asked)["events"])
    found = logs.get_log_events(**asked, startTime=b, endTime=c)["events"]
    assert [event["message"] for event in found] == ["b"]
    filtered = logs.filter_log_events(logGroupName=GROUP, startTime=a + 1, endTime=c)["events"]
    assert [event["message"] for event in filtered] == ["b", "c"]


def test_many_streams_are_read_at_once_by_time(batch: Client, logs: Client):
    parent = run(batch, 'echo "from $AWS_BATCH_JOB_ARRAY_INDEX"', arrayProperties={"size": 4})
    streams = _streams(batch, parent["jobId"], 4)
    found = logs.filter_log_events(logGroupName=GROUP, logStreamNames=streams[:3])["events"]
    assert {event["logStreamName"]: event["message"] for event in found} == {
        stream: f"from {index}" for index, stream in enumerate(streams[:3])
    }
    times = [event["timestamp"] for event in found]
    assert times == sorted(times)
    assert len({event["eventId"] for event in found}) == 3


def test_streams_are_chosen_by_prefix_or_not_at_all(batch: Client, logs: Client):
    for name in ("one", "two"):
        run(batch, jobDefinition=define(batch, f"echo {name}", name=name))
    by_prefix = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="one/")["events"]
    assert [event["message"] for event in by_prefix] == ["one"]
    assert len(logs.filter_log_events(logGroupName=GROUP)["events"]) == 2
    assert logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="three")["events"] == []


def test_pages_of_many_streams_lead_to_each_other(batch: Client, logs: Client):
    run(batch, COUNT.format(25))
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, PaginationConfig={"PageSize": 10}
    )
    assert [_numbers(page["events"]) for page in pages] == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 25)),
    ]
    latest = logs.filter_log_events(logGroupName=GROUP, limit=3, startFromHead=False)
    assert _numbers(latest["events"]) == [24, 23, 22]
    older = logs.filter_log_events(
        logGroupName=GROUP, limit=3, startFromHead=False, nextToken=latest["nextToken"]
    )
    assert _numbers(older["events"]) == [21, 20, 19]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["ERROR one", "WARN two", "ERROR WARN"]),
        ("ERROR", ["ERROR one", "ERROR WARN"]),
        ("error", []),
        ("ERROR WARN", ["ERROR WARN"]),
        ("ERROR -WARN", ["ERROR one"]),
        ("?one ?two", ["ERROR one", "WARN two"]),
        ('"R o"', ["ERROR one"]),
        ("%^WARN%", ["WARN two"]),
    ],
)
def test_messages_are_filtered_by_terms(batch: Client, logs: Client, pattern: str, found: list[str]):
    run(batch, "echo ERROR one; echo WARN two; echo ERROR WARN")
    events = logs.filter_log_events(logGroupName=GROUP, filterPattern=pattern)["events"]
    assert [event["message"] for event in events] == found


@pytest.mark.parametrize("pattern", ["{ $.a = 1 }", "[a, b]", '"open', "%(%"])
def test_patterns_that_cannot_be_read_are_refused(batch: Client, logs: Client, pattern: str):
    run(batch, "echo x")
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.filter_log_events(logGroupName=GROUP, filterPattern=pattern)


def test_groups_and_streams_appear_with_the_first_container(batch: Client, logs: Client):
    assert logs.describe_log_groups()["logGroups"] == []
    for call in (logs.filter_log_events, logs.describe_log_streams):
        with pytest.raises(logs.exceptions.ResourceNotFoundException, match="log group does not exist"):
            call(logGroupName=GROUP)
    job = run(batch, "echo x")
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/batch")["logGroups"]
    assert group["arn"] == "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/batch/job:*"
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="work/")["logStreams"]
    assert stream["logStreamName"] == _stream(job)
    assert stream["firstEventTimestamp"] == stream["lastEventTimestamp"] >= stream["creationTime"]


def test_a_group_can_be_named_by_its_arn(batch: Client, logs: Client):
    run(batch, "echo x")
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}"
    assert len(logs.filter_log_events(logGroupIdentifier=arn)["events"]) == 1


def test_streams_are_ordered_by_name_or_by_their_latest_event_and_paged(batch: Client, logs: Client):
    for name in ("b", "a", "c"):
        run(batch, jobDefinition=define(batch, "echo x", name=name))

    def names(**asked: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName=GROUP, PaginationConfig={"PageSize": 2}, **asked
        )
        return [each["logStreamName"][0] for page in pages for each in page["logStreams"]]

    assert names() == ["a", "b", "c"]
    assert names(descending=True) == ["c", "b", "a"]
    assert names(orderBy="LastEventTime") == ["b", "a", "c"]


def test_a_job_says_where_its_log_goes(batch: Client, logs: Client):
    options = {"awslogs-group": "own", "awslogs-stream-prefix": "mine"}
    log = {"logDriver": "awslogs", "options": options}
    job = run(batch, jobDefinition=define(batch, "echo x", logConfiguration=log))
    assert _stream(job).startswith("mine/default/")
    assert lines(logs, job, group="own") == ["x"]
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["own"]


def test_a_log_can_go_to_another_region(cloud: LocalCloud, batch: Client):
    log = {"logDriver": "awslogs", "options": {"awslogs-region": "us-west-2"}}
    job = run(batch, jobDefinition=define(batch, "echo x", logConfiguration=log))
    assert lines(client(cloud, "logs", region="us-west-2"), job) == ["x"]


def test_other_log_drivers_leave_nothing_here(batch: Client, logs: Client):
    job = run(batch, jobDefinition=define(batch, "echo x", logConfiguration={"logDriver": "syslog"}))
    assert "logStreamName" not in job["container"]
    assert logs.describe_log_groups()["logGroups"] == []


def test_late_lines_are_missed_by_a_token_that_went_past_them(cloud: LocalCloud, batch: Client, logs: Client):
    cloud.admin.set_log_delay(3, one_in=2)
    job_id = submit(batch, COUNT.format(4))
    job = until(batch, job_id)
    asked = {"logGroupName": GROUP, "logStreamName": _stream(job), "startFromHead": True}
    early = logs.get_log_events(**asked)
    while len((found := logs.get_log_events(**asked))["events"]) < 4:
        continue
    assert _numbers(found["events"]) == [0, 1, 2, 3]
    assert len(early["events"]) == 2
    after = logs.get_log_events(**asked, nextToken=early["nextForwardToken"])
    assert len(after["events"]) < 2
    late = max(found["events"], key=lambda event: event["ingestionTime"])
    assert late["ingestionTime"] - late["timestamp"] == 3000


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"logStreamNames": ["gone"]}, "log stream does not exist"),
        ({"logStreamNames": ["a"], "logStreamNamePrefix": "a"}, "mutually exclusive"),
        ({"logStreamNames": ["a"] * 101}, "less than or equal to 100"),
        ({"limit": 10_001}, "less than or equal to 10000"),
        ({"nextToken": "made up"}, "nextToken is invalid"),
        ({"logGroupIdentifier": "x"}, "Exactly one of"),
    ],
)
def test_requests_for_many_streams_that_cannot_be_are_refused(
    batch: Client, logs: Client, asked: dict[str, Any], said: str
):
    run(batch, "echo x")
    with pytest.raises(ClientError, match=said):
        logs.filter_log_events(logGroupName=GROUP, **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"logStreamName": "gone"}, "log stream does not exist"),
        ({"limit": 10_001}, "less than or equal to 10000"),
        ({"nextToken": "made up"}, "nextToken is invalid"),
    ],
)
def test_requests_for_one_stream_that_cannot_be_are_refused(
    batch: Client, logs: Client, asked: dict[str, Any], said: str
):
    job = run(batch, "echo x")
    with pytest.raises(ClientError, match=said):
        logs.get_log_events(**{"logGroupName": GROUP, "logStreamName": _stream(job), **asked})


def test_a_log_outlives_the_record_of_its_job(cloud: LocalCloud, batch: Client, logs: Client):
    job = run(batch, "echo x")
    cloud.admin.remove(job["jobId"])
    assert lines(logs, job) == ["x"]
