"""Error answers of the three services, in their words.

It exists so that an error looks the same wherever it is raised. Facts: the error lists of the services'
references (https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html) and the form in which
Batch has been seen to word them. It must not know a transport.
"""

from __future__ import annotations

from contextvars import ContextVar

from airflow_provider_jobs.emulator.calls import StatusError

#: The id of the request under work; Batch repeats it in the text of many errors.
request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Word of an error to the HTTP status that comes with it; all others are 400.
STATUS = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "NotFoundException": 404,
    "UnknownOperationException": 404,
    "TooManyRequestsException": 429,
    "InternalFailure": 500,
    "ServerException": 500,
    "ServiceUnavailableException": 503,
    "ServiceUnavailable": 503,
}

#: What a fault that names an HTTP status alone becomes.
WORD = {
    400: "ClientException",
    403: "AccessDeniedException",
    404: "NotFoundException",
    429: "TooManyRequestsException",
    500: "ServerException",
    503: "ServiceUnavailableException",
}


def rejected(text: str) -> StatusError:
    """Batch looked at the request and says no."""
    return StatusError("ClientException", text)


def refused(text: str) -> StatusError:
    """Batch could not carry the request out, in the form that most of its errors have."""
    return StatusError(
        "ClientException", f"Error executing request, Exception : {text}, RequestId: {request_id.get()}"
    )


def invalid_parameter(text: str) -> StatusError:
    """CloudWatch Logs looked at the request and says no."""
    return StatusError("InvalidParameterException", text)


def no_such(thing: str) -> StatusError:
    """CloudWatch Logs has no such log group or log stream."""
    return StatusError("ResourceNotFoundException", f"The specified log {thing} does not exist.")


def word_and_status(code: str | int) -> tuple[str, int]:
    """An error's word and HTTP status, whichever of the two it was raised with."""
    if isinstance(code, int) or code.isdecimal():
        status = int(code)
        return WORD.get(status, "ServerException" if status >= 500 else "ClientException"), status
    return code, STATUS.get(code, 400)
