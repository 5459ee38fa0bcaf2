from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.google_cloud.emulator.log_filter import MAX_FILTER_CHARACTERS, matches, parse

NOON = 1_795_176_000_000_000_000  # 2026-11-20T12:00:00Z

ENTRY: dict[str, Any] = {
    "logName": "projects/p/logs/batch_task_logs",
    "logId": "batch_task_logs",
    "insertId": "0k3v9",
    "severity": "ERROR",
    "timestamp": NOON + 123_456_789,
    "receiveTimestamp": NOON + 10**9,
    "labels": {"job_uid": "abc-1", "task_id": "task/abc-1-group0-5/0/0", "k8s.io/name": "x"},
    "resource": {"type": "batch.googleapis.com/Job", "labels": {"job_id": "abc", "location": "us-central1"}},
    "textPayload": "Hello World, exit code 3",
}
STRUCTURED: dict[str, Any] = {
    **{key: value for key, value in ENTRY.items() if key != "textPayload"},
    "jsonPayload": {"batch/custom/event": "half", "n": 7, "deep": {"list": ["a", "b"], "ok": True}},
}

TRUE = [
    "",
    "   \n -- a comment\n",
    'logName="projects/p/logs/batch_task_logs"',
    "logName=projects/p/logs/batch_task_logs",
    'log_name = "projects/p/logs/batch_task_logs"',
    'log_id("batch_task_logs")',
    'labels.job_uid="abc-1"',
    "labels.job_uid=abc-1",
    'labels.job_uid="ABC-1"',
    'labels."job_uid"="abc-1"',
    'labels.task_id:"-group0-5"',
    'labels."k8s.io/name"=x',
    "labels.k8s.io/name=x",
    "labels:job_uid",
    "labels.job_uid:*",
    "textPayload:*",
    'resource.type="batch.googleapis.com/Job" resource.labels.location="us-central1"',
    "severity=ERROR",
    "severity=error",
    "severity>=WARNING",
    "severity>=DEFAULT",
    "severity>400",
    "severity=(INFO OR ERROR)",
    'timestamp>="2026-11-20T12:00:00Z"',
    "timestamp>=2026-11-20T12:00:00Z",
    'timestamp="2026-11-20T12:00:00.123456789Z"',
    'timestamp>"2026-11-20T12:00:00.123456788Z"',
    'timestamp<"2026-11-20T13:00:01+01:00"',
    'timestamp>="2026-11-20"',
    'insertId>"0k3v8"',
    'textPayload:"hello"',
    "textPayload:world",
    'textPayload=~"exit code [0-9]+$"',
    'textPayload!~"hello"',
    'textPayload="hello world, exit code 3"',
    '"exit code"',
    "hello",
    "hello AND world",
    "hello world",
    "nothing OR hello",
    "NOT nothing",
    "-nothing",
    '-textPayload:"nothing"',
    "NOT (nothing OR neither)",
    'labels.job_uid=("x" OR "abc-1")',
    'labels.job_uid=(NOT "x")',
    "labels.missing!=x",
    "NOT labels.missing:*",
    "labels.missing=NULL_VALUE",
    "labels.job_uid!=NULL_VALUE",
    "hello nothing OR world",
    "(hello AND nothing) OR world",
    'textPayload:"World\\u002c"',
    "textPayload:'World,'",
    "hello\nworld\n",
]
FALSE = [
    'logName="projects/p/logs/batch_agent_logs"',
    'log_id("batch_agent_logs")',
    'labels.job_uid="abc"',
    "labels.job_uid!=abc-1",
    "labels.missing=x",
    "labels.missing>=x",
    "labels.missing:*",
    "jsonPayload.n=7",
    "severity<ERROR",
    "severity=(INFO OR DEBUG)",
    'timestamp>"2026-11-20T12:00:00.123456789Z"',
    'timestamp<"2026-11-20T12:00:00Z"',
    'textPayload=~"HELLO"',
    'textPayload="hello"',
    "nothing",
    "hello AND nothing",
    "NOT hello",
    "-hello",
    "hello OR world nothing",
    "hello AND NOT world",
    'labels.job_uid=("x" OR "y")',
]


@pytest.mark.parametrize("filter_", TRUE)
def test_a_filter_that_fits_matches(filter_: str):
    assert matches(parse(filter_), ENTRY)


@pytest.mark.parametrize("filter_", FALSE)
def test_a_filter_that_does_not_fit_does_not(filter_: str):
    assert not matches(parse(filter_), ENTRY)


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ('jsonPayload.batch"/"custom"/"event!=NULL_VALUE', True),
        ('jsonPayload."batch/custom/event"="half"', True),
        ("jsonPayload.n>=7", True),
        ("jsonPayload.n>7", False),
        ("jsonPayload.n=x", False),
        ("jsonPayload.deep.ok=true", True),
        ("jsonPayload.deep.list:a", True),
        ("jsonPayload.deep.list:c", False),
        ("jsonPayload.deep:*", True),
        ("jsonPayload:half", True),
        ("half", True),
        ("textPayload:*", False),
    ],
)
def test_fields_of_a_structured_entry_can_be_asked_for(filter_: str, expected: bool):
    assert matches(parse(filter_), STRUCTURED) is expected


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        ("(a OR b", "unexpected end"),
        ("a OR", "unexpected end"),
        ("a)", "line 1, column 2"),
        ("a =", "unexpected end"),
        ("= a", "token '='"),
        ('x="open', "syntax error"),
        ("a\nAND AND b", "line 2, column 5"),
        ("severity>=LOUD", 'unknown severity "LOUD"'),
        ("timestamp>=yesterday", "is not a timestamp"),
        ('textPayload=~"("', "regex"),
        ("sample(insertId, 0.1)", "Unsupported function"),
        ("x" * (MAX_FILTER_CHARACTERS + 1), "longer than"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_with_the_place(filter_: str, said: str):
    with pytest.raises(StatusError) as caught:
        matches(parse(filter_), ENTRY)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert said in caught.value.message


@given(st.text(alphabet='ab"\\ ()=:<>~-\n.AORNDT', max_size=40))
def test_whatever_is_written_is_either_read_or_refused(filter_: str):
    with contextlib.suppress(StatusError):
        matches(parse(filter_), ENTRY)
