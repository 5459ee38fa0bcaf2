"""The logs of many jobs in few queries.

Cloud Logging takes 60 of them per minute and project, whoever asks, so jobs are grouped, what is read at once
is bounded, and all that read in one process share a budget for each project.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from google.cloud.logging_v2.types import LogEntry

from airflow_provider_jobs.core.budget import CallBudget
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine, LogPage
from airflow_provider_jobs.google_cloud import log_entries
from airflow_provider_jobs.google_cloud.hook import MAX_PAGE, GoogleCloudHook
from airflow_provider_jobs.google_cloud.log_budget import budget_of
from airflow_provider_jobs.google_cloud.log_entries import Position
from airflow_provider_jobs.google_cloud.messages import bare_items

MAX_LINES = 3000
# What was written so long ago does not arrive any more.
_LATE_NS = 30 * 10**9
_OVERLAP_ENTRIES = 1000
_LEAST_OVERLAP_ENTRIES = 10


class LogSource(Protocol):
    """What a service writes into Cloud Logging, and how entries of different jobs are told apart."""

    def keys(self, cursors: Sequence[LogCursor]) -> Mapping[str, str]:
        """Return the key of every job's entries by its native id; a job without a trace is left out."""

    def logs(self, project: str) -> str:
        """Return the part of a filter that asks for the logs of all jobs."""

    def clause(self, keys: Sequence[str]) -> str:
        """Return the part of a filter that asks for the entries of some jobs."""

    def key_of(self, entry: LogEntry) -> str:
        """Return the key of the job that wrote an entry."""

    def to_line(self, entry: LogEntry, handle: JobHandle) -> LogLine:
        """Return an entry as a line."""


@dataclass
class _Reading:
    handle: JobHandle
    position: Position


@dataclass
class _Brought:
    """What one query brought.

    :param new: how many entries were not handed out before
    :param cut_ns: the time at which it was broken off with more to come
    """

    entries: dict[str, list[LogEntry]] = field(default_factory=lambda: defaultdict(list))
    new: int = 0
    cut_ns: int | None = None


class LogReader:
    """Reads on from cursors. Holds no state of its own.

    :param user: tells who reads from others that share the project's budget
    """

    def __init__(self, hook: GoogleCloudHook, source: LogSource, *, user: str) -> None:
        self._hook = hook
        self._source = source
        self._user = user

    def read(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return one page for every cursor, in their order; one without a trace has no lines."""
        keys = self._source.keys(cursors)
        by_project: dict[str, dict[str, _Reading]] = defaultdict(dict)
        for cursor in cursors:
            if key := keys.get(cursor.handle.native_id):
                reading = _Reading(cursor.handle, Position.of(cursor, key))
                by_project[log_entries.project_of(cursor.handle.native_id)][key] = reading
        pages: dict[str, LogPage] = {}
        for project, readings in by_project.items():
            pages.update((page.native_id, page) for page in self._read_project(project, readings))
        return [
            pages.get(cursor.handle.native_id)
            or LogPage(native_id=cursor.handle.native_id, position=cursor.position)
            for cursor in cursors
        ]

    def _read_project(self, project: str, readings: dict[str, _Reading]) -> list[LogPage]:
        """Read as many of a project's jobs as its budget and the bound allow, the first ones first."""
        budget = budget_of(project)
        positions = [reading.position for reading in readings.values()]
        pages: list[LogPage] = []
        lines, is_open = 0, True
        for chunk in log_entries.chunks(self._source.logs(project), positions, self._source.clause):
            some = {position.key: readings[position.key] for position in chunk}
            is_open = is_open and lines < MAX_LINES and budget.take(self._user)
            read = self._read_chunk(project, some, budget) if is_open else map(_unread, some.values())
            for page in read:
                lines += len(page.lines)
                pages.append(page)
        return pages

    def _read_chunk(self, project: str, readings: dict[str, _Reading], budget: CallBudget) -> list[LogPage]:
        brought = self._query(project, readings, budget)
        overlap = max(_OVERLAP_ENTRIES // len(readings), _LEAST_OVERLAP_ENTRIES)
        # Near to now, what was broken off is read on like what has ended: some of it may arrive late. Where
        # the read brought nothing but what was known, the next one would get no farther so.
        is_passed = not brought.new or (brought.cut_ns or 0) < time.time_ns() - _LATE_NS
        read_until_ns = brought.cut_ns if is_passed else None
        pages = []
        for key, reading in readings.items():
            to_line = partial(self._source.to_line, handle=reading.handle)
            fresh = log_entries.fresh(reading.position, brought.entries[key], to_line)
            after = log_entries.advance(
                reading.position, fresh, read_until_ns=read_until_ns, overlap_entries=overlap
            )
            pages.append(
                LogPage(
                    native_id=reading.handle.native_id,
                    lines=fresh.lines,
                    position=after.to_json(),
                    more=brought.cut_ns is not None,
                )
            )
        return pages

    def _query(self, project: str, readings: dict[str, _Reading], budget: CallBudget) -> _Brought:
        """Return the entries by job; the first call is taken from the budget already.

        Only new ones count towards the bound, so that every read gets on.
        """
        positions = [reading.position for reading in readings.values()]
        query = log_entries.group_filter(self._source.logs(project), positions, self._source.clause)
        brought = _Brought()
        token = ""
        while True:
            page = self._hook.list_log_entries(project, query, page_size=MAX_PAGE, page_token=token)
            for entry in bare_items(page.items):
                key = self._source.key_of(entry)
                if key in readings:
                    brought.entries[key].append(entry)
                    brought.new += readings[key].position.is_new(entry)
            token = page.next_token
            if not token:
                return brought
            if page.items and (brought.new >= MAX_LINES or not budget.take(self._user)):
                brought.cut_ns = log_entries.time_ns(page.items[-1])
                return brought


def _unread(reading: _Reading) -> LogPage:
    return LogPage(
        native_id=reading.handle.native_id, position=reading.position.to_json(), more=True, unread=True
    )
