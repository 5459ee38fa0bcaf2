"""A process that has everything imported and forks a child per run, since a start of Airflow takes seconds.

It never opens a channel, a client or a thread: a child must find the vendor's library as a fresh process
would. Run as ``python -m tests.faults.zygote SOCKET``; every connection is a session of one operator, in a
process of its own, and a line of JSON each way is a command and its answer. It ends with its standard input.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.faults import child
from tests.faults.official import OFFICIAL
from tests.faults.orders import Order, Told
from tests.faults.subjects import OURS, Subject

_LOG_TAIL = 3000


@dataclasses.dataclass
class _Child:
    """A forked process, with the files it writes to."""

    told: IO[bytes] = dataclasses.field(default_factory=tempfile.TemporaryFile)
    log: IO[bytes] = dataclasses.field(default_factory=tempfile.TemporaryFile)

    def read(self) -> Told:
        """Return what it has told so far."""
        lines = os.pread(self.told.fileno(), 1 << 24, 0).splitlines()
        said: dict[str, Any] = {}
        for line in lines:
            said |= json.loads(line)
        told = Told(**{"ending": "died", **said})
        if told.ending == "deferred":
            return told
        size = os.fstat(self.log.fileno()).st_size
        tail = os.pread(self.log.fileno(), _LOG_TAIL, max(0, size - _LOG_TAIL))
        return dataclasses.replace(told, log=tail.decode(errors="replace"))

    def close(self) -> None:
        self.told.close()
        self.log.close()


class Session:
    """The runs of one operator."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._children: dict[int, _Child] = {}
        subject.prepare()

    def warm(self, order: dict[str, Any]) -> dict[str, Any]:
        """Run a try in a child, and import here what was imported there; return how it ended."""
        self.start({**order, "is_warming": True})
        _, told = self.wait(None)
        for name in told.pop("modules"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()
        return {**told, "modules": ()}

    def start(self, order: dict[str, Any]) -> int:
        """Begin a try in a child and return the child's process id."""
        made = _Child()
        pid = os.fork()
        if pid == 0:
            child.run(self._subject, Order(**order), told=made.told, log=made.log)
        self._children[pid] = made
        return pid

    def wait(self, _: None) -> tuple[int, dict[str, Any]]:
        """Return the next child that ends or stops, and what it has told."""
        pid, status = os.waitpid(-1, os.WUNTRACED)
        told = self._children[pid].read()
        if os.WIFSTOPPED(status):
            return pid, dataclasses.asdict(dataclasses.replace(told, ending="stopped"))
        self._children.pop(pid).close()
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            told = dataclasses.replace(told, ending="died", error=name)
        return pid, dataclasses.asdict(told)

    def resume(self, pid: int) -> None:
        """Let a child that has stopped go on."""
        os.kill(pid, signal.SIGCONT)

    def serve(self, connection: socket.socket) -> None:
        """Answer commands until the other side goes away; no child outlives this."""
        commands: dict[str, Callable[[Any], Any]] = {
            "warm": self.warm,
            "start": self.start,
            "wait": self.wait,
            "resume": self.resume,
        }
        try:
            with connection.makefile("rw") as wire:
                for line in wire:
                    ((name, argument),) = json.loads(line).items()
                    wire.write(json.dumps(commands[name](argument)) + "\n")
                    wire.flush()
        finally:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)


def main(address: str) -> None:
    """Accept sessions until standard input ends, and wait for the end of all that are left."""
    warnings.simplefilter("ignore")
    _import_what_all_need()
    sessions: list[int] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        Path(f"{address}.new").rename(address)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                break
            connection, _ = listener.accept()
            if (pid := os.fork()) == 0:
                listener.close()
                _be_session(connection)
            sessions.append(pid)
            connection.close()
    for pid in sessions:
        os.waitpid(pid, 0)


def _import_what_all_need() -> None:
    for name in ("airflow.sdk", "airflow_provider_jobs.operators.base"):
        importlib.import_module(name)


def _be_session(connection: socket.socket) -> None:
    """Be the process of one session: the first line names the subject. Does not return."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        name = b""
        while not name.endswith(b"\n"):
            name += connection.recv(1)
        Session((OURS | OFFICIAL)[name.decode().strip()]).serve(connection)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
