"""The task's log, and beside it how far the job is, in XCom, where the UI page reads it.

A job may report a hundred times a second, and each XCom is a request to the API server: the last word is
written, and the next one some seconds later. Nothing here is waited for, and no trouble reaches the job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import XCom, redact

from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.triggers.task_log import TaskLog

log = logging.getLogger(__name__)

KEY = "job_progress"
PAUSE_SECONDS = 5.0
# Three requests to the API server for each job are worth it where somebody has time to look at it.
INTRODUCTION_SECONDS = 15.0


class ProgressLog(TaskLog):
    """Writes what a job says of itself into the task's log, and its progress into XCom too.

    :param ti: the task instance, ``None`` where there is none to write to
    :param handle: a job that the triggerer has submitted, so that Airflow does not know of it. If it is
        followed for long, it is written into XCom with its links; of one that ends soon, its summary is there
    """

    __slots__ = ("_handle", "_introducing", "_last", "_ti", "_writing")

    def __init__(self, ti: Any, handle: JobHandle | None = None) -> None:
        self._ti = ti
        self._handle = handle
        self._last: JobProgress | None = None
        self._writing: asyncio.Task[None] | None = None
        self._introducing: asyncio.Task[None] | None = None
        if handle is not None and ti is not None:
            self._introducing = asyncio.get_running_loop().create_task(self._introduce(handle))

    def progress(self, progress: JobProgress) -> None:
        """Show how far the job is, and see to it that XCom says so soon."""
        super().progress(progress)
        if self._ti is not None:
            self._write_soon(progress)

    async def stop(self) -> None:
        """Write no more: the job is over, and its summary says the rest."""
        self._last = None
        tasks = [task for task in (self._writing, self._introducing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _introduce(self, handle: JobHandle) -> None:
        await asyncio.sleep(INTRODUCTION_SECONDS)
        if self._writing is None:
            self._write_soon(JobProgress(at=pendulum.now("UTC")))
        await self._try(write_links, handle)

    def _write_soon(self, progress: JobProgress) -> None:
        self._last = progress
        if self._handle is not None:
            whose = {"handle": self._handle, "try_number": self._ti.try_number}
            self._last = progress.model_copy(update=whose)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._last is not None:
            progress, self._last = self._last, None
            await self._try(write_progress, progress)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _try(self, write: Callable[[Any, Any], None], what: Any) -> None:
        try:
            await asyncio.to_thread(write, what, self._ti)
        except Exception:
            log.debug("What is known of the job cannot be written", exc_info=True)


def write_progress(progress: JobProgress, ti: Any) -> None:
    """Put the progress into XCom, its texts without secrets that Airflow knows of. Blocking.

    Names and addresses are ours: a password that is a word in one of them would break it.
    """
    texts = {name: redact(getattr(progress, name)) for name in ("message", "waits_for")}
    push_xcom(ti, KEY, progress.model_copy(update=texts).to_json())


def write_links(handle: JobHandle, ti: Any) -> None:
    """Put the links of the task's page into XCom, as Airflow does where a worker submits. Blocking."""
    from airflow_provider_jobs.operators.links import ConsoleLink, LogsLink

    for link in (ConsoleLink(), LogsLink()):
        if address := link.address(handle):
            push_xcom(ti, link.xcom_key, address)


def push_xcom(ti: Any, key: str, value: Any) -> None:
    """Put a value into XCom as a trigger does, which has no worker's way. Blocking."""
    XCom.set(
        key=key,
        value=value,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )
