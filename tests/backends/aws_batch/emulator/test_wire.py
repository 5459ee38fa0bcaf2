"""The protocols themselves: errors, headers, who is who, what is not served."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import Client, client, define, describe, run, submit


def _send(
    cloud: LocalCloud, path: str, body: Any, *, service: str = "batch", signed: bool = True, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """One request as it is: status, headers in lower case, parsed body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = AWSRequest("POST", cloud.http + path, data=data, headers=headers)
    if signed:
        SigV4Auth(Credentials("any", "any"), service, "eu-west-1").add_auth(request)
    raw = urllib.request.Request(cloud.http + path, data=data, headers=dict(request.headers), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(raw, timeout=20) as answer:
            return answer.status, _lower(answer.headers), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _lower(error.headers), json.loads(error.read() or b"null")


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_an_error_of_batch_has_its_type_in_a_header_and_names_the_request(cloud: LocalCloud):
    status, headers, body = _send(cloud, "/v1/describejobs", {"jobs": ["x"] * 101})
    assert status == 400
    assert headers["x-amzn-errortype"] == "ClientException"
    assert body["message"] == (
        "Error executing request, Exception : Maximum number of jobs supported is  100, "
        f"RequestId: {headers['x-amzn-requestid']}"
    )


def test_an_error_of_logs_has_its_type_in_the_body(cloud: LocalCloud):
    target = {"X-Amz-Target": "Logs_20140328.FilterLogEvents"}
    status, headers, body = _send(cloud, "/", {"logGroupName": "gone"}, service="logs", **target)
    assert status == 400
    assert body["__type"] == "ResourceNotFoundException"
    assert headers["content-type"] == "application/x-amz-json-1.1"


def test_a_request_that_is_not_signed_is_refused(cloud: LocalCloud):
    status, headers, _ = _send(cloud, "/v1/describejobs", {"jobs": []}, signed=False)
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"jobs": "x"}', b'{"jobs": [1]}'])
def test_a_body_that_cannot_be_read_is_refused(cloud: LocalCloud, body: bytes):
    status, headers, _ = _send(cloud, "/v1/describejobs", body)
    assert (status, headers["x-amzn-errortype"]) == (400, "SerializationException")


def test_members_that_the_model_does_not_know_are_ignored(cloud: LocalCloud):
    status, _, body = _send(cloud, "/v1/describejobs", {"jobs": [], "colour": "red", "other": None})
    assert (status, body) == (200, {"jobs": []})


def test_missing_members_are_named(cloud: LocalCloud):
    _, _, body = _send(cloud, "/v1/submitjob", {"jobName": "x"})
    assert "'jobQueue'" in body["message"]
    assert "'jobDefinition'" in body["message"]


def test_an_operation_that_is_not_served_says_so(batch: Client):
    with pytest.raises(ClientError, match="does not serve Batch ListJobsByConsumableResource"):
        batch.list_jobs_by_consumable_resource(consumableResource="x")


def test_an_operation_that_does_not_exist_is_unknown(cloud: LocalCloud):
    target = {"X-Amz-Target": "Logs_20140328.Nothing"}
    status, _, body = _send(cloud, "/", {}, service="logs", **target)
    assert (status, body["__type"]) == (404, "UnknownOperationException")
    assert _status(cloud, "/v1/nothing") == 404


def _status(cloud: LocalCloud, path: str) -> int:
    try:
        return _send(cloud, path, {})[0]
    except json.JSONDecodeError:
        return 404


def test_everybody_may_ask_who_they_are(cloud: LocalCloud):
    told = client(cloud, "sts").get_caller_identity()
    assert (told["Account"], told["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/local")
    assert client(cloud, "sts", key="210987654321").get_caller_identity()["Account"] == "210987654321"


def test_a_role_can_be_assumed_and_leads_to_its_account(cloud: LocalCloud):
    told = client(cloud, "sts").assume_role(
        RoleArn="arn:aws:iam::999999999999:role/runner", RoleSessionName="session", DurationSeconds=900
    )
    assert told["AssumedRoleUser"]["Arn"] == "arn:aws:sts::999999999999:assumed-role/runner/session"
    key = told["Credentials"]["AccessKeyId"]
    assert client(cloud, "sts", key=key).get_caller_identity()["Account"] == "999999999999"


@pytest.mark.parametrize("other", [{"region": "us-east-1"}, {"key": "210987654321"}])
def test_regions_and_accounts_know_nothing_of_each_other(
    cloud: LocalCloud, batch: Client, other: dict[str, str]
):
    job = run(batch, "echo x")
    elsewhere = client(cloud, "batch", **other)
    assert elsewhere.describe_jobs(jobs=[job["jobId"]])["jobs"] == []
    assert elsewhere.describe_job_definitions()["jobDefinitions"] == []
    assert client(cloud, "logs", **other).describe_log_groups()["logGroups"] == []
    with pytest.raises(ClientError, match="not found"):
        submit(elsewhere, queue=job["jobQueue"])


def test_two_keys_of_the_same_account_share_it(cloud: LocalCloud, batch: Client):
    job = run(batch)
    assert describe(client(cloud, "batch", key="another"), job["jobId"]) == job


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a.b", "x" * 129])
def test_a_job_s_name_has_a_form(batch: Client, name: str):
    with pytest.raises(ClientError, match="Job name should match valid pattern"):
        submit(batch, name=name)


def test_the_longest_name_is_taken(batch: Client):
    assert submit(batch, name="x" * 128)


def test_a_job_has_at_most_thirty_kib(batch: Client):
    definition = define(batch)
    long = {"environment": [{"name": "LONG", "value": "x" * 31 * 1024}]}
    with pytest.raises(ClientError, match="Job size must be less than 30 KiB, got 31 KiB"):
        submit(batch, jobDefinition=definition, containerOverrides=long)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"environment": [{"name": "AWS_BATCH_X", "value": "1"}]}, "cannot start with AWS_BATCH"),
        ({"command": ["sh", ""]}, "can't contain an empty string"),
        ({"resourceRequirements": [{"type": "MEMORY", "value": "2"}]}, "at least 4 MiB"),
        ({"resourceRequirements": [{"type": "DISK", "value": "2"}]}, "enum value set"),
    ],
)
def test_overrides_that_cannot_be_are_refused(batch: Client, overrides: dict[str, Any], said: str):
    with pytest.raises(ClientError, match=said):
        submit(batch, containerOverrides=overrides)


def test_no_answer_shows_a_variable_s_value(cloud: LocalCloud, batch: Client):
    definition = define(batch)
    asked = {
        "jobName": "x",
        "jobQueue": "default",
        "jobDefinition": definition,
        "containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": "s3cret"}, {"value": 7}]},
    }
    status, _, body = _send(cloud, "/v1/submitjob", asked)
    assert status == 400
    assert "s3cret" not in json.dumps(body)
