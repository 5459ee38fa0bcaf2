"""Every error code and every way in which a call gets no answer becomes an error of ours with advice."""

from __future__ import annotations

from typing import Any

import botocore.retries.standard
import botocore.session
import pytest
import requests
from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError
from botocore.validate import ParamValidator

from airflow_provider_jobs.backends.aws_batch.errors import MEANINGS, to_error
from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AmbiguousError,
    BackendError,
    Conflict,
    CredentialsExpired,
    InvalidRequest,
    NoCapacity,
    NotFound,
    PermanentError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

CHANGING = [
    "submit_job",
    "register_job_definition",
    "deregister_job_definition",
    "terminate_job",
    "cancel_job",
]
URL = "http://127.0.0.1:1"
# Codes that boto3 takes for throttling and that neither of our services can answer with.
OF_OTHER_SERVICES = {
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
}


def error_of(
    code: str,
    message: str = "it says",
    *,
    call: str = "describe_jobs",
    status: int = 400,
    headers: dict[str, str] | None = None,
) -> BackendError:
    """Return our error for an error answer of the service."""
    answer: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return to_error(vendor.ClientError(answer, "DescribeJobs"), call=call)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", MEANINGS)
def test_every_code_has_its_error_with_advice(code: str) -> None:
    error = error_of(code)
    assert type(error) is MEANINGS[code].error
    assert error.advice
    assert "{" not in error.advice
    assert error.native_code == code
    assert str(error).startswith(f"describe_jobs: {code}: it says (")


def test_the_table_has_every_error_of_the_calls_that_are_made() -> None:
    session = botocore.session.get_session()
    named = {
        shape.error_code
        for service, calls in (
            ("batch", ["SubmitJob", "DescribeJobs", "ListJobs", "TerminateJob", "RegisterJobDefinition"]),
            ("logs", ["FilterLogEvents", "GetLogEvents"]),
        )
        for call in calls
        for shape in session.get_service_model(service).operation_model(call).error_shapes
    }
    assert named <= set(MEANINGS)
    assert "ClientException" in named


def test_what_boto3_takes_for_throttling_is_throttling() -> None:
    codes = set(botocore.retries.standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
    known = codes - OF_OTHER_SERVICES - {"LimitExceededException"}
    assert known
    assert {code: type(error_of(code)) for code in known} == dict.fromkeys(known, ThrottledError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, AccessDenied),
        (403, AccessDenied),
        (404, NotFound),
        (409, Conflict),
        (413, InvalidRequest),
        (429, ThrottledError),
        (500, UnavailableError),
        (502, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_a_code_that_is_not_known_is_taken_by_its_status(status: int, kind: type[BackendError]) -> None:
    assert type(error_of("Whatever", status=status)) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Error executing request, Exception : JobQueue q not found.", NotFound),
        ("Error executing request, Exception : JobDefinition d does not exist.", NotFound),
        ("Job size must be less than 30 KiB, got 47 KiB", InvalidRequest),
        ("JobQueue q is in DISABLED state", Conflict),
        ("JobDefinition d:1 is not ACTIVE", Conflict),
        ("JobDefinition d:1 is INACTIVE", Conflict),
        ("The job queue is not in a valid state", Conflict),
        ("Limit exceeded: jobs in SUBMITTED", NoCapacity),
        ("You have reached the maximum number of share identifiers", NoCapacity),
        ("User: arn:aws:iam::1:user/u is not authorized to perform this", AccessDenied),
        ("jobName should match valid pattern", InvalidRequest),
        ("Invalid parameter: environment", InvalidRequest),
    ],
)
def test_the_one_code_of_aws_batch_is_told_apart_by_its_message(
    message: str, kind: type[BackendError]
) -> None:
    error = error_of("ClientException", message, call="submit_job")
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize("call", [*CHANGING, "describe_jobs", "list_jobs_page", "filter_log_events"])
@pytest.mark.parametrize(
    "code", ["ServerException", "ServiceUnavailable", "InternalFailure", "RequestTimeout"]
)
def test_a_change_that_ended_in_trouble_is_ambiguous(code: str, call: str) -> None:
    error = error_of(code, call=call, status=500)
    assert isinstance(error, AmbiguousError) is (call in CHANGING)
    assert isinstance(error, UnavailableError) is (call not in CHANGING)


