"""The process that owns every command the local cloud runs, and ends them all when the server is gone.

It exists because a server killed with SIGKILL cannot clean up after itself. The server talks to it over a
socket; when the socket closes, for whatever reason, the warden kills every process group it started and
exits. It stays small and single-threaded so that forking is cheap and safe, imports the standard library
alone (it is run by path, not as part of the package), and must not know about jobs.

Wire: frames of a 4-byte big-endian length and JSON. To the warden:
``{"op": "spawn", "id": 1, "argv": [...], "env": {...}, "cwd": "..."}`` with two descriptors attached
(stdout, stderr), ``{"op": "kill", "id": 1, "signal": 15}``. From it: ``{"id": 1, "pid": 7}``,
``{"id": 1, "error": "...", "errno": 2}``, ``{"id": 1, "exit": 3}`` (negative: killed by that signal).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

HEADER = struct.Struct(">I")
_LAST_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Warden:
    """Spawns, signals and reaps; one instance per process, driven by :meth:`serve`."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pid_by_id: dict[int, int] = {}
        self.id_by_pid: dict[int, int] = {}
        self._received = b""
        self._descriptors: list[int] = []

    def serve(self) -> None:
        """Work until the server closes its end, then kill everything."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        waiting = selectors.DefaultSelector()
        waiting.register(self.connection, selectors.EVENT_READ)
        waiting.register(wake_read, selectors.EVENT_READ)
        try:
            while True:
                ready = {key.fileobj for key, _ in waiting.select()}
                if wake_read in ready:
                    os.read(wake_read, 4096)
                self.reap()
                if self.connection in ready and not self.receive():
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            self.kill_everything()

    def receive(self) -> bool:
        """Read what is there and act on whole frames. False when the server is gone."""
        data, ancillary, _, _ = self.connection.recvmsg(1 << 16, socket.CMSG_SPACE(64))
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
                self._descriptors.extend(fds)
        if not data:
            return False
        self._received += data
        while len(self._received) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._received)
            if len(self._received) < HEADER.size + length:
                break
            frame = self._received[HEADER.size : HEADER.size + length]
            self._received = self._received[HEADER.size + length :]
            self.act(json.loads(frame))
        return True

    def act(self, order: dict) -> None:
        if order["op"] == "spawn":
            self.spawn(order)
        elif (pid := self.pid_by_id.get(order["id"])) is not None:
            self.signal_group(pid, order["signal"])

    def spawn(self, order: dict) -> None:
        stdout, stderr = self._descriptors.pop(0), self._descriptors.pop(0)
        try:
            child = subprocess.Popen(
                order["argv"],
                env=order["env"],
                cwd=order["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
            )
        except (OSError, ValueError) as error:
            self.send({"id": order["id"], "error": str(error), "errno": getattr(error, "errno", None) or 0})
            return
        finally:
            os.close(stdout)
            os.close(stderr)
        # Exit statuses are collected in reap(); Popen must not wait for this child on its own.
        child.returncode = 0
        self.pid_by_id[order["id"]] = child.pid
        self.id_by_pid[child.pid] = order["id"]
        self.send({"id": order["id"], "pid": child.pid})

    def reap(self) -> None:
        """Collect ended children and report those the server knows."""
        while (ended := self._next_ended()) is not None:
            pid, status = ended
            if (identifier := self.id_by_pid.pop(pid, None)) is not None:
                del self.pid_by_id[identifier]
                self.send({"id": identifier, "exit": os.waitstatus_to_exitcode(status)})

    def _next_ended(self) -> tuple[int, int] | None:
        """One ended child and its status. What is left of its group dies before the id can be reused."""
        try:
            if hasattr(os, "waitid"):
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None:
                    return None
                if found.si_pid in self.id_by_pid:
                    self.signal_group(found.si_pid, signal.SIGKILL)
                return os.waitpid(found.si_pid, 0)
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid in self.id_by_pid:
            self.signal_group(pid, signal.SIGKILL)
        return (pid, status) if pid else None

    def kill_everything(self) -> None:
        """End every group, then (Linux) whatever left its group and was inherited by this process."""
        for pid in list(self.id_by_pid):
            self.signal_group(pid, signal.SIGKILL)
        deadline = time.monotonic() + _LAST_SECONDS
        while (left := _descendants(os.getpid())) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    continue
            time.sleep(0.005)

    @staticmethod
    def signal_group(pid: int, number: int) -> None:
        try:
            os.killpg(pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def send(self, message: dict) -> None:
        body = json.dumps(message).encode()
        self.connection.sendall(HEADER.pack(len(body)) + body)


def _descendants(pid: int) -> list[int]:
    """Every process below this one, as far as the system tells (Linux does)."""
    found, frontier = [], [pid]
    while frontier:
        parent = frontier.pop()
        try:
            listing = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
        except OSError:
            continue
        children = [int(child) for child in listing.split()]
        found += children
        frontier += children
    return found


def main() -> None:
    """Entry point: ``python -I -S warden.py FD [DIRECTORY]``.

    FD is the warden's end of the socket; the directory is removed when the server is gone.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    Warden(socket.socket(fileno=int(sys.argv[1]))).serve()
    for directory in sys.argv[2:]:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
