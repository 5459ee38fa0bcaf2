"""The one place where exceptions of boto3 become errors of ours, each with a line of advice.

A table from code to class and advice, and nothing that calls the service. It must not show what a
request held, since that may be a secret: only the service's own message goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError

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
    ThrottledError,
    TransientError,
    UnavailableError,
)

# Credentials are renewed within a call, by botocore, Airflow and others, and what goes wrong there has no
# class of its own: RuntimeError where they come back expired, or the answer is no success; OSError where the
# file of a token is missing or, as ``requests`` has it, an identity provider is out of reach.
_NOT_RENEWED = (RuntimeError, OSError)
VENDOR_EXCEPTIONS = (vendor.BotoCoreError, vendor.ClientError, ResponseParserError, *_NOT_RENEWED)

_LATER = "The service is in trouble or out of reach; asking again later may do"
_CREDENTIALS = (
    "Check the connection's access key, session token, profile and role, or the machine's own role; try: "
    "aws sts get-caller-identity"
)
_ACTIONS = {
    "credentials": "sts:AssumeRole on the connection's role, and the role to trust whoever assumes it",
    "submit_job": "batch:SubmitJob and batch:TagResource on the job queue, the job definition and jobs",
    "register_job_definition": "batch:RegisterJobDefinition and batch:TagResource, and iam:PassRole on the "
    "job's roles",
    "deregister_job_definition": "batch:DeregisterJobDefinition",
    "terminate_job": "batch:TerminateJob",
    "cancel_job": "batch:CancelJob",
    "list_jobs_page": "batch:ListJobs",
    "describe_jobs": "batch:DescribeJobs",
    "filter_log_events": "logs:FilterLogEvents on the log group of the jobs",
    "get_log_events": "logs:GetLogEvents on the log group of the jobs",
    "get_job_queue_snapshot": "batch:GetJobQueueSnapshot",
}
_READING = "batch:DescribeJobs, batch:ListJobs and the other batch:Describe actions"


@dataclass(frozen=True)
class Meaning:
    """What an error code means for the caller.

    :param ambiguous: whether a request that changes something may have been done all the same
    """

    error: type[BackendError]
    advice: str
    ambiguous: bool = False


_INVALID = Meaning(InvalidRequest, "Compare with the service's reference of this call")
_DENIED = Meaning(AccessDenied, "Allow {actions}")
_UNKNOWN_CALLER = Meaning(AccessDenied, _CREDENTIALS)
_EXPIRED = Meaning(CredentialsExpired, _CREDENTIALS)
_THROTTLED = Meaning(
    ThrottledError,
    "Too many calls in this account and region: call less often, or ask for a higher quota of calls",
)
_DOWN = Meaning(UnavailableError, _LATER, ambiguous=True)
_ABSENT = Meaning(
    NotFound,
    "Check region, name and id; a job is gone some days after its end, a log group when it is deleted",
)

# https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
MEANINGS: dict[str, Meaning] = {
    "ClientException": _INVALID,
    "InvalidParameterException": _INVALID,
    "InvalidParameterCombination": _INVALID,
    "InvalidParameterValue": _INVALID,
    "InvalidAction": Meaning(
        InvalidRequest, "The endpoint does not know this call; check it in the connection"
    ),
    "MalformedQueryString": _INVALID,
    "MissingAction": _INVALID,
    "MissingParameter": _INVALID,
    "ValidationError": _INVALID,
    "ValidationException": _INVALID,
    "SerializationException": _INVALID,
    "ResourceNotFoundException": _ABSENT,
    "ResourceAlreadyExistsException": Meaning(AlreadyExists, "Something of this name exists"),
    "OperationAbortedException": Meaning(Conflict, "Another change of the same thing was under way"),
    "LimitExceededException": Meaning(NoCapacity, "A quota of the account is used up: ask for a higher one"),
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "NotAuthorized": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "OptInRequired": Meaning(AccessDenied, "Subscribe the account to the service, or enable the region"),
    "AuthFailure": _UNKNOWN_CALLER,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IncompleteSignature": _UNKNOWN_CALLER,
    "IncompleteSignatureException": _UNKNOWN_CALLER,
    "InvalidAccessKeyId": _UNKNOWN_CALLER,
    "InvalidClientTokenId": _UNKNOWN_CALLER,
    "InvalidSignatureException": _UNKNOWN_CALLER,
    "MissingAuthenticationToken": _UNKNOWN_CALLER,
    "MissingAuthenticationTokenException": _UNKNOWN_CALLER,
    # About the time of the request, not of the token.
    "RequestExpired": Meaning(AccessDenied, "The clock of this machine is off by minutes; set it"),
    "SignatureDoesNotMatch": _UNKNOWN_CALLER,
    "UnrecognizedClientException": _UNKNOWN_CALLER,
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html: of the first two
    # it says to get a new token, or to try again.
    "InvalidIdentityToken": _EXPIRED,
    "IDPCommunicationError": Meaning(UnavailableError, _LATER),
    "IDPRejectedClaim": _UNKNOWN_CALLER,
    "BandwidthLimitExceeded": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "RequestThrottled": _THROTTLED,
    "RequestThrottledException": _THROTTLED,
    "SlowDown": _THROTTLED,
    "ThrottledException": _THROTTLED,
    "Throttling": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "InternalError": _DOWN,
    "InternalFailure": _DOWN,
    "InternalServerError": _DOWN,
    "RequestTimeout": _DOWN,
    "RequestTimeoutException": _DOWN,
    "ServerException": _DOWN,
    "ServiceUnavailable": _DOWN,
    "ServiceUnavailableException": _DOWN,
}
_BY_STATUS = {
    400: _INVALID,
    401: _UNKNOWN_CALLER,
    403: _DENIED,
    404: _ABSENT,
    409: Meaning(Conflict, "It is in a state that forbids this"),
    429: _THROTTLED,
}

# AWS Batch has one code for everything that is wrong with a request; its message says which.
_CLIENT_EXCEPTIONS = (
    (
        re.compile(
            r"limit (is |was |has been )?(exceeded|reached)|reached the (maximum|limit)", re.IGNORECASE
        ),
        Meaning(NoCapacity, "A quota of the account is used up: wait, or ask for a higher one"),
    ),
    (
        re.compile(r"must be less than \d+ KiB", re.IGNORECASE),
        Meaning(InvalidRequest, "Put the input into a bucket and hand its address over"),
    ),
    (
        re.compile(r"does not exist|do(es)? not exist|not found|not exist", re.IGNORECASE),
        Meaning(NotFound, "Check region, name and id; a job is gone some days after its end"),
    ),
    (
        re.compile(r"\bDISABLED\b|not (in )?(a )?valid state|\bINVALID\b|\bINACTIVE\b|not ACTIVE"),
        Meaning(Conflict, "Enable the job queue, or use a job definition that is ACTIVE"),
    ),
    (
        re.compile(r"not authorized|unauthorized|access denied", re.IGNORECASE),
        _DENIED,
    ),
)

# Calls that change something: an answer that never came leaves open whether it was done.
_CHANGING = frozenset(
    {"submit_job", "register_job_definition", "deregister_job_definition", "terminate_job", "cancel_job"}
)

_NO_ANSWER = (
    vendor.HTTPClientError,
    vendor.ConnectionError,
    vendor.IncompleteReadError,
    ResponseParserError,
)
_NEVER_SENT = (
    vendor.EndpointConnectionError,
    vendor.ConnectTimeoutError,
    vendor.ProxyConnectionError,
    vendor.SSLError,
)


def _known(*names: str) -> tuple[type[Exception], ...]:
    """Return the vendor's classes of these names; older versions do not have all of them."""
    return tuple(getattr(vendor, name) for name in names if hasattr(vendor, name))


