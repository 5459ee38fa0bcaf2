"""Every code of gRPC and every kind of broken credentials becomes an error of ours with advice."""

from __future__ import annotations

import grpc
import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.rpc.error_details_pb2 import RetryInfo

from airflow_provider_jobs.backends.gcp_batch.errors import MEANINGS, to_error
from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AlreadyExists,
    AmbiguousError,
    BackendError,
    Conflict,
    InvalidRequest,
    NoCapacity,
    NotFound,
    PermanentError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

FAILING = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
KINDS = {
    "CANCELLED": UnavailableError,
    "UNKNOWN": UnavailableError,
    "INVALID_ARGUMENT": InvalidRequest,
    "DEADLINE_EXCEEDED": UnavailableError,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "PERMISSION_DENIED": AccessDenied,
    "RESOURCE_EXHAUSTED": ThrottledError,
    "FAILED_PRECONDITION": Conflict,
    "ABORTED": TransientError,
    "OUT_OF_RANGE": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "INTERNAL": UnavailableError,
    "UNAVAILABLE": UnavailableError,
    "DATA_LOSS": PermanentError,
    "UNAUTHENTICATED": AccessDenied,
}
AMBIGUOUS = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE"}


def error_of(code: grpc.StatusCode, message: str = "it says", call: str = "get_job") -> BackendError:
    """Return our error for the vendor's exception of a code."""
    return to_error(exceptions.from_grpc_status(code, message), call=call)


@pytest.mark.parametrize("code", FAILING, ids=lambda code: code.name)
def test_every_code_has_its_error_with_advice(code: grpc.StatusCode) -> None:
    error = error_of(code)
    assert type(error) is KINDS[code.name]
    assert error.advice
    assert error.native_code == code.name
    assert str(error).startswith(f"get_job: {code.name}: it says (")


@pytest.mark.parametrize("call", ["create_job", "cancel_job", "delete_job"])
@pytest.mark.parametrize("code", FAILING, ids=lambda code: code.name)
def test_a_change_whose_answer_never_came_is_ambiguous(code: grpc.StatusCode, call: str) -> None:
    assert isinstance(error_of(code, call=call), AmbiguousError) is (code.name in AMBIGUOUS)


def test_the_table_has_all_codes_and_no_other() -> None:
    assert set(MEANINGS) == set(FAILING)


def test_a_change_that_was_never_sent_is_not_ambiguous() -> None:
    message = "failed to connect to all addresses; last error: Connection refused"
    assert type(error_of(grpc.StatusCode.UNAVAILABLE, message, "create_job")) is UnavailableError


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per region'",
            ThrottledError,
        ),
        ("Too many requests", ThrottledError),
        ("Resource has been exhausted (e.g. check quota).", ThrottledError),
        ("Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1.", NoCapacity),
        ("Project has reached the limit of concurrent jobs", NoCapacity),
    ],
)
def test_a_quota_of_calls_is_told_from_a_quota_of_resources(message: str, kind: type[BackendError]) -> None:
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "create_job")
    assert type(error) is kind
    assert "quota" in (error.advice or "")


@pytest.mark.parametrize(
    ("call", "message", "advice"),
    [
        ("create_job", "denied", "roles/batch.jobsEditor"),
        ("create_job", "denied", "roles/iam.serviceAccountUser"),
        ("cancel_job", "denied", "roles/batch.jobsEditor"),
        ("get_job", "denied", "roles/batch.jobsViewer"),
        ("list_log_entries", "denied", "roles/logging.viewer"),
        ("get_job", "Batch API has not been used in project 1 before or it is disabled", "gcloud services"),
        ("create_job", "caller does not have access to act as the service account", "serviceAccountUser"),
        (
            "create_job",
            "Permission denied on 'locations/mars-west1' (or it may not exist)",
            "Check the region",
        ),
        ("create_job", "Location mars-west1 is not found or access is unauthorized.", "Check the region"),
        ("get_job", "Permission denied on projects/p/locations/r/jobs/j (or it may not exist)", "jobsViewer"),
    ],
)
def test_a_denied_call_says_what_to_grant(call: str, message: str, advice: str) -> None:
    assert advice in str(error_of(grpc.StatusCode.PERMISSION_DENIED, message, call))


def test_an_invalid_job_id_is_told_the_pattern() -> None:
    error = error_of(grpc.StatusCode.INVALID_ARGUMENT, "job_id is invalid", "create_job")
    assert "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$" in str(error)


def test_the_pause_that_the_service_asks_for_is_kept() -> None:
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(2500)
    error = to_error(exceptions.ResourceExhausted("slow down", details=[info]), call="get_job")
    assert isinstance(error, ThrottledError)
    assert error.retry_after_seconds == 2.5


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (auth.DefaultCredentialsError("not found"), AccessDenied),
        (auth.RefreshError("invalid_grant"), AccessDenied),
        (auth.RefreshError("server down", retryable=True), UnavailableError),
        (auth.TransportError("no route"), UnavailableError),
        (auth.MalformedError("bad file"), AccessDenied),
    ],
)
def test_credentials_that_do_not_work_are_told_from_a_token_server_that_is_away(
    error: auth.GoogleAuthError, kind: type[BackendError]
) -> None:
    told = to_error(error, call="get_job")
    assert type(told) is kind
    assert told.advice


def test_an_exception_without_a_code_is_as_good_as_unknown() -> None:
    assert type(to_error(exceptions.GoogleAPICallError("?"), call="get_job")) is UnavailableError
