"""One run of one command on a node: an engine job of a single task.

It exists so that tasks, preparations, releases and start tasks run in one way. It must not know what follows
from an end.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    AttemptEnd,
    AttemptPlan,
    Command,
    EndReason,
    Event,
    Job,
    JobSpec,
    JobState,
    OutputFiles,
    Step,
    Task,
    TaskState,
)

DIALECT = "azure_batch"


@dataclass(frozen=True)
class Order:
    """What to run. ``directory`` is the task's; the command runs in ``wd`` below it.

    ``coordination`` is a command line that runs first and to its end. ``prepare`` brings the files.
    """

    name: str
    command_line: str
    directory: Path
    env: Mapping[str, str] = field(repr=False)
    limit_seconds: float | None = None
    coordination: str | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    images: tuple[str, ...] = ()


class Owner(Protocol):
    """Told how a run goes. Must not block or raise."""

    def run_assigned(self) -> None: ...

    def run_began(self) -> None: ...

    def run_ended(self, end: AttemptEnd) -> None: ...

    def run_removed(self) -> None:
        """Somebody has removed the job from the local cloud behind the service's back."""


class Run:
    """A command that is on its way. Nothing is told to the owner any more after :meth:`forget`."""

    def __init__(self, cloud: Cloud, order: Order, owner: Owner) -> None:
        self._cloud = cloud
        self._order = order
        self._owner: Owner | None = owner
        if (previous := cloud.jobs.get(DIALECT, order.name)) is not None:
            cloud.jobs.remove(previous)
        spec = JobSpec(
            dialect=DIALECT,
            name=order.name,
            uid=str(uuid.uuid4()),
            task_count=1,
            parallelism=1,
            plan=self._plan,
            retry=lambda *_: False,
            listener=self,
            keep_logs=False,
            images=order.images,
        )
        self._job = cloud.submit(spec)

    @property
    def ended(self) -> bool:
        return self._job.ended

    def cancel(self) -> asyncio.Future[None]:
        """End it; the owner is told when it has ended."""
        return self._cloud.cancel(self._job)

    def forget(self) -> asyncio.Future[None]:
        """End it and remove it; the owner is not told."""
        self._owner = None
        if self._cloud.jobs.by_uid(self._job.spec.uid) is None:
            return self._cloud.cancel(self._job)
        return self._cloud.remove(self._job)

    def task_changed(self, _job: Job, _task: Task, event: Event) -> None:
        if self._owner is None:
            return
        if event.after is TaskState.ASSIGNED:
            self._owner.run_assigned()
        elif event.after is TaskState.RUNNING:
            self._owner.run_began()

    def job_changed(self, job: Job, event: Event) -> None:
        owner = self._owner
        if owner is None:
            return
        if event.after is JobState.DELETING:
            self._owner = None
            owner.run_removed()
        elif job.ended:
            owner.run_ended(job.tasks[0].end or AttemptEnd(EndReason.CANCELLED))

    def _plan(self, _index: int, _attempt: int) -> AttemptPlan:
        order = self._order
        # A run begins with an empty directory, also when the task ran before.
        if order.directory.exists():
            shutil.rmtree(order.directory, ignore_errors=True)
        lines = [line for line in (order.coordination, order.command_line) if line is not None]
        return AttemptPlan(
            steps=[Step(Command(argv=split(line)), env=order.env) for line in lines],
            time_limit_seconds=order.limit_seconds,
            directory=order.directory / "wd",
            output_files=OutputFiles(order.directory / "stdout.txt", order.directory / "stderr.txt"),
            prepare=order.prepare,
        )


def split(command_line: str) -> tuple[str, ...]:
    """The command line as an argument vector; it is not run by a shell."""
    try:
        return tuple(shlex.split(command_line)) or (command_line,)
    except ValueError:
        # A quote that nobody closed: the words are what they are.
        return tuple(command_line.split())
