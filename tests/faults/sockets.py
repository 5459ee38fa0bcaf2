"""Peers that fail below the protocol: that never answer, or break off in the middle of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_HEADERS_FRAME = 0x1
_FRAME_HEAD = 9
_UPSTREAM_SECONDS = 30.0
# With this option a connection that is closed ends as one does whose peer is gone.
_WITH_A_RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
_PER_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextmanager
def mute() -> Iterator[str]:
    """Yield the address of a peer that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def closed() -> Iterator[str]:
    """Yield an address at which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def nowhere() -> Iterator[str]:
    """Yield an address whose name nobody has: https://www.rfc-editor.org/rfc/rfc6761#section-6.4"""
    yield "service.invalid:443"


class Cutter:
    """Decides which answer is broken off: that after some others, and only that one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: int | None = None

    def cut_after(self, answers: int) -> None:
        """Break off the answer that comes after so many."""
        with self._lock:
            self._left = answers

    def cut_none(self) -> None:
        """Let all answers pass from now on."""
        with self._lock:
            self._left = None

    @property
    def has_cut(self) -> bool:
        """Whether the answer has come."""
        return self._left is None

    def takes(self) -> bool:
        """Count an answer, and return whether it is the one."""
        with self._lock:
            if self._left is None:
                return False
            self._left = self._left - 1 if self._left else None
            return self._left is None


# HTTP/1.1


@contextmanager
def cutting_http(upstream: str, cutter: Cutter) -> Iterator[str]:
    """Yield the address of a proxy that breaks off an answer behind its headers.

    :param upstream: ``host:port`` of the service
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _http_handler(upstream, cutter))
    server.daemon_threads = True
    with _serving(server.serve_forever, server.shutdown):
        yield f"127.0.0.1:{server.server_port}"
    server.server_close()


def _http_handler(upstream: str, cutter: Cutter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            onward = http.client.HTTPConnection(upstream, timeout=_UPSTREAM_SECONDS)
            kept = {
                name: value for name, value in self.headers.items() if name.lower() not in _PER_CONNECTION
            }
            onward.request(self.command, self.path, body or None, {**kept, "Host": upstream})
            answer = onward.getresponse()
            content = answer.read()
            onward.close()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _PER_CONNECTION:
                    self.send_header(name, value)
            if not cutter.takes():
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            # An answer without content is broken off all the same: some was promised.
            self.send_header("Content-Length", str(max(len(content), 2)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.connection.setsockopt(*_WITH_A_RESET)
            self.connection.close()
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - a name of the base class
            """Say nothing."""

    return Handler


# TCP, and HTTP/2 as gRPC speaks it


@contextmanager
def cutting_grpc(upstream: str, cutter: Cutter) -> Iterator[str]:
    """Yield the address of a proxy that breaks off an answer within its first frame.

    :param upstream: ``host:port`` of the service
    """

    async def join(client: Side, service: Side) -> None:
        await asyncio.gather(_copy(client, service), _copy_frames(service, client, cutter))

    with _proxy(upstream, join) as address:
        yield address


class Freezer:
    """A proxy whose connections can die without a word.

    :ivar address: where it listens
    """

    def __init__(self) -> None:
        self.address = ""
        self._generation = 0

    def freeze(self) -> None:
        """Pass on nothing more over the connections that there are; new ones work."""
        self._generation += 1

    async def join(self, client: Side, service: Side) -> None:
        """Pass on what both sides of a new connection say."""
        born = self._generation

        def is_alive() -> bool:
            return born == self._generation

        await asyncio.gather(_copy(client, service, is_alive), _copy(service, client, is_alive))


@contextmanager
def freezing(upstream: str) -> Iterator[Freezer]:
    """Yield a proxy whose connections can be frozen."""
    freezer = Freezer()
    with _proxy(upstream, freezer.join) as freezer.address:
        yield freezer


class Side(NamedTuple):
    """One side of a connection through a proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _copy(source: Side, target: Side, is_alive: Callable[[], bool] = lambda: True) -> None:
    while data := await source.reader.read(65536):
        if is_alive():
            target.writer.write(data)
    target.writer.close()


async def _copy_frames(source: Side, target: Side, cutter: Cutter) -> None:
    """Pass on what a service sends, frame by frame; an answer begins with headers.

    https://www.rfc-editor.org/rfc/rfc9113#section-4.1
    """
    answered: set[int] = set()
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            head = await source.reader.readexactly(_FRAME_HEAD)
            content = await source.reader.readexactly(int.from_bytes(head[:3], "big"))
            stream = int.from_bytes(head[5:], "big")
            if head[3] == _HEADERS_FRAME and stream not in answered:
                answered.add(stream)
                if cutter.takes():
                    target.writer.write(head + content[: len(content) // 2])
                    target.writer.get_extra_info("socket").setsockopt(*_WITH_A_RESET)
                    target.writer.transport.abort()
                    return
            target.writer.write(head + content)
    target.writer.close()


@contextmanager
def _proxy(upstream: str, join: Callable[[Side, Side], Awaitable[None]]) -> Iterator[str]:
    """Yield the address of a proxy that joins each connection with one to the service."""
    host, _, port = upstream.rpartition(":")

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = Side(*await asyncio.open_connection(host, int(port)))
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await join(Side(reader, writer), onward)
        finally:
            writer.transport.abort()
            onward.writer.transport.abort()

    async def serve(listening: socket.socket, stop: asyncio.Event) -> None:
        async with await asyncio.start_server(connect, sock=listening):
            await stop.wait()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    try:
        with _serving(
            lambda: loop.run_until_complete(serve(listening, stop)),
            lambda: loop.call_soon_threadsafe(stop.set),
        ):
            yield address
    finally:
        loop.close()


@contextmanager
def _serving(serve: Callable[[], Any], stop: Callable[[], Any]) -> Iterator[None]:
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()
