"""Who waits in a poll group, and the small loop tools that both of its loops use."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.states import JobState


@dataclass(frozen=True)
class LogTrouble:
    """The logs of a job cannot be read right now, which says nothing about the job."""

    error: JobsError


@dataclass(frozen=True)
class ServiceTrouble:
    """The service cannot be asked right now, which says nothing about the job.

    :param error: what it said, ``None`` once it answers again
    """

    error: JobsError | None


# A report, new log lines, trouble with the logs or the service, or the error that ends the wait.
Update: TypeAlias = JobReport | LogPage | LogTrouble | ServiceTrouble | JobsError


@dataclass(eq=False)
class Member:
    """One waiter for one job, and what the loops remember of it.

    :param wants_logs: whether its log is read
    :param base_seconds: the user's own poll interval, ``None`` for the adaptive one
    """

    handle: JobHandle
    wants_logs: bool
    base_seconds: float | None
    updates: asyncio.Queue[Update] = field(default_factory=asyncio.Queue)
    due: float = 0.0
    interval_seconds: float = 0.0
    cursor: LogCursor = field(init=False)
    has_started: bool = False
    has_ended: bool = False
    refusals: int = 0
    is_in_trouble: bool = False

    def __post_init__(self) -> None:
        self.cursor = LogCursor(handle=self.handle)

    def tell(self, update: Update) -> None:
        """Hand an update to the waiter."""
        if isinstance(update, JobReport) and update.state is not None:
            self.has_started = self.has_started or update.state not in (JobState.SUBMITTED, JobState.QUEUED)
            self.has_ended = update.state.is_terminal
        if isinstance(update, JobsError):
            self.has_ended = True
        if isinstance(update, ServiceTrouble):
            self.is_in_trouble = update.error is not None
        self.updates.put_nowait(update)


@dataclass
class Members:
    """The members of a group in the order they came, and the events that wake its loops."""

    present: dict[Member, None] = field(default_factory=dict)
    wake_poller: asyncio.Event = field(default_factory=asyncio.Event)
    wake_reader: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Make both loops look again."""
        self.wake_poller.set()
        self.wake_reader.set()


def loop_time() -> float:
    """Return the running loop's monotonic time in seconds."""
    return asyncio.get_running_loop().time()


def in_empty_context(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a task that inherits nothing, above all no log context, from the one that starts it."""
    return contextvars.Context().run(asyncio.get_running_loop().create_task, coroutine)


async def wait_for_event(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for the event, at most so many seconds; ``None`` waits without end."""
    if seconds is None or seconds > 0:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
