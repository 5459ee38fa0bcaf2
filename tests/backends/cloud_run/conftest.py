"""A local cloud with a hook and a backend on it, started once per module."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.cloud_run.backend import CloudRunBackend
from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud
from tests.google_cloud.wire import GrpcRecorder

REGION = "europe-west1"
REF = BackendRef(backend="cloud_run", conn_id="google_cloud_default", scope={"region": REGION})


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud that Airflow's connections point at."""
    with local_cloud("cloud_run") as started:
        yield started


@pytest.fixture
def quiet_cloud(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield the local cloud without jobs, faults and counts."""
    cloud.admin.reset()
    cloud.admin.clear_counters()
    yield cloud
    cloud.admin.reset()


@pytest.fixture
def hook(cloud: LocalCloud) -> CloudRunHook:
    """Return a hook on the local cloud."""
    return CloudRunHook()


@pytest.fixture
def backend(cloud: LocalCloud) -> CloudRunBackend:
    """Return a backend on the local cloud."""
    return CloudRunBackend(REF)


@pytest.fixture(scope="module")
def recorder(cloud: LocalCloud) -> Iterator[GrpcRecorder]:
    """Yield what stands between a client of connection ``wired`` and the local cloud."""
    with GrpcRecorder(cloud.grpc) as started, pytest.MonkeyPatch.context() as patch:
        extra = {"project": "local-project", "endpoint": f"http://{started.address}"}
        connection = json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
        patch.setenv("AIRFLOW_CONN_WIRED", connection)
        yield started


@pytest.fixture
def wire(recorder: GrpcRecorder) -> GrpcRecorder:
    """Return the recorder without calls and rewrites."""
    recorder.calls.clear()
    recorder.rewrites.clear()
    return recorder
