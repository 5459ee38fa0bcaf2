"""Who is told what happens to a job while it is waited for."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_jobs.core.models import JobEvent, LogLine
from airflow_provider_jobs.core.progress import JobProgress


class Listener(Protocol):
    """Who is told while a job is waited for: the task's log, in Airflow."""

    def line(self, line: LogLine) -> None:
        """Show one line of the job."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Show one sentence about the job."""

    def event(self, event: JobEvent) -> None:
        """Hear an event of the job."""

    def progress(self, progress: JobProgress) -> None:
        """Hear how far the job is, or why it does not start."""
