"""How the logs of GCP Batch jobs are told apart: by the unique id that the service gives each job."""

from __future__ import annotations

from collections.abc import Sequence

from google.cloud.logging_v2.types import LogEntry

from airflow_provider_jobs.backends.gcp_batch import logs
from airflow_provider_jobs.backends.gcp_batch.lookup import JobLookup
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine
from airflow_provider_jobs.google_cloud.log_entries import told_key


class BatchLogs:
    """The logs of jobs by their unique ids, for the grouped reader."""

    def __init__(self, lookup: JobLookup) -> None:
        self._lookup = lookup

    def keys(self, cursors: Sequence[LogCursor]) -> dict[str, str]:
        """Return the unique id of every job: that of its cursor, one seen before, or asked for now."""
        uids: dict[str, str] = {}
        unknown: list[JobHandle] = []
        for cursor in cursors:
            native_id = cursor.handle.native_id
            if uid := told_key(cursor) or self._lookup.uid(native_id):
                uids[native_id] = uid
            else:
                unknown.append(cursor.handle)
        asked = self._lookup.jobs(unknown)
        uids.update((handle.native_id, job.uid) for handle, job in asked if job is not None)
        return uids

    def logs(self, project: str) -> str:
        """Ask for the logs of all jobs."""
        return logs.all_logs(project)

    def clause(self, keys: Sequence[str]) -> str:
        """Ask for the entries of some jobs."""
        return logs.jobs_clause(keys)

    def key_of(self, entry: LogEntry) -> str:
        """Return the unique id of the job that wrote an entry."""
        return entry.labels.get("job_uid", "")

    def to_line(self, entry: LogEntry, handle: JobHandle) -> LogLine:
        """Return an entry as a line."""
        return logs.to_line(entry, handle)
