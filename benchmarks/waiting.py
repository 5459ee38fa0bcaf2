"""The other side of :mod:`benchmarks.waiter`: starts it, gives it orders, and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.cloud import dumps
from benchmarks.machine import REPOSITORY
from benchmarks.waited import Waited

_LOOK_AGAIN_SECONDS = 0.1
_GRACE_SECONDS = 5.0


class WaiterFailed(Exception):
    """The waiting process ended, or did not do what was asked of it; the message ends with what it said."""


class WaitingProcess:
    """A process like a triggerer; a context manager.

    :param waited: the jobs that it can be told to wait for, by their number
    """

    def __init__(self, waited: Sequence[Waited]) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="benchmarks-waiter-")
        self._file = Path(self._directory.name) / "triggers.jsonl"
        self._file.write_text("".join(f"{dumps(vars(job))}\n" for job in waited))
        self._errors = Path(self._directory.name) / "errors.log"
        self._events: list[tuple[str, float, bool]] = []

    def __enter__(self) -> WaitingProcess:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.waiter"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), *sys.path]))},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # it ends with its orders
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._directory.cleanup()

    def add(self, first: int, count: int) -> None:
        """Let it begin to wait for these jobs."""
        self.order("add", file=str(self._file), first=first, count=count)

    def events(self) -> list[tuple[str, float, bool]]:
        """Return all events so far: the job's key, when, and whether it says success."""
        self._events += map(tuple, self.order("events", since=len(self._events))["events"])
        return self._events

    def wait_for_events(self, count: int, *, within_seconds: float) -> None:
        """Return when there are so many events, or the time is over."""
        until = time.monotonic() + within_seconds
        while len(self.events()) < count and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_SECONDS)

    def order(self, do: str, **values: Any) -> dict[str, Any]:
        """Give one order and return the answer.

        :raises WaiterFailed: it has ended
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(dumps({"do": do, **values}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            answer = ""
        else:
            answer = self._process.stdout.readline()
        if not answer:
            raise WaiterFailed(f"the waiter has ended\n{self.errors()}")
        return dict(json.loads(answer))

    def errors(self) -> str:
        """Return the end of what it has printed."""
        return self._errors.read_text(errors="replace")[-4000:]