# Whatever renews credentials did not: the metadata service, a process, the login of a person. It may yet.
# https://github.com/boto/botocore/blob/develop/botocore/credentials.py
_NOT_YET_RENEWED = _known(
    "CredentialRetrievalError",
    "MetadataRetrievalError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
    "LoginRefreshRequired",
)
_NO_CREDENTIALS = _known(
    "NoCredentialsError",
    "PartialCredentialsError",
    "NoAuthTokenError",
    "ProfileNotFound",
    "SSOTokenLoadError",
    "LoginError",
)
_WRONG_PARAMETER = re.compile(
    r"^(?:(?:Missing required|Unknown) parameter in [\w.\[\]-]+: \"[\w-]+\""
    r"|Invalid \w+ for parameter [\w.\[\]-]+)",
    re.MULTILINE,
)


def to_error(error: Exception, *, call: str, endpoint: str | None = None) -> BackendError:
    """Return our error for an exception of boto3.

    :param call: the name of the hook's call
    :param endpoint: the connection's own endpoint, named where it cannot be reached
    """
    if isinstance(error, vendor.ClientError):
        return _answered(error, call=call)
    if isinstance(error, _NOT_YET_RENEWED):
        return CredentialsExpired(
            str(error), advice=_CREDENTIALS, call=call, native_code=type(error).__name__
        )
    if isinstance(error, _NO_CREDENTIALS):
        return AccessDenied(str(error), advice=_CREDENTIALS, call=call, native_code=type(error).__name__)
    if isinstance(error, _NO_ANSWER):
        return _unanswered(error, call=call, endpoint=endpoint)
    if isinstance(error, _NOT_RENEWED):
        # Its text may hold an address or an answer of an identity provider.
        name = type(error).__name__
        text = f"the credentials could not be renewed ({name})"
        return CredentialsExpired(text, advice=_CREDENTIALS, call=call, native_code=name)
    if isinstance(error, vendor.NoRegionError):
        return InvalidRequest(
            "no region is given",
            advice="Give region_name, or set it in the connection's extra",
            call=call,
            native_code="NoRegionError",
        )
    if isinstance(error, vendor.ParamValidationError):
        return InvalidRequest(
            _without_values(error), advice=_INVALID.advice, call=call, native_code="ParamValidationError"
        )
    return InvalidRequest(
        str(error),
        advice="Check the connection and the region",
        call=call,
        native_code=type(error).__name__,
    )


