"""What holds for every test: where its files go, what an absent service means, and that nothing is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import psutil
import psycopg
import pytest

from tests.postgres import temporary_database

REPOSITORY = Path(__file__).parents[1]

_AIRFLOW_HOME = "airflow-home"
_MARK = "TESTS_OF_AIRFLOW_PROVIDER_JOBS"
_LEFTOVER_GRACE_SECONDS = 10.0


def pytest_configure(config: pytest.Config) -> None:
    """Mark all that the tests start, and give their temporary files one directory of their own."""
    os.environ[_MARK] = uuid.uuid4().hex
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="airflow-provider-jobs-tests-")
    tempfile.tempdir = None
    # No test sees the Airflow of the person who runs it, nor the listeners of Airflow's examples.
    os.environ["AIRFLOW_HOME"] = str(Path(os.environ["TMPDIR"]) / _AIRFLOW_HOME)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    # Else gcsfs asks another API what kind of bucket it has, and no emulator has that; read at its import.
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    # A TERM, as a time limit sends it, ends the tests as Ctrl-C does: with the teardown of their fixtures.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the directory, whatever became of the tests."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def service_is_absent(reason: str) -> NoReturn:
    """End a test that needs a service which is not there: it fails in CI, and is skipped elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Fail when a process or a temporary file outlives all tests."""
    yield
    deadline = time.monotonic() + _LEFTOVER_GRACE_SECONDS
    while (left := [*_processes_of_these_tests(), *_temporary_files()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _processes_of_these_tests() -> list[str]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get(_MARK) == os.environ[_MARK] and process.pid != os.getpid()
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"process {process.pid}: {' '.join(process.cmdline())}")
    return found


def _temporary_files() -> list[str]:
    entries = Path(os.environ["TMPDIR"]).iterdir()
    return [str(entry) for entry in entries if not entry.name.startswith(("pytest-of-", _AIRFLOW_HOME))]


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """SQLAlchemy's URL of an empty PostgreSQL database, which is dropped afterwards."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(temporary_database())
        except psycopg.OperationalError as error:
            service_is_absent(f"no PostgreSQL: {error}")
        yield url
