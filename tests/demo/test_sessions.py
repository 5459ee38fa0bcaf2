"""What the demo starts is ended, whatever ends the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from airflow_provider_jobs.demo.sessions import (
    Leash,
    end_process,
    end_sessions,
    session_members,
    start_session,
)

# Ignores TERM, and starts a child that ignores it too and lives in a process group of its own.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
print("started", flush=True)
time.sleep(600)
"""
OBEDIENT = 'import time; print("started", flush=True); time.sleep(600)'

HOLDER = """
import sys
from pathlib import Path
from airflow_provider_jobs.demo.sessions import Leash
session, process, directory = sys.argv[1:]
with Leash(grace_seconds=0.5) as leash:
    leash.hold_session(int(session))
    leash.hold_process(int(process))
    leash.hold_directory(Path(directory))
    print("held", flush=True)
    sys.stdin.read()
"""


def start(tmp_path: Path, program: str, *, lines: int) -> subprocess.Popen[bytes]:
    log_file = tmp_path / "log"
    process = start_session(
        [sys.executable, "-c", program], os.environ, log_file=log_file, directory=tmp_path
    )
    eventually(lambda: log_file.read_text().count("started") == lines)
    return process


def eventually(condition: object, *, timeout_seconds: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("program", "members"), [(OBEDIENT, 1), (STUBBORN, 2)])
def test_every_process_of_a_session_is_ended(tmp_path: Path, program: str, members: int) -> None:
    leader = start(tmp_path, program, lines=members)
    assert len(session_members(leader.pid)) == members
    end_sessions([leader.pid], grace_seconds=0.3)
    assert session_members(leader.pid) == []
    leader.wait()


def test_ending_a_session_twice_is_harmless(tmp_path: Path) -> None:
    leader = start(tmp_path, OBEDIENT, lines=1)
    end_sessions([leader.pid], grace_seconds=5)
    end_sessions([leader.pid], grace_seconds=5)
    leader.wait()


def test_what_a_killed_process_held_is_ended_and_removed(tmp_path: Path) -> None:
    leader = start(tmp_path, STUBBORN, lines=2)
    with subprocess.Popen([sys.executable, "-c", OBEDIENT], stdout=subprocess.DEVNULL) as alone:
        held = tmp_path / "held"
        (held / "below").mkdir(parents=True)
        arguments = [str(leader.pid), str(alone.pid), str(held)]
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            holder.kill()
        eventually(lambda: not session_members(leader.pid) and not held.exists())
        eventually(lambda: alone.poll() is not None)
    leader.wait()


def test_a_leash_that_is_let_go_has_ended_all_before_it_returns(tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.mkdir()
    with Leash(grace_seconds=0.3) as leash:
        leader = start(tmp_path, STUBBORN, lines=2)
        leash.hold_session(leader.pid)
        leash.hold_directory(held)
    assert session_members(leader.pid) == []
    assert not held.exists()
    leader.wait()


def test_a_process_that_only_took_over_the_id_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OBEDIENT], stdout=subprocess.DEVNULL) as process:
        end_process(process.pid, started=1.0, grace_seconds=0.1)
        assert process.poll() is None
        end_process(process.pid, started=psutil.Process(process.pid).create_time(), grace_seconds=5)
        assert process.wait(5) == -signal.SIGTERM
