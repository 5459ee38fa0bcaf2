"""The logs of many jobs in few queries.

Cloud Logging takes 60 of them per minute and project, whoever asks, so jobs are grouped and what is read
at once is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from google.cloud.logging_v2.types import LogEntry

from airflow_provider_jobs.backends.gcp_batch import logs
from airflow_provider_jobs.backends.gcp_batch.hook import MAX_PAGE, GcpBatchHook
from airflow_provider_jobs.backends.gcp_batch.logs import Position
from airflow_provider_jobs.backends.gcp_batch.lookup import JobLookup
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogPage

MAX_LINES = 3000
_OVERLAP_ENTRIES = 1000
_LEAST_OVERLAP_ENTRIES = 10


@dataclass
class _Reading:
    handle: JobHandle
    position: Position


class LogReader:
    """Reads on from cursors. Holds no state of its own."""

    def __init__(self, hook: GcpBatchHook, lookup: JobLookup) -> None:
        self._hook = hook
        self._lookup = lookup

    def read(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return one page for every cursor, in their order; one without a trace has no lines."""
        uids = self._uids(cursors)
        by_project: dict[str, dict[str, _Reading]] = defaultdict(dict)
        for cursor in cursors:
            if uid := uids.get(cursor.handle.native_id):
                reading = _Reading(cursor.handle, Position.of(cursor, uid))
                by_project[logs.project_of(cursor.handle.native_id)][uid] = reading
        pages: dict[str, LogPage] = {}
        for project, readings in by_project.items():
            for chunk in logs.chunks(project, [reading.position for reading in readings.values()]):
                some = {position.uid: readings[position.uid] for position in chunk}
                pages.update((page.native_id, page) for page in self._read_chunk(project, some))
        return [
            pages.get(cursor.handle.native_id)
            or LogPage(native_id=cursor.handle.native_id, position=cursor.position)
            for cursor in cursors
        ]

    def _uids(self, cursors: Sequence[LogCursor]) -> dict[str, str]:
        uids: dict[str, str] = {}
        unknown: list[JobHandle] = []
        for cursor in cursors:
            native_id = cursor.handle.native_id
            if uid := logs.told_uid(cursor) or self._lookup.uid(native_id):
                uids[native_id] = uid
            else:
                unknown.append(cursor.handle)
        uids.update((native_id, job.uid) for native_id, job in self._lookup.jobs(unknown).items())
        return uids

    def _read_chunk(self, project: str, readings: dict[str, _Reading]) -> list[LogPage]:
        entries, read_until_ns = self._entries(project, readings)
        overlap = max(_OVERLAP_ENTRIES // len(readings), _LEAST_OVERLAP_ENTRIES)
        pages = []
        for uid, reading in readings.items():
            brought = logs.fresh(reading.position, entries[uid], reading.handle)
            after = logs.advance(
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
        query = logs.group_filter(project, [reading.position for reading in readings.values()])
        entries: dict[str, list[LogEntry]] = defaultdict(list)
        token, new = "", 0
        while True:
            page = self._hook.list_log_entries(project, query, page_size=MAX_PAGE, page_token=token)
            for entry in page.entries:
                uid = entry.labels.get("job_uid", "")
                if uid in readings:
                    entries[uid].append(entry)
                    new += logs.entry_key(entry) not in readings[uid].position.seen
            token = page.next_token
            if not token:
                return entries, None
            if new >= MAX_LINES and page.entries:
                return entries, logs.time_ns(page.entries[-1])
