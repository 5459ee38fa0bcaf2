"""One place among the processes of this machine for all tasks of a job together.

It exists for services that put the tasks of a job onto one machine as a whole: tasks that wait for each other
must not starve because others hold every place. It must not know what a task does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol


class Slots(Protocol):
    """Places for processes: a semaphore, or what is used like one."""

    def acquire(self) -> Coroutine[Any, Any, Any]: ...

    def release(self) -> None: ...


class SharedSlot:
    """Taken with the first that wants it, given back with the last; used like a semaphore."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._users = 0
        self._taking: asyncio.Task[Any] | None = None

    async def acquire(self) -> None:
        self._users += 1
        if self._taking is None:
            self._taking = asyncio.ensure_future(self._slots.acquire())
        try:
            await asyncio.shield(self._taking)
        except asyncio.CancelledError:
            self.release()
            raise

    def release(self) -> None:
        self._users -= 1
        if self._users or self._taking is None:
            return
        taking, self._taking = self._taking, None
        if taking.done():
            self._slots.release()
        else:
            taking.cancel()
