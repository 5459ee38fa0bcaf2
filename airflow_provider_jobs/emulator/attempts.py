"""One attempt of one task: its commands in order, their output, their limits, their end.

It exists to say how an attempt ended and nothing more: it must not change a job's state, decide about
retries, or know a vendor's exit codes.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_provider_jobs.emulator import outputs
from airflow_provider_jobs.emulator.capture import capture
from airflow_provider_jobs.emulator.children import DRAIN_SECONDS, Child, Children, SpawnFailed, WardenGone
from airflow_provider_jobs.emulator.jobs import (
    AttemptEnd,
    AttemptPlan,
    AttemptRefused,
    Command,
    EndReason,
    Job,
    Step,
    Task,
)
from airflow_provider_jobs.emulator.logstore import LineWriter, LogLine, LogStore
from airflow_provider_jobs.emulator.slots import Slots
from airflow_provider_jobs.emulator.together import run_together

#: What a shell answers for "not found" and "found but not executable".
NOT_FOUND, NOT_EXECUTABLE = 127, 126
_SLEEP = re.compile(r"\s*(?:#!\s*/bin/(?:ba)?sh\s*\n)?\s*sleep\s+(\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Workplace:
    """What attempts need of the server. ``slots`` bounds how many real processes run at once."""

    children: Children
    logs: LogStore
    slots: Slots
    directory: Path
    search_path: str
    kill_grace_seconds: float
    simulate_sleep: bool


class Barrier:
    """Where tasks of one job wait for each other; opens when all tasks have arrived, and stays open."""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self._open = asyncio.Event()

    async def wait(self) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._open.set()
        await self._open.wait()


def simulated_seconds(command: Command) -> float | None:
    """How long a command that is exactly ``sleep N`` would sleep; None for every other command."""
    text = command.script
    if command.argv:
        shell = command.argv[0] in ("sh", "bash", "/bin/sh", "/bin/bash") and command.argv[1:2] == ("-c",)
        text = command.argv[2] if shell and len(command.argv) == 3 else shlex.join(command.argv)
    match = _SLEEP.fullmatch(text)
    return float(match[1]) if match else None


class Attempt:
    """Runs one attempt; :meth:`run` ends early when ``interrupt`` is given an AttemptEnd."""

    def __init__(
        self,
        workplace: Workplace,
        job: Job,
        *,
        task: Task,
        plan: AttemptPlan,
        interrupt: asyncio.Future[AttemptEnd],
        barriers: dict[int, Barrier],
    ) -> None:
        self._workplace = workplace
        self._job = job
        self._task = task
        self._plan = plan
        self._interrupt = interrupt
        self._barriers = barriers
        self._deadline: float | None = None
        self._background: list[tuple[Step, asyncio.Task[AttemptEnd]]] = []
        self._holds_slot = False

    @property
    def needs_process(self) -> bool:
        return any(step.command and self._sleep_of(step) is None for step in self._plan.steps)

    async def take_slot(self) -> None:
        """Wait until this machine has room for one more process, or the interrupt."""
        if not self.needs_process or self._holds_slot:
            return
        acquiring = asyncio.ensure_future(self._workplace.slots.acquire())
        awaited: set[asyncio.Future[Any]] = {acquiring, self._interrupt}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        self._holds_slot = acquiring.done()
        if not self._holds_slot:
            acquiring.cancel()

    def leave_slot(self) -> None:
        if self._holds_slot:
            self._workplace.slots.release()
            self._holds_slot = False

    async def run(self) -> AttemptEnd:
        """Run the steps. Returns the first failure that counts, or a plain success."""
        if self._plan.time_limit_seconds is not None:
            self._deadline = asyncio.get_running_loop().time() + self._plan.time_limit_seconds
        failure: AttemptEnd | None = None
        try:
            if (unprepared := await self._prepare()) is not None:
                return unprepared
            if self._plan.together:
                return await self._together()
            for number, step in enumerate(self._plan.steps):
                if failure and not step.always_run:
                    continue
                end = await self._step(number, step)
                if self._interrupt.done():
                    return replace(self._interrupt.result(), last_code=end.last_code)
                if end.reason is EndReason.TIMED_OUT and self._is_late():
                    return end
                if not end.succeeded and not step.ignore_failure:
                    failure = failure or end
            return failure or self._background_failure() or AttemptEnd(EndReason.EXITED)
        finally:
            await self._end_background()
            self.leave_slot()

    async def _together(self) -> AttemptEnd:
        """Run all steps side by side."""
        end = await run_together(self._plan.steps, self._command, interrupt=self._interrupt)
        if self._interrupt.done():
            return replace(self._interrupt.result(), steps=end.steps)
        return AttemptEnd(EndReason.TIMED_OUT, steps=end.steps) if self._is_late() else end

    async def _prepare(self) -> AttemptEnd | None:
        """None when the steps may begin; otherwise why they may not."""
        if self._plan.prepare is None:
            return None
        preparing = asyncio.ensure_future(self._plan.prepare())
        try:
            return await self._bounded(preparing, limit_seconds=None) or preparing.result()
        except AttemptRefused as refused:
            return refused.end

    def _is_late(self) -> bool:
        """The attempt's own time is over, not just a step's: no further step may run."""
        return self._deadline is not None and asyncio.get_running_loop().time() >= self._deadline

    async def _step(self, number: int, step: Step) -> AttemptEnd:
        if step.command is None:
            return await self._barrier(number)
        if step.background:
            running = asyncio.ensure_future(self._command(number, step))
            self._background.append((step, running))
            return AttemptEnd(EndReason.EXITED)
        return await self._command(number, step)

    async def _barrier(self, number: int) -> AttemptEnd:
        barrier = self._barriers.setdefault(number, Barrier(self._job.spec.task_count))
        self.leave_slot()
        end = await self._bounded(asyncio.ensure_future(barrier.wait()), limit_seconds=None)
        await self.take_slot()
        return end or AttemptEnd(EndReason.EXITED)

    async def _command(self, number: int, step: Step) -> AttemptEnd:
        seconds = self._sleep_of(step)
        if seconds is not None:
            waiting = asyncio.ensure_future(asyncio.sleep(seconds))
            stopped = await self._bounded(waiting, limit_seconds=step.time_limit_seconds)
            return replace(stopped, last_code=-signal.SIGTERM) if stopped else AttemptEnd(EndReason.EXITED)
        if self._plan.output_files is not None:
            outputs.create(self._plan.output_files)
        try:
            child = await self._workplace.children.spawn(
                self._argv(number, step), env=self._environment(step), cwd=self._directory()
            )
        except SpawnFailed as failed:
            self._say(number, str(failed))
            return AttemptEnd(
                EndReason.EXITED, NOT_EXECUTABLE if failed.errno == 13 else NOT_FOUND, str(failed)
            )
        except WardenGone as gone:
            return AttemptEnd(EndReason.LOST, message=str(gone))
        return await self._attend(child, number, step)

    async def _attend(self, child: Child, number: int, step: Step) -> AttemptEnd:
        """Wait for a running command, or end it when its time is over or nobody waits any more."""
        reading = asyncio.ensure_future(self._read(child, number))
        exited: asyncio.Future[int] = asyncio.ensure_future(asyncio.shield(child.exited))
        try:
            end = await self._bounded(exited, limit_seconds=step.time_limit_seconds)
        finally:
            code = await child.end(grace_seconds=self._workplace.kill_grace_seconds)
            await asyncio.wait({reading}, timeout=DRAIN_SECONDS)
            reading.cancel()
            child.close_streams()
        return replace(end, last_code=code) if end else AttemptEnd(EndReason.EXITED, code)

    async def _read(self, child: Child, number: int) -> None:
        """Store both streams line by line until they end; without logs, read and forget them."""
        stdout, stderr = await child.open_streams()
        logs = self._workplace.logs
        if (files := self._plan.output_files) is not None:
            await asyncio.gather(
                outputs.copy(stdout, files.stdout, logs), outputs.copy(stderr, files.stderr, logs)
            )
            return
        if not self._job.spec.keep_logs:
            await asyncio.gather(_discard(stdout), _discard(stderr))
            return
        await asyncio.gather(
            capture(stdout, LineWriter(logs, self._origin(number, "stdout"))),
            capture(stderr, LineWriter(logs, self._origin(number, "stderr"))),
        )

    async def _bounded(self, awaited: asyncio.Future, *, limit_seconds: float | None) -> AttemptEnd | None:
        """None when ``awaited`` came first; otherwise why the waiting ended."""
        loop = asyncio.get_running_loop()
        limits = [limit_seconds] if limit_seconds is not None else []
        if self._deadline is not None:
            limits.append(self._deadline - loop.time())
        await asyncio.wait(
            {awaited, self._interrupt},
            timeout=max(0.0, min(limits)) if limits else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if awaited.done():
            return None
        awaited.cancel()
        return self._interrupt.result() if self._interrupt.done() else AttemptEnd(EndReason.TIMED_OUT)

    def _background_failure(self) -> AttemptEnd | None:
        """A background step that failed by itself, before it was told to end, fails the attempt."""
        ended = [task.result() for step, task in self._background if task.done() and not step.ignore_failure]
        return next((end for end in ended if not end.succeeded), None)

    async def _end_background(self) -> None:
        for _, running in self._background:
            running.cancel()
        if self._background:
            await asyncio.wait({running for _, running in self._background})

    def _sleep_of(self, step: Step) -> float | None:
        return simulated_seconds(step.command) if step.command and self._workplace.simulate_sleep else None

    def _argv(self, number: int, step: Step) -> Sequence[str]:
        """The command's arguments; a script is written once per job and run through its shebang or sh."""
        command = step.command
        assert command is not None
        if command.argv:
            return command.argv
        path = self._job_directory() / f"step-{number}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = command.script if command.script.startswith("#!") else f"#!/bin/sh\n{command.script}"
            partial = path.with_suffix(".partial")
            partial.write_text(text, encoding="utf-8")
            partial.chmod(0o700)
            partial.rename(path)
        return [str(path)]

    def _environment(self, step: Step) -> dict[str, str]:
        """The step's variables over the few that every machine has; nothing of the server's own."""
        basics = {"PATH": self._workplace.search_path, "HOME": str(self._directory()), "LANG": "C.UTF-8"}
        return {**basics, **step.env}

    def _job_directory(self) -> Path:
        return self._workplace.directory / self._job.spec.uid

    def _directory(self) -> Path:
        path = self._plan.directory or self._job_directory() / f"{self._task.index}-{self._task.attempt}"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _origin(self, number: int, stream: str) -> LogLine:
        spec = self._job.spec
        return LogLine(spec.dialect, spec.uid, self._task.index, self._task.attempt, number, stream, "")

    def _say(self, number: int, text: str) -> None:
        """What a shell would have written to stderr."""
        if self._job.spec.keep_logs:
            self._workplace.logs.append(self._origin(number, "stderr")._replace(text=text))


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        continue
