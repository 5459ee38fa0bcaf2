"""What Cloud Run writes into Cloud Logging, as lines, and read from it."""

from __future__ import annotations

import pendulum
import pytest
from google.api.monitored_resource_pb2 import MonitoredResource
from google.cloud.logging_v2.types import LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity

from airflow_provider_jobs.backends.cloud_run import logs
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.google_cloud.log_entries import Position, chunks

START = pendulum.datetime(2030, 1, 1)
NAME = "projects/p/locations/europe-west1/jobs/j/executions/j-abcde"
HANDLE = JobHandle(
    ref=BackendRef(backend="cloud_run", conn_id="c"),
    native_id=NAME,
    name="j-abcde",
    size=2,
    indexes=(5, 8),
    submitted_at=START,
)


def entry(text: str = "x", *, log: str = "stdout", severity: str = "DEFAULT", **labels: str) -> LogEntry:
    """Return an entry of task 1 of an execution."""
    told = {
        "run.googleapis.com/execution_name": "j-abcde",
        "run.googleapis.com/task_index": "1",
        "run.googleapis.com/task_attempt": "0",
        **labels,
    }
    made = LogEntry(
        log_name=f"projects/p/logs/run.googleapis.com%2F{log}",
        resource=MonitoredResource(type="cloud_run_job", labels={"location": "europe-west1"}),
        labels=told,
        severity=LogSeverity.Value(severity),
        text_payload=text,
    )
    LogEntry.pb(made).timestamp.FromNanoseconds(int(START.timestamp()) * 10**9)
    return made


class TestLines:
    @pytest.mark.parametrize(
        ("log", "severity", "level", "stream"),
        [
            ("stdout", "DEFAULT", "info", "stdout"),
            ("stdout", "DEBUG", "debug", "stdout"),
            ("stdout", "WARNING", "warning", "stdout"),
            ("stdout", "ERROR", "error", "stdout"),
            ("stderr", "DEFAULT", "warning", "stderr"),
            ("stderr", "INFO", "info", "stderr"),
            ("stderr", "ERROR", "error", "stderr"),
            ("varlog%2Fsystem", "ERROR", "error", "service"),
        ],
    )
    def test_the_log_says_the_stream_and_the_severity_the_level(
        self, log: str, severity: str, level: str, stream: str
    ) -> None:
        line = logs.to_line(entry(log=log, severity=severity))
        assert (line.level, line.stream) == (level, stream)

    def test_index_and_attempt_are_read_from_the_labels(self) -> None:
        line = logs.to_line(entry())
        assert (line.index, line.attempt, line.message, line.timestamp) == (1, 0, "x", START)

    def test_the_index_is_the_original_one(self) -> None:
        assert logs.to_line(entry(), HANDLE).index == 8

    def test_a_line_of_the_service_about_no_task_has_no_index(self) -> None:
        made = entry(log="varlog%2Fsystem", severity="ERROR", **{"run.googleapis.com/task_index": ""})
        assert logs.to_line(made, HANDLE).index is None

    @pytest.mark.parametrize(("name", "container"), [("", None), ("job", None), ("proxy", "proxy")])
    def test_only_further_containers_are_named(self, name: str, container: str | None) -> None:
        assert logs.to_line(entry(container_name=name)).container == container

    def test_a_structured_line_is_its_message(self) -> None:
        made = entry()
        LogEntry.pb(made).json_payload.update({"message": "hi"})
        assert logs.to_line(made).message == "hi"


class TestTellingApart:
    def test_executions_of_one_name_in_two_regions_are_two(self) -> None:
        other = NAME.replace("europe-west1", "us-east4")
        assert logs.key_of_name(NAME) != logs.key_of_name(other)
        assert logs.ExecutionLogs().key_of(entry()) == logs.key_of_name(NAME)

    def test_a_hundred_executions_fit_into_one_query(self) -> None:
        source = logs.ExecutionLogs()
        positions = [Position(f"northamerica-northeast1/{'x' * 63}", n) for n in range(100)]
        assert len(list(chunks(source.logs("p" * 30), positions, source.clause))) == 1

    def test_the_filter_of_one_task_names_it(self) -> None:
        assert logs.execution_filter(NAME, index=3).endswith(
            'labels."run.googleapis.com/execution_name"="j-abcde" AND '
            'resource.labels.location="europe-west1" AND labels."run.googleapis.com/task_index"="3"'
        )
