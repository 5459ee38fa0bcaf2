"""The loop of a poll group that asks for states: many jobs in one call, young ones often."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_jobs.core.backend import Backend, Limits
from airflow_provider_jobs.core.errors import (
    CredentialsExpired,
    JobsError,
    PermanentError,
    is_trouble,
    retry_after_seconds,
)
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.engine.calls import BackendCalls
from airflow_provider_jobs.engine.clock import Now
from airflow_provider_jobs.engine.members import (
    BEING_ASKED,
    PORTION,
    Member,
    Members,
    ServiceTrouble,
    loop_time,
    wait_for_event,
)
from airflow_provider_jobs.engine.pacing import Backoff, Pacing

log = logging.getLogger(__name__)

# An answer that repeating should not change ends the wait only after so many in a row: a revoked
# permission is often given back within minutes.
PERMANENT_TRIES = 5
# Expired credentials are waited for as long as a person may need to renew them.
EXPIRED_SECONDS = 1800.0
# Jobs that are submitted together end together: where one has ended, the others are looked at sooner.
_SOONER_SHARE = 0.5


class StatePoller:
    """Asks for the members' jobs as they fall due and hands each member what is new."""

    def __init__(self, members: Members, calls: BackendCalls, *, now: Now, pacing: Pacing) -> None:
        self._members = members
        self._calls = calls
        self._now = now
        self._pacing = pacing
        self._backoff = Backoff()
        self._paused_until = 0.0
        self._expired_since: float | None = None
        self._last_end = -math.inf

    async def run(self) -> None:
        """Poll until nobody is left."""
        members = self._members
        while members:
            members.wake_poller.clear()
            if self._paused_until > loop_time():
                await asyncio.sleep(self._paused_until - loop_time())
            try:
                limits = (await self._calls.backend()).limits
            except JobsError as error:
                self._take_error(error, members.take_due(loop_time(), sys.maxsize))
                continue
            # Ids are frozen for one call; who joins meanwhile has its turn with the next.
            if due := members.take_due(loop_time(), limits.describe_chunk):
                await self._look_at(due, limits)
                continue
            moment = members.next_moment()
            await wait_for_event(members.wake_poller, None if moment is None else moment - loop_time())

    async def _look_at(self, due: Sequence[Member], limits: Limits) -> None:
        look = Look(due)
        try:
            while news := await self._calls.run_in_first_thread(look.next_news):
                self._hand_out(news)
                # They take it up while the rest is asked for; a report that has been read is forgotten.
                await asyncio.sleep(0)
        except JobsError as error:
            self._take_error(error, [member for member in due if look.has_left_out(member)])
            due = [member for member in due if not look.has_left_out(member)]
        else:
            self._backoff.after_success()
            self._expired_since = None
        for portion in _portions(due):
            for member in portion:
                self._take_answer(member)
                self._schedule(member, limits)
            await asyncio.sleep(0)

    def _hand_out(self, news: Sequence[JobReport]) -> None:
        """Tell what is new of jobs to all who wait for them."""
        if any(report.state is not None and report.state.is_terminal for report in news):
            self._last_end = loop_time()
        for report in news:
            for member in self._members.waiting_for(report.native_id):
                if member.has_ended:
                    continue
                self._take_answer(member)
                member.last_seen = hash(report)
                had_started = member.has_started
                member.tell(report)
                if member.has_ended or member.has_started != had_started:
                    self._members.wake_reader.set()

    @staticmethod
    def _take_answer(member: Member) -> None:
        """Note that the service answers for this member, and say so where it did not before."""
        member.refusals = 0
        if member.is_in_trouble:
            member.tell(ServiceTrouble(None))

    def _schedule(self, member: Member, limits: Limits) -> None:
        if member.due != BEING_ASKED:
            return  # it has left, or another look was asked for while this one was under way
        age_seconds = (self._now() - member.handle.submitted_at).total_seconds()
        interval = self._pacing.interval_seconds(
            age_seconds, base_seconds=member.base_seconds, least_seconds=limits.describe_floor_seconds
        )
        if loop_time() - self._last_end < interval:
            interval = max(
                interval * _SOONER_SHARE, self._pacing.floor_seconds, limits.describe_floor_seconds
            )
        self._members.schedule(member, self._pacing.next_look(loop_time(), interval))

    def _take_error(self, error: JobsError, asked: Sequence[Member]) -> None:
        """Slow down. Trouble touches no job; only a refusal given again and again ends a wait."""
        seconds = self._backoff.after_failure(retry_after_seconds(error))
        level = logging.WARNING if self._backoff.failures == 1 else logging.DEBUG
        log.log(level, "Polling pauses for %.1f s: %s", seconds, error)
        until = loop_time() + seconds
        for member in asked:
            self._members.schedule(member, until)
        if is_trouble(error):
            self._paused_until = until
        if self._will_pass(error):
            self._tell_trouble(error, asked)
            return
        tries = PERMANENT_TRIES if isinstance(error, PermanentError) else 1
        for member in asked:
            member.refusals += 1
            if member.refusals >= tries:
                member.tell(error)

    def _will_pass(self, error: JobsError) -> bool:
        """Return whether it is trouble that passes; credentials that stay expired do not for ever."""
        if not isinstance(error, CredentialsExpired):
            return is_trouble(error)
        self._expired_since = self._expired_since or loop_time()
        return loop_time() - self._expired_since < EXPIRED_SECONDS

    def _tell_trouble(self, error: JobsError, asked: Sequence[Member]) -> None:
        """Tell each member once in an outage: its task's log is where a person looks."""
        for member in asked:
            if not member.is_in_trouble:
                member.tell(ServiceTrouble(error))


class Look:
    """One describe of the backend, taken portion by portion in a thread, where what is not new ends as well.

    Of thousands of reports few then live at once, and those that came before a call failed count.

    :param due: who waits for the jobs
    """

    def __init__(self, due: Iterable[Member]) -> None:
        self._handles: list[JobHandle] = []
        # The hash of the report that was told last of each job, ``None`` where any is news.
        self._left: dict[str, int | None] = {}
        self._reports: Iterator[JobReport] | None = None
        self._error: JobsError | None = None
        for member in due:
            native_id = member.handle.native_id
            if native_id not in self._left:
                self._handles.append(member.handle)
                self._left[native_id] = member.last_seen
            elif self._left[native_id] != member.last_seen:
                self._left[native_id] = None

    def next_news(self, backend: Backend) -> list[JobReport]:
        """Return the next reports that are news, none at the end; blocking.

        How long a job has been missing is news each time.

        :raises JobsError: a call failed, and all that came before it was returned
        """
        if self._error is not None:
            raise self._error
        news: list[JobReport] = []
        try:
            if self._reports is None:
                self._reports = iter(backend.describe(self._handles))
            for report in self._reports:
                if self._left.pop(report.native_id, None) != hash(report) or not report.found:
                    news.append(report)
                if len(news) == PORTION:
                    break
        except JobsError as error:
            if not news:
                raise
            self._error = error
        return news

    def has_left_out(self, member: Member) -> bool:
        """Return whether no report of this member's job has come."""
        return member.handle.native_id in self._left


def _portions(members: Sequence[Member]) -> Iterator[Sequence[Member]]:
    for start in range(0, len(members), PORTION):
        yield members[start : start + PORTION]
