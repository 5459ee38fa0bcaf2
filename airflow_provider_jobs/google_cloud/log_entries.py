"""Log entries of Cloud Logging: what they say, and how far those of a job have been read. Pure.

A cursor's position is ``{"key", "from_ns", "seen", "alone"}``: what the job's entries are told apart by, the
time from which the next query reads, the ids of the entries from that time on that were handed out before,
and whether the job shares its time with no other. The next query begins a little before the last line, since
entries of several machines do not arrive in order of time.
A filter has room for few jobs where each names its own time, so jobs that are read to about the same time
share one, the earliest of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

import pendulum
from google.cloud.logging_v2.types import LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity
from google.protobuf import json_format
from pydantic import JsonValue

from airflow_provider_jobs.core.models import LogCursor, LogLine
from airflow_provider_jobs.core.moments import from_microseconds
from airflow_provider_jobs.google_cloud.messages import bare

# How far back a read begins again, for entries that arrive late.
OVERLAP_SECONDS = 10
# https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list: at most 20,000 characters.
MAX_FILTER_LENGTH = 18_000
MOST_POSITIONS = 1000
_OR = " OR "
# So far apart may times be that share one: the longer ago, the farther, since there are ever fewer of them.
_SPANS_NS = ((60 * 10**9, 5 * 10**9), (3600 * 10**9, 60 * 10**9))
_LONGEST_SPAN_NS = 600 * 10**9
# A job that so many entries were brought of in vain, since it shares its time, does so no more.
_MOST_STALE = 20

# A clock that is a little off must not hide a job's first lines.
_SKEW_NS = 60 * 10**9

Clause: TypeAlias = Callable[[Sequence[str]], str]
Level = Literal["debug", "info", "warning", "error"]
_LEVELS: tuple[tuple[int, Level], ...] = (
    (LogSeverity.ERROR, "error"),
    (LogSeverity.WARNING, "warning"),
    (LogSeverity.DEBUG + 1, "info"),
    (LogSeverity.DEBUG, "debug"),
    (LogSeverity.DEFAULT, "info"),
)


@dataclass
class Position:
    """How far the log of one job has been read.

    :param alone: whether it shares its time with no other, since it has written much at that time
    """

    key: str
    from_ns: int
    seen: set[str] = field(default_factory=set)
    alone: bool = False

    @classmethod
    def of(cls, cursor: LogCursor, key: str) -> Position:
        """Return where a cursor stands; a fresh one begins with the job."""
        told: Any = cursor.position
        if isinstance(told, dict) and told.get("key") == key:
            return cls(key, int(told["from_ns"]), set(told["seen"]), bool(told.get("alone")))
        return cls(key, int(cursor.handle.submitted_at.timestamp()) * 10**9 - _SKEW_NS)

    def to_json(self) -> JsonValue:
        """Return what the next cursor carries."""
        told: dict[str, JsonValue] = {
            "key": self.key,
            "from_ns": self.from_ns,
            "seen": [*sorted(self.seen)],
        }
        return {**told, "alone": True} if self.alone else told

    def is_new(self, entry: LogEntry) -> bool:
        """Return whether an entry was not handed out before."""
        return time_ns(entry) >= self.from_ns and entry_key(entry) not in self.seen


def told_key(cursor: LogCursor) -> str | None:
    """Return the key that a cursor carries."""
    told = cursor.position
    key = told.get("key") if isinstance(told, dict) else None
    return key if isinstance(key, str) else None


def project_of(name: str) -> str:
    """Return the project of a full name."""
    return name.split("/")[1]


def any_of(values: Iterable[str]) -> str:
    """Return what a filter compares a field with that has one of the values.

    https://cloud.google.com/logging/docs/view/logging-query-language#boolean-operators
    """
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"({_OR.join(quoted)})"


def group_filter(logs: str, positions: Iterable[Position], clause: Clause) -> str:
    """Return one filter for the next entries of many jobs.

    :param logs: asks for the logs that all of them write
    :param clause: asks for the entries of some keys
    """
    shares = _shared(positions)
    asked = _OR.join(
        f'({clause([each.key for each in share])} AND timestamp>="{_rfc3339(_earliest_ns(share))}")'
        for share in shares
    )
    # The service searches by time first, and does not look for it inside of alternatives.
    begin = _rfc3339(min(map(_earliest_ns, shares)))
    return f'{logs} AND timestamp>="{begin}" AND ({asked})'


def chunks(logs: str, positions: Sequence[Position], clause: Clause) -> Iterator[list[Position]]:
    """Yield the positions in groups whose filter the service takes, in their order."""
    first = 0
    while first < len(positions):
        low, high = 1, min(len(positions) - first, MOST_POSITIONS)
        while low < high:
            middle = (low + high + 1) // 2
            fits = len(group_filter(logs, positions[first : first + middle], clause)) <= MAX_FILTER_LENGTH
            low, high = (middle, high) if fits else (low, middle - 1)
        yield list(positions[first : first + low])
        first += low


def _shared(positions: Iterable[Position]) -> list[list[Position]]:
    """Return the positions in groups that share a time."""
    held = list(positions)
    newest_ns = max((position.from_ns for position in held), default=0)
    shares: dict[tuple[int, int] | str, list[Position]] = {}
    for position in held:
        span_ns = _span_ns(newest_ns - position.from_ns)
        key = position.key if position.alone else (span_ns, position.from_ns // span_ns)
        shares.setdefault(key, []).append(position)
    return list(shares.values())


def _span_ns(ago_ns: int) -> int:
    return next((span for until, span in _SPANS_NS if ago_ns < until), _LONGEST_SPAN_NS)


def _earliest_ns(positions: Iterable[Position]) -> int:
    return min(position.from_ns for position in positions)


def entry_key(entry: LogEntry) -> str:
    """Return what tells an entry from all others of its job: entries of one id and time are the same."""
    return f"{entry.insert_id}@{time_ns(entry)}"


def _ns_of(key: str) -> int:
    return int(key.rpartition("@")[2])


def time_ns(entry: LogEntry) -> int:
    """Return the entry's own time in nanoseconds."""
    stamp = bare(entry).timestamp
    return int(stamp.seconds) * 10**9 + int(stamp.nanos)


