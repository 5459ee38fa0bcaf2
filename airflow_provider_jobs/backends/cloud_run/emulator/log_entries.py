"""Lines of the store as log entries of Cloud Run jobs.

It exists to say once what an entry looks like: names, labels, severity, resource, and what becomes of a line
that is JSON. Facts: https://docs.cloud.google.com/run/docs/logging, entries in public threads. It must not
filter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from google.logging.type import log_severity_pb2

from airflow_provider_jobs.backends.cloud_run.emulator.records import ExecutionRecord
from airflow_provider_jobs.backends.cloud_run.emulator.system_log import severity
from airflow_provider_jobs.emulator.logstore import LogLine
from airflow_provider_jobs.google_cloud.emulator import log_entries

RESOURCE_TYPE = "cloud_run_job"
EXECUTION_LABEL = "run.googleapis.com/execution_name"
_LOGS = {
    "stdout": "run.googleapis.com/stdout",
    "stderr": "run.googleapis.com/stderr",
    "system": "run.googleapis.com/varlog/system",
}
_SEVERITIES = frozenset(log_severity_pb2.LogSeverity.keys())
_INDEX_LABEL, _ATTEMPT_LABEL = "run.googleapis.com/task_index", "run.googleapis.com/task_attempt"
_INSTANCE_LABEL, _CONTAINER_LABEL = "instanceId", "container_name"
_LABELS_OF_LINES = frozenset({_INDEX_LABEL, _ATTEMPT_LABEL, _INSTANCE_LABEL, _CONTAINER_LABEL})


class RunEntries:
    """What Cloud Logging asks a dialect for. ``records`` are all executions by uid, also deleted ones."""

    def __init__(self, records: Mapping[str, ExecutionRecord]) -> None:
        self._records = records

    def entry(self, line: LogLine, projects: Collection[str]) -> dict[str, Any] | None:
        """The entry, or None when the line belongs to no execution of these projects."""
        record = self._records.get(line.job_uid)
        if record is None or record.name.place.project not in projects:
            return None
        made = log_entries.entry(
            line,
            log=_LOGS[line.stream],
            project=record.name.place.project,
            labels=_labels(line, record),
            resource=_resource(record),
            severity=severity(line.text) if line.stream == "system" else "DEFAULT",
        )
        return _lifted(made) if "jsonPayload" in made else made

    def job_uids(self, path: tuple[str, ...], value: str) -> Sequence[str] | None:
        """The executions that can have this value in this field, or None when that cannot be told."""
        place, wanted = path[:-1], value.lower()
        if path == ("resource", "labels", "job_name"):
            return [uid for uid, record in self._records.items() if record.name.job_id == wanted]
        if place != ("labels",) and path[:1] == ("labels",):
            # Keys have dots in them, and people forget the quotes.
            return self.job_uids(("labels", ".".join(path[1:])), value)
        if place != ("labels",) or path[-1] in _LABELS_OF_LINES:
            return None
        if path[-1] == EXECUTION_LABEL:
            return [uid for uid, record in self._records.items() if record.name.execution_id == wanted]
        return [uid for uid, record in self._records.items() if _has(record, path[-1], wanted)]


def _labels(line: LogLine, record: ExecutionRecord) -> dict[str, str]:
    """The execution's own labels, and those that say where the line comes from."""
    attempt = f"{line.job_uid}/{line.task_index}/{line.attempt}".encode()
    labels = {
        **record.message.labels,
        _INSTANCE_LABEL: hashlib.sha512(attempt).hexdigest(),
        EXECUTION_LABEL: record.name.execution_id,
        _INDEX_LABEL: str(line.task_index),
        _ATTEMPT_LABEL: str(line.attempt),
    }
    containers = record.message.template.containers
    name = containers[line.step].name
    if name and (line.stream == "system" or len(containers) > 1):
        labels[_CONTAINER_LABEL] = name
    return labels


def _has(record: ExecutionRecord, label: str, wanted: str) -> bool:
    own: Mapping[str, str] = record.message.labels
    return label in own and own[label].lower() == wanted


def _resource(record: ExecutionRecord) -> dict[str, Any]:
    place = record.name.place
    labels = {"project_id": place.project, "location": place.location, "job_name": record.name.job_id}
    return {"type": RESOURCE_TYPE, "labels": labels}


def _lifted(entry: dict[str, Any]) -> dict[str, Any]:
    """The severity and the message of a structured line become the entry's.

    https://docs.cloud.google.com/logging/docs/structured-logging#special-payload-fields
    """
    payload = dict(entry["jsonPayload"])
    level = payload.get("severity")
    if isinstance(level, str) and level.upper() in _SEVERITIES:
        entry["severity"] = level.upper()
        del payload["severity"]
    entry["jsonPayload"] = payload
    if set(payload) == {"message"} and isinstance(payload["message"], str):
        del entry["jsonPayload"]
        entry["textPayload"] = payload["message"]
    return entry
