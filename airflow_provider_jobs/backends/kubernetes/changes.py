"""The changes that one watch request brings, read as they arrive.

The vendor's own ``Watch`` makes a model of every change, which costs many times what its JSON does, and drops
what an error says beyond its code. It must not ask again by itself.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

from kubernetes.client.exceptions import ApiException

from airflow_provider_jobs.backends.kubernetes.errors import VENDOR_EXCEPTIONS
from airflow_provider_jobs.core.errors import JobsError, UnavailableError

Json = dict[str, Any]

_PART_BYTES = 64 * 1024


class ChangeStream:
    """Yields ``("ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", JSON)`` until the service ends the watch.

    Read by one thread. Raises what ``translate`` makes of the client's exceptions, and of an ``ERROR`` event,
    which is how the service ends a watch that has begun.

    :param response: the answer of a watch request, not read yet
    """

    def __init__(self, response: Any, *, translate: Callable[[Exception], JobsError]) -> None:
        self._response = response
        self._translate = translate

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        """Yield the changes, once."""
        try:
            for line in self._lines():
                yield _change(line)
        except VENDOR_EXCEPTIONS as error:
            raise self._translate(error) from error
        finally:
            self.close()

    def end(self) -> None:
        """End the stream from another thread: the one that reads from it gets an UnavailableError at once."""
        # To close it would wait for the reader; only the socket can be shut down beneath it.
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            if hasattr(self._response, "shutdown"):
                self._response.shutdown()
            else:  # urllib3 below 2.3
                self._response.connection.sock.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Give the connection up. Idempotent; for the thread that reads."""
        self._response.close()

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for part in self._response.stream(_PART_BYTES, decode_content=False):
            *lines, rest = (rest + part).split(b"\n")
            yield from filter(None, lines)


def _change(line: bytes) -> tuple[str, Json]:
    try:
        told = json.loads(line)
        kind, found = str(told["type"]), dict(told["object"])
    except (ValueError, TypeError, LookupError):
        raise UnavailableError(
            "the answer to a watch is none",
            advice="Something between here and the API server answers in its place; a proxy, perhaps",
            call="watch",
        ) from None
    if kind == "ERROR":
        error = ApiException(status=found.get("code"), reason=found.get("message"))
        error.body = json.dumps(found)
        raise error
    return kind, found