@pytest.mark.parametrize("call", CHANGING)
@pytest.mark.parametrize("code", ["TooManyRequestsException", "ThrottlingException"])
def test_a_change_that_was_throttled_was_not_done(code: str, call: str) -> None:
    assert type(error_of(code, call=call)) is ThrottledError


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        ("submit_job", "batch:SubmitJob and batch:TagResource"),
        ("register_job_definition", "iam:PassRole"),
        ("terminate_job", "batch:TerminateJob"),
        ("list_jobs_page", "batch:ListJobs"),
        ("filter_log_events", "logs:FilterLogEvents"),
        ("describe_job_queues", "batch:Describe"),
        ("credentials", "sts:AssumeRole"),
    ],
)
def test_a_denied_call_says_what_to_allow(call: str, advice: str) -> None:
    assert advice in str(error_of("AccessDeniedException", call=call, status=403))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after": "tomorrow"}, None), ({}, None)],
)
def test_the_pause_that_the_service_asks_for_is_kept(headers: dict[str, str], seconds: float | None) -> None:
    error = error_of("ThrottlingException", headers=headers)
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("error", "is_open"),
    [
        (vendor.EndpointConnectionError(endpoint_url=URL), False),
        (vendor.ConnectTimeoutError(endpoint_url=URL), False),
        (vendor.ProxyConnectionError(proxy_url=URL), False),
        (vendor.SSLError(endpoint_url=URL, error="x"), False),
        (vendor.ReadTimeoutError(endpoint_url=URL), True),
        (vendor.ConnectionClosedError(endpoint_url=URL), True),
        (vendor.ResponseStreamingError(error="x"), True),
        (vendor.IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
        (vendor.HTTPClientError(error="x"), True),
        (ResponseParserError("invalid XML received"), True),
    ],
)
def test_a_request_without_an_answer_is_ambiguous_only_where_it_may_have_been_done(
    error: Exception, is_open: bool
) -> None:
    assert type(to_error(error, call="describe_jobs")) is UnavailableError
    told = to_error(error, call="submit_job", endpoint=URL)
    assert type(told) is (AmbiguousError if is_open else UnavailableError)
    assert URL in str(told)
    assert str(told).count(URL) == 1


@pytest.mark.parametrize(
    "error",
    [
        vendor.NoCredentialsError(),
        vendor.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        vendor.ProfileNotFound(profile="nobody"),
        vendor.SSOTokenLoadError(error_msg="x"),
    ],
)
def test_credentials_that_do_not_work_are_denied_with_advice(error: Exception) -> None:
    told = to_error(error, call="list_jobs_page")
    assert type(told) is AccessDenied
    assert "aws sts get-caller-identity" in (told.advice or "")


@pytest.mark.parametrize(
    "error",
    [
        vendor.CredentialRetrievalError(provider="process", error_msg="x"),
        vendor.MetadataRetrievalError(error_msg="x"),
        vendor.UnauthorizedSSOTokenError(),
        vendor.TokenRetrievalError(provider="sso", error_msg="x"),
    ],
)
@pytest.mark.parametrize("call", ["list_jobs_page", "submit_job"])
def test_credentials_that_were_not_renewed_may_come_back(error: Exception, call: str) -> None:
    told = to_error(error, call=call)
    assert type(told) is CredentialsExpired
    assert str(error) in str(told)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("geheim"),
        FileNotFoundError(2, "No such file", "/var/run/geheim"),
        requests.ConnectionError("https://geheim"),
    ],
)
def test_what_others_raise_while_they_renew_credentials_is_told_by_its_class(error: Exception) -> None:
    told = to_error(error, call="submit_job")
    assert type(told) is CredentialsExpired
    assert type(error).__name__ in str(told)
    assert "geheim" not in str(told)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredToken", CredentialsExpired),
        ("ExpiredTokenException", CredentialsExpired),
        ("InvalidIdentityToken", CredentialsExpired),
        ("IDPCommunicationError", UnavailableError),
        ("IDPRejectedClaim", AccessDenied),
        ("InvalidClientTokenId", AccessDenied),
        ("UnrecognizedClientException", AccessDenied),
        ("SignatureDoesNotMatch", AccessDenied),
        ("RequestExpired", AccessDenied),
        ("AccessDeniedException", AccessDenied),
    ],
)
@pytest.mark.parametrize("call", ["describe_jobs", "submit_job"])
def test_expired_credentials_are_told_from_wrong_ones(code: str, kind: type[BackendError], call: str) -> None:
    assert type(error_of(code, call=call, status=403)) is kind


def test_a_region_that_is_missing_is_named() -> None:
    assert "region_name" in str(to_error(vendor.NoRegionError(), call="list_jobs_page"))


def test_what_boto3_finds_wrong_with_a_request_is_told_without_its_values() -> None:
    shape = botocore.session.get_session().get_service_model("batch").operation_model("SubmitJob").input_shape
    wrong = {
        "jobQueue": ["geheim"],
        "jobDefinition": 3,
        "containerOverrides": {"environments": "geheim", "command": "a\nInvalid geheim"},
        "tags": {"x": 7},
    }
    report = ParamValidator().validate(wrong, shape).generate_report()
    told = to_error(vendor.ParamValidationError(report=report), call="submit_job")
    assert isinstance(told, InvalidRequest)
    assert "geheim" not in str(told)
    for words in (
        'Missing required parameter in input: "jobName"',
        'Unknown parameter in containerOverrides: "environments"',
        "Invalid type for parameter jobQueue",
        "Invalid type for parameter containerOverrides.command",
        "Invalid type for parameter tags.x",
    ):
        assert words in str(told)


def test_any_other_trouble_of_boto3_is_permanent() -> None:
    assert isinstance(to_error(vendor.DataNotFoundError(data_path="x"), call="describe_jobs"), PermanentError)
