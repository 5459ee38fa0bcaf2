"""Every code of gRPC and every kind of broken credentials becomes an error of ours with advice."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.auth.transport.grpc import AuthMetadataPlugin
from google.cloud import batch_v1
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo

from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AlreadyExists,
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
from airflow_provider_jobs.google_cloud.errors import MEANINGS, Service, to_error

SERVICE = Service(
    title="Toaster",
    apis="toaster.googleapis.com",
    locations_url="https://toaster.example/locations",
    reader="roles/toaster.viewer",
    roles={"create_job": "roles/toaster.editor"},
    changing=frozenset({"create_job", "cancel_job", "delete_job"}),
    invalid="look at the reference",
    missing="look at the name",
    exists="it is there",
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
    "UNAUTHENTICATED": CredentialsExpired,
}
AMBIGUOUS = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE"}


def error_of(code: grpc.StatusCode, message: str = "it says", call: str = "get_job") -> BackendError:
    """Return our error for the vendor's exception of a code."""
    return to_error(exceptions.from_grpc_status(code, message), call=call, service=SERVICE)


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


@pytest.mark.parametrize(
    "message",
    [
        "failed to connect to all addresses; last error: Connection refused",
        "errors resolving batch.invalid:443: [field:hostname lookup error:Domain name not found]",
        "DNS resolution failed for batch.invalid:443",
    ],
)
def test_a_change_that_was_never_sent_is_not_ambiguous(message: str) -> None:
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
        ("Quota exceeded for running executions in region europe-west1", NoCapacity),
    ],
)
def test_a_quota_of_calls_is_told_from_a_quota_of_resources(message: str, kind: type[BackendError]) -> None:
    error = error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "create_job")
    assert type(error) is kind
    assert "quota" in (error.advice or "")


@pytest.mark.parametrize(
    ("call", "message", "advice"),
    [
        ("create_job", "denied", "roles/toaster.editor"),
        ("get_job", "denied", "roles/toaster.viewer"),
        (
            "get_job",
            "Toaster API has not been used in project 1 before or it is disabled",
            "enable toaster.googleapis.com",
        ),
        ("create_job", "caller does not have access to act as the service account", "serviceAccountUser"),
        (
            "create_job",
            "Permission denied on 'locations/mars-west1' (or it may not exist)",
            "Check the region",
        ),
        ("create_job", "Location mars-west1 is not found or access is unauthorized.", "Check the region"),
        (
            "get_job",
            "Permission denied on projects/p/locations/r/jobs/j (or it may not exist)",
            "roles/toaster.viewer",
        ),
    ],
)
def test_a_denied_call_says_what_to_grant(call: str, message: str, advice: str) -> None:
    assert advice in str(error_of(grpc.StatusCode.PERMISSION_DENIED, message, call))


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("INVALID_ARGUMENT", "look at the reference"),
        ("NOT_FOUND", "look at the name"),
        ("ALREADY_EXISTS", "it is there"),
        ("UNIMPLEMENTED", "The endpoint is no Toaster"),
    ],
)
def test_the_advice_is_in_the_services_own_words(code: str, advice: str) -> None:
    assert advice in str(error_of(grpc.StatusCode[code]))


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"])
def test_a_quota_that_is_told_with_another_code_is_a_quota(code: str) -> None:
    message = "Quota violated:\nCpuAllocPerProjectRegion requested: 40000 allowed: 20000"
    assert type(error_of(grpc.StatusCode[code], message, "create_job")) is NoCapacity


def test_the_pause_that_the_service_asks_for_is_kept() -> None:
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(2500)
    error = to_error(
        exceptions.ResourceExhausted("slow down", details=[info]), call="get_job", service=SERVICE
    )
    assert isinstance(error, ThrottledError)
    assert error.retry_after_seconds == 2.5


