"""Batch's error answers: code, status, sentence, and what goes with them.

It exists so that a refusal is one call. Codes and their statuses:
https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes. It must not know HTTP headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jobs.emulator.calls import StatusError

_UNAUTHENTICATED = (
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
    "correctly including the signature."
)
#: Code to status and sentence.
CODES: dict[str, tuple[int, str]] = {
    "MissingRequiredProperty": (400, "A required property was not specified in the request body."),
    "InvalidPropertyValue": (
        400,
        "The value provided for one of the properties in the request body is invalid.",
    ),
    "InvalidRequestBody": (400, "The specified Request Body is not syntactically valid."),
    "MissingRequiredQueryParameter": (
        400,
        "A query parameter that's mandatory for this request is not specified.",
    ),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "OutOfRangeQueryParameterValue": (
        400,
        "A query parameter specified in the request URI is outside the permissible range.",
    ),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidAutoScalingSettings": (400, "The specified autoscaling settings are not valid."),
    "TaskDependenciesNotSpecifiedOnJob": (
        400,
        "The job does not say that it uses task dependencies, and a task was specified with some.",
    ),
    "InvalidAuthenticationInfo": (
        401,
        "The authentication information was not provided in the correct format.",
    ),
    "AuthenticationFailed": (
        403,
        _UNAUTHENTICATED,
    ),
    "InsufficientAccountPermissions": (
        403,
        "The account being accessed does not have sufficient permissions to execute this operation.",
    ),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "PoolNotFound": (404, "The specified pool does not exist."),
    "NodeNotFound": (404, "The specified node does not exist."),
    "JobNotFound": (404, "The specified job does not exist."),
    "TaskNotFound": (404, "The specified task does not exist."),
    "FileNotFound": (404, "The specified file does not exist."),
    "ApplicationNotFound": (404, "The specified application does not exist."),
    "JobScheduleNotFound": (404, "The specified job schedule does not exist."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    "OperationInvalidForCurrentState": (
        409,
        "The specified operation is not valid for the current state of the resource.",
    ),
    "PoolExists": (409, "The specified pool already exists."),
    "PoolBeingDeleted": (409, "The specified pool has been marked for deletion and is being reclaimed."),
    "PoolBeingResized": (409, "The specified pool is being resized."),
    "JobExists": (409, "The specified job already exists."),
    "JobBeingTerminated": (409, "The specified job is being terminated."),
    "JobBeingDeleted": (
        409,
        "The specified job has been marked for deletion and is being garbage collected.",
    ),
    "JobDisabled": (409, "The specified job is disabled."),
    "JobCompleted": (409, "The specified job is already in a completed state."),
    "JobNotActive": (409, "The specified job is not in active state."),
    "JobPreparationTaskNotSpecified": (409, "The specified job does not have job preparation task."),
    "TaskExists": (409, "The specified task already exists."),
    "TaskCompleted": (409, "The specified task is already in a completed state."),
    "TaskNotCompleted": (409, "The specified task is not in a completed state."),
    "TaskSucceeded": (409, "The specified task has already completed successfully."),
    "TaskIdSameAsJobPreparationTask": (409, "The specified task id is same as the job preparation task."),
    "TaskIdSameAsJobReleaseTask": (409, "The specified task id is same as the job release task."),
    "TaskFilesUnavailable": (409, "The files of the specified task are unavailable."),
    "ConditionNotMet": (
        412,
        "The condition specified in the conditional header(s) was not met for a write operation.",
    ),
    "RequestBodyTooLarge": (413, "The size of the request body exceeds the maximum size permitted."),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "TooManyRequests": (429, "Too many requests."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "OperationTimedOut": (500, "The operation could not be completed within the permitted time."),
    "NotImplemented": (501, "The requested operation is not implemented."),
    "ServerBusy": (503, "The server is currently unable to receive requests. Please retry your request."),
}
#: What an error that names a status alone is called: the first of its status, unless another is commoner.
_BY_STATUS = {
    **{status: code for code, (status, _) in reversed(CODES.items())},
    400: "InvalidRequestBody",
    403: "InsufficientAccountPermissions",
}


def refusal(code: str, message: str = "", **values: str) -> StatusError:
    """The error of this code; ``values`` are the pairs that go with it."""
    return StatusError(code, message or CODES[code][1], details=tuple(values.items()))


def invalid_property(name: str, value: object, reason: str) -> StatusError:
    """A property of the body that the service does not take."""
    return refusal("InvalidPropertyValue", PropertyName=name, PropertyValue=str(value), Reason=reason)


def invalid_parameter(name: str, value: object, reason: str) -> StatusError:
    """A query parameter that the service does not take."""
    return refusal(
        "InvalidQueryParameterValue", QueryParameterName=name, QueryParameterValue=str(value), Reason=reason
    )


def status_and_code(error: StatusError) -> tuple[int, str]:
    """HTTP status and code word of an error, also of one that names a status alone."""
    if isinstance(error.code, int) or error.code.isdecimal():
        status = int(error.code)
        return status, _BY_STATUS.get(status, "InternalError")
    return CODES.get(error.code, (500, ""))[0], error.code


def error_body(error: StatusError, *, request_id: str, time: str) -> Mapping[str, Any]:
    """The error as the service writes it, without its metadata link."""
    message = f"{error.message}\nRequestId:{request_id}\nTime:{time}"
    body: dict[str, Any] = {
        "code": status_and_code(error)[1],
        "message": {"lang": "en-US", "value": message},
    }
    if error.details:
        pairs = [detail for detail in error.details if isinstance(detail, tuple)]
        body["values"] = [{"key": key, "value": value} for key, value in pairs]
    return body
