"""Takes jobs through their life: queued, scheduled, tasks assigned and run, retried, ended, removed.

It exists so that the order of states is the same whatever the dialect. It must not know what a command is
(``attempts.py`` does) nor how states are spelled on the wire (dialects do). One asyncio task per job that
has not ended, one per task that is running; no threads.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from airflow_provider_jobs.emulator.attempts import Attempt, Barrier, Workplace
from airflow_provider_jobs.emulator.jobs import (
    TASK_END_STATES,
    AttemptEnd,
    AttemptRefused,
    EndReason,
    Job,
    JobState,
    Task,
    TaskState,
)
from airflow_provider_jobs.emulator.jobtable import JobTable
from airflow_provider_jobs.emulator.progress import Progress, Stage
from airflow_provider_jobs.emulator.slots import SharedSlot

log = logging.getLogger(__name__)


class JobRun:
    """The life of one job, from its admission to its end."""

    def __init__(self, job: Job, *, workplace: Workplace, progress: Progress) -> None:
        self.job = job
        self._workplace = (
            replace(workplace, slots=SharedSlot(workplace.slots)) if job.spec.one_slot else workplace
        )
        self._progress = progress
        loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[AttemptEnd] = loop.create_future()
        self._interrupts: dict[int, asyncio.Future[AttemptEnd]] = {}
        self._barriers: dict[int, Barrier] = {}
        self.ended = asyncio.ensure_future(self._run())

    def stop(self, end: AttemptEnd) -> None:
        """End all attempts now and start no more. Idempotent."""
        if not self._stopped.done():
            self._stopped.set_result(end)
        for interrupt in self._interrupts.values():
            if not interrupt.done():
                interrupt.set_result(end)

    def interrupt(self, index: int, end: AttemptEnd) -> bool:
        """End the running attempt of one task from outside. False when it has none."""
        interrupt = self._interrupts.get(index)
        if interrupt is None or interrupt.done():
            return False
        interrupt.set_result(end)
        return True

    async def _run(self) -> None:
        job = self.job
        await self._progress.wait(job, Stage.SCHEDULED, interrupt=self._stopped)
        if not self._stopped.done():
            job.move(JobState.SCHEDULED)
            waiting = iter(job.tasks)
            width = max(1, min(job.spec.parallelism, job.spec.task_count))
            await asyncio.gather(*(self._work(waiting) for _ in range(width)))
        for task in job.tasks:
            if task.state not in TASK_END_STATES:
                job.move_task(task, TaskState.UNEXECUTED)
        shutil.rmtree(self._workplace.directory / job.spec.uid, ignore_errors=True)
        await self._finish()

    async def _finish(self) -> None:
        job = self.job
        await self._progress.wait(job, Stage.FINISHED, interrupt=self._stopped)
        if job.state is JobState.CANCELLING:
            await self._progress.wait(job, Stage.CANCELLED)
            if job.state is JobState.CANCELLING:
                job.move(JobState.CANCELLED)
        elif job.state is not JobState.DELETING:
            job.move(JobState.FAILED if job.counts[TaskState.FAILED] else JobState.SUCCEEDED)

    async def _work(self, waiting: Iterator[Task]) -> None:
        for task in waiting:
            if self._stopped.done():
                return
            await self._task(task)

    async def _task(self, task: Task) -> None:
        while True:
            interrupt: asyncio.Future[AttemptEnd] = asyncio.get_running_loop().create_future()
            self._interrupts[task.index] = interrupt
            end = await self._attempt(task, interrupt)
            del self._interrupts[task.index]
            if end is None:
                return
            self.job.move_task(task, TaskState.SUCCEEDED if end.succeeded else TaskState.FAILED, end=end)
            if self._stopped.done() or not await self._again(task, end):
                return
            self.job.move_task(task, TaskState.PENDING)
            task.attempt += 1

    async def _again(self, task: Task, end: AttemptEnd) -> bool:
        """Whether another attempt follows this one."""
        spec = self.job.spec
        if spec.again is None:
            return not end.succeeded and spec.retry(end, task.attempt)
        deciding = asyncio.ensure_future(spec.again(task.index, task.attempt, end))
        awaited: set[asyncio.Future[Any]] = {deciding, self._stopped}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if deciding.done():
            return deciding.result() and not self._stopped.done()
        deciding.cancel()
        return False

    async def _pass_gate(self, task: Task, interrupt: asyncio.Future[AttemptEnd]) -> AttemptEnd | None:
        """Wait until the task may be assigned, or the interrupt. Returns why it never may, if so."""
        gate = self.job.spec.gate
        if gate is None:
            return None
        passing = asyncio.ensure_future(gate(task.index, task.attempt))
        awaited: set[asyncio.Future[Any]] = {passing, interrupt}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if not passing.done():
            passing.cancel()
            return None
        try:
            passing.result()
        except AttemptRefused as refused:
            return refused.end
        return None

    async def _attempt(self, task: Task, interrupt: asyncio.Future[AttemptEnd]) -> AttemptEnd | None:
        """Run the task once. None when it was stopped before it had begun."""
        job = self.job
        if (refusal := await self._pass_gate(task, interrupt)) is not None:
            return refusal
        await self._progress.wait(job, Stage.ASSIGNED, interrupt=interrupt)
        if interrupt.done():
            return self._before_begin(interrupt)
        job.move_task(task, TaskState.ASSIGNED)
        try:
            plan = job.spec.plan(task.index, task.attempt)
        except AttemptRefused as refused:
            self._begin(task)
            return refused.end
        attempt = Attempt(
            self._workplace, job, task=task, plan=plan, interrupt=interrupt, barriers=self._barriers
        )
        try:
            await attempt.take_slot()
            await self._progress.wait(job, Stage.RUNNING, interrupt=interrupt)
            if interrupt.done():
                return self._before_begin(interrupt)
            self._begin(task)
            return await attempt.run()
        finally:
            attempt.leave_slot()

    def _begin(self, task: Task) -> None:
        self.job.move_task(task, TaskState.RUNNING)
        if self.job.state is JobState.SCHEDULED:
            self.job.move(JobState.RUNNING)

    def _before_begin(self, interrupt: asyncio.Future[AttemptEnd]) -> AttemptEnd | None:
        return None if self._stopped.done() else interrupt.result()


class Scheduler:
    """All jobs that are alive, and what can be asked of them."""

    def __init__(self, jobs: JobTable, *, workplace: Workplace, progress: Progress) -> None:
        self._jobs = jobs
        self._workplace = workplace
        self._progress = progress
        self._runs: dict[str, JobRun] = {}
        self._removals: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> None:
        """Take a job in and let it run. Raises ValueError when its name is taken."""
        self._jobs.add(job)
        run = JobRun(job, workplace=self._workplace, progress=self._progress)
        self._runs[job.spec.uid] = run
        run.ended.add_done_callback(lambda ended: self._forget(job, ended))

    def cancel(self, job: Job) -> asyncio.Future[None]:
        """Stop a job: TERM, grace time, KILL for what runs, nothing new begins. Done when it has ended."""
        run = self._runs.get(job.spec.uid)
        if run is None:
            return _done()
        if job.state not in (JobState.CANCELLING, JobState.DELETING) and not job.ended:
            job.move(JobState.CANCELLING)
        run.stop(AttemptEnd(EndReason.CANCELLED))
        return asyncio.ensure_future(_quietly(run.ended))

    def remove(self, job: Job) -> asyncio.Future[None]:
        """Stop a job if it still runs, then forget it. Done when it is gone."""
        job.move(JobState.DELETING)
        removal = asyncio.ensure_future(self._remove(job))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        return removal

    def interrupt(self, job: Job, index: int, *, reason: EndReason) -> bool:
        """End one task's running attempt as if its machine had (preempted, lost ...)."""
        run = self._runs.get(job.spec.uid)
        return run is not None and run.interrupt(index, AttemptEnd(reason))

    async def stop(self) -> None:
        """End everything: used when the server ends or is reset."""
        runs = list(self._runs.values())
        for run in runs:
            run.stop(AttemptEnd(EndReason.CANCELLED))
        for ending in (*(run.ended for run in runs), *self._removals):
            await _quietly(ending)

    def _forget(self, job: Job, ended: asyncio.Future[None]) -> None:
        self._runs.pop(job.spec.uid, None)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            log.error("job %s stopped on an error of the local cloud", job.spec.name, exc_info=error)
            for task in job.tasks:
                if task.state not in TASK_END_STATES:
                    job.move_task(task, TaskState.FAILED, end=AttemptEnd(EndReason.LOST, message=str(error)))
            job.move(JobState.FAILED)

    async def _remove(self, job: Job) -> None:
        run = self._runs.get(job.spec.uid)
        if run is not None:
            run.stop(AttemptEnd(EndReason.CANCELLED))
            await _quietly(run.ended)
        await self._progress.wait(job, Stage.DELETED)
        self._jobs.remove(job)


def _done() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


async def _quietly(ended: asyncio.Future[None]) -> None:
    await asyncio.wait({ended})
