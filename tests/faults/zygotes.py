"""The near side of :mod:`tests.faults.zygote`: starts it, and gives its commands as methods."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.orders import Order, Told

_START_SECONDS = 120.0


class Session:
    """The processes of one operator. Not for several threads."""

    def __init__(self, connection: socket.socket, subject: str) -> None:
        self._wire = connection.makefile("rw")
        self._send(subject)

    def warm(self, order: Order) -> Told:
        """Run one try to its end; afterwards a process starts with all that it imported."""
        return Told(**self._ask("warm", vars(order)))

    def start(self, order: Order) -> int:
        """Begin a try and return its process id."""
        return self._ask("start", vars(order))

    def wait(self) -> tuple[int, Told]:
        """Return the next try that ends or stops itself: its process id and what it has told."""
        pid, told = self._ask("wait", None)
        return pid, Told(**told)

    def resume(self, pid: int) -> None:
        """Let a try that has stopped itself go on."""
        self._ask("resume", pid)

    def close(self) -> None:
        """End the session and all that it has begun."""
        self._wire.close()

    def _ask(self, command: str, argument: Any) -> Any:
        self._send(json.dumps({command: argument}))
        answer = self._wire.readline()
        if not answer:
            raise RuntimeError(f"the session ended at {command} {argument}")
        return json.loads(answer)

    def _send(self, line: str) -> None:
        self._wire.write(f"{line}\n")
        self._wire.flush()


class Zygote:
    """A started zygote."""

    def __init__(self, address: Path) -> None:
        self._address = address

    @contextmanager
    def session(self, subject: str) -> Iterator[Session]:
        """Open a session for an operator, by its subject's name."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._address))
            session = Session(connection, subject)
            try:
                yield session
            finally:
                session.close()


@contextmanager
def zygote(directory: Path, environment: Mapping[str, str]) -> Iterator[Zygote]:
    """Start a zygote and end it with all its sessions.

    :param directory: for its socket
    :param environment: what its Airflow is configured with, beside this process's own
    """
    address = directory / "zygote"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.zygote", str(address)],
        stdin=subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    try:
        until = time.monotonic() + _START_SECONDS
        while not address.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the zygote does not serve, exit code {process.poll()}")
            time.sleep(0.02)
        yield Zygote(address)
    finally:
        process.stdin.close()
        process.wait()
