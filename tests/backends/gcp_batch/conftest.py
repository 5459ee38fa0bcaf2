"""A local cloud with a hook and a backend on it, started once per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.gcp_batch.backend import GcpBatchBackend
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud

REGION = "europe-west1"
REF = BackendRef(backend="gcp_batch", conn_id="google_cloud_default", scope={"region": REGION})


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud that Airflow's connections point at."""
    with local_cloud("gcp_batch") as started:
        yield started


@pytest.fixture
def quiet_cloud(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield the local cloud without jobs, faults and counts."""
    cloud.admin.reset()
    cloud.admin.clear_counters()
    yield cloud
    cloud.admin.reset()


@pytest.fixture
def hook(cloud: LocalCloud) -> GcpBatchHook:
    """Return a hook on the local cloud."""
    return GcpBatchHook()


@pytest.fixture
def backend(cloud: LocalCloud) -> GcpBatchBackend:
    """Return a backend on the local cloud."""
    return GcpBatchBackend(REF)
