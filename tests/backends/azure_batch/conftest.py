"""A local cloud with a hook and a backend on it, started once per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.speaker import CONN_ID, Speaker
from tests.contract.world import local_cloud

REF = BackendRef(backend="azure_batch", conn_id="azure_batch_default")


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud that Airflow's connections point at."""
    with local_cloud("azure_batch") as started:
        yield started


@pytest.fixture
def quiet_cloud(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield the local cloud without jobs, faults and counts."""
    cloud.admin.reset()
    cloud.admin.clear_counters()
    yield cloud
    cloud.admin.reset()


@pytest.fixture
def hook(cloud: LocalCloud) -> AzureBatchHook:
    """Return a hook on the local cloud."""
    return AzureBatchHook()


@pytest.fixture
def backend(cloud: LocalCloud) -> AzureBatchBackend:
    """Return a backend on the local cloud."""
    return AzureBatchBackend(REF)


@pytest.fixture(scope="module")
def speaker() -> Iterator[Speaker]:
    """Yield a service that answers what it is told to, at which the connection ``spoken`` points."""
    with Speaker() as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", started.connection)
        yield started