@dataclass(frozen=True)
class Fresh:
    """What a query brought for one job.

    :param lines: the lines that were not handed out before, oldest first
    :param entries: the entries that count as handed out now, those handed out before among them
    :param held_from_ns: the time of the first part of a long line whose other parts are not there yet
    :param was_dear: whether many entries came with them from before the position
    """

    lines: tuple[LogLine, ...]
    entries: tuple[LogEntry, ...]
    held_from_ns: int | None = None
    was_dear: bool = False


def fresh(position: Position, entries: Sequence[LogEntry], to_line: Callable[[LogEntry], LogLine]) -> Fresh:
    """Return the new lines of one job; the parts of a line that was too long for one entry are joined.

    https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSplit

    :param entries: every entry that the query brought for this job, oldest first
    """
    stale = sum(time_ns(entry) < position.from_ns for entry in entries)
    entries = [entry for entry in entries if time_ns(entry) >= position.from_ns]
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
            text = "".join(text_of(part) for part in sorted(some, key=lambda part: part.split.index))
            lines.append(replace(to_line(some[0]), message=text))
    handed = tuple(entry for entry in entries if entry.split.uid not in held)
    return Fresh(tuple(lines), handed, min(held.values(), default=None), stale > _MOST_STALE)


def advance(
    position: Position, brought: Fresh, *, read_until_ns: int | None, overlap_entries: int
) -> Position:
    """Return the position after a query.

    :param read_until_ns: where the query was broken off and nothing older is waited for, ``None`` where it
        ended or may bring late entries yet
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
    # A query that was broken off has not brought all that was handed out before.
    seen = {key for key in position.seen | set(map(entry_key, brought.entries)) if _ns_of(key) >= from_ns}
    return Position(position.key, from_ns, seen, position.alone or brought.was_dear)


def timestamp(entry: LogEntry) -> datetime:
    """Return the entry's own time, to the microsecond."""
    return from_microseconds(time_ns(entry) // 1000)


def level(entry: LogEntry) -> Level:
    """Return the level that the entry's severity says."""
    return next(name for floor, name in _LEVELS if entry.severity >= floor)


def is_structured(entry: LogEntry) -> bool:
    """Return whether the line was JSON."""
    return bool(bare(entry).HasField("json_payload"))


def text_of(entry: LogEntry) -> str:
    """Return what the entry says; a structured one by its message, or whole where it has none."""
    payload = bare(entry)
    if is_structured(entry):
        said = json_format.MessageToDict(payload.json_payload)
        message = said.get("message")
        return message if isinstance(message, str) else json.dumps(said, ensure_ascii=False)
    return str(payload.text_payload).rstrip("\n")


def _rfc3339(ns: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    return f"{pendulum.from_timestamp(seconds).format('YYYY-MM-DD[T]HH:mm:ss')}.{rest:09d}Z"
