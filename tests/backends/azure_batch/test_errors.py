"""Every code and status of the service, and every way not to reach it, becomes our error with advice."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.identity import CredentialUnavailableError

from airflow_provider_jobs.backends.azure_batch.errors import (
    CHANGING,
    CODES,
    STATUSES,
    refused_tasks,
    to_error,
)
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
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
    UnavailableError,
)
from tests.backends.azure_batch.speaker import CONN_ID, Speaker

URL = "https://a.westeurope.batch.azure.com"
Asks = Callable[..., BackendError]
KINDS: list[tuple[int, str, type[BackendError]]] = [
    (400, "InvalidPropertyValue", InvalidRequest),
    (400, "TaskDependenciesNotSpecifiedOnJob", InvalidRequest),
    (401, "AuthenticationFailed", CredentialsExpired),
    (401, "InvalidAuthenticationInfo", CredentialsExpired),
    (401, "", CredentialsExpired),
    (403, "AuthenticationFailed", AccessDenied),
    (403, "InsufficientAccountPermissions", AccessDenied),
    (403, "AccountIsDisabled", AccessDenied),
    (403, "IOError", UnavailableError),
    (404, "JobNotFound", NotFound),
    (404, "FileNotFound", NotFound),
    (405, "UnsupportedHttpVerb", InvalidRequest),
    (409, "JobExists", AlreadyExists),
    (409, "TaskExists", AlreadyExists),
    (409, "PoolExists", AlreadyExists),
    (409, "JobBeingDeleted", Conflict),
    (409, "JobCompleted", Conflict),
    (409, "TaskCompleted", Conflict),
    (409, "OperationInvalidForCurrentState", Conflict),
    (409, "InvalidApplicationPackageReferences", InvalidRequest),
    (409, "ActiveJobAndScheduleQuotaReached", NoCapacity),
    (409, "PoolQuotaReached", NoCapacity),
    (412, "ConditionNotMet", Conflict),
    (413, "RequestBodyTooLarge", InvalidRequest),
    (416, "InvalidRange", InvalidRequest),
    (418, "Teapot", PermanentError),
    (429, "TooManyRequests", ThrottledError),
    (500, "InternalError", UnavailableError),
    (500, "OperationTimedOut", UnavailableError),
    (503, "ServerBusy", ThrottledError),
    (502, "", UnavailableError),
]


@pytest.fixture
def error_of(speaker: Speaker) -> Callable[..., BackendError]:
    """Return what the hook makes of an answer."""
    hook = AzureBatchHook(CONN_ID)

    def ask(status: int, code: str, message: str = "It says.", **more: Any) -> BackendError:
        headers = more.pop("headers", None)
        body = {"code": code, "message": {"lang": "en-US", "value": message}, **more}
        speaker.say(body, status=status, headers=headers)
        with pytest.raises(BackendError) as caught:
            hook.get_job("j")
        return caught.value

    return ask


@pytest.mark.parametrize(("status", "code", "kind"), KINDS)
def test_every_answer_has_its_error_with_advice(
    error_of: Asks, status: int, code: str, kind: type[BackendError]
) -> None:
    error = error_of(status, code)
    assert type(error) is kind
    assert error.advice
    assert error.native_code == (code or str(status))
    assert "It says" in str(error)


def test_every_word_and_status_of_the_tables_has_advice() -> None:
    assert all(meaning.advice for meaning in (*CODES.values(), *STATUSES.values()))


def test_the_calls_that_change_something_are_methods_of_the_hook() -> None:
    assert [name for name in CHANGING if not callable(getattr(AzureBatchHook, name, None))] == []


@pytest.mark.parametrize("call", ["create_job", "add_tasks", "terminate_job", "get_job"])
def test_a_change_whose_answer_never_came_is_ambiguous(call: str) -> None:
    for lost in (ServiceResponseError("reset"), ServiceResponseTimeoutError("timed out")):
        error = to_error(lost, call=call, account_url=URL)
        assert type(error) is (UnavailableError if call == "get_job" else AmbiguousError)
        assert URL in str(error)


def test_a_change_that_was_never_sent_is_not_ambiguous() -> None:
    error = to_error(ServiceRequestError("refused"), call="create_job", account_url=URL)
    assert type(error) is UnavailableError
    assert URL in str(error)


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, "The access token has expired.", CredentialsExpired),
        (403, "Lifetime validation failed. The token is expired.", CredentialsExpired),
        (401, "The access token has been obtained from wrong audience or resource 'x'.", AccessDenied),
        (403, "The MAC signature found in the HTTP request 'x' is not the same as any other.", AccessDenied),
        (403, "The Date header in the request is incorrect.", AccessDenied),
    ],
)
def test_an_expired_token_is_told_from_a_wrong_one_and_from_a_wrong_key(
    error_of: Asks, status: int, detail: str, kind: type[BackendError]
) -> None:
    values = [{"key": "AuthenticationErrorDetail", "value": detail}]
    assert type(error_of(status, "AuthenticationFailed", values=values)) is kind


def _entra(code: int, words: str) -> str:
    return f"Authentication failed: AADSTS{code}: {words}\nTrace ID: 1"


CHAIN = "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted:\n\t"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientAuthenticationError("no token\nand a Trace ID"), AccessDenied),
        (
            ClientAuthenticationError(_entra(7000222, "The provided client secret keys are expired.")),
            AccessDenied,
        ),
        (ClientAuthenticationError(_entra(7000215, "Invalid client secret provided.")), AccessDenied),
        (ClientAuthenticationError(_entra(90033, "A transient error has occurred.")), CredentialsExpired),
        (ClientAuthenticationError(_entra(700024, "Client assertion is not valid.")), CredentialsExpired),
        (ClientAuthenticationError(f"{CHAIN}EnvironmentCredential: not configured."), AccessDenied),
        (ClientAuthenticationError(f"{CHAIN}WorkloadIdentity: AADSTS700024: Late."), CredentialsExpired),
        (ClientAuthenticationError(f"{CHAIN}EnvironmentCredential: Failed to resolve 'x'"), UnavailableError),
        (CredentialUnavailableError("no managed identity endpoint found."), CredentialsExpired),
    ],
)
@pytest.mark.parametrize("call", ["get_job", "create_job"])
def test_an_identity_that_gives_no_token_is_denied_where_it_will_not_give_one_later(
    error: Exception, kind: type[BackendError], call: str
) -> None:
    told = to_error(error, call=call, account_url=URL)
    assert type(told) is kind
    assert "Trace ID" not in str(told)


@pytest.mark.parametrize("lost", [ServiceRequestError("no route"), ServiceResponseTimeoutError("no answer")])
def test_entra_id_out_of_reach_is_told_although_its_client_calls_it_a_failed_authentication(
    lost: Exception,
) -> None:
    error = ClientAuthenticationError("Authentication failed: something")
    error.__cause__ = lost
    assert type(to_error(error, call="create_job", account_url=URL)) is UnavailableError


def test_the_default_identity_meets_an_entra_id_that_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111")
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "geheim")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://login.invalid")
    monkeypatch.setenv(
        "AIRFLOW_CONN_ENTRA",
        json.dumps({"conn_type": "azure_batch", "extra": {"account_url": "https://account.invalid"}}),
    )
    with pytest.raises(UnavailableError, match="no token"):
        AzureBatchHook("entra").get_job("j")


def test_an_answer_that_cannot_be_read_is_none() -> None:
    unread = DecodeError("JSON is invalid", response=SimpleNamespace(status_code=200, reason="OK"))  # type: ignore[arg-type]
    assert type(to_error(unread, call="get_job", account_url=URL)) is UnavailableError
    assert type(to_error(unread, call="create_job", account_url=URL)) is AmbiguousError


def test_the_id_of_the_request_and_signatures_are_left_out(error_of: Asks) -> None:
    said = "Not found https://a.blob/c/f?sv=1&sig=geheim now.\nRequestId:1\nTime:2"
    told = str(error_of(400, "InvalidPropertyValue", said))
    assert "https://a.blob/c/f?..." in told
    assert "geheim" not in told
    assert "RequestId" not in told


def test_the_property_is_named_and_its_value_is_not_shown(error_of: Asks) -> None:
    values = [
        {"key": "PropertyName", "value": "environmentSettings"},
        {"key": "PropertyValue", "value": "geheim"},
        {"key": "Reason", "value": "too long"},
    ]
    told = str(error_of(400, "InvalidPropertyValue", values=values))
    assert "PropertyName: environmentSettings, Reason: too long" in told
    assert "geheim" not in told


@pytest.mark.parametrize(("header", "seconds"), [("2.5", 2.5), ("soon", None)])
def test_the_pause_that_the_service_asks_for_is_kept(
    error_of: Asks, header: str, seconds: float | None
) -> None:
    error = error_of(503, "ServerBusy", headers={"Retry-After": header})
    assert isinstance(error, ThrottledError)
    assert error.retry_after_seconds == seconds


def test_what_is_no_json_is_an_answer_all_the_same(speaker: Speaker) -> None:
    speaker.say(b"<html>", status=502, headers={"Content-Type": "text/html"})
    with pytest.raises(UnavailableError, match="Bad Gateway"):
        AzureBatchHook(CONN_ID).get_job("j")


def result(task: str, status: str, code: str | None = None) -> models.BatchTaskCreateResult:
    """Return the service's word on one task of a collection."""
    error = {"code": code, "message": {"value": "No.\nRequestId:1"}} if code else None
    return models.BatchTaskCreateResult({"taskId": task, "status": status, "error": error})


class TestTaskCollections:
    @pytest.mark.parametrize("status", ["Success", "success"])
    def test_tasks_that_were_added_or_are_there_are_no_error(self, status: str) -> None:
        results = [result("0", status), result("1", "clienterror", "TaskExists")]
        assert refused_tasks(results, call="add_tasks") is None

    def test_a_refused_task_is_named_before_the_servers_faults(self) -> None:
        results = [
            result("0", "ServerError", "InternalError"),
            result("1", "ClientError", "InvalidPropertyValue"),
        ]
        error = refused_tasks(results, call="add_tasks")
        assert type(error) is InvalidRequest
        assert "task 1 was not added, and 1 others" in str(error)
        assert "RequestId" not in str(error)

    def test_the_servers_fault_alone_is_trouble(self) -> None:
        error = refused_tasks([result("0", "servererror", "InternalError")], call="add_tasks")
        assert type(error) is UnavailableError
