"""New jobs that lists do not show yet, as the vendors' clients see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import requests
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

from airflow_provider_jobs.emulator.process import LocalCloud, LocalCloudFailed
from tests.backends.aws_batch.emulator.conftest import client, describe, submit

PARENT = "projects/p/locations/us-central1"
JOB = f"{PARENT}/jobs/work"
PATIENCE_SECONDS = 20.0
#: A time that no test lives to see.
LONG_SECONDS = 600


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCloud]:
    arguments = ("--dialect", "aws_batch", "--dialect", "cloud_run", "--simulate-sleep")
    with LocalCloud(*arguments, "--kill-grace-seconds", "0.2") as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


def until_listed(names: Callable[[], list[str]]) -> list[str]:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := names()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


class Runs:
    """Cloud Run over one transport of one version."""

    def __init__(self, cloud: LocalCloud, transport: str) -> None:
        self._cloud = cloud
        self._transport = transport
        container = {"image": "busybox:1.36", "command": ["sleep", "600"]}
        self._job = run_v2.Job({"template": {"template": {"containers": [container]}}})
        self._jobs = self._client(run_v2.JobsClient)
        self._executions = self._client(run_v2.ExecutionsClient)

    def _client(self, made: type[Any]) -> Any:
        if self._transport == "grpc":
            return made(
                transport=made.get_transport_class("grpc")(channel=grpc.insecure_channel(self._cloud.grpc))
            )
        options = ClientOptions(api_endpoint=self._cloud.http)
        return made(transport="rest", credentials=AnonymousCredentials(), client_options=options)

    def start(self) -> str:
        """Create a job and run it; the id of the execution."""
        self._jobs.create_job(parent=PARENT, job=self._job, job_id="work").result(timeout=20)
        return self._jobs.run_job(name=JOB).metadata.name.rpartition("/")[2]

    def found(self, execution_id: str) -> str:
        """The id that reading an execution by its name answers with."""
        if self._transport == "v1":
            return self._get(f"/{execution_id}")["metadata"]["name"]
        found = self._executions.get_execution(name=f"{JOB}/executions/{execution_id}")
        return found.name.rpartition("/")[2]

    def listed(self) -> list[str]:
        if self._transport == "v1":
            return [each["metadata"]["name"] for each in self._get("")["items"]]
        return [each.name.rpartition("/")[2] for each in self._executions.list_executions(parent=JOB)]

    def _get(self, path: str) -> Any:
        url = f"{self._cloud.http}/apis/run.googleapis.com/v1/namespaces/p/executions{path}"
        answer = requests.get(url, timeout=20)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(params=["grpc", "rest", "v1"])
def runs(request: pytest.FixtureRequest, cloud: LocalCloud) -> Runs:
    return Runs(cloud, request.param)


def test_a_new_execution_is_read_by_its_name_and_not_listed(cloud: LocalCloud, runs: Runs):
    cloud.admin.set_listing_delay(LONG_SECONDS)
    execution_id = runs.start()
    assert runs.found(execution_id) == execution_id
    assert runs.listed() == []
    cloud.admin.set_listing_delay(0)
    assert runs.listed() == [execution_id]


def test_a_new_execution_is_listed_once_it_is_old_enough(cloud: LocalCloud, runs: Runs):
    cloud.admin.set_listing_delay(0.5)
    began = time.monotonic()
    execution_id = runs.start()
    assert until_listed(runs.listed) == [execution_id]
    assert time.monotonic() - began >= 0.5


def test_a_new_job_of_a_queue_is_described_and_not_listed(cloud: LocalCloud):
    batch = client(cloud, "batch")
    cloud.admin.set_listing_delay(LONG_SECONDS)
    job_id = submit(batch, "sleep 600", name="work", arrayProperties={"size": 2})
    by_name = [{"name": "JOB_NAME", "values": ["work"]}]

    def listed() -> list[str]:
        found = batch.list_jobs(jobQueue="default", filters=by_name)["jobSummaryList"]
        return [each["jobId"] for each in found]

    assert describe(batch, job_id)["jobId"] == job_id
    assert listed() == []
    children = batch.list_jobs(arrayJobId=job_id, jobStatus="RUNNING")
    assert all(each["jobId"].startswith(job_id) for each in children["jobSummaryList"])
    cloud.admin.set_listing_delay(0)
    assert listed() == [job_id]


def test_a_new_job_of_a_queue_is_listed_once_it_is_old_enough(cloud: LocalCloud):
    batch = client(cloud, "batch")
    cloud.admin.set_listing_delay(0.5)
    began = time.monotonic()
    job_id = submit(batch, "sleep 600")

    def listed() -> list[str]:
        found = batch.list_jobs(jobQueue="default", jobStatus="RUNNING")["jobSummaryList"]
        return [each["jobId"] for each in found]

    assert until_listed(listed) == [job_id]
    assert time.monotonic() - began >= 0.5


def test_the_delay_is_told_and_gone_after_a_reset(cloud: LocalCloud):
    cloud.admin.set_listing_delay(3)
    assert cloud.admin.call("GET", "/listings") == {"delay_seconds": 3.0}
    cloud.admin.reset()
    assert cloud.admin.call("GET", "/listings") == {"delay_seconds": 0.0}


def test_a_delay_below_zero_is_refused(cloud: LocalCloud):
    with pytest.raises(LocalCloudFailed, match="422"):
        cloud.admin.set_listing_delay(-1)
