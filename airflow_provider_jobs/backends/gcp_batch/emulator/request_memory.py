"""Request ids that were seen, and what they led to.

It exists because a request id makes a change idempotent "for at least 60 minutes since the first request"
(the reference of CreateJobRequest). It must not decide what a repeated request is answered.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import pendulum

MEMORY = pendulum.duration(minutes=60)

ValueT = TypeVar("ValueT")


class RequestMemory(Generic[ValueT]):
    """Values by request id, for an hour. The empty id stands for none and is never remembered."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[pendulum.DateTime, ValueT]] = {}

    def get(self, request_id: str) -> ValueT | None:
        """What this id led to, if that is less than an hour ago."""
        since, value = self._seen.get(request_id, (None, None))
        if since is None or pendulum.now("UTC") - since > MEMORY:
            self._seen.pop(request_id, None)
            return None
        return value

    def put(self, request_id: str, value: ValueT) -> None:
        if request_id:
            self._seen[request_id] = (pendulum.now("UTC"), value)

    def clear(self) -> None:
        self._seen.clear()
