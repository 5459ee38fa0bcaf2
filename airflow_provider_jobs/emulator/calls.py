"""Every request of every dialect passes here: counted, struck by faults, then worked on.

It exists so that counting and faults are the same whatever the transport. It must not know messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_provider_jobs.emulator.counters import Counters
from airflow_provider_jobs.emulator.faults import Drop, Faults

ResultT = TypeVar("ResultT")


class StatusError(Exception):
    """An error answer of a service. ``code`` is a word of the dialect's protocol, such as NOT_FOUND.

    ``details`` are messages that the protocol attaches to an error, if it does.
    """

    def __init__(self, code: str | int, message: str, *, details: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class AnswerDropped(Exception):
    """The work is done and the client must not learn of it; the transport ends the connection."""


class Calls:
    """Passes calls through the counters and the fault rules."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.faults = Faults()

    async def serve(self, method: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do the work of one call.

        Raises StatusError for an error answer, injected or not, and AnswerDropped when the transport must
        not answer. A client that goes away cancels this.
        """
        self.counters.begin(method)
        outcome = "ERROR"
        try:
            result = await self._struck(method, work)
        except StatusError as error:
            outcome = str(error.code)
            raise
        except asyncio.CancelledError:
            outcome = "CANCELLED"
            raise
        except AnswerDropped:
            outcome = "DROPPED"
            raise
        else:
            outcome = "OK"
            return result
        finally:
            self.counters.end(method, outcome)

    async def _struck(self, method: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        fault = self.faults.strike(method)
        if fault is None:
            return await work()
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault.error and not fault.after_work:
            raise StatusError(fault.error.code, fault.error.message)
        result = await work()
        if fault.error:
            raise StatusError(fault.error.code, fault.error.message)
        if fault.drop_answer is Drop.HANG:
            await asyncio.get_running_loop().create_future()
        if fault.drop_answer:
            raise AnswerDropped
        return result
