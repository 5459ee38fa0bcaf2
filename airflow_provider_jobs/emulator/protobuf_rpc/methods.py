"""The table that both transports read: which method exists, what it takes, where it is found over HTTP.

It must not know how a request arrived.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import Message

from airflow_provider_jobs.emulator.protobuf_rpc import masks

_VARIABLE = re.compile(r"\{([\w.]+)(?:=([^}]+))?\}")
#: Stands for the dot of a nested field in a group's name, which cannot have one.
_DOT = "__DOT__"


@dataclass(frozen=True)
class HttpRule:
    """Where a method lives over HTTP, in the notation of google.api.http.

    ``template`` like ``/v1/{name=projects/*/locations/*/jobs/*}:cancel``, where a variable may be a nested
    field (``{job.name=...}``). ``body`` names the field that the request body fills, ``"*"`` for the whole
    message, ``""`` for none.
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
                re.escape(self.template[position : variable.start()])
                + f"(?P<{variable[1].replace('.', _DOT)}>{segments})"
            )
            position = variable.end()
        return re.compile(pattern + re.escape(self.template[position:]))

    def match(self, verb: str, path: str) -> dict[str, str] | None:
        """The path's variables when this rule is meant, else None. Nested fields are named with dots."""
        found = self._pattern.fullmatch(path) if verb == self.verb else None
        if found is None:
            return None
        return {name.replace(_DOT, "."): value for name, value in found.groupdict().items()}


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

    async def masked(self, request: Message) -> Message:
        """Do the work; of the answer, what the caller wants."""
        answer = await self.work(request)
        masks.wanted.get().apply(answer)
        return answer
