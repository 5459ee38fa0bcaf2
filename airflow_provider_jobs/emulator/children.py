"""Commands as child processes, from the server's side: start one, read its output, signal it, await its end.

It exists so that the rest of the engine sees a process as an object with an exit code to await. The
processes themselves belong to the warden (see ``warden.py``), so none outlives the server. This module must
not know about jobs, retries or logs.
"""

from __future__ import annotations

import array
import asyncio
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_jobs.emulator.warden import HEADER

#: How long the pipes of an ended process are still read; something that left its group may hold them open.
DRAIN_SECONDS = 5.0


class SpawnFailed(Exception):
    """The command could not be started; ``errno`` says why (2: no such file, 13: not executable)."""

    def __init__(self, message: str, *, errno: int) -> None:
        super().__init__(message)
        self.errno = errno


class WardenGone(Exception):
    """The process that owns the commands has died; nothing can be run any more."""


class Child:
    """A running command: the leader of a process group of its own."""

    def __init__(self, children: Children, identifier: int, streams: tuple[int, int]) -> None:
        self._children = children
        self._identifier = identifier
        self._streams = streams
        self._transports: list[asyncio.ReadTransport] = []
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()

    async def open_streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamReader]:
        """Readers of stdout and stderr. Call once; each ends when the last writer has closed it."""
        loop = asyncio.get_running_loop()
        readers = []
        for descriptor in self._streams:
            reader = asyncio.StreamReader(loop=loop)
            protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
            pipe = os.fdopen(descriptor, "rb", buffering=0)
            transport, _ = await loop.connect_read_pipe(functools.partial(_itself, protocol), pipe)
            self._transports.append(transport)
            readers.append(reader)
        return readers[0], readers[1]

    def close_streams(self) -> None:
        """Stop reading, even if something still holds the other ends."""
        for transport in self._transports:
            transport.close()

    def abandon(self) -> None:
        """Nobody will attend to this command: kill it as soon as it has begun."""
        for descriptor in self._streams:
            os.close(descriptor)
        self.started.add_done_callback(self._kill_at_once)

    def _kill_at_once(self, started: asyncio.Future[int]) -> None:
        if started.exception() is None:
            self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Signal the whole group. Does nothing once the leader has ended."""
        if not self.exited.done():
            self._children.order({"op": "kill", "id": self._identifier, "signal": int(number)})

    async def end(self, *, grace_seconds: float) -> int:
        """TERM to the whole group, KILL after the grace time. Returns the exit code."""
        self.send_signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self.exited}, timeout=grace_seconds)
        if not done:
            self.send_signal(signal.SIGKILL)
        return await asyncio.shield(self.exited)


class Children:
    """All commands of one server, and the connection to the warden that owns them."""

    def __init__(self) -> None:
        self._next = 0
        self._running: dict[int, Child] = {}
        self._received = b""
        self._connection: socket.socket | None = None
        self._warden: subprocess.Popen[bytes] | None = None

    def __len__(self) -> int:
        return len(self._running)

    def start(self, *, remove_afterwards: Path | None = None) -> None:
        """Start the warden. Must run on the event loop's thread, inside the loop.

        ``remove_afterwards`` is a directory that goes with the server, however the server ends.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        script = Path(__file__).with_name("warden.py")
        belongings = [] if remove_afterwards is None else [str(remove_afterwards)]
        self._warden = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(theirs.fileno()), *belongings],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
        theirs.close()
        self._connection = ours
        asyncio.get_running_loop().add_reader(ours, self._receive)

    def stop(self) -> None:
        """End every command at once and the warden with them. Idempotent; blocks a moment at most."""
        if self._connection is not None:
            self._disconnect()
        if self._warden is not None:
            self._warden.wait(timeout=10)
            self._warden = None

    async def spawn(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Child:
        """Start a command with exactly this environment, no input, and its own process group.

        Raises SpawnFailed when there is no such command, WardenGone when the server is ending.
        """
        if self._connection is None:
            raise WardenGone("commands can no longer be started")
        stdout_read, stdout_write = os.pipe()
        stderr_read, stderr_write = os.pipe()
        self._next += 1
        child = Child(self, self._next, (stdout_read, stderr_read))
        self._running[self._next] = child
        order = {"op": "spawn", "id": self._next, "argv": list(argv), "env": dict(env), "cwd": str(cwd)}
        try:
            self.order(order, descriptors=(stdout_write, stderr_write))
        finally:
            os.close(stdout_write)
            os.close(stderr_write)
        try:
            await asyncio.shield(child.started)
        except (SpawnFailed, WardenGone, asyncio.CancelledError):
            child.abandon()
            raise
        return child

    def order(self, message: Mapping[str, Any], *, descriptors: Sequence[int] = ()) -> None:
        if self._connection is None:
            return
        body = json.dumps(message).encode()
        frame = memoryview(HEADER.pack(len(body)) + body)
        rights = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        )
        sent = self._connection.sendmsg([frame], rights)
        self._connection.sendall(frame[sent:])

    def _receive(self) -> None:
        assert self._connection is not None
        data = self._connection.recv(1 << 16)
        if not data:
            self._disconnect()
            return
        self._received += data
        while len(self._received) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._received)
            if len(self._received) < HEADER.size + length:
                return
            frame = self._received[HEADER.size : HEADER.size + length]
            self._received = self._received[HEADER.size + length :]
            self._take(json.loads(frame))

    def _take(self, message: Mapping[str, Any]) -> None:
        child = self._running[message["id"]]
        if "pid" in message:
            child.started.set_result(message["pid"])
            return
        del self._running[message["id"]]
        if "error" in message:
            child.started.set_exception(SpawnFailed(message["error"], errno=message["errno"]))
        else:
            child.exited.set_result(message["exit"])

    def _disconnect(self) -> None:
        assert self._connection is not None
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        self._connection = None
        for child in self._running.values():
            if not child.started.done():
                child.started.set_exception(WardenGone("the owner of the commands is gone"))
            elif not child.exited.done():
                child.exited.set_result(-signal.SIGKILL)
        self._running.clear()


def _itself(protocol: asyncio.StreamReaderProtocol) -> asyncio.StreamReaderProtocol:
    return protocol
