"""Starting processes that lead a session of their own, and ending all that such a session holds.

A component of Airflow forks workers which outlive a signal sent to the component alone, so processes are
ended by session. Nothing here ends a process that this module was not told about by its id.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

_LOOK_AGAIN_SECONDS = 0.05


def session_members(leader: int) -> list[int]:
    """Ids of the living processes in the session led by ``leader``; ended, unreaped ones are not counted."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members


def end_sessions(leaders: Iterable[int], *, grace_seconds: float) -> None:
    """End every process of these sessions: TERM to the leaders, KILL to whatever is there after the grace.

    Sessions without a living process are passed over, so calling it twice is harmless.
    """
    open_sessions = [leader for leader in leaders if session_members(leader)]
    for leader in open_sessions:
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while open_sessions and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_SECONDS)
        open_sessions = [leader for leader in open_sessions if session_members(leader)]
    for leader in open_sessions:
        kill_session(leader)


def kill_session(leader: int) -> None:
    """Send KILL to every process of the session, also to those that are started meanwhile.

    A session is empty when this returns; the leader is not reaped.
    """
    while members := session_members(leader):
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_AGAIN_SECONDS)


def end_process(pid: int, *, started: float, grace_seconds: float) -> None:
    """End one process, if the process of this id is still the one that started then (seconds since 1970).

    It is not reaped: whoever started it still gets its exit code.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.create_time() != started:
            return
        process.terminate()
        deadline = time.monotonic() + grace_seconds
        while process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(_LOOK_AGAIN_SECONDS)


def start_session(
    command: Sequence[str], environment: Mapping[str, str], *, log_file: Path, directory: Path
) -> subprocess.Popen[bytes]:
    """Start ``command`` as the leader of a new session, with both of its outputs appended to ``log_file``."""
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


class Leash:
    """Ends sessions and processes and removes directories when this process ends, however it ends.

    A helper process waits on a pipe that only this process holds open. After a KILL of this process the pipe
    breaks, and the helper does what is left to do. Use as a context manager.
    """

    def __init__(self, *, grace_seconds: float = 8.0) -> None:
        self._grace_seconds = grace_seconds
        self._leaders: list[int] = []
        self._watcher: subprocess.Popen[str] | None = None

    def __enter__(self) -> Leash:
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "airflow_provider_jobs.demo.leash", str(self._grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_sessions(self._leaders, grace_seconds=self._grace_seconds)
        if self._watcher is not None:
            self._watcher.communicate()

    def hold_session(self, leader: int) -> None:
        """End the session of ``leader`` when the leash is let go."""
        self._leaders.append(leader)
        self._tell(f"session {leader}")

    def hold_process(self, pid: int) -> None:
        """End this process alone, by a TERM that lets it end its own children."""
        self._tell(f"process {pid} {psutil.Process(pid).create_time()!r}")

    def hold_directory(self, path: Path) -> None:
        """Remove the tree at ``path`` when the leash is let go."""
        self._tell(f"directory {path}")

    def _tell(self, line: str) -> None:
        if self._watcher is None or self._watcher.stdin is None:
            raise RuntimeError("a leash holds nothing before it is entered")
        self._watcher.stdin.write(line + "\n")
        self._watcher.stdin.flush()
