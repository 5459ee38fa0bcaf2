"""Lines of the store as log entries.

It exists to say once what an entry of Batch looks like: names, labels, severity, resource. Labels as seen in
public entries and in https://docs.cloud.google.com/batch/docs/troubleshooting. It must not filter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from google.logging.type import log_severity_pb2
from google.protobuf import json_format

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator.job_messages import JobRecord
from airflow_provider_jobs.backends.gcp_batch.emulator.names import GROUP, task_id
from airflow_provider_jobs.emulator.logstore import LogLine

TASK_LOG, AGENT_LOG = "batch_task_logs", "batch_agent_logs"
_SEVERITY = {"stdout": "INFO", "stderr": "ERROR", "system": "INFO"}
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
#: A protobuf parser gives up at 100 messages in each other, and each level of JSON takes three.
_MAX_DEPTH = 30
_SCRAMBLE, _MODULUS = 0x9E3779B97F4A7C15, 1 << 64


def insert_id(seq: int) -> str:
    """Unique and, as on the service, in no order that tells which entry came first."""
    number, text = seq * _SCRAMBLE % _MODULUS, ""
    while number:
        number, digit = divmod(number, 36)
        text = _ALPHABET[digit] + text
    return text.rjust(13, "0")


def as_dict(line: LogLine, record: JobRecord, *, project: str) -> dict[str, Any]:
    """The entry in the field names of its JSON form; times are nanoseconds, for comparing."""
    log = AGENT_LOG if line.stream == "system" else TASK_LOG
    entry: dict[str, Any] = {
        "logName": f"projects/{project}/logs/{log}",
        "logId": log,
        "insertId": insert_id(line.seq),
        "severity": _SEVERITY[line.stream],
        "timestamp": line.written_ns,
        "receiveTimestamp": line.visible_ns,
        "labels": _labels(line, record),
        "resource": _resource(line, record),
    }
    if line.part or line.parts != 1:
        entry["split"] = {"uid": insert_id(line.line), "index": line.part, "totalSplits": line.parts}
    structured = _structured(line.text) if line.part == 0 and line.parts == 1 else None
    if structured is not None:
        entry["jsonPayload"] = structured
    else:
        entry["textPayload"] = line.text
    return entry


def _labels(line: LogLine, record: JobRecord) -> dict[str, str]:
    """Predefined labels over the job's own and the runnable's own."""
    labels = dict(record.message.labels)
    if line.stream != "system":
        labels.update(record.message.task_groups[0].task_spec.runnables[line.step].labels)
        labels["runnable_index"] = str(line.step)
    labels.update(
        hostname=f"{line.job_uid}-{GROUP}-{line.task_index}",
        job_uid=line.job_uid,
        task_group_name=f"{record.numbered_name}/taskGroups/{GROUP}",
        task_id=task_id(line.job_uid, line.task_index, line.attempt),
    )
    return labels


def _resource(line: LogLine, record: JobRecord) -> dict[str, Any]:
    number = record.numbered_name.split("/")[1]
    if record.message.logs_policy.cloud_logging_option.use_generic_task_monitored_resource:
        labels = {
            "project_id": record.place.project,
            "location": record.place.location,
            "namespace": number,
            "job": line.job_uid,
            "task_id": f"{GROUP}-{line.task_index}",
        }
        return {"type": "generic_task", "labels": labels}
    labels = {
        "resource_container": f"projects/{number}",
        "location": record.place.location,
        "job_id": record.job_id,
    }
    return {"type": "batch.googleapis.com/Job", "labels": labels}


def _structured(text: str) -> dict[str, Any] | None:
    """A line that is a JSON object becomes a structured payload, if a message can carry it."""
    if not (text.startswith("{") and text.rstrip().endswith("}")):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _depth(value) <= _MAX_DEPTH else None


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def message(entry: Mapping[str, Any]) -> pb.LogEntry:
    """The entry as the service's message."""
    made = pb.LogEntry(
        log_name=entry["logName"],
        insert_id=entry["insertId"],
        severity=log_severity_pb2.LogSeverity.Value(entry["severity"]),
        labels=entry["labels"],
    )
    made.timestamp.FromNanoseconds(entry["timestamp"])
    made.receive_timestamp.FromNanoseconds(entry["receiveTimestamp"])
    made.resource.type = entry["resource"]["type"]
    made.resource.labels.update(entry["resource"]["labels"])
    if "split" in entry:
        made.split.uid = entry["split"]["uid"]
        made.split.index = entry["split"]["index"]
        made.split.total_splits = entry["split"]["totalSplits"]
    if "jsonPayload" in entry:
        json_format.ParseDict(entry["jsonPayload"], made.json_payload)
    else:
        made.text_payload = entry["textPayload"]
    return made
