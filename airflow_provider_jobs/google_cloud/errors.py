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
from google.auth.exceptions import GoogleAuthError, TransportError
from google.rpc.error_details_pb2 import RetryInfo

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
    Code.UNAUTHENTICATED: Meaning(AccessDenied, _CREDENTIALS),
}

_NEVER_SENT = re.compile(r"failed to connect|connection refused|name resolution|DNS", re.IGNORECASE)
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
    meaning = MEANINGS[code]
    kind = _kind(meaning, code, is_change=call in service.changing, message=message)
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
    if isinstance(error, TransportError) or getattr(error, "retryable", False):
        return UnavailableError(
            f"no token could be fetched: {error}", advice=_LATER, call=call, native_code=type(error).__name__
        )
    return AccessDenied(str(error), advice=_CREDENTIALS, call=call, native_code=type(error).__name__)
