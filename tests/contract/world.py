"""What the contract suite knows of a backend and its service, and what the services' worlds share."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import AccessDenied, AmbiguousError, ThrottledError, UnavailableError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Work:
    """What a job of the contract does.

    :param lines: how many lines every index writes, ``line 0`` and on
    :param exit_codes: index to exit code, 0 for the others
    :param runs_on: whether it runs until it is cancelled
    """

    size: int = 1
    lines: int = 0
    exit_codes: dict[int, int] = field(default_factory=dict)
    runs_on: bool = False
    indexes: tuple[int, ...] | None = None


@dataclass
class World:
    """One backend and its service, as the tests see them.

    :param open: makes a further backend, as another process would
    :param write_spec: writes work as a job spec
    :param fault: lets the next call of a method fail in a way: method, kind
    :param delete_behind: deletes a job as somebody else would
    :param deletes: whether the service takes a request to delete a job; where it does not, it drops the
        record of a job by itself some time after its end
    """

    name: str
    backend: Backend
    open: Callable[[], Backend]
    write_spec: Callable[[Work], JobSpec]
    fault: Callable[[str, str], None]
    delete_behind: Callable[[JobHandle], None]
    deletes: bool = True

    def key(self) -> JobKey:
        """Return a key that no job has."""
        return JobKey(dag_id="contract", run_id=uuid.uuid4().hex, task_id="t")

    def submit(self, work: Work) -> JobHandle:
        """Submit work under a new key."""
        return self.backend.submit(self.write_spec(work), self.key())

    def report(self, handle: JobHandle) -> JobReport:
        """Return the report of one job."""
        (report,) = self.backend.describe([handle])
        return report

    def reports_until(self, handle: JobHandle, met: Callable[[JobReport], bool]) -> list[JobReport]:
        """Return the reports up to the first that meets a condition; fails when none does in time."""
        reports = []
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            reports.append(self.report(handle))
            if met(reports[-1]):
                return reports
            time.sleep(0.02)
        raise AssertionError(f"not met in {PATIENCE_SECONDS} s; last: {reports[-1]}")

    def end(self, handle: JobHandle) -> JobReport:
        """Return the report of the job at its end."""
        return self.reports_until(handle, lambda report: bool(report.state and report.state.is_terminal))[-1]


# What a fault is called here, and the error that the backend must make of it.
FAULTS = {
    "throttled": ThrottledError,
    "unavailable": UnavailableError,
    "denied": AccessDenied,
    "lost_answer": AmbiguousError,
}


def write_shell_spec(work: Work, **values: Any) -> JobSpec:
    """Write work as a shell script, for every service that runs one."""
    lines = [f'n=0; while [ $n -lt {work.lines} ]; do echo "line $n"; n=$((n + 1)); done']
    lines += [f'[ "$JOB_INDEX" = {index} ] && exit {code}' for index, code in work.exit_codes.items()]
    lines.append("exec sleep 600" if work.runs_on else "exit 0")
    values = {"image": "busybox:1.36", **values}
    return JobSpec(array_size=work.size, indexes=work.indexes, script="\n".join(lines), **values)


@contextmanager
def local_cloud(*dialects: str, arguments: Sequence[str] = ()) -> Iterator[LocalCloud]:
    """Start a local cloud of these services, or of all, with Airflow's connections pointing at it.

    Logs are read as often as a test likes.
    """
    chosen = [argument for name in dialects for argument in ("--dialect", name)]
    with LocalCloud(*chosen, *arguments) as cloud, pytest.MonkeyPatch.context() as patch:
        for conn_id, connection in cloud.connections.items():
            patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        for quota in ("CLOUD_LOGGING_READS_PER_MINUTE", "CLOUDWATCH_READS_PER_SECOND"):
            patch.setenv(f"AIRFLOW__AIRFLOW_PROVIDER_JOBS__{quota}", "1000000")
        yield cloud
