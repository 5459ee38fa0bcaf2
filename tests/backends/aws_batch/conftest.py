"""A local cloud with a hook and a backend on it, started once per module."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud
from tests.wire import Recorder

QUEUE = "default"
REF = BackendRef(backend="aws_batch", conn_id="aws_default", scope={"job_queue": QUEUE})


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud that Airflow's connections point at."""
    with local_cloud("aws_batch") as started:
        yield started


@pytest.fixture
def quiet_cloud(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield the local cloud without jobs, faults and counts."""
    cloud.admin.reset()
    cloud.admin.clear_counters()
    yield cloud
    cloud.admin.reset()


@pytest.fixture(scope="module")
def recorder(cloud: LocalCloud) -> Iterator[Recorder]:
    """Yield a recorder in front of the local cloud, with a connection ``recorded`` to it."""
    with Recorder(cloud.http) as started, pytest.MonkeyPatch.context() as patch:
        connection = cloud.connections["aws_default"]
        connection = {**connection, "extra": {**connection["extra"], "endpoint_url": started.url}}
        patch.setenv("AIRFLOW_CONN_RECORDED", json.dumps(connection))
        yield started


@pytest.fixture
def hook(cloud: LocalCloud) -> AwsBatchHook:
    """Return a hook on the local cloud."""
    return AwsBatchHook()


@pytest.fixture
def backend(cloud: LocalCloud) -> AwsBatchBackend:
    """Return a backend on the local cloud."""
    return AwsBatchBackend(REF)


def new_key() -> JobKey:
    """Return a key that no job has."""
    return JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")


def until(backend: AwsBatchBackend, handle: JobHandle, met: Callable[[JobReport], bool]) -> JobReport:
    """Return the first report that meets a condition."""
    while True:
        (report,) = backend.describe([handle])
        if met(report):
            return report


def until_over(backend: AwsBatchBackend, handle: JobHandle) -> JobReport:
    """Return the report of a job at its end."""
    return until(backend, handle, lambda report: bool(report.state and report.state.is_terminal))
