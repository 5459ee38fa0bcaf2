"""One local cloud for all tests of the dialect, emptied before each, and clients that nobody here wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import batch_v1
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

from airflow_provider_jobs.emulator.process import LocalCloud

PARENT = "projects/p/locations/us-central1"
SECRET = "projects/p/secrets/token/versions/latest"
END_STATES = {"SUCCEEDED", "FAILED", "CANCELLED"}

Submit = Callable[..., batch_v1.Job]


@pytest.fixture(scope="session")
def server() -> Iterator[LocalCloud]:
    secrets = {SECRET: "s3cret value"}
    arguments = ("--dialect", "gcp_batch", "--kill-grace-seconds", "0.3")
    with LocalCloud(*arguments, secrets=secrets, env={SECRET: "from env"}) as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


@pytest.fixture(scope="session")
def channel(server: LocalCloud) -> Iterator[grpc.Channel]:
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options=options) as made:
        yield made


@pytest.fixture(scope="session")
def clients(server: LocalCloud, channel: grpc.Channel) -> Iterator[dict[str, batch_v1.BatchServiceClient]]:
    make = batch_v1.BatchServiceClient
    options = ClientOptions(api_endpoint=server.http)
    with make(transport="rest", credentials=AnonymousCredentials(), client_options=options) as rest:
        yield {"grpc": make(transport=make.get_transport_class("grpc")(channel=channel)), "rest": rest}


@pytest.fixture
def batch(cloud: LocalCloud, clients: dict[str, batch_v1.BatchServiceClient]) -> batch_v1.BatchServiceClient:
    return clients["grpc"]


@pytest.fixture(params=["grpc", "rest"])
def either(
    request: pytest.FixtureRequest, cloud: LocalCloud, clients: dict[str, batch_v1.BatchServiceClient]
) -> batch_v1.BatchServiceClient:
    """The same test over both wires."""
    return clients[request.param]


@pytest.fixture
def logging(cloud: LocalCloud, channel: grpc.Channel) -> LoggingServiceV2Client:
    make = LoggingServiceV2Client
    return make(transport=make.get_transport_class("grpc")(channel=channel))


def script(text: str, **runnable: Any) -> dict[str, Any]:
    return {"script": {"text": text}, **runnable}


def spec(*runnables: dict[str, Any] | str, **task_spec: Any) -> dict[str, Any]:
    """A job of one task group with logs; ``group`` and ``job`` add to the group and to the job."""
    group = task_spec.pop("group", {})
    job = task_spec.pop("job", {})
    made = [script(runnable) if isinstance(runnable, str) else runnable for runnable in runnables]
    return {
        "task_groups": [{"task_spec": {"runnables": made, **task_spec}, **group}],
        "logs_policy": {"destination": "CLOUD_LOGGING"},
        **job,
    }


def submit(client: batch_v1.BatchServiceClient, job: dict[str, Any], job_id: str = "job-1") -> batch_v1.Job:
    return client.create_job(parent=PARENT, job=batch_v1.Job(job), job_id=job_id)


def until(client: batch_v1.BatchServiceClient, name: str, *states: str) -> batch_v1.Job:
    """Poll until the job is in one of the states; ending in another one is an error."""
    wanted = states or tuple(END_STATES)
    while (job := client.get_job(name=name)).status.state.name not in wanted:
        assert job.status.state.name not in END_STATES, job.status
    return job


def run(client: batch_v1.BatchServiceClient, job: dict[str, Any], job_id: str = "job-1") -> batch_v1.Job:
    return until(client, submit(client, job, job_id).name)


def tasks(client: batch_v1.BatchServiceClient, job: batch_v1.Job) -> list[batch_v1.Task]:
    return list(client.list_tasks(parent=f"{job.name}/taskGroups/group0"))


def exit_codes(client: batch_v1.BatchServiceClient, job: batch_v1.Job) -> list[int]:
    return [task.status.status_events[-1].task_execution.exit_code for task in tasks(client, job)]


def texts(
    logging: LoggingServiceV2Client, job: batch_v1.Job, *, log: str = "batch_task_logs", more: str = ""
) -> list[str]:
    query = f'labels.job_uid="{job.uid}" AND log_id("{log}") {more}'
    found = logging.list_log_entries({"resource_names": ["projects/p"], "filter": query, "page_size": 1000})
    return [entry.text_payload for entry in found]
