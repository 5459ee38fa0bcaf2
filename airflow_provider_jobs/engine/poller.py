"""The loop of a poll group that asks for states: many jobs in one call, young ones often."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
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
from airflow_provider_jobs.engine.members import Member, Members, ServiceTrouble, loop_time, wait_for_event
from airflow_provider_jobs.engine.pacing import Backoff, Pacing

log = logging.getLogger(__name__)

# An answer that repeating should not change ends the wait only after so many in a row: a revoked
# permission is often given back within minutes.
PERMANENT_TRIES = 5
# Expired credentials are waited for as long as a person may need to renew them.
EXPIRED_SECONDS = 1800.0
# Jobs that are nearly due are asked for together with those that are.
_EARLY_SHARE = 0.25


class StatePoller:
    """Asks for the members' jobs as they fall due and hands each member its report."""

    def __init__(self, members: Members, calls: BackendCalls, *, now: Now, pacing: Pacing) -> None:
        self._members = members
        self._calls = calls
        self._now = now
        self._pacing = pacing
        self._backoff = Backoff()
        self._expired_since: float | None = None

    async def run(self) -> None:
        """Poll until nobody is left."""
        while self._members.present:
            self._members.wake_poller.clear()
            if due := self._due():
                # Ids are frozen for these calls; who joins meanwhile is due at once afterwards.
                await self._describe_all(due)
                continue
            dues = [member.due for member in self._members.present if not member.has_ended]
            await wait_for_event(self._members.wake_poller, min(dues) - loop_time() if dues else None)

    def _due(self) -> list[Member]:
        now = loop_time()
        waiting = [member for member in self._members.present if not member.has_ended]
        if not any(member.due <= now for member in waiting):
            return []
        return [member for member in waiting if member.due - member.interval_seconds * _EARLY_SHARE <= now]

    async def _describe_all(self, due: Sequence[Member]) -> None:
        try:
            limits = (await self._calls.backend()).limits
        except JobsError as error:
            self._take_error(error, due)
            return
        by_handle: dict[JobHandle, list[Member]] = {}
        for member in due:
            by_handle.setdefault(member.handle, []).append(member)
        handles = list(by_handle)
        for start in range(0, len(handles), limits.describe_chunk):
            chunk = handles[start : start + limits.describe_chunk]
            members = [member for handle in chunk for member in by_handle[handle]]
            try:
                reports = await self._calls.run(partial(_describe, chunk))
            except JobsError as error:
                self._take_error(error, members)
                if is_trouble(error):
                    break
                continue
            self._hand_over(reports, members, limits)

    def _hand_over(self, reports: Sequence[JobReport], members: Iterable[Member], limits: Limits) -> None:
        self._backoff.after_success()
        self._expired_since = None
        by_id = {report.native_id: report for report in reports}
        for member in members:
            report = by_id[member.handle.native_id]
            member.refusals = 0
            if member.is_in_trouble:
                member.tell(ServiceTrouble(None))
            age_seconds = (self._now() - member.handle.submitted_at).total_seconds()
            interval = self._pacing.interval_seconds(age_seconds, base_seconds=member.base_seconds)
            member.interval_seconds = max(interval, limits.describe_floor_seconds)
            member.due = loop_time() + member.interval_seconds
            had_started, had_ended = member.has_started, member.has_ended
            member.tell(report)
            if (member.has_started, member.has_ended) != (had_started, had_ended):
                self._members.wake_reader.set()

    def _take_error(self, error: JobsError, asked: Sequence[Member]) -> None:
        """Slow down. Trouble touches no job; only a refusal given again and again ends a wait."""
        seconds = self._backoff.after_failure(retry_after_seconds(error))
        level = logging.WARNING if self._backoff.failures == 1 else logging.DEBUG
        log.log(level, "Polling pauses for %.1f s: %s", seconds, error)
        until = loop_time() + seconds
        for member in self._members.present if is_trouble(error) else asked:
            member.due = max(member.due, until)
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


def _describe(handles: Sequence[JobHandle], backend: Backend) -> Sequence[JobReport]:
    return backend.describe(handles)
