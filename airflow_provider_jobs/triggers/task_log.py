"""Writes what happens to a job into the log of the Airflow task, in a worker and in a trigger alike."""

from __future__ import annotations

import structlog

from airflow_provider_jobs.core.models import JobEvent, LogLine
from airflow_provider_jobs.core.progress import JobProgress

_LOGGER = "airflow_provider_jobs.job"


class TaskLog:
    """Puts job lines into the task's log with the job's own time, index and stream as fields.

    Airflow keeps a record's ``timestamp`` where it brings one, so that lines of the job and of
    Airflow stand in their true order. It holds nothing, since thousands wait in one process, and a logger
    that is kept would weigh a tenth of a waiting job.
    """

    __slots__ = ()

    def line(self, line: LogLine) -> None:
        """Show one line of the job."""
        fields: dict[str, object] = {"timestamp": line.timestamp.isoformat(), "stream": line.stream}
        for name in ("index", "attempt", "container"):
            value = getattr(line, name)
            if value is not None:
                fields[name] = value
        getattr(structlog.get_logger(_LOGGER), line.level)(line.message, **fields)

    def note(self, text: str, *, warning: bool = False) -> None:
        """Show one sentence about the job."""
        log = structlog.get_logger(_LOGGER)
        (log.warning if warning else log.info)(text)

    def progress(self, progress: JobProgress) -> None:
        """Show how far an index is."""
        if progress.index_fraction is not None:
            said = f": {progress.message}" if progress.message else ""
            self.note(f"Index {progress.index} is at {progress.index_fraction:.0%}{said}")

    def event(self, event: JobEvent) -> None:
        """Show an event of the job."""
        structlog.get_logger(_LOGGER).info(
            "The job reports an event", index=event.index, event_data=event.event
        )
