"""One local cloud for all tests of the dialect, emptied before each, and clients that nobody here wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import LogEntry

from airflow_provider_jobs.emulator.process import LocalCloud

PARENT = "projects/p/locations/us-central1"
JOB = f"{PARENT}/jobs/job-1"
SECRET = "projects/p/secrets/token/versions/latest"


@dataclass(frozen=True)
class Clients:
    """The three clients of Cloud Run jobs over one wire."""

    jobs: run_v2.JobsClient
    executions: run_v2.ExecutionsClient
    tasks: run_v2.TasksClient

    def create(self, job: dict[str, Any], job_id: str = "job-1") -> run_v2.Job:
        return self.jobs.create_job(parent=PARENT, job=run_v2.Job(job), job_id=job_id).result()

    def start(self, job_id: str = "job-1", **overrides: Any) -> run_v2.Execution:
        """Run a job and return its execution as it was created."""
        request = run_v2.RunJobRequest(name=f"{PARENT}/jobs/{job_id}", overrides=overrides or None)
        return self.jobs.run_job(request).metadata

    def execute(self, job: dict[str, Any], **overrides: Any) -> run_v2.Execution:
        """Create a job, run it and return its execution at its end."""
        created = self.create(job)
        return self.end(self.start(created.name.rpartition("/")[2], **overrides))

    def end(self, execution: run_v2.Execution) -> run_v2.Execution:
        return self.until(execution, lambda found: bool(found.completion_time))

    def until(self, execution: run_v2.Execution, met: Callable[[run_v2.Execution], bool]) -> run_v2.Execution:
        """Poll until the condition is met; ending without it is an error."""
        while not met(found := self.executions.get_execution(name=execution.name)):
            assert not found.completion_time, found
        return found

    def running(self, execution: run_v2.Execution, count: int = 1) -> run_v2.Execution:
        return self.until(execution, lambda found: found.running_count == count)

    def tasks_of(self, execution: run_v2.Execution) -> list[run_v2.Task]:
        return list(self.tasks.list_tasks(parent=execution.name))


@pytest.fixture(scope="session")
def server() -> Iterator[LocalCloud]:
    arguments = ("--dialect", "cloud_run", "--kill-grace-seconds", "0.3")
    with LocalCloud(*arguments, secrets={SECRET: "s3cret value"}, env={"SERVERS_OWN": "x"}) as cloud:
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
def wires(server: LocalCloud, channel: grpc.Channel) -> Iterator[dict[str, Clients]]:
    kinds = (run_v2.JobsClient, run_v2.ExecutionsClient, run_v2.TasksClient)
    options = ClientOptions(api_endpoint=server.http)
    over_grpc = [kind(transport=kind.get_transport_class("grpc")(channel=channel)) for kind in kinds]
    over_rest = [
        kind(transport="rest", credentials=AnonymousCredentials(), client_options=options) for kind in kinds
    ]
    yield {"grpc": Clients(*over_grpc), "rest": Clients(*over_rest)}
    for client in over_rest:
        client.transport.close()


@pytest.fixture
def run(cloud: LocalCloud, wires: dict[str, Clients]) -> Clients:
    return wires["grpc"]


@pytest.fixture(params=["grpc", "rest"])
def either(request: pytest.FixtureRequest, cloud: LocalCloud, wires: dict[str, Clients]) -> Clients:
    """The same test over both wires."""
    return wires[request.param]


@pytest.fixture
def logging(cloud: LocalCloud, channel: grpc.Channel) -> LoggingServiceV2Client:
    make = LoggingServiceV2Client
    return make(transport=make.get_transport_class("grpc")(channel=channel))


def container(script: str = "true", **fields: Any) -> dict[str, Any]:
    return {"image": "busybox:1.36", "command": ["sh", "-c"], "args": [script], **fields}


def job(
    *containers: dict[str, Any] | str, execution: dict[str, Any] | None = None, **tasks: Any
) -> dict[str, Any]:
    """A job of these containers or scripts; keywords go into the task template."""
    made = [container(one) if isinstance(one, str) else one for one in containers]
    return {"template": {"template": {"containers": made, "max_retries": 0, **tasks}, **(execution or {})}}


def condition(resource: run_v2.Execution | run_v2.Task, kind: str) -> run_v2.Condition:
    (found,) = [condition for condition in resource.conditions if condition.type_ == kind]
    return found


def entries(logging: LoggingServiceV2Client, execution: run_v2.Execution, more: str = "") -> list[LogEntry]:
    name = execution.name.rpartition("/")[2]
    query = f'resource.type="cloud_run_job" labels."run.googleapis.com/execution_name"="{name}" {more}'
    asked = {"resource_names": ["projects/p"], "filter": query, "page_size": 1000}
    return list(logging.list_log_entries(asked))


def lines(logging: LoggingServiceV2Client, execution: run_v2.Execution, stream: str = "stdout") -> list[str]:
    found = entries(logging, execution, f'log_id("run.googleapis.com/{stream}")')
    return [entry.text_payload for entry in found]


def violations(error: GoogleAPICallError) -> list[str]:
    """The fields that the details of an error name; over REST the client leaves them as they were sent."""
    return [
        found["field"] if isinstance(detail, dict) else found.field
        for detail in error.details
        for found in (detail["fieldViolations"] if isinstance(detail, dict) else detail.field_violations)
    ]
