"""What Cloud Run writes into Cloud Logging, as lines. Pure.

https://cloud.google.com/run/docs/logging
"""

from __future__ import annotations

from collections.abc import Sequence

from google.cloud.logging_v2.types import LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity

from airflow_provider_jobs.backends.cloud_run.options import MAIN_CONTAINER
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine
from airflow_provider_jobs.google_cloud.log_entries import (
    any_of,
    is_structured,
    level,
    project_of,
    text_of,
    timestamp,
)

_EXECUTION = "run.googleapis.com/execution_name"
_INDEX = "run.googleapis.com/task_index"
_ATTEMPT = "run.googleapis.com/task_attempt"
_STDOUT = "run.googleapis.com%2Fstdout"
_STDERR = "run.googleapis.com%2Fstderr"
_SYSTEM = "run.googleapis.com%2Fvarlog%2Fsystem"


def all_logs(project: str) -> str:
    """Ask for what containers write, and for what the service has to complain about."""
    names = [f"projects/{project}/logs/{name}" for name in (_STDOUT, _STDERR, _SYSTEM)]
    stdout, stderr, system = names
    return (
        f'resource.type="cloud_run_job" AND (logName="{stdout}" OR logName="{stderr}" OR '
        f'(logName="{system}" AND severity>=ERROR))'
    )


def key_of_name(name: str) -> str:
    """Return region and short name of an execution; two regions may give the same short name."""
    parts = name.split("/")
    return f"{parts[3]}/{parts[-1]}"


def executions_clause(keys: Sequence[str]) -> str:
    """Ask for the entries of executions of these short names, which hardly ever two have."""
    return f'labels."{_EXECUTION}"={any_of(key.partition("/")[2] for key in keys)}'


def execution_filter(name: str, *, index: int | None = None) -> str:
    """Return the filter for the log of one execution, or of one of its tasks."""
    key = key_of_name(name)
    region = f'resource.labels.location="{key.partition("/")[0]}"'
    clauses = [all_logs(project_of(name)), executions_clause([key]), region]
    if index is not None:
        clauses.append(f'labels."{_INDEX}"="{index}"')
    return " AND ".join(clauses)


def to_line(entry: LogEntry, handle: JobHandle | None = None) -> LogLine:
    """Return an entry as a line.

    Lines of plain text have no severity of their own; a line that is JSON keeps the one it names:
    https://cloud.google.com/run/docs/logging#writing_structured_logs
    What comes on stderr without one is shown as a warning.

    :param handle: translates the task's number to the original index
    """
    is_stderr, is_system = entry.log_name.endswith(_STDERR), entry.log_name.endswith(_SYSTEM)
    index = _number(entry, _INDEX)
    if index is not None and handle is not None:
        index = handle.original_index(index)
    is_plain = entry.severity == LogSeverity.DEFAULT and not is_structured(entry)
    container = entry.labels.get("container_name", "")
    return LogLine(
        timestamp=timestamp(entry),
        message=text_of(entry),
        stream="service" if is_system else "stderr" if is_stderr else "stdout",
        level="warning" if is_stderr and is_plain else level(entry),
        index=index,
        attempt=_number(entry, _ATTEMPT),
        container=None if container in ("", MAIN_CONTAINER) else container,
    )


def _number(entry: LogEntry, label: str) -> int | None:
    text = entry.labels.get(label, "")
    return int(text) if text.isdecimal() else None


class ExecutionLogs:
    """The logs of executions by region and short name, for the grouped reader."""

    def keys(self, cursors: Sequence[LogCursor]) -> dict[str, str]:
        """Return the key of every execution."""
        return {cursor.handle.native_id: key_of_name(cursor.handle.native_id) for cursor in cursors}

    def logs(self, project: str) -> str:
        """Ask for the logs of all executions."""
        return all_logs(project)

    def clause(self, keys: Sequence[str]) -> str:
        """Ask for the entries of some executions."""
        return executions_clause(keys)

    def key_of(self, entry: LogEntry) -> str:
        """Return the key of the execution that wrote an entry."""
        return f"{entry.resource.labels.get('location', '')}/{entry.labels.get(_EXECUTION, '')}"

    def to_line(self, entry: LogEntry, handle: JobHandle) -> LogLine:
        """Return an entry as a line."""
        return to_line(entry, handle)
