"""The loop of a poll group that asks for states: many jobs in one call, young ones often."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

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
        handles: list[JobHandle] = []
        told: dict[str, int | None] = {}
        for member in due:
            native_id = member.handle.native_id
            if native_id not in told:
                handles.append(member.handle)
                told[native_id] = member.last_seen
            elif told[native_id] != member.last_seen:
                told[native_id] = None
        try:
            news = await self._calls.run(partial(_describe, handles, told))
        except JobsError as error:
            self._take_error(error, due)
            return
        self._backoff.after_success()
        self._expired_since = None
        if any(report.state is not None and report.state.is_terminal for report in news.values()):
            self._last_end = loop_time()
        for portion in _portions(due):
            for member in portion:
                self._tell(member, news.get(member.handle.native_id))
                self._schedule(member, limits)
            await asyncio.sleep(0)

    def _tell(self, member: Member, news: JobReport | None) -> None:
        """Tell a member what is new of its job, and that the service answers where it did not."""
        member.refusals = 0
        if member.is_in_trouble:
            member.tell(ServiceTrouble(None))
        if news is None:
            return
        member.last_seen = hash(news)
        had_started = member.has_started
        member.tell(news)
        if member.has_ended or member.has_started != had_started:
            self._members.wake_reader.set()

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


def _describe(
    handles: Sequence[JobHandle], told: Mapping[str, int | None], backend: Backend
) -> dict[str, JobReport]:
    """Return the reports that are news, by native id; in a thread, where most reports end as well.

    How long a job has been missing is news each time.

    :param told: the hash of the report that was told last of each, ``None`` where any is news
    """
    return {
        report.native_id: report
        for report in backend.describe(handles)
        if not report.found or told[report.native_id] != hash(report)
    }


def _portions(members: Sequence[Member]) -> Iterator[Sequence[Member]]:
    for start in range(0, len(members), PORTION):
        yield members[start : start + PORTION]