def _answered(error: vendor.ClientError, *, call: str) -> BackendError:
    """Return our error for an error answer of the service."""
    said: Mapping[str, Any] = error.response.get("Error", {})
    answer: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", "") or "the service gives no message")
    meaning = _meaning(code, message, status=int(answer.get("HTTPStatusCode", 0)))
    kind = AmbiguousError if meaning.ambiguous and call in _CHANGING else meaning.error
    advice = meaning.advice.replace("{actions}", _ACTIONS.get(call, _READING))
    if issubclass(kind, TransientError):
        seconds = _seconds(answer.get("HTTPHeaders", {}).get("retry-after"))
        return kind(message, advice=advice, call=call, native_code=code, retry_after_seconds=seconds)
    return kind(message, advice=advice, call=call, native_code=code)


def _meaning(code: str, message: str, *, status: int) -> Meaning:
    if code == "ClientException" and status in (0, 400):
        said = (meaning for pattern, meaning in _CLIENT_EXCEPTIONS if pattern.search(message))
        return next(said, _INVALID)
    if code in MEANINGS:
        return MEANINGS[code]
    return _BY_STATUS.get(status, _INVALID if 400 <= status < 500 else _DOWN)


def _unanswered(error: Exception, *, call: str, endpoint: str | None) -> BackendError:
    """Return our error for a request that got no answer."""
    message = str(error) if not endpoint or endpoint in str(error) else f"{endpoint}: {error}"
    is_open = call in _CHANGING and not isinstance(error, _NEVER_SENT)
    kind: type[BackendError] = AmbiguousError if is_open else UnavailableError
    return kind(message, advice=_LATER, call=call, native_code=type(error).__name__)


def _without_values(error: vendor.ParamValidationError) -> str:
    """Return what boto3 finds wrong with a request, without the values it holds."""
    return "; ".join(_WRONG_PARAMETER.findall(str(error))) or "a parameter is wrong"


def _seconds(value: object) -> float | None:
    """Return the pause that the service asks for in its header, where it names seconds."""
    try:
        return float(str(value)) if value is not None else None
    except ValueError:
        return None
