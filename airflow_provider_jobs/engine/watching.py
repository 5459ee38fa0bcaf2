"""The loop of a poll group that listens where a service tells of changes by itself. It only hastens looks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence

from airflow_provider_jobs.core.backend import Watches
from airflow_provider_jobs.core.errors import AccessDenied, JobsError, retry_after_seconds
from airflow_provider_jobs.engine.calls import BackendCalls
from airflow_provider_jobs.engine.members import Members, loop_time
from airflow_provider_jobs.engine.pacing import Backoff

log = logging.getLogger(__name__)

# Changes come in bursts: what comes within this time is one look.
_GATHER_SECONDS = 0.1
# The least time from one watch to the next, for a service that ends every one at once.
_PAUSE_SECONDS = 1.0


class ChangeWatcher:
    """Hears of changed jobs and has them looked at. Polling goes on underneath and needs nothing of it."""

    def __init__(self, members: Members, calls: BackendCalls) -> None:
        self._members = members
        self._calls = calls
        self._backoff = Backoff(ceiling_seconds=60.0)
        self._listening: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Listen until this is cancelled; return where the service cannot tell, or may not."""
        while True:
            try:
                backend = await self._calls.backend()
                if not isinstance(backend, Watches):
                    return
                await self._watch(backend)
            except AccessDenied as error:
                log.info("Jobs are polled, since they may not be watched: %s", error)
                return
            except JobsError as error:
                pause = self._backoff.after_failure(retry_after_seconds(error))
                log.debug("Watching pauses for %.1f s: %s", pause, error)
                await asyncio.sleep(pause)
            else:
                self._backoff.after_success()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _watch(self, backend: Watches) -> None:
        """Watch once, until the connection ends.

        A thread of its own, which no executor waits for: it blocks for as long as the service is silent.
        """
        if self._listening is not None:
            await asyncio.wait([self._listening])  # a thread that was told to stop may need a moment
        loop = asyncio.get_running_loop()
        ended = self._listening = loop.create_future()
        is_wanted = True

        def listen() -> None:
            error: Exception | None = None
            try:
                for native_ids in backend.watch():
                    if not is_wanted:
                        return
                    loop.call_soon_threadsafe(self._hear, native_ids)
            except Exception as problem:  # noqa: BLE001 - it is raised where the watch is awaited
                error = problem
            with contextlib.suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(_settle, ended, error)

        threading.Thread(target=listen, name="watch", daemon=True).start()
        try:
            await asyncio.wait([ended])
        finally:
            is_wanted = False
            backend.stop_watching()
        ended.result()

    def _hear(self, native_ids: Sequence[str]) -> None:
        self._members.hasten(native_ids, loop_time() + _GATHER_SECONDS)


def _settle(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
