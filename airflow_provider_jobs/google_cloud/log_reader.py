"""The logs of many jobs in few queries.

Cloud Logging takes 60 of them per minute and project, whoever asks, so jobs are grouped and what is read
at once is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from google.cloud.logging_v2.types import LogEntry

from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine, LogPage
from airflow_provider_jobs.google_cloud import log_entries
from airflow_provider_jobs.google_cloud.hook import MAX_PAGE, GoogleCloudHook
from airflow_provider_jobs.google_cloud.log_entries import Position

MAX_LINES = 3000
_OVERLAP_ENTRIES = 1000
_LEAST_OVERLAP_ENTRIES = 10


class LogSource(Protocol):
    """What a service writes into Cloud Logging, and how entries of different jobs are told apart."""

    def keys(self, cursors: Sequence[LogCursor]) -> Mapping[str, str]:
        """Return the key of every job's entries by its native id; a job without a trace is left out."""

    def logs(self, project: str) -> str:
        """Return the part of a filter that asks for the logs of all jobs."""

    def clause(self, key: str) -> str:
        """Return the part of a filter that asks for the entries of one job."""

    def key_of(self, entry: LogEntry) -> str:
        """Return the key of the job that wrote an entry."""

    def to_line(self, entry: LogEntry, handle: JobHandle) -> LogLine:
        """Return an entry as a line."""


@dataclass
class _Reading:
    handle: JobHandle
    position: Position


class LogReader:
    """Reads on from cursors. Holds no state of its own."""

    def __init__(self, hook: GoogleCloudHook, source: LogSource) -> None:
        self._hook = hook
        self._source = source

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
            positions = [reading.position for reading in readings.values()]
            for chunk in log_entries.chunks(self._source.logs(project), positions, self._source.clause):
                some = {position.key: readings[position.key] for position in chunk}
                pages.update((page.native_id, page) for page in self._read_chunk(project, some))
        return [
            pages.get(cursor.handle.native_id)
            or LogPage(native_id=cursor.handle.native_id, position=cursor.position)
            for cursor in cursors
        ]

    def _read_chunk(self, project: str, readings: dict[str, _Reading]) -> list[LogPage]:
        entries, read_until_ns = self._entries(project, readings)
        overlap = max(_OVERLAP_ENTRIES // len(readings), _LEAST_OVERLAP_ENTRIES)
        pages = []
        for key, reading in readings.items():
            to_line = partial(self._source.to_line, handle=reading.handle)
            brought = log_entries.fresh(reading.position, entries[key], to_line)
            after = log_entries.advance(
                reading.position, brought, read_until_ns=read_until_ns, overlap_entries=overlap
            )
            pages.append(
                LogPage(
                    native_id=reading.handle.native_id,
                    lines=brought.lines,
                    position=after.to_json(),
                    more=read_until_ns is not None,
                )
            )
        return pages

    def _entries(
        self, project: str, readings: dict[str, _Reading]
    ) -> tuple[dict[str, list[LogEntry]], int | None]:
        """Return the entries by job, and where reading was broken off with more to come.

        Only new ones count towards the bound, so that every read gets on.
        """
        positions = [reading.position for reading in readings.values()]
        query = log_entries.group_filter(self._source.logs(project), positions, self._source.clause)
        entries: dict[str, list[LogEntry]] = defaultdict(list)
        token, new = "", 0
        while True:
            page = self._hook.list_log_entries(project, query, page_size=MAX_PAGE, page_token=token)
            for entry in page.items:
                key = self._source.key_of(entry)
                if key in readings:
                    entries[key].append(entry)
                    new += log_entries.entry_key(entry) not in readings[key].position.seen
            token = page.next_token
            if not token:
                return entries, None
            if new >= MAX_LINES and page.items:
                return entries, log_entries.time_ns(page.items[-1])
