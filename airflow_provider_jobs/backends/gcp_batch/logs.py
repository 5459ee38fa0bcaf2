"""Log entries of Cloud Logging: which to ask for, what they say, and how far they have been read. Pure.

A cursor's position is ``{"uid", "from_ns", "seen"}``: the job's unique id, the time from which the next
query reads, and the ids of the entries from that time on that were handed out before. The next query
begins a little before the last line, since entries of several machines do not arrive in order of time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pendulum
from google.cloud.logging_v2.types import LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity
from google.protobuf import json_format
from pydantic import JsonValue

from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine

# How far back a read begins again, for entries that arrive late.
OVERLAP_SECONDS = 10
# https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list: at most 20,000 characters.
MAX_FILTER_LENGTH = 18_000
_OR = " OR "

# A clock that is a little off must not hide a job's first lines.
_SKEW_NS = 60 * 10**9
# The vendor writes "task/JOB_UID-group0-TASK_INDEX/TASK_RETRIES/0", and "JOB_UID-group0-TASK_INDEX" too:
# https://cloud.google.com/batch/docs/troubleshooting#vm_reporting_timeout_50002
_TASK_ID = re.compile(r"-group\d+-(\d+)(?:/(\d+)(?:/\d+)?)?$")
_LEVELS = (
    (LogSeverity.ERROR, "error"),
    (LogSeverity.WARNING, "warning"),
    (LogSeverity.DEBUG + 1, "info"),
    (LogSeverity.DEBUG, "debug"),
    (LogSeverity.DEFAULT, "info"),
)


@dataclass
class Position:
    """How far the log of one job has been read."""

    uid: str
    from_ns: int
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cursor: LogCursor, uid: str) -> Position:
        """Return where a cursor stands; a fresh one begins with the job."""
        told: Any = cursor.position
        if isinstance(told, dict) and told.get("uid") == uid:
            return cls(uid, int(told["from_ns"]), set(told["seen"]))
        return cls(uid, int(cursor.handle.submitted_at.timestamp()) * 10**9 - _SKEW_NS)

    def to_json(self) -> JsonValue:
        """Return what the next cursor carries."""
        return {"uid": self.uid, "from_ns": self.from_ns, "seen": [*sorted(self.seen)]}


def told_uid(cursor: LogCursor) -> str | None:
    """Return the job's unique id that a cursor carries."""
    told = cursor.position
    uid = told.get("uid") if isinstance(told, dict) else None
    return uid if isinstance(uid, str) else None


def project_of(name: str) -> str:
    """Return the project of a job's full name."""
    return name.split("/")[1]


def job_filter(name: str, uid: str, *, index: int | None = None) -> str:
    """Return the filter for the log of one job, or of one of its tasks."""
    clauses = [_logs(project_of(name)), f'labels.job_uid="{uid}"']
    if index is not None:
        clauses.append(f'labels.task_id:"-group0-{index}"')
    return " AND ".join(clauses)


def group_filter(project: str, positions: Iterable[Position]) -> str:
    """Return one filter for the next entries of many jobs."""
    return f"{_logs(project)} AND ({_OR.join(map(_entries_of, positions))})"


def _entries_of(position: Position) -> str:
    return f'(labels.job_uid="{position.uid}" AND timestamp>="{_rfc3339(position.from_ns)}")'


def _logs(project: str) -> str:
    """Ask for what tasks write, and for what the service's agent has to complain about."""
    return (
        f'(logName="projects/{project}/logs/batch_task_logs" OR '
        f'(logName="projects/{project}/logs/batch_agent_logs" AND severity>=ERROR))'
    )


def chunks(project: str, positions: Sequence[Position]) -> Iterable[list[Position]]:
    """Yield the positions in groups whose filter the service takes."""
    room = MAX_FILTER_LENGTH - len(group_filter(project, []))
    chunk: list[Position] = []
    length = 0
    for position in positions:
        more = len(_entries_of(position)) + len(_OR)
        if chunk and length + more > room:
            yield chunk
            chunk, length = [], 0
        chunk.append(position)
        length += more
    if chunk:
        yield chunk


def entry_key(entry: LogEntry) -> str:
    """Return what tells an entry from all others of its job: entries of one id and time are the same."""
    return f"{entry.insert_id}@{time_ns(entry)}"


