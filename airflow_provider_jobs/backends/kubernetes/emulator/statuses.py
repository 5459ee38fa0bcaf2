"""Errors as the API server says them: a Status object with reason, code, details and causes.

It exists so that every refusal has the shape that clients parse. It must not decide what is refused.
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from airflow_provider_jobs.backends.kubernetes.emulator.resources import ResourceType
from airflow_provider_jobs.emulator.calls import StatusError

#: Reason to HTTP status; the reason is also the word that a fault rule may name.
CODES: dict[str, int] = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Gone": 410,
    "Expired": 410,
    "RequestEntityTooLarge": 413,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "ServerTimeout": 500,
    "Timeout": 504,
}
#: What a client that is told only a status makes of it; the first reason of each code above.
_REASONS = {code: reason for reason, code in reversed(CODES.items())}


class Cause(NamedTuple):
    """One thing that is wrong with an object, as the API server's field errors put it."""

    reason: str
    message: str
    field: str


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid(field: str, value: Any, *, detail: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {_shown(value)}: {detail}", field)


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", field)


def unsupported(field: str, value: Any, *, allowed: Sequence[str]) -> Cause:
    names = ", ".join(f'"{name}"' for name in sorted(allowed))
    return Cause(
        "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {names}", field
    )


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {detail}", field)


def duplicate(field: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {_shown(value)}", field)


class ApiError(StatusError):
    """An error answer; ``code`` is the reason, which the counters show as the outcome."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(reason, message)
        self.status = status or CODES[reason]
        self.status_details = details
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, Any]:
        """The Status object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": str(self.code),
        }
        if self.status_details is not None:
            body["details"] = self.status_details
        body["code"] = self.status
        return body


def _details(kind: ResourceType, name: str) -> dict[str, Any]:
    details = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    return {**details, "kind": kind.plural}


def bad_request(message: str) -> ApiError:
    return ApiError("BadRequest", message)


def not_found(kind: ResourceType, name: str) -> ApiError:
    return ApiError("NotFound", f'{kind.qualified} "{name}" not found', details=_details(kind, name))


def page_not_found() -> ApiError:
    """The answer for a path that is served by nothing."""
    return ApiError("NotFound", "the server could not find the requested resource", details={})


def already_exists(kind: ResourceType, name: str) -> ApiError:
    message = f'{kind.qualified} "{name}" already exists'
    return ApiError("AlreadyExists", message, details=_details(kind, name))


def conflict(kind: ResourceType, name: str, *, why: str = "") -> ApiError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return ApiError("Conflict", message, details=_details(kind, name))


def forbidden(kind: ResourceType, name: str, *, why: str) -> ApiError:
    shown = f'{kind.qualified} "{name}"' if name else kind.qualified
    return ApiError("Forbidden", f"{shown} is forbidden: {why}", details=_details(kind, name))


def refused(kind: ResourceType, name: str, *, causes: Sequence[Cause]) -> ApiError:
    """422: the object was understood and is not valid."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    summary = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details: dict[str, Any] = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    details |= {"kind": kind.kind, "causes": [cause._asdict() for cause in causes]}
    return ApiError("Invalid", f'{qualified} "{name}" is invalid: {summary}', details=details)


def expired(message: str) -> ApiError:
    return ApiError("Expired", message)


def injected(error: StatusError, *, forbidden_because: str, kind: ResourceType | None, name: str) -> ApiError:
    """What a fault rule asked for, as the server would say it. A 403 tells who may not do what."""
    code = error.code
    numeric = int(code) if str(code).isdigit() else None
    reason = _REASONS.get(numeric, "InternalError") if numeric is not None else str(code)
    if reason not in CODES:
        return ApiError("InternalError", f"{code}: {error.message}", details={})
    details: dict[str, Any] = _details(kind, name) if kind else {}
    if reason == "Forbidden":
        shown = f'{kind.qualified} "{name}"' if kind and name else kind.qualified if kind else "forbidden"
        return ApiError(reason, f"{shown} is forbidden: {forbidden_because}", details=details)
    headers = {}
    if reason in ("TooManyRequests", "ServiceUnavailable", "ServerTimeout"):
        details, headers = {**details, "retryAfterSeconds": 1}, {"Retry-After": "1"}
    if reason == "Unauthorized":
        return ApiError(reason, "Unauthorized")
    return ApiError(reason, error.message, details=details, status=numeric, headers=headers)
