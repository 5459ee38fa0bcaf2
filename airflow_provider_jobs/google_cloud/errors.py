"""The one place where exceptions of Google's clients become errors of ours, each with a line of advice.

A table from code to class and advice, and nothing that calls a service. It must not show what a
request held, since that may be a secret: only the service's own message goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.exceptions import TimeoutError as AuthTimeout
from google.rpc.error_details_pb2 import RetryInfo

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

VENDOR_EXCEPTIONS = (GoogleAPIError, GoogleAuthError, grpc.RpcError)

_LATER = "The service is in trouble or out of reach; asking again later may do"
_CREDENTIALS = (
    "Check the connection's key or keyfile and the impersonation chain, or run: "
    "gcloud auth application-default login"
)

Code = grpc.StatusCode


@dataclass(frozen=True)
class Service:
    """What advice must know of a service.

    :param title: its name
    :param apis: the APIs that must be enabled
    :param locations_url: where its regions are listed
    :param reader: the role that may read
    :param roles: the role that a call needs, where it is another
    :param changing: the calls that change something: an answer that never came leaves open whether it
        was done
    :param invalid: what to check where a request is refused as invalid
    :param missing: what to check where something does not exist
    :param exists: what it means that something exists
    """

    title: str
    apis: str
    locations_url: str
    reader: str
    roles: Mapping[str, str]
    changing: frozenset[str]
    invalid: str
    missing: str
    exists: str


@dataclass(frozen=True)
class Meaning:
    """What a gRPC code means for the caller.

    :param advice: may name ``{role}``, ``{title}``, ``{invalid}``, ``{missing}`` and ``{exists}``
    :param ambiguous: whether a request that changes something may have been done all the same
    """

    error: type[BackendError]
    advice: str
    ambiguous: bool = False


# https://cloud.google.com/apis/design/errors#handling_errors
MEANINGS: dict[grpc.StatusCode, Meaning] = {
    Code.CANCELLED: Meaning(UnavailableError, "The call was broken off", ambiguous=True),
    Code.UNKNOWN: Meaning(UnavailableError, _LATER, ambiguous=True),
    Code.INVALID_ARGUMENT: Meaning(InvalidRequest, "{invalid}"),
    Code.DEADLINE_EXCEEDED: Meaning(UnavailableError, "No answer in time. " + _LATER, ambiguous=True),
    Code.NOT_FOUND: Meaning(NotFound, "{missing}"),
    Code.ALREADY_EXISTS: Meaning(AlreadyExists, "{exists}"),
    Code.PERMISSION_DENIED: Meaning(AccessDenied, "Grant {role}"),
    Code.RESOURCE_EXHAUSTED: Meaning(
        ThrottledError, "A quota of calls is used up: call less often, or share fewer callers per project"
    ),
    Code.FAILED_PRECONDITION: Meaning(Conflict, "The job, or the project, is in a state that forbids this"),
    Code.ABORTED: Meaning(TransientError, "It ran into another change at the same time; ask again"),
    Code.OUT_OF_RANGE: Meaning(InvalidRequest, "A page or a number lies outside of what there is"),
    Code.UNIMPLEMENTED: Meaning(InvalidRequest, "The endpoint is no {title}; check it in the connection"),
    Code.INTERNAL: Meaning(UnavailableError, _LATER, ambiguous=True),
    Code.UNAVAILABLE: Meaning(UnavailableError, _LATER, ambiguous=True),
    Code.DATA_LOSS: Meaning(PermanentError, "The service lost data; ask Google Cloud support"),
    # "due to missing, invalid, or expired OAuth token": https://cloud.google.com/apis/design/errors
    Code.UNAUTHENTICATED: Meaning(CredentialsExpired, _CREDENTIALS),
}
# What may stand beside that code where no renewal can help:
# https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto
_REFUSED_REASONS = frozenset(
    {"CREDENTIALS_MISSING", "ACCESS_TOKEN_TYPE_UNSUPPORTED", "CREDENTIAL_TYPE_UNSUPPORTED"}
    | {"ACCOUNT_STATE_INVALID", "ACCOUNT_TYPE_UNSUPPORTED", "JWT_TOKEN_INVALID", "API_KEY_INVALID"}
)

_NEVER_SENT = re.compile(
    r"failed to connect|connection refused|name resolution|errors resolving|DNS", re.IGNORECASE
)
# gRPC makes one code, UNAVAILABLE, of whatever the credentials raise while they fetch a token for a call:
# https://github.com/grpc/grpc/blob/master/src/core/credentials/call/plugin/plugin_credentials.cc
_NO_TOKEN = re.compile(r"metadata from plugin failed", re.IGNORECASE)
# A token server refuses for good in the words of RFC 6749, section 5.2, and that of an impersonation in
# Google's.
_REFUSED_TOKEN = re.compile(
    r"invalid_(grant|client|scope|request)|unauthorized_client|unsupported_grant_type|access_denied"
    r"|(deleted|disabled)_client|PERMISSION_DENIED|NOT_FOUND|INVALID_ARGUMENT"
)
_OUT_OF_REACH = re.compile(r"ConnectionPool|Connection aborted|timed out|Max retries exceeded", re.IGNORECASE)
_RATE_QUOTA = re.compile(r"per (second|minute|hour|day)|requests|rate.?limit|too many", re.IGNORECASE)
_RESOURCE_QUOTA = re.compile(
    r"quota .*exceeded.*limit: \d|limit: [\d.]+ in (region|zone)|concurrent|jobs?\b.*limit"
    r"|running executions",
    re.IGNORECASE,
)
# Cloud Run tells of a quota of CPU or memory as of an invalid request:
# https://cloud.google.com/run/docs/troubleshooting
_QUOTA_VIOLATED = re.compile(r"quota violated|quota exceeded for total allowable", re.IGNORECASE)
_SERVICE_DISABLED = re.compile(r"SERVICE_DISABLED|has not been used in project|it is disabled", re.IGNORECASE)
_ACT_AS = re.compile(r"act as|iam\.serviceAccounts\.actAs", re.IGNORECASE)
_BAD_LOCATION = re.compile(
    # The name of a job holds a location too, followed by a slash.
    r"locations?[/ ]['\"]?[\w-]+(?![\w/-]).*(not found|exist|unauthorized|unsupported|invalid)",
    re.IGNORECASE,
)


def to_error(error: Exception, *, call: str, service: Service, endpoint: str | None = None) -> BackendError:
    """Return our error for an exception of Google's clients.

    :param call: the name of the hook's call
    :param endpoint: the connection's own endpoint, named where it cannot be reached
    """
    if isinstance(error, GoogleAuthError):
        return _auth_error(error, call=call)
    code = _code(error)
    message = _message(error)
    if _NO_TOKEN.search(message):
        return _token_error(message, is_away=bool(_OUT_OF_REACH.search(message)), call=call, code=code.name)
    meaning = MEANINGS[code]
    kind = _kind(meaning, code, is_change=call in service.changing, message=message)
    if kind is CredentialsExpired and getattr(error, "reason", None) in _REFUSED_REASONS:
        kind = AccessDenied
    if endpoint and issubclass(kind, (UnavailableError, AmbiguousError)):
        message = f"{endpoint}: {message}"
    details = {
        "advice": _advice(meaning, kind, call=call, service=service, message=message),
        "call": call,
        "native_code": code.name,
    }
    if issubclass(kind, TransientError):
        return kind(message, retry_after_seconds=_retry_after(error), **details)
    return kind(message, **details)


def _code(error: Exception) -> grpc.StatusCode:
    """Return the code; what comes without one is ``UNKNOWN``."""
    code = error.code() if isinstance(error, grpc.Call) else getattr(error, "grpc_status_code", None)
    return code if code in MEANINGS else Code.UNKNOWN


def _message(error: Exception) -> str:
    if isinstance(error, GoogleAPICallError):
        return str(error.message)
    if isinstance(error, grpc.Call):
        return str(error.details())
    return str(error)


def _kind(meaning: Meaning, code: grpc.StatusCode, *, is_change: bool, message: str) -> type[BackendError]:
    is_quota = code is Code.RESOURCE_EXHAUSTED and _RESOURCE_QUOTA.search(message)
    if _QUOTA_VIOLATED.search(message) or (is_quota and not _RATE_QUOTA.search(message)):
        return NoCapacity
    if meaning.ambiguous and is_change and not _NEVER_SENT.search(message):
        return AmbiguousError
    return meaning.error


def _advice(meaning: Meaning, kind: type[BackendError], *, call: str, service: Service, message: str) -> str:
    if kind is NoCapacity:
        return (
            "A quota of the project is used up: wait, use less or another region, or ask for a higher quota"
        )
    if _SERVICE_DISABLED.search(message):
        return f"Enable the API for the project: gcloud services enable {service.apis}"
    if _ACT_AS.search(message):
        return "Grant roles/iam.serviceAccountUser on the job's service account to whoever submits"
    if _BAD_LOCATION.search(message):
        return f"Check the region: {service.locations_url}"
    return meaning.advice.format(
        role=service.roles.get(call, service.reader),
        title=service.title,
        invalid=service.invalid,
        missing=service.missing,
        exists=service.exists,
    )


def _retry_after(error: Exception) -> float | None:
    """Return the seconds that the service asked to be left alone for, if it said so."""
    for detail in getattr(error, "details", None) or ():
        if isinstance(detail, RetryInfo):
            return float(detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9)
    return None


def _auth_error(error: GoogleAuthError, *, call: str) -> BackendError:
    """Return our error for credentials that do not work; a token server out of reach is only transient."""
    name = type(error).__name__
    is_away = isinstance(error, (TransportError, AuthTimeout)) or bool(getattr(error, "retryable", False))
    if is_away or isinstance(error, RefreshError):
        return _token_error(f"no token could be fetched: {error}", is_away=is_away, call=call, code=name)
    return AccessDenied(str(error), advice=_CREDENTIALS, call=call, native_code=name)


def _token_error(message: str, *, is_away: bool, call: str, code: str) -> BackendError:
    """Return our error for a token that was not renewed; the call that it is for was never sent.

    :param is_away: whether the token server is out of reach, or says itself that it is in trouble
    """
    if is_away:
        return UnavailableError(message, advice=_LATER, call=call, native_code=code)
    # Whatever else a token server, a metadata server or a program answers may be another tomorrow.
    kind = AccessDenied if _REFUSED_TOKEN.search(message) else CredentialsExpired
    return kind(message, advice=_CREDENTIALS, call=call, native_code=code)
