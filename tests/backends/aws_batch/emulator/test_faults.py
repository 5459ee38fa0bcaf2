"""Injected trouble, as the vendor's client sees it."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, HTTPClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import Client, client, define, run, submit


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("TooManyRequestsException", 429, "TooManyRequestsException"),
        (429, 429, "TooManyRequestsException"),
        ("AccessDeniedException", 403, "AccessDeniedException"),
        (500, 500, "ServerException"),
        (503, 503, "ServiceUnavailableException"),
        ("ClientException", 400, "ClientException"),
        ("ExpiredTokenException", 403, "ExpiredTokenException"),
    ],
)
def test_an_error_answer_is_what_the_fault_says(
    cloud: LocalCloud, batch: Client, code: str | int, status: int, word: str
):
    cloud.admin.add_fault(method="SubmitJob", error={"code": code, "message": "injected"}, times=1)
    definition = define(batch)
    with pytest.raises(ClientError) as raised:
        submit(batch, jobDefinition=definition)
    response = raised.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"] == {"Code": word, "Message": "injected"}
    assert cloud.admin.jobs() == []
    assert submit(batch, jobDefinition=definition)


def test_errors_of_logs_and_sts_have_their_own_form(cloud: LocalCloud, logs: Client):
    cloud.admin.add_fault(method="CloudWatchLogs/*", error={"code": "ThrottlingException"})
    cloud.admin.add_fault(method="STS/*", error={"code": "ExpiredTokenException"})
    with pytest.raises(ClientError) as raised:
        logs.describe_log_groups()
    assert raised.value.response["Error"]["Code"] == "ThrottlingException"
    with pytest.raises(ClientError) as raised:
        client(cloud, "sts").get_caller_identity()
    assert raised.value.response["Error"]["Code"] == "ExpiredTokenException"


def test_a_lost_answer_leaves_the_job(cloud: LocalCloud, batch: Client):
    definition = define(batch)
    cloud.admin.add_fault(method="SubmitJob", drop_answer="reset", times=1)
    with pytest.raises((ConnectionClosedError, HTTPClientError, BotoCoreError)):
        submit(batch, jobDefinition=definition)
    assert len(cloud.admin.jobs()) == 1
    assert cloud.admin.counters()["Batch/SubmitJob"]["outcomes"] == {"DROPPED": 1}


def test_calls_are_counted_by_service_and_operation(cloud: LocalCloud, batch: Client):
    run(batch)
    counters = cloud.admin.counters()
    assert counters["Batch/SubmitJob"]["calls"] == counters["Batch/RegisterJobDefinition"]["calls"] == 1
    assert cloud.admin.calls("DescribeJobs") >= 1
