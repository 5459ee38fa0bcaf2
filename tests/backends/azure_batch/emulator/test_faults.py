"""Faults that the admin API injects, as the vendor's client sees them."""

from __future__ import annotations

import pytest
from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import add_job, ids, refused, task


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (429, (429, "TooManyRequests")),
        (503, (503, "ServerBusy")),
        (500, (500, "InternalError")),
        (403, (403, "InsufficientAccountPermissions")),
        ("ServerBusy", (503, "ServerBusy")),
        ("OperationTimedOut", (500, "OperationTimedOut")),
        ("AuthenticationFailed", (403, "AuthenticationFailed")),
    ],
)
def test_an_injected_error_is_one_of_the_service(
    batch: BatchClient, cloud: LocalCloud, code: str | int, expected: tuple[int, str]
):
    cloud.admin.add_fault(method="GetJob", times=1, error={"code": code, "message": "not now"})
    add_job(batch)
    with pytest.raises(HttpResponseError) as error:
        batch.get_job("job")
    assert refused(error) == expected
    assert "not now" in error.value.response.text()
    assert batch.get_job("job").id == "job"


def test_a_lost_answer_leaves_the_work_done(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    cloud.admin.add_fault(method="CreateTask", times=1, drop_answer="reset")
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        batch.create_task("job", task("t"))
    assert ids(batch.list_tasks("job")) == ["t"]


def test_calls_are_counted_by_the_services_names(batch: BatchClient, cloud: LocalCloud):
    cloud.admin.clear_counters()
    add_job(batch)
    list(batch.list_tasks("job"))
    with pytest.raises(HttpResponseError):
        batch.get_task("job", "none")
    counted = {name: entry["outcomes"] for name, entry in cloud.admin.counters().items()}
    assert counted == {
        "AzureBatch/CreateJob": {"OK": 1},
        "AzureBatch/ListTasks": {"OK": 1},
        "AzureBatch/GetTask": {"TaskNotFound": 1},
    }
