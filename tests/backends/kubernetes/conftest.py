"""A local cloud with a hook and a backend on it, started once per module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud

REF = BackendRef(backend="kubernetes", conn_id="kubernetes_default", scope={"namespace": "default"})


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud that Airflow's connections point at."""
    with local_cloud("kubernetes") as started:
        yield started


@pytest.fixture
def quiet_cloud(cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Yield the local cloud without jobs, faults and counts."""
    cloud.admin.reset()
    cloud.admin.clear_counters()
    yield cloud
    cloud.admin.reset()


@pytest.fixture
def hook(cloud: LocalCloud) -> KubernetesJobHook:
    """Return a hook on the local cloud."""
    return KubernetesJobHook()


@pytest.fixture
def backend(cloud: LocalCloud) -> KubernetesBackend:
    """Return a backend on the local cloud."""
    return KubernetesBackend(REF)
