"""The one place where exceptions of the Kubernetes client become errors of ours, each with a line of advice.

A table from the API server's reason to class and advice, and nothing that calls the service. It must not
show what a request held, since that may be a secret: only the service's own message goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.client.exceptions import ApiException, OpenApiException
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, ProxyError
from urllib3.exceptions import SSLError as TlsError

from airflow_provider_jobs.core.errors import (
    AccessDenied,
    AlreadyExists,
    AmbiguousError,
    BackendError,
    CredentialsExpired,
    InvalidRequest,
    NoCapacity,
    NotFound,
    PermanentError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

VENDOR_EXCEPTIONS = (OpenApiException, HTTPError)

_LATER = "The API server is in trouble or out of reach; asking again later may do"
_CREDENTIALS = "Check the token or certificate of the connection's kube config; tokens expire"
_QUOTA = "A ResourceQuota of the namespace is used up: delete finished Jobs, use less, or ask for more"
_TOO_LARGE = "Put the input into a volume or a bucket and hand its address over"
_MAX_MESSAGE = 1_000


class ResourceVersionExpired(TransientError):
    """The version to go on from is too old: list again, and watch from the version of that list."""


@dataclass(frozen=True)
class Meaning:
    """What a reason means for the caller.

    :param ambiguous: whether a request that changes something may have been done all the same
    """

    error: type[BackendError]
    advice: str
    ambiguous: bool = False


_WRONG = Meaning(InvalidRequest, "Compare with https://kubernetes.io/docs/reference/kubernetes-api/")
_AWAY = Meaning(UnavailableError, _LATER, ambiguous=True)

# The reasons of a Status:
# https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go
REASONS: dict[str, Meaning] = {
    # An expired token and a wrong one are answered alike, and tokens are renewed by the kubelet or a plugin:
    # https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
    "Unauthorized": Meaning(CredentialsExpired, _CREDENTIALS),
    "Forbidden": Meaning(AccessDenied, "Grant it with a Role and a RoleBinding"),
    "NotFound": Meaning(NotFound, "Check namespace and name; somebody deleted it, or its TTL did"),
    "AlreadyExists": Meaning(AlreadyExists, "Names are unique in a namespace"),
    "Conflict": Meaning(TransientError, "It ran into another change at the same time; ask again"),
    "Gone": Meaning(ResourceVersionExpired, "List again and go on from there"),
    "Invalid": _WRONG,
    "ServerTimeout": _AWAY,
    "StoreReadError": Meaning(UnavailableError, _LATER),
    "Timeout": _AWAY,
    "TooManyRequests": Meaning(ThrottledError, "Call less often; the API server shares itself out fairly"),
    "BadRequest": _WRONG,
    "MethodNotAllowed": _WRONG,
    "NotAcceptable": _WRONG,
    "RequestEntityTooLarge": Meaning(InvalidRequest, _TOO_LARGE),
    "UnsupportedMediaType": _WRONG,
    "InternalError": _AWAY,
    "Expired": Meaning(ResourceVersionExpired, "List again and go on from there"),
    "ServiceUnavailable": _AWAY,
}

# What an answer without a Status means, such as one of a proxy in between.
_REASON_BY_STATUS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "Timeout",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}

# OpenSSL's words where the connection ended within TLS, as with a load balancer that has nobody behind it.
# All else, such as a certificate that is not trusted, stays as it is.
_ENDED_WITHIN_TLS = re.compile(
    r"\bEOF\b|UNEXPECTED_EOF|zero return|closed|reset by peer|timed out", re.IGNORECASE
)

_CHANGING = frozenset({"create_job", "create_job_json", "patch_job", "delete_job"})

_QUOTA_HIT = re.compile(r"exceeded quota|quota (?:is )?exceeded", re.IGNORECASE)
_LACKING = re.compile(
    r'cannot (\w+) resource "([\w/]+)" in API group "([\w.]*)"(?: in the namespace "([^"]+)")?'
)
# What a message tells beyond its reason: pattern, class, and the advice that is better than the reason's own.
_TELLING: tuple[tuple[re.Pattern[str], type[BackendError], str], ...] = (
    (
        re.compile(r"admission webhook .* denied the request", re.IGNORECASE | re.DOTALL),
        InvalidRequest,
        "A policy of the cluster refuses the Job and says why; whoever keeps the cluster can tell more",
    ),
    (
        re.compile(r"is being terminated", re.IGNORECASE),
        InvalidRequest,
        "The namespace is being deleted; use another",
    ),
    (
        re.compile(r'^namespaces? "[^"]+" not found', re.IGNORECASE),
        NotFound,
        "Check the namespace of the task and of the connection, or create it",
    ),
    (
        re.compile(r"request is too large|rpc error:.*message larger than max", re.IGNORECASE),
        InvalidRequest,
        _TOO_LARGE,
    ),
    (
        re.compile(r"unknown field", re.IGNORECASE),
        InvalidRequest,
        "Correct the name of the field in manifest, native or the options",
    ),
)


@dataclass(frozen=True)
class _Answer:
    """What the service said."""

    reason: str
    message: str
    status: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def to_error(error: Exception, *, call: str, endpoint: str | None = None) -> BackendError:
    """Return our error for an exception of the Kubernetes client.

    :param call: the name of the hook's call
    :param endpoint: the API server's address, named where it cannot be reached
    """
    if isinstance(error, HTTPError):
        return _connection_error(error, call=call, endpoint=endpoint)
    if not isinstance(error, ApiException):
        return InvalidRequest(str(error), advice=_WRONG.advice, call=call)
    answer = _answer(error)
    meaning = _meaning(answer, call=call)
    details = {"advice": meaning.advice, "call": call, "native_code": answer.reason or str(answer.status)}
    if issubclass(meaning.error, TransientError):
        return meaning.error(answer.message, retry_after_seconds=_retry_after(answer), **details)
    return meaning.error(answer.message, **details)


def _answer(error: ApiException) -> _Answer:
    """Return what the service said; a body that is no Status, such as a proxy's page, is not shown."""
    status = int(error.status or 0)
    try:
        told = json.loads(error.body or "")
    except ValueError:
        told = None
    if not isinstance(told, dict) or told.get("kind") != "Status":
        told = {}
    reason = str(told.get("reason") or "")
    if reason not in REASONS:
        reason = _REASON_BY_STATUS.get(status, "InternalError" if status >= 500 else "BadRequest")
    return _Answer(
        reason=reason,
        message=str(told.get("message") or error.reason or f"HTTP {status}")[:_MAX_MESSAGE],
        status=status,
        details=told.get("details") or {},
        headers={name.lower(): value for name, value in (error.headers or {}).items()},
    )


