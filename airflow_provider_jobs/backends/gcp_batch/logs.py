"""What GCP Batch writes into Cloud Logging, as lines. Pure.

https://cloud.google.com/batch/docs/analyze-job-using-logs
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from google.cloud.logging_v2.types import LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity

from airflow_provider_jobs.core.models import JobHandle, LogLine
from airflow_provider_jobs.google_cloud.log_entries import (
    any_of,
    is_structured,
    level,
    project_of,
    text_of,
    timestamp,
)

# The vendor writes "task/JOB_UID-group0-TASK_INDEX/TASK_RETRIES/0", and "JOB_UID-group0-TASK_INDEX" too:
# https://cloud.google.com/batch/docs/troubleshooting#vm_reporting_timeout_50002
_TASK_ID = re.compile(r"-group\d+-(\d+)(?:/(\d+)(?:/\d+)?)?$")


def all_logs(project: str) -> str:
    """Ask for what tasks write, and for what the service's agent has to complain about."""
    return (
        f'(logName="projects/{project}/logs/batch_task_logs" OR '
        f'(logName="projects/{project}/logs/batch_agent_logs" AND severity>=ERROR))'
    )


def jobs_clause(uids: Sequence[str]) -> str:
    """Ask for the entries of some jobs."""
    return f"labels.job_uid={any_of(uids)}"


def job_filter(name: str, uid: str, *, index: int | None = None) -> str:
    """Return the filter for the log of one job, or of one of its tasks."""
    clauses = [all_logs(project_of(name)), jobs_clause([uid])]
    if index is not None:
        clauses.append(f'labels.task_id:"-group0-{index}"')
    return " AND ".join(clauses)


def to_line(entry: LogEntry, handle: JobHandle | None = None) -> LogLine:
    """Return an entry as a line.

    What a task writes to stderr arrives with severity ERROR, stdout with INFO, and a line that is JSON
    with a severity of its own keeps that: https://cloud.google.com/batch/docs/write-task-logs
    Most of what programs write to stderr is no error, so it is a warning here unless the line says more.

    :param handle: translates the task's number to the original index
    """
    is_task = entry.log_name.endswith("batch_task_logs")
    told = _TASK_ID.search(entry.labels.get("task_id", ""))
    index = int(told[1]) if is_task and told else None
    if index is not None and handle is not None:
        index = handle.original_index(index)
    said = level(entry)
    is_plain_stderr = is_task and entry.severity == LogSeverity.ERROR and not is_structured(entry)
    return LogLine(
        timestamp=timestamp(entry),
        message=text_of(entry),
        stream=("stderr" if said == "error" else "stdout") if is_task else "service",
        level="warning" if is_plain_stderr else said,
        index=index,
        attempt=int(told[2]) if told and told[2] else None,
    )
