"""Who waits in a poll group, and the small loop tools that its loops use.

Thousands wait in one process, so a member has no more than it needs: slots instead of a dictionary, and a
tuple and a future instead of a queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import math
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import JsonValue

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import JobHandle, JobReport, LogPage
from airflow_provider_jobs.core.states import JobState

# Waiters are told so many at a time: between two portions, what else the loop has to do has its turn.
PORTION = 50


@dataclass(frozen=True)
class LogRead:
    """New lines of a job, or the word that there are none.

    :param after_end: whether the read began after the job had ended, so that lines which it lacks are late
    """

    page: LogPage
    after_end: bool


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
Update: TypeAlias = JobReport | LogRead | LogTrouble | ServiceTrouble | JobsError


@dataclass(eq=False, slots=True)
class Member:
    """One waiter for one job, and what the loops remember of it.

    :param wants_logs: whether its log is read while it runs; after its end it always is
    :param base_seconds: the user's own poll interval, ``None`` for the adaptive one
    :param due: when its job is looked at next, in the loop's seconds, 0 for at once and before all others;
        or one of the words of :class:`Members`
    :param last_seen: the hash of the last report, which is not told a second time
    :param position: how far its log has been read
    :param read_turn: which read of its group was the last that had room for it
    """

    handle: JobHandle
    wants_logs: bool
    base_seconds: float | None
    due: float = 0.0
    last_seen: int | None = None
    position: JsonValue = None
    read_turn: int = 0
    has_started: bool = False
    has_ended: bool = False
    is_in_trouble: bool = False
    refusals: int = 0
    _updates: tuple[Update, ...] = ()
    _waiter: asyncio.Future[None] | None = None

    @property
    def reads_logs(self) -> bool:
        """Whether its log is to be read now."""
        return self.has_started and (self.wants_logs or self.has_ended)

    @property
    def has_lines(self) -> bool:
        """Whether it has yet to take lines that it was told."""
        return any(isinstance(update, LogRead) and update.page.lines for update in self._updates)

    def tell(self, update: Update) -> None:
        """Hand an update to the waiter."""
        if isinstance(update, JobReport) and update.state is not None:
            self.has_started = self.has_started or update.state not in (JobState.SUBMITTED, JobState.QUEUED)
            self.has_ended = update.state.is_terminal
        if isinstance(update, JobsError):
            self.has_ended = True
        if isinstance(update, ServiceTrouble):
            self.is_in_trouble = update.error is not None
        self._updates = (*self._updates, update)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next_update(self, within_seconds: float | None) -> Update | None:
        """Return the next update, ``None`` where none came in time; one caller at a time.

        :param within_seconds: how long to wait, ``None`` without end
        """
        if not self._updates:
            # Here and not in a coroutine of its own: thousands stand at this line.
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = None if within_seconds is None else loop.call_later(within_seconds, _wake, waiter)
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        if not self._updates:
            return None
        update, *rest = self._updates
        self._updates = tuple(rest)
        return update


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


# What stands in place of a moment: somebody asks for the job right now, or nobody waits for it any more.
BEING_ASKED = math.inf
GONE = -math.inf


@dataclass
class Members:
    """The members of a group, when each is due, and the events that wake the group's loops.

    Moments lie on a grid, so that few of them serve many members.
    """

    wake_poller: asyncio.Event = field(default_factory=asyncio.Event)
    wake_reader: asyncio.Event = field(default_factory=asyncio.Event)
    _by_job: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    _due_at: dict[float, list[Member]] = field(default_factory=dict)
    _moments: list[float] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._by_job)

    def present(self) -> list[Member]:
        """Return all of them, those who came first at the beginning."""
        return [member for members in self._by_job.values() for member in members]

    def waiting_for(self, native_id: str) -> tuple[Member, ...]:
        """Return those who wait for a job."""
        return self._by_job.get(native_id, ())

    def add(self, member: Member) -> None:
        """Take a member in; its job is looked at as soon as can be."""
        native_id = member.handle.native_id
        self._by_job[native_id] = (*self._by_job.get(native_id, ()), member)
        self.schedule(member, 0.0)
        self.wake_poller.set()

    def remove(self, member: Member) -> None:
        """Let a member go. Idempotent."""
        native_id = member.handle.native_id
        member.due = GONE
        rest = tuple(each for each in self._by_job.get(native_id, ()) if each is not member)
        if rest:
            self._by_job[native_id] = rest
        else:
            self._by_job.pop(native_id, None)
        if not self._by_job:
            self._due_at.clear()
            self._moments.clear()

    def schedule(self, member: Member, due: float) -> None:
        """Say when the job of a member is looked at next, in place of what was said before."""
        if member.due == GONE or member.has_ended:
            return
        if due not in self._due_at:
            self._due_at[due] = []
            heapq.heappush(self._moments, due)
        self._due_at[due].append(member)
        member.due = due

    def hasten(self, native_ids: Iterable[str], due: float) -> None:
        """Have the jobs of these ids looked at by then, if somebody waits for them."""
        for native_id in native_ids:
            for member in self.waiting_for(native_id):
                if member.due > due:
                    self.schedule(member, due)
                    self.wake_poller.set()

    def next_moment(self) -> float | None:
        """Return when jobs are due next, ``None`` where none will ever be."""
        return self._moments[0] if self._moments else None

    def take_due(self, now: float, count: int) -> list[Member]:
        """Return at most so many members whose jobs are due, the most urgent first.

        They are due no more, until they are scheduled again.
        """
        taken: list[Member] = []
        while len(taken) < count and self._moments and self._moments[0] <= now:
            moment = self._moments[0]
            members = self._due_at[moment]
            while members and len(taken) < count:
                member = members.pop()
                # Who has another moment by now, or has ended or left, is not meant any more.
                if member.due == moment and not member.has_ended:
                    member.due = BEING_ASKED
                    taken.append(member)
            if not members:
                del self._due_at[heapq.heappop(self._moments)]
        return taken


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
