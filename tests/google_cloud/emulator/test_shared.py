"""Two Google services on one pair of ports: what they share is there once, and belongs to both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import batch_v1, run_v2
from google.cloud.location import locations_pb2
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.longrunning import operations_pb2

from airflow_provider_jobs.emulator.process import LocalCloud

PARENT = "projects/p/locations/us-central1"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud("--dialect", "gcp_batch", "--dialect", "cloud_run") as started:
        yield started


@pytest.fixture
def channel(cloud: LocalCloud) -> Iterator[grpc.Channel]:
    cloud.admin.reset()
    with grpc.insecure_channel(cloud.grpc) as made:
        yield made


def make(kind: Any, channel: grpc.Channel) -> Any:
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


def batch_job(channel: grpc.Channel, script: str) -> batch_v1.Job:
    client = make(batch_v1.BatchServiceClient, channel)
    spec = {"task_spec": {"runnables": [{"script": {"text": script}}]}}
    job = batch_v1.Job(task_groups=[spec], logs_policy={"destination": "CLOUD_LOGGING"})
    job = client.create_job(parent=PARENT, job=job, job_id="batch")
    while not job.status.state.name.endswith("ED") or job.status.state.name in ("QUEUED", "SCHEDULED"):
        job = client.get_job(name=job.name)
    return job


def run_operation(channel: grpc.Channel, script: str) -> Any:
    client = make(run_v2.JobsClient, channel)
    containers = [{"image": "busybox", "command": ["sh", "-c", script]}]
    job = run_v2.Job(template={"template": {"containers": containers, "max_retries": 0}})
    client.create_job(parent=PARENT, job=job, job_id="run").result(timeout=20)
    return client.run_job(name=f"{PARENT}/jobs/run")


def test_one_logging_service_answers_with_the_entries_of_both(channel: grpc.Channel):
    batch_job(channel, "echo from batch")
    run_operation(channel, "echo from run").result(timeout=20)
    logging = make(LoggingServiceV2Client, channel)

    def texts(query: str) -> set[str]:
        found = logging.list_log_entries({"resource_names": ["projects/p"], "filter": query})
        return {entry.text_payload for entry in found}

    assert texts('textPayload:"from"') == {"from batch", "from run"}
    assert texts('resource.type="cloud_run_job" textPayload:"from"') == {"from run"}
    assert texts('log_id("batch_task_logs")') == {"from batch"}
    assert list(logging.list_logs(parent="projects/p")) == [
        "projects/p/logs/batch_agent_logs",
        "projects/p/logs/batch_task_logs",
        "projects/p/logs/run.googleapis.com%2Fstdout",
        "projects/p/logs/run.googleapis.com%2Fvarlog%2Fsystem",
    ]


def test_a_label_that_only_one_service_has_finds_its_entries_alone(channel: grpc.Channel):
    job = batch_job(channel, "echo from batch")
    name = run_operation(channel, "echo from run").result(timeout=20).name.rpartition("/")[2]
    logging = make(LoggingServiceV2Client, channel)
    for query, expected in (
        (f'labels.job_uid="{job.uid}" textPayload:"from"', ["from batch"]),
        (f'labels."run.googleapis.com/execution_name"="{name}" textPayload:"from"', ["from run"]),
        (
            f'(labels.job_uid="{job.uid}" OR labels."run.googleapis.com/execution_name"="{name}") from',
            ["from batch", "from run"],
        ),
        (f'labels.job_uid="{job.uid}" labels."run.googleapis.com/execution_name"="{name}"', []),
        ('labels.job_uid="nobody"', []),
    ):
        asked = {"resource_names": ["projects/p"], "filter": query, "order_by": "timestamp asc"}
        assert [entry.text_payload for entry in logging.list_log_entries(asked)] == expected, query


def test_one_operations_service_knows_the_operations_of_both(channel: grpc.Channel):
    job = batch_job(channel, "true")
    of_batch = make(batch_v1.BatchServiceClient, channel).delete_job(name=job.name)
    of_run = run_operation(channel, "true")
    of_run.result(timeout=20)
    client = make(run_v2.JobsClient, channel)
    listed = client.list_operations(operations_pb2.ListOperationsRequest(name=PARENT)).operations
    names = {operation.name for operation in listed}
    assert {of_batch.operation.name, of_run.operation.name} <= names
    found = client.get_operation(operations_pb2.GetOperationRequest(name=of_batch.operation.name))
    assert found.metadata.Is(batch_v1.OperationMetadata.pb().DESCRIPTOR)


def test_an_operation_of_one_service_can_be_called_back_and_of_the_other_not(
    cloud: LocalCloud, channel: grpc.Channel
):
    client = make(batch_v1.BatchServiceClient, channel)
    job = batch_job(channel, "true")
    cloud.admin.hold("deleted")
    of_batch = client.delete_job(name=job.name).operation.name
    client.cancel_operation(operations_pb2.CancelOperationRequest(name=of_batch))
    found = client.get_operation(operations_pb2.GetOperationRequest(name=of_batch))
    assert batch_v1.OperationMetadata.deserialize(found.metadata.value).requested_cancellation
    of_run = run_operation(channel, "true").operation.name
    with pytest.raises(exceptions.MethodNotImplemented):
        client.cancel_operation(operations_pb2.CancelOperationRequest(name=of_run))


def test_a_project_has_one_number_in_both_services(channel: grpc.Channel):
    job = batch_job(channel, "true")
    run_operation(channel, "true").result(timeout=20)
    made = make(run_v2.JobsClient, channel).get_job(name=f"{PARENT}/jobs/run")
    number = job.task_groups[0].name.split("/")[1]
    assert made.template.template.service_account.startswith(f"{number}-compute@")


def test_locations_are_the_same_for_both(channel: grpc.Channel):
    client = make(batch_v1.BatchServiceClient, channel)
    found = client.list_locations(locations_pb2.ListLocationsRequest(name="projects/p"))
    assert "us-central1" in [location.location_id for location in found.locations]
