"""The logs of pods: what can be read, what it says, and how far it has been read. Pure.

A log is one file per start of a container. What the service answers from a time on only ever grows at its
end, so a :class:`Mark` is a time in whole seconds, as far as the service reads it, and how many lines of that
answer were handed out before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pendulum
from pydantic import JsonValue

from airflow_provider_jobs.backends.kubernetes.mapping import moment
from airflow_provider_jobs.backends.kubernetes.pods import (
    container_statuses,
    failure_count,
    index_of,
    may_restart,
)
from airflow_provider_jobs.core.models import JobHandle, LogLine
from airflow_provider_jobs.core.moments import from_microseconds

# Lines of stdout and stderr may stand in the file a little out of order.
OVERLAP_SECONDS = 2
# No log of a container is larger unless the nodes are told so, and then only such a line is.
MAX_LINE_BYTES = 32 * 2**20

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")
_NS = 10**9
_ID_LENGTH = 12


@dataclass(frozen=True)
class Stream:
    """The log of one start of one container.

    :param start: what tells it from other starts of the same container
    :param index: the index of its pod, as the service numbers it
    :param attempt: how many pods of this index came before it, ``None`` where that is not known
    :param shown_as: the container's name where its pod has several
    :param is_previous: whether the container was started again since
    :param is_over: whether nothing is written any more
    :param may_restart: whether the container may be started again, so that its log becomes the previous one
    """

    pod: str
    container: str
    start: str
    index: int
    attempt: int | None
    shown_as: str | None
    since_ns: int
    is_previous: bool
    is_over: bool
    may_restart: bool

    @property
    def key(self) -> str:
        """What tells it from all others of its job."""
        return f"{self.pod}/{self.container}/{self.start}"

    def line(self, entry: Entry, handle: JobHandle | None = None) -> LogLine:
        """Return an entry as a line.

        :param handle: translates the service's index to the original one
        """
        ns = entry.ns or self.since_ns
        return LogLine(
            timestamp=from_microseconds(ns // 1000),
            message=entry.text,
            index=handle.original_index(self.index) if handle else self.index,
            attempt=self.attempt,
            container=self.shown_as,
        )

    def note(self, text: str, after: Mark, handle: JobHandle) -> LogLine:
        """Return a sentence of ours on this log."""
        line = self.line(Entry(after.last_ns, text, 0), handle)
        return replace(line, stream="service", level="warning")


@dataclass(frozen=True)
class Entry:
    """One line of a file; ``ns`` is 0 where the service gives no time."""

    ns: int
    text: str
    size: int


@dataclass(frozen=True)
class Mark:
    """How far one log has been read.

    :param since: the time from which the next read begins, in seconds; 0 for the beginning
    :param count: how many lines of its answer were handed out before
    :param size: how many bytes these have
    :param last_ns: the time of the last of them, by which a new file is noticed
    """

    since: int = 0
    count: int = 0
    size: int = 0
    last_ns: int = 0

    @property
    def since_time(self) -> str | None:
        """The time from which the next read begins, as the service reads it."""
        return pendulum.from_timestamp(self.since).format("YYYY-MM-DD[T]HH:mm:ss[Z]") if self.since else None


@dataclass(frozen=True)
class Taken:
    """What one read of one log brought.

    :param is_cut: whether the answer ended at its limit, with more to come
    :param is_torn: whether lines may be missing, since a new file was begun in between
    """

    entries: Sequence[Entry]
    mark: Mark
    is_cut: bool
    is_torn: bool = False


def streams_of(pods: Iterable[dict[str, Any]], *, is_whole: bool = True) -> list[Stream]:
    """Return the logs that can be read of pods, those of the pods that were made first in front.

    :param is_whole: whether these are all pods, so that pods of an index can be counted
    """
    seen: Counter[int] = Counter()
    streams: list[Stream] = []
    for pod in sorted(pods, key=lambda each: str(each["metadata"].get("creationTimestamp"))):
        index = index_of(pod)
        attempt = failure_count(pod)
        if attempt is None and is_whole:
            attempt = seen[index]
        seen[index] += 1
        streams += _streams_of_pod(pod, index, attempt)
    return streams


def _streams_of_pod(pod: dict[str, Any], index: int, attempt: int | None) -> Iterable[Stream]:
    spec = pod.get("spec") or {}
    is_many = len(spec.get("containers") or ()) + len(spec.get("initContainers") or ()) > 1
    restarting = may_restart(pod)
    created_ns = int(moment(pod["metadata"]["creationTimestamp"]).timestamp()) * _NS
    for status in container_statuses(pod):
        state, before = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
        now = state.get("running") or state.get("terminated")
        # A container that waits to be started again is read as it was before.
        shown = now or before
        if not shown:
            continue
        current = Stream(
            pod=pod["metadata"]["name"],
            container=status["name"],
            start=_start(shown, status.get("containerID") if now else None),
            index=index,
            attempt=attempt,
            shown_as=status["name"] if is_many else None,
            since_ns=created_ns,
            is_previous=False,
            is_over="running" not in state,
            may_restart=status["name"] in restarting,
        )
        if now and before:
            yield replace(current, start=_start(before), is_previous=True, is_over=True)
        yield current


def _start(state: dict[str, Any], container_id: str | None = None) -> str:
    """Return what tells a start of a container from others: its id, or its time where there is none."""
    told = str(state.get("containerID") or container_id or "")
    return told.rpartition("/")[2][:_ID_LENGTH] or str(state.get("startedAt") or "")


def entries_of(text: bytes, *, is_over: bool = True) -> list[Entry]:
    """Return the lines of an answer.

    :param is_over: whether a last line without its end is all of it
    """
    *lines, rest = text.split(b"\n")
    if rest and is_over:
        lines.append(rest)
    entries: list[Entry] = []
    for line in lines:
        stamp = _STAMP.match(line)
        told = line[stamp.end() :] if stamp else line
        ns = _nanoseconds(stamp) if stamp else (entries[-1].ns if entries else 0)
        entries.append(Entry(ns, told.decode("utf-8", errors="replace").rstrip("\r"), len(line) + 1))
    return entries


def take(mark: Mark, text: bytes, *, limit: int, is_over: bool) -> Taken:
    """Return what an answer brings beyond what was handed out before.

    :param limit: the bytes that were asked for at most
    :param is_over: whether nothing was written any more when it was asked for
    """
    is_cut = len(text) >= limit
    entries = entries_of(text, is_over=is_over and not is_cut)
    begin, is_torn = _begin(mark, entries)
    fresh = entries[begin:]
    if not fresh:
        # A line that is longer than the limit needs a larger one.
        return Taken((), replace(mark, size=limit) if is_cut else mark, is_cut)
    newest = max(entry.ns for entry in fresh)
    since = max(mark.since, newest // _NS - OVERLAP_SECONDS)
    held = [entry for entry in entries if entry.ns // _NS >= since]
    after = Mark(since, len(held), sum(entry.size for entry in held), held[-1].ns if held else 0)
    return Taken(fresh, after, is_cut, is_torn)


def _begin(mark: Mark, entries: Sequence[Entry]) -> tuple[int, bool]:
    """Return where the new lines begin, and whether some may be missing in front of them."""
    if not mark.count or (len(entries) >= mark.count and entries[mark.count - 1].ns == mark.last_ns):
        return mark.count, False
    known = [n for n, entry in enumerate(entries) if entry.ns == mark.last_ns]
    if known:
        return known[-1] + 1, False
    return 0, bool(entries)


def marks_from(told: JsonValue) -> dict[str, Mark]:
    """Read the marks that a cursor carries."""
    return {key: Mark(*values) for key, values in told.items()} if isinstance(told, dict) else {}  # type: ignore[misc]


def marks_to_json(marks: dict[str, Mark]) -> JsonValue:
    """Return what the next cursor carries."""
    return {key: [mark.since, mark.count, mark.size, mark.last_ns] for key, mark in marks.items()}


def _nanoseconds(stamp: re.Match[bytes]) -> int:
    whole, fraction, zone = (part.decode() if part else "" for part in stamp.groups())
    return _seconds(f"{whole}{zone}") * _NS + int(fraction.ljust(9, "0") or 0)


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    return int(moment(text).timestamp())
