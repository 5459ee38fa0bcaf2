"""The table that both transports read: which method exists, what it takes, where it is found over HTTP.

It must not know how a request arrived.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import Message

_VARIABLE = re.compile(r"\{(\w+)(?:=([^}]+))?\}")


@dataclass(frozen=True)
class HttpRule:
    """Where a method lives over HTTP, in the notation of google.api.http.

    ``template`` like ``/v1/{name=projects/*/locations/*/jobs/*}:cancel``. ``body`` names the field that the
    request body fills, ``"*"`` for the whole message, ``""`` for none.
    https://docs.cloud.google.com/endpoints/docs/grpc/transcoding
    """

    verb: str
    template: str
    body: str = ""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern, position = "", 0
        for variable in _VARIABLE.finditer(self.template):
            inner = variable[2] or "*"
            segments = re.escape(inner).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
            pattern += (
                re.escape(self.template[position : variable.start()]) + f"(?P<{variable[1]}>{segments})"
            )
            position = variable.end()
        return re.compile(pattern + re.escape(self.template[position:]))

    def match(self, verb: str, path: str) -> dict[str, str] | None:
        """The path's variables when this rule is meant, else None."""
        found = self._pattern.fullmatch(path) if verb == self.verb else None
        return found.groupdict() if found else None


@dataclass(frozen=True)
class RpcMethod:
    """One unary method of one service.

    ``work`` takes the request message and returns the response message, or raises
    :class:`~airflow_provider_jobs.emulator.calls.StatusError` with a canonical status code.
    """

    service: str
    name: str
    request: type[Message]
    work: Callable[[Message], Awaitable[Message]]
    http: tuple[HttpRule, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.service}/{self.name}"
