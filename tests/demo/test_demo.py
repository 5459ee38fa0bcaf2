"""The demo as a user runs it: in a process of its own, from nothing to its table and to its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from airflow_provider_jobs.demo.cli import DATABASE_VARIABLE
from airflow_provider_jobs.demo.promises import load_promises
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(480)

AIRFLOW_JOBS = str(Path(sys.executable).with_name("airflow-jobs"))
ONE_TASK = Path(__file__).parent / "dags"


@contextmanager
def demo(
    directory: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [AIRFLOW_JOBS, "demo", *arguments],
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    pytest.fail(f"the demo ended without {text!r}:\n{read}")


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_the_examples_keep_their_promises_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with demo(tmp_path, environment={DATABASE_VARIABLE: postgres_url}) as process:
        output, _ = process.communicate(timeout=420)
    assert process.returncode == 0, output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if "│" in line]
    tasks = [row for row in rows if row[0]]
    promised = [
        (f"{dag_id}.{task_id}", task.backend or "-", task.state, task.array or "-", "yes")
        for dag_id, promise in load_promises(REPOSITORY / "dags").items()
        for task_id, task in promise.tasks.items()
    ]
    seen = [(name, backend, state, array, kept) for name, backend, state, array, _, kept, _ in tasks]
    assert sorted(seen) == sorted(promised)
    assert all(re.fullmatch(r"\d+\.\d s", duration) for *_, duration, _, _ in tasks)
    assert not (tmp_path / ".demo" / "airflow").exists()
    logs = [path for path in (tmp_path / ".demo" / "logs" / "tasks").rglob("*.log") if path.is_file()]
    assert any("giving up: 3 boxes are missing" in path.read_text() for path in logs)


def test_a_broken_promise_is_told_and_a_kept_demo_serves_until_it_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep", "--dags", str(ONE_TASK)) as process:
        output = read_until(process, "Ctrl-C ends both")
        assert "one_task.greet: returned 'good morning', promised is 'good evening'" in output
        found = re.search(r"Airflow +(\S+) +user (\S+) +password (\S+)", output)
        assert found is not None
        address, user, password = found.groups()
        login = httpx.post(f"{address}/auth/token", json={"username": user, "password": password})
        assert login.status_code == httpx.codes.CREATED
        started = descendants(process.pid)
        assert len(started) >= 5
        process.send_signal(signal.SIGKILL)
    alive = still_alive(started, timeout_seconds=20)
    assert not alive
    assert not (tmp_path / ".demo" / "airflow").exists()


def still_alive(processes: list[psutil.Process], *, timeout_seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + timeout_seconds
    while True:
        alive = [process for process in processes if process.is_running()]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.1)