IAM_DENIES = '{"error": {"code": 403, "status": "PERMISSION_DENIED"}}'
IAM_IS_DOWN = '{"error": {"code": 503, "status": "UNAVAILABLE"}}'


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (auth.DefaultCredentialsError("not found"), AccessDenied),
        (auth.RefreshError("invalid_grant: Bad Request", {"error": "invalid_grant"}), AccessDenied),
        (auth.RefreshError("unauthorized_client: No"), AccessDenied),
        (auth.RefreshError("Unable to acquire impersonated credentials", IAM_DENIES), AccessDenied),
        (auth.RefreshError("Unable to acquire impersonated credentials", IAM_IS_DOWN), CredentialsExpired),
        (auth.RefreshError(auth.TransportError("no answer of the metadata server")), CredentialsExpired),
        (auth.RefreshError("File /var/run/token was not found."), CredentialsExpired),
        (auth.RefreshError("server down", retryable=True), UnavailableError),
        (auth.TransportError("no route"), UnavailableError),
        (auth.TimeoutError("no answer"), UnavailableError),
        (auth.MalformedError("bad file"), AccessDenied),
    ],
)
def test_credentials_that_do_not_work_are_told_from_a_token_server_that_is_away(
    error: auth.GoogleAuthError, kind: type[BackendError]
) -> None:
    told = to_error(error, call="get_job", service=SERVICE)
    assert type(told) is kind
    assert told.advice


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (None, CredentialsExpired),
        ("ACCESS_TOKEN_EXPIRED", CredentialsExpired),
        ("CREDENTIALS_MISSING", AccessDenied),
        ("ACCESS_TOKEN_TYPE_UNSUPPORTED", AccessDenied),
        ("ACCOUNT_STATE_INVALID", AccessDenied),
    ],
)
@pytest.mark.parametrize("call", ["get_job", "create_job"])
def test_an_expired_token_is_told_from_one_that_is_never_taken(
    reason: str | None, kind: type[BackendError], call: str
) -> None:
    info = ErrorInfo(reason=reason, domain="googleapis.com") if reason else None
    error = exceptions.Unauthenticated("invalid authentication credentials", error_info=info)
    assert type(to_error(error, call=call, service=SERVICE)) is kind


class _NeverRenewed(Credentials):
    """Credentials whose renewal ends in an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def before_request(self, *args: Any, **kwargs: Any) -> None:
        raise self._error

    def refresh(self, request: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (auth.RefreshError("invalid_grant: Bad Request", {"error": "invalid_grant"}), AccessDenied),
        (auth.RefreshError("Unable to acquire impersonated credentials", IAM_DENIES), AccessDenied),
        (auth.RefreshError("no answer of the metadata server"), CredentialsExpired),
        (auth.TransportError("HTTPSConnectionPool(host='h', port=443): Max retries"), UnavailableError),
    ],
)
@pytest.mark.parametrize("call", ["get_job", "create_job"])
def test_what_grpc_makes_of_credentials_that_were_not_renewed_is_told_by_its_words(
    error: Exception, kind: type[BackendError], call: str
) -> None:
    plugin = AuthMetadataPlugin(_NeverRenewed(error), None)
    credentials = grpc.composite_channel_credentials(
        grpc.local_channel_credentials(), grpc.metadata_call_credentials(plugin)
    )
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    server.start()
    transport = batch_v1.BatchServiceClient.get_transport_class("grpc")
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        client = batch_v1.BatchServiceClient(transport=transport(channel=channel))
        with pytest.raises(exceptions.ServiceUnavailable) as caught:
            client.get_job(name="projects/p/locations/l/jobs/j", retry=None, timeout=20)
    server.stop(None)
    assert type(to_error(caught.value, call=call, service=SERVICE)) is kind


def test_an_exception_without_a_code_is_as_good_as_unknown() -> None:
    assert (
        type(to_error(exceptions.GoogleAPICallError("?"), call="get_job", service=SERVICE))
        is UnavailableError
    )
