"""The loop of a poll group that reads logs: one read for all jobs, within the service's quota.

Trouble with logs never slows the poller down and never ends a job.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from airflow_provider_jobs.core.backend import Backend, Limits
from airflow_provider_jobs.core.errors import JobsError, retry_after_seconds
from airflow_provider_jobs.core.models import LogCursor, LogPage
from airflow_provider_jobs.engine.calls import BackendCalls
from airflow_provider_jobs.engine.members import LogRead, LogTrouble, Member, Members, wait_for_event
from airflow_provider_jobs.engine.pacing import Backoff

log = logging.getLogger(__name__)

_IDLE_CEILING_SECONDS = 10.0
_BUSY_SECONDS = 0.05


@dataclass
class _Round:
    """What one read of all logs brought."""

    lines: int = 0
    more: bool = False
    pause_seconds: float | None = None


class LogReader:
    """Reads the logs of the members that want them, from the moment their job has started."""

    def __init__(self, members: Members, calls: BackendCalls) -> None:
        self._members = members
        self._calls = calls
        self._backoff = Backoff()
        self._turn = 0

    async def run(self) -> None:
        """Read until nobody is left."""
        limits = await self._limits()
        idle = floor = limits.logs_floor_seconds
        while self._members:
            self._members.wake_reader.clear()
            wanting = [member for member in self._members.present() if member.reads_logs]
            if not wanting:
                await self._members.wake_reader.wait()
                continue
            # No more is read for a member than it takes, or a fast job would fill the memory.
            readers = [member for member in wanting if not member.has_lines]
            # Tasks wait for the last lines of the jobs that are over. Among equals, whoever was left out of
            # the last read, since a quota had no room, comes first.
            readers.sort(key=lambda member: (not member.has_ended, member.read_turn))
            if not readers:
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            done = await self._read_all(readers, size=limits.logs_chunk)
            # The floor is the service's quota: a wake-up shortens an idle pause, never that.
            is_cut = limits.logs_have_budget and done.lines and done.more
            await asyncio.sleep(done.pause_seconds or (0 if is_cut else floor))
            if done.lines or done.more or done.pause_seconds or any(member.has_ended for member in readers):
                idle = floor
                continue
            idle = min(idle * 1.5, max(floor, _IDLE_CEILING_SECONDS))
            await wait_for_event(self._members.wake_reader, idle - floor)

    async def _limits(self) -> Limits:
        """Return the backend's limits once it can be made; the poller tells the members why it cannot."""
        while True:
            try:
                return (await self._calls.backend()).limits
            except JobsError:
                await asyncio.sleep(self._backoff.after_failure())

    async def _read_all(self, readers: Sequence[Member], *, size: int) -> _Round:
        done = _Round()
        self._turn += 1
        for chunk in _chunks(readers, size):
            had_ended = [member.has_ended for member in chunk]
            cursors = [LogCursor(handle=member.handle, position=member.position) for member in chunk]
            try:
                pages = await self._calls.run(partial(_read, cursors))
            except JobsError as error:
                done.pause_seconds = self._take_error(error, chunk)
                return done
            self._backoff.after_success()
            for member, page, ended in zip(chunk, pages, had_ended, strict=True):
                self._hand_over(member, page, done, had_ended=ended)
        return done

    def _hand_over(self, member: Member, page: LogPage, done: _Round, *, had_ended: bool) -> None:
        member.position = page.position
        if not page.unread:
            member.read_turn = self._turn
        done.lines += len(page.lines)
        done.more = done.more or page.more
        # After the end even an empty page is news: the waiter counts reads that began after it.
        if page.lines or had_ended:
            member.tell(LogRead(page, after_end=had_ended))

    def _take_error(self, error: JobsError, readers: Sequence[Member]) -> float:
        seconds = self._backoff.after_failure(retry_after_seconds(error))
        first = self._backoff.failures == 1
        log.log(
            logging.WARNING if first else logging.DEBUG, "Reading logs pauses for %.1f s: %s", seconds, error
        )
        if first:
            for member in readers:
                member.tell(LogTrouble(error))
        return seconds


def _chunks(readers: Sequence[Member], size: int) -> Iterator[Sequence[Member]]:
    """Yield the members in chunks of which none has a job twice: two may wait for one, each at its place."""
    waves: list[dict[str, Member]] = []
    for member in readers:
        native_id = member.handle.native_id
        wave = next((wave for wave in waves if native_id not in wave), None)
        if wave is None:
            waves.append(wave := {})
        wave[native_id] = member
    for wave in waves:
        members = list(wave.values())
        yield from (members[start : start + size] for start in range(0, len(members), size))


def _read(cursors: Sequence[LogCursor], backend: Backend) -> Sequence[LogPage]:
    return backend.read_logs(cursors)
