"""What every log entry has, whichever service wrote it: ids, payloads, parts, and its message.

It exists to say once how a line of the store becomes an entry. Entries are dicts in the field names of their
JSON form, with times in nanoseconds for comparing. It must not filter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from google.logging.type import log_severity_pb2
from google.protobuf import json_format

from airflow_provider_jobs.emulator.logstore import LogLine
from airflow_provider_jobs.google_cloud.emulator import messages as pb

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


def entry(
    line: LogLine,
    *,
    log: str,
    project: str,
    labels: Mapping[str, str],
    resource: Mapping[str, Any],
    severity: str,
) -> dict[str, Any]:
    """The entry of a line in the log of this id. ``resource`` has ``type`` and ``labels``."""
    made: dict[str, Any] = {
        "logName": f"projects/{project}/logs/{quote(log, safe='')}",
        "logId": log,
        "insertId": insert_id(line.seq),
        "severity": severity,
        "timestamp": line.written_ns,
        "receiveTimestamp": line.visible_ns,
        "labels": labels,
        "resource": resource,
    }
    if line.part or line.parts != 1:
        made["split"] = {"uid": insert_id(line.line), "index": line.part, "totalSplits": line.parts}
    structured = _structured(line.text) if line.part == 0 and line.parts == 1 else None
    if structured is not None:
        made["jsonPayload"] = structured
    else:
        made["textPayload"] = line.text
    return made


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
