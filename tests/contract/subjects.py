"""Every backend that the contract suite runs over, each with a service to run on.

A backend joins by one entry in ``SUBJECTS``: how its service is started, and how a piece of work is
written as a job spec of it. The tests know only what stands in :class:`World`.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import AccessDenied, AmbiguousError, ThrottledError, UnavailableError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import Admin, LocalCloud
from tests.contract.fake import FakeBackend

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
    """

    name: str
    backend: Backend
    open: Callable[[], Backend]
    write_spec: Callable[[Work], JobSpec]
    fault: Callable[[str, str], None]
    delete_behind: Callable[[JobHandle], None]

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


@dataclass(frozen=True)
class Subject:
    """A backend under contract.

    :param start: starts its service and yields its world; one per test session
    """

    name: str
    start: Callable[[], AbstractContextManager[World]]


# What a fault is called here, and the error that the backend must make of it.
FAULTS = {
    "throttled": ThrottledError,
    "unavailable": UnavailableError,
    "denied": AccessDenied,
    "lost_answer": AmbiguousError,
}


@contextmanager
def _fake_world() -> Iterator[World]:
    fake = FakeBackend()

    def write_spec(work: Work) -> JobSpec:
        states = [JobState.QUEUED, JobState.STARTING, JobState.RUNNING]
        script = {
            "states": states if work.runs_on else [*states, JobState.SUCCEEDED],
            "lines": [f"line {n}" for n in range(work.lines)],
            "exit_codes": {str(index): code for index, code in work.exit_codes.items()},
        }
        return JobSpec(image="busybox", array_size=work.size, indexes=work.indexes, options={"fake": script})

    def fault(method: str, kind: str) -> None:
        error = FAULTS[kind]("injected")
        fake.lose_answer(method, error) if kind == "lost_answer" else fake.refuse(method, error)

    yield World("fake", fake, lambda: fake, write_spec, fault, fake.forget)


def write_shell_spec(work: Work, **values: Any) -> JobSpec:
    """Write work as a shell script, for every service that runs one."""
    lines = [f'n=0; while [ $n -lt {work.lines} ]; do echo "line $n"; n=$((n + 1)); done']
    lines += [f'[ "$JOB_INDEX" = {index} ] && exit {code}' for index, code in work.exit_codes.items()]
    lines.append("exec sleep 600" if work.runs_on else "exit 0")
    values = {"image": "busybox:1.36", **values}
    return JobSpec(array_size=work.size, indexes=work.indexes, script="\n".join(lines), **values)


@contextmanager
def local_cloud() -> Iterator[LocalCloud]:
    """Start a local cloud with Airflow's connections pointing at it."""
    with LocalCloud() as cloud, pytest.MonkeyPatch.context() as patch:
        for conn_id, connection in cloud.connections.items():
            patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        yield cloud


@contextmanager
def _gcp_batch_world() -> Iterator[World]:
    ref = BackendRef(backend="gcp_batch", conn_id="google_cloud_default", scope={"region": "europe-west1"})
    methods = {
        "submit": "CreateJob",
        "find": "GetJob",
        "describe": "GetJob",
        "cancel": "CancelJob",
        "delete": "DeleteJob",
        "read_logs": "ListLogEntries",
    }
    codes = {"throttled": "RESOURCE_EXHAUSTED", "unavailable": "UNAVAILABLE", "denied": "PERMISSION_DENIED"}

    with local_cloud() as cloud:

        def fault(method: str, kind: str) -> None:
            rule = {"drop_answer": "reset"} if kind == "lost_answer" else {"error": {"code": codes[kind]}}
            cloud.admin.add_fault(method=methods[method], times=1, **rule)

        yield World(
            name="gcp_batch",
            backend=open_backend(ref),
            open=lambda: open_backend(ref),
            write_spec=write_shell_spec,
            fault=fault,
            delete_behind=lambda handle: _remove(cloud.admin, ref, handle),
        )


def _remove(admin: Admin, ref: BackendRef, handle: JobHandle) -> None:
    """Delete a job with another client, and return when it is gone."""
    backend = open_backend(ref)
    backend.delete(handle)
    until = time.monotonic() + PATIENCE_SECONDS
    while any(job["name"] == handle.native_id for job in admin.jobs()):
        assert time.monotonic() < until
        time.sleep(0.02)


SUBJECTS = (Subject("fake", _fake_world), Subject("gcp_batch", _gcp_batch_world))