def _meaning(answer: _Answer, *, call: str) -> Meaning:
    if answer.reason == "Forbidden" and _QUOTA_HIT.search(answer.message):
        return Meaning(NoCapacity, _QUOTA)
    for pattern, error, advice in _TELLING:
        if pattern.search(answer.message):
            return Meaning(error, advice)
    meaning = REASONS[answer.reason]
    if meaning.ambiguous and call in _CHANGING:
        return Meaning(AmbiguousError, meaning.advice)
    lacking = _LACKING.search(answer.message)
    if meaning.error is AccessDenied and lacking:
        verb, resource, group, namespace = lacking.groups()
        place = f" in namespace {namespace}" if namespace else ""
        return Meaning(AccessDenied, f"Grant {verb} on {resource} of API group {group!r}{place} with a Role")
    return meaning


def _retry_after(answer: _Answer) -> float | None:
    """Return the seconds that the service asked to be left alone for, if it said so."""
    told = answer.details.get("retryAfterSeconds") or answer.headers.get("retry-after")
    try:
        return float(told) if told else None
    except (TypeError, ValueError):
        return None


def _connection_error(error: HTTPError, *, call: str, endpoint: str | None) -> BackendError:
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    name = type(cause).__name__
    message = f"{endpoint or 'the API server'}: {_plain(cause)}"
    if isinstance(cause, TlsError) and not _ENDED_WITHIN_TLS.search(str(cause)):
        return PermanentError(
            message,
            advice="Check the certificate authority and the host name in the connection's kube config",
            call=call,
            native_code=name,
        )
    was_sent = not isinstance(cause, (NewConnectionError, ConnectTimeoutError, ProxyError))
    kind = AmbiguousError if was_sent and call in _CHANGING else UnavailableError
    return kind(message, advice=_LATER, call=call, native_code=name)


def _plain(cause: Exception) -> str:
    """Return what happened, without the objects that the client puts in front of it."""
    texts = [each for each in cause.args if isinstance(each, str)]
    text = texts[-1] if texts else ""
    return re.sub(r"^(?:<[^>]*>|[\w.]+\([^)]*\)):\s*", "", text) or type(cause).__name__
