"""The task's log, and beside it how far the job is, in XCom, where the UI page reads it.

A job may report a hundred times a second, and each XCom is a request to the API server: the last word is
written, and the next one some seconds later. Nothing here is waited for, and no trouble reaches the job.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from airflow.providers.common.compat.sdk import XCom, redact

from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.triggers.task_log import TaskLog

log = logging.getLogger(__name__)

KEY = "job_progress"
PAUSE_SECONDS = 5.0


class ProgressLog(TaskLog):
    """Writes what a job says of itself into the task's log, and its progress into XCom too.

    :param ti: the task instance, ``None`` where there is none to write to
    """

    __slots__ = ("_last", "_ti", "_writing")

    def __init__(self, ti: Any) -> None:
        self._ti = ti
        self._last: JobProgress | None = None
        self._writing: asyncio.Task[None] | None = None

    def progress(self, progress: JobProgress) -> None:
        """Show how far the job is, and see to it that XCom says so soon."""
        super().progress(progress)
        if self._ti is None:
            return
        self._last = progress
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def stop(self) -> None:
        """Write no more: the job is over, and its summary says the rest."""
        self._last = None
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self) -> None:
        while self._last is not None:
            progress, self._last = self._last, None
            try:
                await asyncio.to_thread(write_progress, progress, self._ti)
            except Exception:
                log.debug("The job's progress cannot be written", exc_info=True)
            await asyncio.sleep(PAUSE_SECONDS)


def write_progress(progress: JobProgress, ti: Any) -> None:
    """Put the progress into XCom, without secrets that Airflow knows of. Blocking."""
    XCom.set(
        key=KEY,
        value=redact(progress.to_json()),
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )
