"""No call lasts longer than the hook allows, also those that the vendor makes by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.core.errors import AmbiguousError, TransientError
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud

REGION = "europe-west1"
SOON_SECONDS = 10.0
JOB = run_v2.Job({"template": {"template": {"containers": [{"image": "busybox:1.36"}]}}})


@pytest.fixture(scope="module")
def started() -> Iterator[LocalCloud]:
    """Yield a local cloud."""
    with local_cloud("cloud_run") as cloud:
        yield cloud


@pytest.fixture
def cloud(started: LocalCloud) -> LocalCloud:
    """Return the local cloud without jobs and faults."""
    started.admin.reset()
    return started


def test_waiting_for_an_operation_ends_although_the_service_never_says_how_far_it_is(
    cloud: LocalCloud,
) -> None:
    cloud.admin.add_fault(method="GetOperation", drop_answer="hang")
    hook = CloudRunHook(deadline_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(AmbiguousError, match="DEADLINE_EXCEEDED"):
        hook.create_job(None, REGION, "j", JOB)
    assert time.monotonic() - began < SOON_SECONDS


def test_waiting_for_an_operation_ends_in_time_while_the_service_is_in_trouble(cloud: LocalCloud) -> None:
    cloud.admin.add_fault(method="GetOperation", error={"code": "UNAVAILABLE"})
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"job j is still being made after 0\.5 seconds"):
        CloudRunHook().create_job(None, REGION, "j", JOB, timeout_seconds=0.5)
    assert time.monotonic() - began < SOON_SECONDS
    assert cloud.admin.calls("GetOperation") > 1


def test_trouble_that_passes_while_an_operation_is_waited_for_is_not_seen(cloud: LocalCloud) -> None:
    cloud.admin.add_fault(method="GetOperation", error={"code": "UNAVAILABLE"}, times=2)
    assert CloudRunHook().create_job(None, REGION, "j", JOB).name.endswith("/jobs/j")
