"""An error that is answered although the work was done, on every wire, as the vendors' clients see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import grpc
import pytest
import requests
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from botocore.config import Config
from botocore.exceptions import ClientError
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import batch_v1, run_v2
from kubernetes import client as kubernetes_client

from airflow_provider_jobs.emulator.process import LocalCloud, LocalCloudFailed

PARENT = "projects/p/locations/us-central1"


@dataclass(frozen=True)
class Wire:
    """A client of a vendor's over one transport.

    :param submit: creates a job, once
    :param jobs: how many jobs of its name there are, as the service says
    """

    submit: Callable[[], Any]
    jobs: Callable[[], int]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCloud]:
    with LocalCloud("--kill-grace-seconds", "0.2", "--simulate-sleep") as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


def _google(made: type[Any], cloud: LocalCloud, transport: str) -> Any:
    if transport == "rest":
        options = ClientOptions(api_endpoint=cloud.http)
        return made(transport="rest", credentials=AnonymousCredentials(), client_options=options)
    channel = grpc.insecure_channel(cloud.grpc)
    return made(transport=made.get_transport_class("grpc")(channel=channel))


def gcp_batch(cloud: LocalCloud, transport: str) -> Wire:
    batch = _google(batch_v1.BatchServiceClient, cloud, transport)
    runnable = {"script": {"text": "sleep 600"}}
    job = batch_v1.Job({"task_groups": [{"task_spec": {"runnables": [runnable]}}]})
    return Wire(
        submit=lambda: batch.create_job(parent=PARENT, job=job, job_id="work", retry=None, timeout=20),
        jobs=lambda: len(list(batch.list_jobs(parent=PARENT))),
    )


def cloud_run(cloud: LocalCloud, transport: str) -> Wire:
    jobs = _google(run_v2.JobsClient, cloud, "rest" if transport == "v1" else transport)
    executions = _google(run_v2.ExecutionsClient, cloud, "grpc")
    container = {"image": "busybox:1.36", "command": ["sleep", "600"]}
    job = run_v2.Job({"template": {"template": {"containers": [container]}}})
    jobs.create_job(parent=PARENT, job=job, job_id="work").result(timeout=20)
    url = f"{cloud.http}/apis/run.googleapis.com/v1/namespaces/p/jobs/work:run"

    def over_v1() -> None:
        requests.post(url, json={}, timeout=20).raise_for_status()

    return Wire(
        submit=over_v1
        if transport == "v1"
        else lambda: jobs.run_job(name=f"{PARENT}/jobs/work", retry=None, timeout=20),
        jobs=lambda: len(list(executions.list_executions(parent=f"{PARENT}/jobs/work"))),
    )


def aws_batch(cloud: LocalCloud, transport: str) -> Wire:
    batch = boto3.client(
        "batch",
        endpoint_url=cloud.http,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}]
    properties = {"image": "busybox:1.36", "command": ["sleep", "600"], "resourceRequirements": needs}
    batch.register_job_definition(jobDefinitionName="work", type="container", containerProperties=properties)
    named = [{"name": "JOB_NAME", "values": ["work"]}]
    return Wire(
        submit=lambda: batch.submit_job(jobName="work", jobQueue="default", jobDefinition="work"),
        jobs=lambda: len(batch.list_jobs(jobQueue="default", filters=named)["jobSummaryList"]),
    )


def azure_batch(cloud: LocalCloud, transport: str) -> Wire:
    connection = cloud.connections["azure_batch_default"]
    credential = AzureNamedKeyCredential(connection["login"], connection["password"])
    batch = BatchClient(connection["extra"]["account_url"], credential, retry_total=0)
    job = models.BatchJobCreateOptions(id="work", pool_info=models.BatchPoolInfo(pool_id="default"))
    return Wire(submit=lambda: batch.create_job(job), jobs=lambda: len(list(batch.list_jobs())))


def kubernetes(cloud: LocalCloud, transport: str) -> Wire:
    configuration = kubernetes_client.Configuration()
    configuration.host = cloud.http
    configuration.retries = False
    batch = kubernetes_client.BatchV1Api(kubernetes_client.ApiClient(configuration))
    container = {"name": "c", "image": "busybox:1.36", "command": ["sleep", "600"]}
    pod = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    job = {"metadata": {"name": "work"}, "spec": {"template": pod}}
    return Wire(
        submit=lambda: batch.create_namespaced_job("default", job),
        jobs=lambda: len(batch.list_namespaced_job("default").items),
    )


@pytest.mark.parametrize(
    ("connect", "transport", "method", "error"),
    [
        (gcp_batch, "grpc", "CreateJob", exceptions.InternalServerError),
        (gcp_batch, "rest", "CreateJob", exceptions.InternalServerError),
        (cloud_run, "grpc", "RunJob", exceptions.InternalServerError),
        (cloud_run, "rest", "RunJob", exceptions.InternalServerError),
        (cloud_run, "v1", "RunJob", requests.HTTPError),
        (aws_batch, "rest", "SubmitJob", ClientError),
        (azure_batch, "rest", "CreateJob", HttpResponseError),
        (kubernetes, "rest", "create jobs", kubernetes_client.ApiException),
    ],
)
def test_a_job_is_created_and_the_client_told_of_an_error(
    cloud: LocalCloud,
    connect: Callable[[LocalCloud, str], Wire],
    transport: str,
    method: str,
    error: type[Exception],
):
    wire = connect(cloud, transport)
    assert wire.jobs() == 0
    cloud.admin.add_fault(method=method, error={"code": 500, "message": "too late"}, after_work=True, times=1)
    with pytest.raises(error, match="500 Server Error" if transport == "v1" else "too late"):
        wire.submit()
    assert wire.jobs() == 1


def test_without_it_the_job_is_not_created(cloud: LocalCloud):
    wire = gcp_batch(cloud, "grpc")
    cloud.admin.add_fault(method="CreateJob", error={"code": 500}, times=1)
    with pytest.raises(exceptions.InternalServerError):
        wire.submit()
    assert wire.jobs() == 0


def test_a_refusal_of_the_service_itself_comes_first(cloud: LocalCloud):
    wire = gcp_batch(cloud, "grpc")
    wire.submit()
    cloud.admin.add_fault(method="CreateJob", error={"code": 500}, after_work=True)
    with pytest.raises(exceptions.Conflict):
        wire.submit()


@pytest.mark.parametrize("rule", [{"delay_seconds": 1}, {"drop_answer": "reset"}])
def test_it_goes_with_an_error_alone(cloud: LocalCloud, rule: dict[str, Any]):
    with pytest.raises(LocalCloudFailed, match=r"422.*after_work"):
        cloud.admin.add_fault(after_work=True, **rule)