def time_ns(entry: LogEntry) -> int:
    """Return the entry's own time in nanoseconds."""
    stamp = LogEntry.pb(entry).timestamp
    return int(stamp.seconds) * 10**9 + int(stamp.nanos)


@dataclass(frozen=True)
class Fresh:
    """What a query brought for one job.

    :param lines: the lines that were not handed out before, oldest first
    :param entries: the entries that count as handed out now, those handed out before among them
    :param held_from_ns: the time of the first part of a long line whose other parts are not there yet
    """

    lines: tuple[LogLine, ...]
    entries: tuple[LogEntry, ...]
    held_from_ns: int | None = None


def fresh(position: Position, entries: Sequence[LogEntry], handle: JobHandle) -> Fresh:
    """Return the new lines of one job; the parts of a line that was too long for one entry are joined.

    https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSplit

    :param entries: every entry that the query brought for this job, oldest first
    """
    parts: dict[str, list[LogEntry]] = {}
    for entry in entries:
        if entry.split.uid and entry_key(entry) not in position.seen:
            parts.setdefault(entry.split.uid, []).append(entry)
    newest_ns = max(map(time_ns, entries), default=0)
    held = {
        uid: min(map(time_ns, some))
        for uid, some in parts.items()
        if len(some) != max(part.split.total_splits for part in some)
    }
    held = {uid: since for uid, since in held.items() if newest_ns - since < OVERLAP_SECONDS * 10**9}
    lines: list[LogLine] = []
    for entry in entries:
        if entry_key(entry) in position.seen or entry.split.uid in held:
            continue
        some = parts.get(entry.split.uid, [entry])
        if entry is some[-1]:
            text = "".join(_text(part) for part in sorted(some, key=lambda part: part.split.index))
            lines.append(to_line(some[0], handle).model_copy(update={"message": text}))
    handed = tuple(entry for entry in entries if entry.split.uid not in held)
    return Fresh(tuple(lines), handed, min(held.values(), default=None))


def advance(
    position: Position, brought: Fresh, *, read_until_ns: int | None, overlap_entries: int
) -> Position:
    """Return the position after a query.

    :param read_until_ns: where the query was broken off with more to come, ``None`` where it ended
    :param overlap_entries: how many entries the next query may bring again
    """
    times = [time_ns(entry) for entry in brought.entries]
    from_ns = position.from_ns
    if read_until_ns is not None:
        from_ns = max(from_ns, read_until_ns)
    elif times:
        from_ns = max(from_ns, times[-1] - OVERLAP_SECONDS * 10**9)
        if len(times) > overlap_entries:
            from_ns = max(from_ns, times[-overlap_entries])
    if brought.held_from_ns is not None:
        from_ns = min(from_ns, brought.held_from_ns)
    seen = {entry_key(entry) for entry, time in zip(brought.entries, times, strict=True) if time >= from_ns}
    return Position(position.uid, from_ns, seen)


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
    level = next(name for floor, name in _LEVELS if entry.severity >= floor)
    return LogLine(
        timestamp=pendulum.from_timestamp(time_ns(entry) // 10**9).add(
            microseconds=time_ns(entry) % 10**9 // 1000
        ),
        message=_text(entry),
        stream=("stderr" if level == "error" else "stdout") if is_task else "service",
        level="warning" if is_task and entry.severity == LogSeverity.ERROR and not _is_json(entry) else level,
        index=index,
        attempt=int(told[2]) if told and told[2] else None,
    )


def _is_json(entry: LogEntry) -> bool:
    return bool(LogEntry.pb(entry).HasField("json_payload"))


def _text(entry: LogEntry) -> str:
    """Return what the entry says; a structured one by its message, or whole where it has none."""
    payload = LogEntry.pb(entry)
    if _is_json(entry):
        said = json_format.MessageToDict(payload.json_payload)
        message = said.get("message")
        return message if isinstance(message, str) else json.dumps(said, ensure_ascii=False)
    return str(payload.text_payload).rstrip("\n")


def _rfc3339(ns: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    return f"{pendulum.from_timestamp(seconds).format('YYYY-MM-DD[T]HH:mm:ss')}.{rest:09d}Z"
