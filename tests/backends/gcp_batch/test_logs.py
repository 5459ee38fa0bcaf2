"""What GCP Batch writes into Cloud Logging, as lines, and read from it."""

from __future__ import annotations

import uuid
from typing import Any

import pendulum
import pytest
from google.cloud.logging_v2.types import LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity

from airflow_provider_jobs.backends.gcp_batch import logs
from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, LogCursor
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.google_cloud.log_reader import MAX_LINES
from tests.contract.world import Work, write_shell_spec

START = pendulum.datetime(2030, 1, 1)
NAME = "projects/p/locations/europe-west1/jobs/j"
HANDLE = JobHandle(
    ref=BackendRef(backend="gcp_batch", conn_id="c"), native_id=NAME, name="j", size=4, submitted_at=START
)
BEGIN = int(START.timestamp()) * 10**9


def entry(text: str, *, at_ns: int = 0, key: str | None = None, **fields: Any) -> LogEntry:
    """Return an entry of a task."""
    made = LogEntry(
        log_name="projects/p/logs/batch_task_logs",
        insert_id=key or text,
        severity=fields.pop("severity", LogSeverity.INFO),
        labels={"job_uid": "u", "task_id": fields.pop("task_id", "task/u-group0-0/0/0")},
        **({"text_payload": text} | fields),
    )
    LogEntry.pb(made).timestamp.FromNanoseconds(BEGIN + at_ns)
    return made


class TestLines:
    @pytest.mark.parametrize(
        ("severity", "level", "stream"),
        [
            ("DEFAULT", "info", "stdout"),
            ("DEBUG", "debug", "stdout"),
            ("INFO", "info", "stdout"),
            ("NOTICE", "info", "stdout"),
            ("WARNING", "warning", "stdout"),
            ("ERROR", "warning", "stderr"),
            ("CRITICAL", "error", "stderr"),
            ("ALERT", "error", "stderr"),
            ("EMERGENCY", "error", "stderr"),
        ],
    )
    def test_every_severity_has_its_level_and_stream(self, severity: str, level: str, stream: str) -> None:
        line = logs.to_line(entry("x", severity=LogSeverity.Value(severity)))
        assert (line.level, line.stream) == (level, stream)

    def test_a_structured_line_that_says_error_is_one(self) -> None:
        made = entry("", severity=LogSeverity.ERROR, text_payload=None)
        LogEntry.pb(made).json_payload.update({"message": "no disk"})
        line = logs.to_line(made)
        assert (line.message, line.level) == ("no disk", "error")

    def test_all_severities_are_tried(self) -> None:
        assert len(LogSeverity.keys()) == 9

    @pytest.mark.parametrize(
        ("task_id", "index", "attempt"),
        [
            ("task/u-group0-3/2/0", 3, 2),
            ("u-group0-3", 3, None),
            ("task/a-group0-1-group0-12/0/0", 12, 0),
            ("something else", None, None),
        ],
    )
    def test_the_index_is_read_from_the_label(
        self, task_id: str, index: int | None, attempt: int | None
    ) -> None:
        line = logs.to_line(entry("x", task_id=task_id))
        assert (line.index, line.attempt) == (index, attempt)

    def test_the_index_is_the_original_one(self) -> None:
        part = HANDLE.model_copy(update={"size": 2, "indexes": (5, 8)})
        assert logs.to_line(entry("x", task_id="task/u-group0-1/0/0"), part).index == 8

    @pytest.mark.parametrize(
        ("payload", "message"),
        [
            ({"message": "hi", "a": 1.0}, "hi"),
            ({"a": "ä"}, '{"a": "ä"}'),
            ({"message": 3.0}, '{"message": 3.0}'),
        ],
    )
    def test_a_structured_line_is_its_message_or_itself(self, payload: dict[str, Any], message: str) -> None:
        made = entry("x")
        LogEntry.pb(made).json_payload.update(payload)
        assert logs.to_line(made).message == message

    def test_the_agents_complaints_are_the_services(self) -> None:
        made = entry("pull access denied", severity=LogSeverity.ERROR)
        made.log_name = "projects/p/logs/batch_agent_logs"
        line = logs.to_line(made)
        assert (line.stream, line.level, line.index) == ("service", "error", None)

    def test_the_time_is_the_jobs_own(self) -> None:
        assert logs.to_line(entry("x", at_ns=1_500_000_999)).timestamp == START.add(
            seconds=1, microseconds=500_000
        )


def submit(backend: GcpBatchBackend, work: Work, **values: Any) -> JobHandle:
    """Submit work and return its handle once it has ended."""
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    handle = backend.submit(write_shell_spec(work, **values), key)
    while not ((state := next(backend.describe([handle])).state) and state.is_terminal):
        pass
    return handle


class TestReading:
    def test_the_logs_of_all_jobs_are_one_query(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        handles = [submit(backend, Work(size=2, lines=2)) for _ in range(8)]
        quiet_cloud.admin.clear_counters()
        pages = backend.read_logs([LogCursor(handle=handle) for handle in handles])
        assert [len(page.lines) for page in pages] == [4] * 8
        assert quiet_cloud.admin.calls("ListLogEntries") == 1
        assert quiet_cloud.admin.calls("GetJob") == 0

    def test_a_process_that_never_saw_the_job_asks_for_it_once(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        handle = submit(backend, Work(lines=1))
        quiet_cloud.admin.clear_counters()
        other = GcpBatchBackend(backend.ref)
        (page,) = other.read_logs([LogCursor(handle=handle)])
        other.read_logs([LogCursor(handle=handle, position=page.position)])
        assert quiet_cloud.admin.calls("GetJob") == 1

    def test_a_long_log_comes_in_bounded_reads_and_whole(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        count = MAX_LINES * 2 + 500
        handle = submit(backend, Work(lines=count))
        cursor, found, sizes = LogCursor(handle=handle), [], []
        while len(found) < count:
            (page,) = backend.read_logs([cursor])
            found += [line.message for line in page.lines]
            sizes.append(len(page.lines))
            cursor = LogCursor(handle=handle, position=page.position)
        assert found == [f"line {n}" for n in range(count)]
        assert max(sizes) <= MAX_LINES + 1000

    def test_lines_that_can_be_read_only_later_are_not_lost(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        quiet_cloud.admin.set_log_delay(0.5)
        handle = submit(backend, Work(size=3, lines=3))
        quiet_cloud.admin.set_log_delay(0)
        cursor, found = LogCursor(handle=handle), []
        while len(found) < 9:
            (page,) = backend.read_logs([cursor])
            found += [(line.index, line.message) for line in page.lines]
            cursor = LogCursor(handle=handle, position=page.position)
        assert sorted(found) == [(index, f"line {n}") for index in range(3) for n in range(3)]

    def test_a_line_longer_than_an_entry_arrives_whole(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
        script = "head -c 700000 /dev/zero | tr '\\0' x; echo; echo after"
        handle = backend.submit(write_shell_spec(Work()).model_copy(update={"script": script}), key)
        cursor, found = LogCursor(handle=handle), []
        while len(found) < 2:
            (page,) = backend.read_logs([cursor])
            found += [len(line.message) for line in page.lines]
            cursor = LogCursor(handle=handle, position=page.position)
        assert found == [700_000, len("after")]

    def test_a_job_without_cloud_logging_has_an_empty_log(
        self, quiet_cloud: LocalCloud, backend: GcpBatchBackend
    ) -> None:
        handle = submit(backend, Work(lines=2), options={"logs_policy": "NONE"})
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert page.lines == ()
