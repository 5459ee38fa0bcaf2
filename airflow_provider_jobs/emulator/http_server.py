"""The HTTP port: the admin API first, then every dialect's handlers.

It exists to keep browsers out and to carry dropped answers. It must not know a dialect's paths.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import BaseTransport, Transport
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_jobs.emulator.calls import AnswerDropped
from airflow_provider_jobs.emulator.settings import HOST

HttpHandler = Callable[[Request], Awaitable["Response | None"]]


class Connection(NamedTuple):
    """An open connection, and the future that is done when it is no more."""

    transport: Transport
    closed: asyncio.Future[None]


#: Open connections by the client's address, so that a handler can cut one, and learn that one is gone.
_connections: dict[tuple[str, int], Connection] = {}


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with the connections kept where a handler finds them."""

    def connection_made(self, transport: BaseTransport) -> None:
        assert isinstance(transport, Transport)
        super().connection_made(transport)
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _connections[transport.get_extra_info("peername")] = Connection(transport, closed)

    def connection_lost(self, exc: Exception | None) -> None:
        connection = _connections.pop(self.transport.get_extra_info("peername"), None)
        if connection is not None and not connection.closed.done():
            connection.closed.set_result(None)
        super().connection_lost(exc)


def cut_everything() -> None:
    """End every connection, whatever is under way on it."""
    for connection in list(_connections.values()):
        connection.transport.abort()


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves signals to the process it runs in, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(port: int) -> socket.socket:
    """A listening socket on loopback. Raises OSError when the port is taken."""
    # asyncio sends small packets at once on sockets that say that they are TCP, and only on those.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def make_server(app: FastAPI) -> QuietServer:
    config = uvicorn.Config(
        app, http=CuttableProtocol, ws="none", lifespan="off", log_level="warning", access_log=False,
        timeout_graceful_shutdown=1, server_header=False,
    )  # fmt: skip
    return QuietServer(config)


class LocalProgramsOnly:
    """Refuses web pages: whoever reaches this port can run commands here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if "origin" in headers or not _is_local(headers.get("host", "")):
                refusal = Response("the local cloud answers local programs only\n", status_code=403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine; names below localhost do, wherever they are looked up."""
    name = host.rpartition(":")[0] or host
    return name in (HOST, "localhost") or name.endswith(".localhost")


class AbsoluteTargets:
    """Serves requests whose target is a whole URL, as a client sends them to what it takes for a proxy.

    A client that makes up a host name for each region reaches the local cloud as its proxy, and so without
    that name being known to any resolver. https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("http://"):
            scope = {**scope, "path": urlsplit(scope["path"]).path or "/"}
            scope["raw_path"] = quote(scope["path"]).encode()
        await self._app(scope, receive, send)


def make_app(handlers: Sequence[HttpHandler]) -> FastAPI:
    """The application; routers may be added before the first request."""
    app = FastAPI(title="airflow-jobs local cloud", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LocalProgramsOnly)
    app.add_middleware(AbsoluteTargets)

    async def everything_else(request: Request) -> Response:
        """Ask the dialects; a client that goes away, or is cut off, ends the work."""
        connection = _connections[tuple(request.scope["client"])]
        working = asyncio.ensure_future(_first_answer(handlers, request))
        awaited: set[asyncio.Future[Any]] = {working, connection.closed}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        try:
            return await working
        except AnswerDropped:
            connection.transport.abort()
        except asyncio.CancelledError:
            if not connection.closed.done():
                raise
        return Response(status_code=503)

    app.state.everything_else = everything_else
    return app


async def _first_answer(handlers: Sequence[HttpHandler], request: Request) -> Response:
    for handler in handlers:
        answer = await handler(request)
        if answer is not None:
            return answer
    return Response("no service of the local cloud has this address\n", status_code=404)


def serve_everything_else(app: FastAPI) -> None:
    """Put the dialects behind whatever routes the application already has."""
    verbs = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
    app.add_api_route("/{path:path}", app.state.everything_else, methods=verbs, response_model=None)
