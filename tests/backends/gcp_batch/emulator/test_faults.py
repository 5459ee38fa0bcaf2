from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import batch_v1

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.gcp_batch.emulator.conftest import PARENT, spec, submit

LOST = (exceptions.ServiceUnavailable, requests.exceptions.ConnectionError)


def get(client: batch_v1.BatchServiceClient, **options: Any) -> batch_v1.Job:
    """Without the client's own retries."""
    return client.get_job(name=f"{PARENT}/jobs/job-1", retry=None, **options)


CODES: list[tuple[str | int, type[Exception]]] = [
    ("UNAVAILABLE", exceptions.ServiceUnavailable),
    (503, exceptions.ServiceUnavailable),
    ("RESOURCE_EXHAUSTED", exceptions.TooManyRequests),
    (429, exceptions.TooManyRequests),
    ("PERMISSION_DENIED", exceptions.Forbidden),
    ("INTERNAL", exceptions.InternalServerError),
    ("NOT_FOUND", exceptions.NotFound),
]


@pytest.mark.parametrize(("code", "expected"), CODES)
def test_an_error_strikes_as_often_as_asked_and_the_work_is_not_done(
    cloud: LocalCloud, either: batch_v1.BatchServiceClient, code: str | int, expected: type[Exception]
):
    cloud.admin.add_fault(method="CreateJob", error={"code": code, "message": "by order"}, times=2)
    for _ in range(2):
        with pytest.raises(expected, match="by order"):
            submit(either, spec("true"))
    assert cloud.admin.jobs() == []
    assert submit(either, spec("true")).uid
    assert (
        sum(cloud.admin.counters()["google.cloud.batch.v1.BatchService/CreateJob"]["outcomes"].values()) == 3
    )


def test_a_fault_can_let_some_calls_pass_and_is_gone_when_removed(
    cloud: LocalCloud, either: batch_v1.BatchServiceClient
):
    submit(either, spec("true"))
    rule = cloud.admin.add_fault(method="*BatchService/Get*", error={"code": "INTERNAL"}, skip=2)
    get(either)
    get(either)
    for _ in range(3):
        with pytest.raises(exceptions.InternalServerError):
            get(either)
    cloud.admin.call("DELETE", f"/faults/{rule}")
    get(either)


def test_an_answer_can_come_late(cloud: LocalCloud, either: batch_v1.BatchServiceClient):
    submit(either, spec("true"))
    cloud.admin.add_fault(method="GetJob", delay_seconds=0.3, times=1)
    began = time.monotonic()
    get(either)
    assert time.monotonic() - began >= 0.3
    cloud.admin.add_fault(method="GetJob", delay_seconds=30)
    with pytest.raises((exceptions.DeadlineExceeded, exceptions.RetryError, requests.exceptions.Timeout)):
        get(either, timeout=0.3)


def lost_create(client: batch_v1.BatchServiceClient) -> None:
    submit(client, spec("true"))


def lost_cancel(client: batch_v1.BatchServiceClient) -> None:
    client.cancel_job(name=f"{PARENT}/jobs/other")


@pytest.mark.parametrize(("method", "ask"), [("CreateJob", lost_create), ("CancelJob", lost_cancel)])
def test_an_answer_can_be_lost_after_the_work_was_done(
    cloud: LocalCloud,
    either: batch_v1.BatchServiceClient,
    method: str,
    ask: Callable[[batch_v1.BatchServiceClient], None],
):
    submit(either, spec("sleep 60"), "other")
    cloud.admin.add_fault(method=method, drop_answer="reset", times=1)
    with pytest.raises(LOST):
        ask(either)
    assert cloud.admin.counters()[f"google.cloud.batch.v1.BatchService/{method}"]["outcomes"]["DROPPED"] == 1
    if method == "CreateJob":
        with pytest.raises(exceptions.Conflict):
            ask(either)
    else:
        assert either.get_job(name=f"{PARENT}/jobs/other").status.state.name.startswith("CANCEL")


def test_an_answer_can_be_withheld_until_the_client_gives_up(
    cloud: LocalCloud, either: batch_v1.BatchServiceClient
):
    cloud.admin.add_fault(method="CreateJob", drop_answer="hang", times=1)
    gave_up = (exceptions.DeadlineExceeded, exceptions.RetryError, requests.exceptions.Timeout)
    with pytest.raises(gave_up):
        either.create_job(
            parent=PARENT, job=batch_v1.Job(spec("true")), job_id="job-1", timeout=0.5, retry=None
        )
    assert get(either).uid
    method = "google.cloud.batch.v1.BatchService/CreateJob"
    while (counted := cloud.admin.counters()[method])["in_flight"]:
        pass
    assert counted["outcomes"] == {"CANCELLED": 1}


def test_a_fault_on_one_wire_is_a_fault_on_the_other(
    cloud: LocalCloud, clients: dict[str, batch_v1.BatchServiceClient]
):
    submit(clients["grpc"], spec("true"))
    cloud.admin.add_fault(method="GetJob", error={"code": "ABORTED"}, times=2)
    for client in clients.values():
        with pytest.raises(exceptions.Conflict):
            get(client)
    assert cloud.admin.calls("GetJob") == 2
