"""Calls of a blocking backend: through a few threads, and the one place where they are repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol, TypeVar

import tenacity

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import CredentialsExpired, is_trouble, retry_after_seconds
from airflow_provider_jobs.core.models import BackendRef

log = logging.getLogger(__name__)
T = TypeVar("T")
OpenBackend = Callable[[BackendRef], Backend]
# One asks for states, one reads logs; the others cancel, delete and explain, of which there may be many at
# once: they wait for their turn where they hold up neither of the two.
THREADS_PER_GROUP = 6
_THREADS_FOR_OTHERS = THREADS_PER_GROUP - 2


class Asking(Protocol):
    """Makes a call of a backend, repeated as its caller wants."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """Return its answer."""


def repeat(call: Callable[[], T], *, within_seconds: float, sleep: Callable[[float], None]) -> T:
    """Return the answer of ``call``, repeated with growing pauses while the service is in trouble.

    Blocking. Every other error than trouble is raised at once. The call must be one that may be sent again
    when its answer was lost.

    :param within_seconds: how long to go on before the last error is raised
    :param sleep: pauses, ``time.sleep`` outside of tests
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_trouble),
        wait=_wait,
        # What was slept counts by itself too: the clock of a test may stand still.
        stop=lambda state: max(state.seconds_since_start or 0.0, state.idle_for) >= within_seconds,
        sleep=sleep,
        before_sleep=_tell,
        reraise=True,
    )
    return retrying(call)


def _tell(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause_seconds = state.next_action.sleep if state.next_action else 0.0
    log.warning("Asking again in %.1f s: %s", pause_seconds, error)


_GROWING = tenacity.wait_exponential_jitter(initial=0.5, max=20.0, jitter=0.5)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = retry_after_seconds(error) if error else None
    return max(_GROWING(state), asked or 0.0)


class BackendCalls:
    """One backend behind a few threads of its own, so that a slow service holds up nobody else.

    The backend is made in such a thread at the first call, since that imports the vendor's client.
    """

    def __init__(
        self, ref: BackendRef, open_backend: OpenBackend, *, executor: Executor | None = None
    ) -> None:
        self._ref = ref
        self._open_backend = open_backend
        # A thread keeps of the process's memory what it once needed. The answers about states are large: in
        # the thread that imported the vendor's client they find the room that is left there.
        self._first_thread = executor or ThreadPoolExecutor(1, thread_name_prefix=f"{ref.backend}_first")
        self._threads = executor or ThreadPoolExecutor(THREADS_PER_GROUP - 1, thread_name_prefix=ref.backend)
        self._opening = asyncio.Lock()
        self._others = asyncio.Semaphore(_THREADS_FOR_OTHERS)
        self._backend: Backend | None = None

    async def backend(self) -> Backend:
        """Return the backend, made at the first call.

        :raises JobsError: it cannot be made; the next call tries again
        """
        async with self._opening:
            if self._backend is None:
                self._backend = await _in(self._first_thread, lambda: self._open_backend(self._ref))
            return self._backend

    async def run(self, call: Callable[[Backend], T]) -> T:
        """Return the answer of one blocking call of the backend.

        A backend reads its connection once: with credentials that have expired it is made anew.
        """
        return await self._run(call, self._threads)

    async def run_in_first_thread(self, call: Callable[[Backend], T]) -> T:
        """Do what :meth:`run` does in the thread in which the backend was made; for large answers."""
        return await self._run(call, self._first_thread)

    async def run_in_turn(self, call: Callable[[Backend], T]) -> T:
        """Do what :meth:`run` does once it is this call's turn; for calls of which many may come at once."""
        async with self._others:
            return await self.run(call)

    async def _run(self, call: Callable[[Backend], T], executor: Executor) -> T:
        backend = await self.backend()
        try:
            return await _in(executor, lambda: call(backend))
        except CredentialsExpired:
            self._backend = None
            raise

    def close(self) -> None:
        """Let the threads end; a call under way is not waited for."""
        for executor in (self._first_thread, self._threads):
            executor.shutdown(wait=False)


async def _in(executor: Executor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, call)
