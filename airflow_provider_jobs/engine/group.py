"""One poll group: all jobs of one backend, connection and scope that one event loop waits for."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Executor
from typing import Any
from weakref import WeakKeyDictionary

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.engine.calls import BackendCalls, OpenBackend
from airflow_provider_jobs.engine.clients import SharedBackends
from airflow_provider_jobs.engine.clock import Now, utc_now
from airflow_provider_jobs.engine.members import Member, Members, in_empty_context, loop_time
from airflow_provider_jobs.engine.pacing import Pacing
from airflow_provider_jobs.engine.poller import StatePoller
from airflow_provider_jobs.engine.reader import LogReader
from airflow_provider_jobs.engine.watching import ChangeWatcher

log = logging.getLogger(__name__)

# A client is dear to make, above all its credentials: the next job of a mapped task should find it there.
IDLE_SECONDS = 60.0
# Many jobs may stand in one queue; asking why, one job after the other, must not become a load of its own.
EXPLAIN_PAUSE_SECONDS = 1.0


class PollGroup:
    """The members of one group and the loops that serve them while there are any."""

    def __init__(self, calls: BackendCalls, *, now: Now = utc_now, pacing: Pacing | None = None) -> None:
        self.calls = calls
        self._members = Members()
        self._poller = StatePoller(self._members, calls, now=now, pacing=pacing or Pacing())
        self._reader = LogReader(self._members, calls)
        self._watcher = ChangeWatcher(self._members, calls)
        self._loops: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._explain_next = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits in this group."""
        return not self._members

    def join(self, handle: JobHandle, *, wants_logs: bool, base_seconds: float | None = None) -> Member:
        """Begin to watch a job; the first look is due at once."""
        member = Member(handle, wants_logs=wants_logs, base_seconds=base_seconds)
        self._members.add(member)
        if not self._loops:
            self._loops = [
                in_empty_context(self._guard(loop.run()))
                for loop in (self._poller, self._reader, self._watcher)
            ]
        return member

    def leave(self, member: Member) -> None:
        """Stop watching for this member. The last one to leave ends the loops."""
        self._members.remove(member)
        if self.is_idle:
            self._end_loops()

    def look_now(self, member: Member) -> None:
        """Have the job of this member looked at as soon as can be."""
        self._members.hasten([member.handle.native_id], 0.0)

    def turn_to_explain(self) -> float:
        """Return in how many seconds it is the caller's turn to ask why a job does not start."""
        turn = max(self._explain_next, loop_time())
        self._explain_next = turn + EXPLAIN_PAUSE_SECONDS
        return turn - loop_time()

    async def stop(self) -> None:
        """End the loops and let the threads go; a call under way is not waited for."""
        self._end_loops()
        await asyncio.gather(*self._ending, return_exceptions=True)
        self.calls.close()

    def _end_loops(self) -> None:
        for task in self._loops:
            if task is not asyncio.current_task():
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        self._loops = []

    async def _guard(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run a loop; a defect in it ends the waits with an error, since nobody would wake them again."""
        try:
            await loop
        except Exception as error:
            log.exception("The poll group stopped")
            for member in self._members.present():
                member.tell(JobsError(f"the poll group stopped: {error!r}"))
            self._end_loops()


class PollGroups:
    """The groups of one event loop by what they are keyed by.

    A group outlives its last user by a while, and its client with it.
    """

    def __init__(
        self,
        open_backend: OpenBackend = open_backend,
        *,
        now: Now = utc_now,
        pacing: Pacing | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Make no group yet.

        :ivar shared: backends for those who submit
        :param executor: where backends are called; threads of each group's own where it is ``None``
        """
        self.now = now
        self.shared = SharedBackends(open_backend)
        self._open_backend = open_backend
        self._pacing = pacing
        self._executor = executor
        self._groups: dict[BackendRef, PollGroup] = {}
        self._users: Counter[BackendRef] = Counter()
        self._closing: dict[BackendRef, asyncio.TimerHandle] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def lend(self, ref: BackendRef) -> PollGroup:
        """Return the group of this reference; :meth:`give_back` says that it is not needed any more."""
        if ref not in self._groups:
            calls = BackendCalls(ref, self._open_backend, executor=self._executor)
            self._groups[ref] = PollGroup(calls, now=self.now, pacing=self._pacing)
        if ref in self._closing:
            self._closing.pop(ref).cancel()
        self._users[ref] += 1
        return self._groups[ref]

    def give_back(self, ref: BackendRef) -> None:
        """Say that one user less needs the group of this reference."""
        self._users[ref] -= 1
        if not self._users[ref]:
            del self._users[ref]
            loop = asyncio.get_running_loop()
            self._closing[ref] = loop.call_later(IDLE_SECONDS, self._close, ref)

    def _close(self, ref: BackendRef) -> None:
        del self._closing[ref]
        stopping = in_empty_context(self._groups.pop(ref).stop())
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)


_GROUPS_BY_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, PollGroups] = WeakKeyDictionary()


def poll_groups() -> PollGroups:
    """Return the groups of the running event loop, shared by all triggers of a triggerer."""
    return _GROUPS_BY_LOOP.setdefault(asyncio.get_running_loop(), PollGroups())
