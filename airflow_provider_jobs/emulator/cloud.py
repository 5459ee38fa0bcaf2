"""The engine as dialects see it: submit, cancel, remove jobs; read their lines; resolve secrets.

It exists so that a dialect depends on one object. It must not listen on a port or know a wire.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_jobs.emulator.attempts import Workplace
from airflow_provider_jobs.emulator.calls import Calls
from airflow_provider_jobs.emulator.children import Children
from airflow_provider_jobs.emulator.jobs import EndReason, Job, JobSpec
from airflow_provider_jobs.emulator.jobtable import JobTable
from airflow_provider_jobs.emulator.listing import Listings
from airflow_provider_jobs.emulator.logstore import LogStore
from airflow_provider_jobs.emulator.progress import Progress
from airflow_provider_jobs.emulator.scheduling import Scheduler
from airflow_provider_jobs.emulator.secretfile import SecretFile
from airflow_provider_jobs.emulator.settings import Settings


class Cloud:
    """One local cloud. Make it inside a running event loop.

    ``data_dir`` must exist; a ``temporary`` one goes with the server even when the server is killed.
    """

    def __init__(self, settings: Settings, *, data_dir: Path, temporary: bool = False) -> None:
        self.settings = settings
        self.secrets = SecretFile(settings.secrets_file)
        self.calls = Calls()
        self.progress = Progress()
        self.jobs = JobTable()
        self.listings = Listings()
        self.logs = LogStore(data_dir / "lines.sqlite")
        #: Everything is being ended: what ends now must not be replaced.
        self.ending = False
        self._on_reset: list[Callable[[], None]] = []
        self._work_dir = data_dir / "work"
        shutil.rmtree(self._work_dir, ignore_errors=True)
        self._work_dir.mkdir()
        #: Where a dialect may keep files of its own, in a directory of its name; goes with the server.
        self.files_dir = self._work_dir / "files"
        self._children = Children()
        self._children.start(remove_afterwards=data_dir if temporary else self._work_dir)
        workplace = Workplace(
            children=self._children,
            logs=self.logs,
            slots=asyncio.Semaphore(settings.max_processes),
            directory=self._work_dir,
            search_path=os.environ.get("PATH", os.defpath),
            kill_grace_seconds=settings.kill_grace_seconds,
            simulate_sleep=settings.simulate_sleep,
        )
        self._scheduler = Scheduler(self.jobs, workplace=workplace, progress=self.progress)

    def submit(self, spec: JobSpec, *, data: Any = None) -> Job:
        """Create a job and let it run; ``data`` is the dialect's own, kept with the job.

        Raises ValueError when the dialect has a job of that name.
        """
        job = Job(spec, data=data)
        self._scheduler.submit(job)
        return job

    def cancel(self, job: Job) -> asyncio.Future[None]:
        """Stop a job; the future is done when it has ended. Harmless on a job that has ended."""
        return self._scheduler.cancel(job)

    def remove(self, job: Job) -> asyncio.Future[None]:
        """Stop a job if need be and forget it; the future is done when it is gone."""
        return self._scheduler.remove(job)

    def interrupt(self, job: Job, index: int, *, reason: EndReason) -> bool:
        """End the running attempt of one task as its machine would. False when it is not running."""
        return self._scheduler.interrupt(job, index, reason=reason)

    def on_reset(self, forget: Callable[[], None]) -> None:
        """Call this when everything is forgotten; for dialects that keep things of their own."""
        self._on_reset.append(forget)

    async def reset(self) -> None:
        """Back to the state after start: no jobs, no lines, no rules, counters at zero."""
        await self._end_jobs()
        for job in self.jobs:
            self.jobs.remove(job)
        self.logs.clear()
        self.logs.delay_seconds, self.logs.delay_one_in = 0.0, 1
        self.listings.delay_seconds = 0.0
        self.calls.faults.rules.clear()
        self.calls.counters.clear()
        for forget in self._on_reset:
            forget()
        self.ending = False

    async def stop(self) -> None:
        """End every command and give everything back. Nothing works afterwards."""
        await self._end_jobs()
        self._children.stop()
        self.logs.close()
        shutil.rmtree(self._work_dir, ignore_errors=True)

    async def _end_jobs(self) -> None:
        """End every job; first let go of those that a progress rule holds."""
        self.ending = True
        self.progress.rules.clear()
        self.progress.changed()
        await self._scheduler.stop()
