from __future__ import annotations

import itertools
import json

import pytest
import requests
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import batch_v1
from google.cloud import logging as cloud_logging
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import LogEntry

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.gcp_batch.emulator.conftest import run, script, spec, submit, texts, until


def entries(logging: LoggingServiceV2Client, filter_: str = "", **request: object) -> list[LogEntry]:
    asked = {"resource_names": ["projects/p"], "filter": filter_, **request}
    return list(logging.list_log_entries(asked))


def test_an_entry_carries_what_is_needed_to_find_its_task(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    text = "[ $BATCH_TASK_INDEX = 0 ] || { echo out; echo err >&2; }"
    job = run(
        batch,
        spec(
            "true",
            script(text, labels={"step": "two"}),
            group={"task_count": 2},
            job={"labels": {"team": "a"}},
        ),
    )
    out, err = sorted(entries(logging, 'log_id("batch_task_logs")'), key=lambda entry: entry.severity)
    assert (out.text_payload, out.severity) == ("out", 200)
    assert (err.text_payload, err.severity) == ("err", 500)
    assert out.log_name == "projects/p/logs/batch_task_logs"
    assert dict(out.labels) == {
        "team": "a",
        "step": "two",
        "job_uid": job.uid,
        "task_id": f"task/{job.uid}-group0-1/0/0",
        "task_group_name": job.task_groups[0].name,
        "runnable_index": "1",
        "hostname": f"{job.uid}-group0-1",
    }
    assert out.resource.type == "batch.googleapis.com/Job"
    assert dict(out.resource.labels)["job_id"] == "job-1"
    assert out.insert_id != err.insert_id
    assert out.receive_timestamp >= out.timestamp


def test_the_older_resource_type_can_be_asked_for(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    policy = {
        "destination": "CLOUD_LOGGING",
        "cloud_logging_option": {"use_generic_task_monitored_resource": True},
    }
    run(batch, spec("echo x", job={"logs_policy": policy}))
    (entry,) = entries(logging, 'log_id("batch_task_logs") resource.type="generic_task"')
    assert entry.resource.labels["task_id"] == "group0-0"


def test_without_a_logs_policy_nothing_is_kept(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    run(batch, spec("echo x", job={"logs_policy": {}}))
    assert entries(logging) == []


def test_the_agent_tells_of_every_attempt(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec("exit 1", max_retry_count=1))
    said = texts(logging, job, log="batch_agent_logs")
    for attempt in (0, 1):
        assert any(f"task/{job.uid}-group0-0/{attempt}/0" in line and "RUNNING" in line for line in said)
    assert any(line.endswith("with exit code 1.") for line in said)


def test_lines_are_read_while_the_job_still_runs_and_after_it_is_deleted(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = submit(batch, spec("echo live; sleep 60"))
    until(batch, job.name, "RUNNING")
    while not texts(logging, job):
        pass
    batch.delete_job(name=job.name).result(timeout=20)
    assert texts(logging, job) == ["live"]


def test_pages_together_are_all_lines_in_either_order(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec("seq 1 125"))
    query = f'labels.job_uid="{job.uid}" log_id("batch_task_logs")'
    expected = [str(number) for number in range(1, 126)]
    pager = logging.list_log_entries(
        {"resource_names": ["projects/p"], "filter": query, "order_by": "timestamp asc"}
    )
    pages = [[entry.text_payload for entry in page.entries] for page in pager.pages]
    assert [len(page) for page in pages] == [50, 50, 25]
    assert list(itertools.chain(*pages)) == expected
    backwards = entries(logging, query, order_by="timestamp desc", page_size=40)
    assert [entry.text_payload for entry in backwards] == expected[::-1]


def test_reading_on_from_a_time_loses_and_repeats_nothing(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec("seq 1 20"))
    query = f'labels.job_uid="{job.uid}" log_id("batch_task_logs")'
    first = entries(logging, query)[:7]
    since = first[-1].timestamp.rfc3339()
    rest = entries(logging, f'{query} AND timestamp>"{since}"')
    assert [entry.text_payload for entry in [*first, *rest]] == [str(number) for number in range(1, 21)]


def test_late_entries_come_late_and_keep_their_time(
    cloud: LocalCloud, batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    cloud.admin.set_log_delay(0.5)
    job = run(batch, spec("echo late"))
    assert texts(logging, job) == []
    while not texts(logging, job):
        pass
    (entry,) = entries(logging, 'log_id("batch_task_logs")')
    assert entry.timestamp < batch.get_job(name=job.name).update_time
    assert (entry.receive_timestamp - entry.timestamp).total_seconds() == pytest.approx(0.5)


def test_some_entries_can_come_after_later_ones(
    cloud: LocalCloud, batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    cloud.admin.set_log_delay(2, one_in=2)
    job = run(batch, spec("seq 1 10"))
    early = texts(logging, job)
    assert 0 < len(early) < 10
    while len(every := texts(logging, job)) < 10:
        assert set(early) <= set(every)
    assert every == [str(number) for number in range(1, 11)]


def test_a_line_that_is_a_json_object_is_structured(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    run(batch, spec("""echo '{"batch/custom/event": "half", "n": 1}'; echo '{not json}'; echo '[1]'"""))
    first, second, third = entries(logging, 'log_id("batch_task_logs")')
    assert dict(first.json_payload) == {"batch/custom/event": "half", "n": 1}
    assert (second.text_payload, third.text_payload) == ("{not json}", "[1]")
    assert len(entries(logging, 'jsonPayload.batch"/"custom"/"event!=NULL_VALUE')) == 1


DEEP = '{"a":' * 31 + "1" + "}" * 31
ODD_LINES = [
    '{"a": NaN}',
    '{"a": 1e999}',
    r'{"a": "\ud800"}',
    DEEP,
    '{"a": 1} {"b": 2}',
    '{"a":' * 5000 + "}",
]


@pytest.mark.parametrize(
    "line", ODD_LINES, ids=["nan", "infinite", "half a character", "deep", "two", "broken"]
)
def test_a_line_that_no_message_can_carry_as_structure_stays_text(
    cloud: LocalCloud, batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client, line: str
):
    job = run(batch, spec(script('printf "%s\n" "$LINE"', environment={"variables": {"LINE": line}})))
    assert texts(logging, job) == [line]
    body = {"resourceNames": ["projects/p"], "filter": 'log_id("batch_task_logs")'}
    answer = requests.post(f"{cloud.http}/v2/entries:list", json=body, timeout=10)
    assert answer.json()["entries"][0]["textPayload"] == line


def test_structure_as_deep_as_a_message_can_carry_arrives(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    run(batch, spec("echo '" + '{"a":' * 30 + "1" + "}" * 30 + "'"))
    (entry,) = entries(logging, 'log_id("batch_task_logs")')
    assert entry.json_payload


def test_a_line_too_long_for_an_entry_is_split_and_can_be_put_together(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    run(batch, spec("head -c 600000 /dev/zero | tr '\\0' x; echo; echo end"))
    *parts, end = entries(logging, 'log_id("batch_task_logs")')
    assert end.text_payload == "end"
    assert not end.split.uid
    assert "".join(part.text_payload for part in parts) == "x" * 600_000
    assert all(len(part.text_payload) <= 256 * 1024 for part in parts)
    assert [part.split.index for part in parts] == list(range(len(parts)))
    assert {part.split.total_splits for part in parts} == {len(parts)}
    assert len({part.split.uid for part in parts}) == 1


def test_a_page_does_not_grow_beyond_what_a_client_can_take(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    run(batch, spec("for i in $(seq 1 60); do head -c 250000 /dev/zero | tr '\\0' y; echo; done"))
    pager = logging.list_log_entries({"resource_names": ["projects/p"], "filter": "yyy", "page_size": 1000})
    sizes = [sum(len(entry.text_payload) for entry in page.entries) for page in pager.pages]
    assert sum(sizes) == 60 * 250_000
    assert max(sizes) < 10 * 1024 * 1024


def test_a_project_s_logs_are_its_own_and_can_be_listed(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec("echo x"))
    number = job.task_groups[0].name.split("/")[1]
    assert entries(logging, resource_names=["projects/other"]) == []
    assert entries(logging, resource_names=[f"projects/{number}"]) == entries(logging)
    listed = list(logging.list_logs(parent="projects/p"))
    assert listed == ["projects/p/logs/batch_agent_logs", "projects/p/logs/batch_task_logs"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": "(("},
        {"order_by": "severity"},
        {"page_size": -1},
        {"resource_names": []},
        {"resource_names": ["nonsense"]},
        {"page_token": "nonsense"},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    cloud: LocalCloud, logging: LoggingServiceV2Client, wrong: dict[str, object]
):
    with pytest.raises(exceptions.BadRequest):
        entries(logging, **wrong)  # type: ignore[arg-type]


def test_the_logging_library_reads_over_http_as_well(cloud: LocalCloud, batch: batch_v1.BatchServiceClient):
    job = run(batch, spec("""echo plain; echo '{"a": 1}'"""))
    client = cloud_logging.Client(
        project="p",
        credentials=AnonymousCredentials(),
        _use_grpc=False,
        client_options=ClientOptions(api_endpoint=cloud.http),
    )
    found = list(client.logger("batch_task_logs").list_entries(filter_=f"labels.job_uid={job.uid}"))
    client._http.close()
    assert [entry.payload for entry in found] == ["plain", {"a": 1}]
    assert [entry.severity for entry in found] == ["INFO", "INFO"]
    assert json.dumps(found[0].labels)
