"""The one place where exceptions of Azure's clients become errors of ours, each with a line of advice.

A table from the service's code to class and advice, and nothing that calls the service. It must not show what
a request held, since that may be a secret: of an answer only the message and the name of a property go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from azure.batch.models import BatchTaskCreateResult
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

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

VENDOR_EXCEPTIONS = (AzureError,)


@dataclass(frozen=True)
class Meaning:
    """What an answer means for the caller."""

    error: type[BackendError]
    advice: str


_LATER = "The service is in trouble or out of reach; asking again later may do"
_CREDENTIALS = (
    "Check the connection: account name and key, or for Entra ID the tenant, client and secret, or the "
    "managed identity"
)
_ROLE = "Grant the role Azure Batch Data Contributor on the account to whoever submits"
_GONE = "Check account, job and task; somebody deleted it, or its files are gone with their node"
_QUOTA = "Wait for jobs to end, let tasks share a job with job_id, or ask for a higher quota"
_REFERENCE = "Compare with https://learn.microsoft.com/rest/api/batchservice"

_QUERY = re.compile(r"\?[^\s'\"]*=[^\s'\"]*")

_DENIED = Meaning(AccessDenied, _CREDENTIALS)
_EXPIRED = Meaning(CredentialsExpired, _CREDENTIALS)
_FULL = Meaning(NoCapacity, _QUOTA)
_EXISTS = Meaning(AlreadyExists, "Ids are unique in an account, and of tasks in a job, whatever their case")
_STATE = Meaning(Conflict, "It is in a state that forbids this")
_TOO_LARGE = Meaning(InvalidRequest, "Send less: put inputs into a blob, and files into packages")
_BUSY = Meaning(ThrottledError, "The service asks for fewer calls")

# https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
CODES: dict[str, Meaning] = {
    "AuthenticationFailed": _DENIED,
    "InvalidAuthenticationInfo": _DENIED,
    "InsufficientAccountPermissions": Meaning(AccessDenied, _ROLE),
    "AccountIsDisabled": Meaning(AccessDenied, "The Batch account is disabled; ask whoever keeps it"),
    "ActiveJobAndScheduleQuotaReached": _FULL,
    "PoolQuotaReached": _FULL,
    "AccountCoreQuotaReached": _FULL,
    "JobExists": _EXISTS,
    "TaskExists": _EXISTS,
    "PoolExists": _EXISTS,
    "ResourceAlreadyExists": _EXISTS,
    "JobBeingDeleted": Meaning(Conflict, "The job is being deleted; its id is free once that is done"),
    "JobBeingTerminated": Meaning(Conflict, "The job is ending and takes no more tasks; give another job_id"),
    "JobCompleted": Meaning(Conflict, "The job has ended and takes no more tasks; give another job_id"),
    "JobDisabled": Meaning(Conflict, "The job is disabled; enable it"),
    "TaskDependenciesNotSpecifiedOnJob": Meaning(
        InvalidRequest, "The job was created without usesTaskDependencies, and depends_on needs it"
    ),
    "InvalidApplicationPackageReferences": Meaning(
        InvalidRequest, "Check application_packages: id, version, and a default version where none is given"
    ),
    "RequestBodyTooLarge": _TOO_LARGE,
    "InvalidRange": Meaning(InvalidRequest, "The range begins behind the end of the file"),
    "OperationTimedOut": Meaning(UnavailableError, "No answer in time. " + _LATER),
    "IOError": Meaning(UnavailableError, _LATER),
    "ServerBusy": _BUSY,
    "TooManyRequests": _BUSY,
}

STATUSES: dict[int, Meaning] = {
    304: _STATE,
    400: Meaning(InvalidRequest, _REFERENCE),
    401: _EXPIRED,
    403: Meaning(AccessDenied, _ROLE),
    404: Meaning(NotFound, _GONE),
    405: Meaning(InvalidRequest, "The account_url is no Azure Batch; check it in the connection"),
    408: Meaning(UnavailableError, _LATER),
    409: _STATE,
    411: Meaning(InvalidRequest, _REFERENCE),
    412: Meaning(Conflict, "It was changed by somebody else meanwhile"),
    413: _TOO_LARGE,
    416: Meaning(InvalidRequest, "The range begins behind the end of the file"),
    429: _BUSY,
}
# A token that is not taken is answered with 401, a key with 403, both as AuthenticationFailed, and a detail
# may say why: https://github.com/Azure/azure-sdk-for-net/issues/8026. Other services of Azure tell with 403,
# too, that a token has expired: https://github.com/Azure/azure-sdk-for-java/issues/8667
_UNAUTHENTICATED = frozenset({"AuthenticationFailed", "InvalidAuthenticationInfo"})
_EXPIRED_TOKEN = re.compile(
    r"\btoken\b.*\b(has |is )?(expired|expiry)|lifetime validation failed", re.IGNORECASE
)
_WRONG_TOKEN = re.compile(r"wrong (audience|issuer|tenant)|\bsignature\b", re.IGNORECASE)

# Entra ID tells of trouble of its own (90006, 90012, 90024, 90033, 90055), or that the token by which a
# workload shows who it is has expired, which Kubernetes renews (500133, 700024). An expired secret (7000222)
# is renewed by a person alone. https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_NOT_YET = re.compile(r"AADSTS(90006|90012|90024|90033|90055|500133|700024)\b")
_OUT_OF_REACH = re.compile(
    r"failed to resolve|timed out|connection (refused|reset|aborted)|max retries exceeded", re.IGNORECASE
)

_TROUBLE = Meaning(UnavailableError, _LATER)
_OTHER = Meaning(PermanentError, _REFERENCE)

# Calls that change something: an answer that never came leaves open whether it was done. All of them may be
# sent again, since ids are ours; but who asks must know that it is not the first time.
CHANGING = frozenset(
    {
        "create_pool",
        "resize_pool",
        "delete_pool",
        "create_job",
        "update_job",
        "terminate_job",
        "delete_job",
        "create_task",
        "add_tasks",
        "terminate_task",
        "delete_task",
    }
)


def to_error(error: Exception, *, call: str, account_url: str) -> BackendError:
    """Return our error for an exception of Azure's clients.

    :param call: the name of the hook's call
    :param account_url: named where it cannot be reached
    """
    if isinstance(error, ClientAuthenticationError) and not _is_of(error, account_url):
        return _without_token(error, call=call)
    # What carries the answer of a success could not be read, or not to its end.
    if isinstance(error, HttpResponseError) and (error.status_code or 0) >= 300:
        return _answered(error, call=call, account_url=account_url)
    name = type(error).__name__
    text = f"{account_url}: {_first_line(str(error))}"
    # A request that did not leave was not done; of one that did, only an answer could tell.
    left = isinstance(error, ServiceResponseError) or not isinstance(error, ServiceRequestError)
    if left and call in CHANGING:
        return AmbiguousError(text, advice=_LATER, call=call, native_code=name)
    return UnavailableError(text, advice=_LATER, call=call, native_code=name)


def _is_of(error: HttpResponseError, account_url: str) -> bool:
    """Return whether the account answered so, and not whoever gives tokens."""
    request = getattr(error.response, "request", None)
    return str(getattr(request, "url", "")).startswith(account_url)


def _without_token(error: ClientAuthenticationError, *, call: str) -> BackendError:
    """Return our error where an identity gave no token.

    What a request for a token met on its way, azure-identity hides below an exception of this class. An
    identity that is unavailable is a machine's metadata service, or a file; where none of a chain was
    available, nothing is configured.
    """
    name, text = type(error).__name__, _first_line(str(error))
    status = error.status_code or 0
    if status >= 500 or _OUT_OF_REACH.search(str(error)) or _is_on_the_way(error.__cause__):
        return UnavailableError(f"no token: {text}", advice=_LATER, call=call, native_code=name)
    if status == 429:
        return ThrottledError(
            f"no token: {text}",
            advice=_BUSY.advice,
            call=call,
            native_code=name,
            retry_after_seconds=_retry_after(error),
        )
    comes_back = isinstance(error, CredentialUnavailableError) or _NOT_YET.search(str(error))
    meaning = _EXPIRED if comes_back else _DENIED
    return meaning.error(text, advice=meaning.advice, call=call, native_code=name)


def _is_on_the_way(cause: BaseException | None) -> bool:
    """Return whether a request got no answer."""
    return isinstance(cause, (ServiceRequestError, ServiceResponseError))


def refused_tasks(results: Iterable[BatchTaskCreateResult], *, call: str) -> BackendError | None:
    """Return the error of the first task of a collection that the service did not add, or ``None``.

    A task that is there already counts as added.
    """
    failed = [each for each in results if not _is_added(each)]
    if not failed:
        return None
    first = min(failed, key=is_servers_fault)
    code = (first.error.code if first.error else None) or str(first.status)
    said = first.error.message.value if first.error and first.error.message else "the service gives no reason"
    meaning = _TROUBLE if is_servers_fault(first) else CODES.get(code, STATUSES[400])
    others = f", and {len(failed) - 1} others were not added either" if len(failed) > 1 else ""
    text = f"task {first.task_id} was not added{others}: {_first_line(said or '')}"
    return meaning.error(text, advice=meaning.advice, call=call, native_code=code)


def is_servers_fault(result: BatchTaskCreateResult) -> bool:
    """Return whether the same task may be sent again unchanged."""
    return str(getattr(result.status, "value", result.status)).lower() == "servererror"


def _is_added(result: BatchTaskCreateResult) -> bool:
    status = str(getattr(result.status, "value", result.status)).lower()
    return status == "success" or (result.error is not None and result.error.code == "TaskExists")


def _answered(error: HttpResponseError, *, call: str, account_url: str) -> BackendError:
    status = int(error.status_code or 0)
    code = str(getattr(error.error, "code", None) or "")
    meaning = _meaning(error, status, code)
    text = _told(error)
    if issubclass(meaning.error, UnavailableError):
        text = f"{account_url}: {text}"
    details: dict[str, Any] = {"advice": meaning.advice, "call": call, "native_code": code or str(status)}
    if issubclass(meaning.error, TransientError):
        details["retry_after_seconds"] = _retry_after(error)
    return meaning.error(text, **details)


def _meaning(error: HttpResponseError, status: int, code: str) -> Meaning:
    if status == 401 or code in _UNAUTHENTICATED:
        said = _details(error).get("AuthenticationErrorDetail", "")
        if _EXPIRED_TOKEN.search(said):
            return _EXPIRED
        return _EXPIRED if status == 401 and not _WRONG_TOKEN.search(said) else _DENIED
    return CODES.get(code) or STATUSES.get(status) or (_TROUBLE if status >= 500 else _OTHER)


def _details(error: HttpResponseError) -> dict[str, str]:
    """Return the pairs that the service puts beside its sentence."""
    return {str(each.code): str(each.message) for each in getattr(error.error, "details", None) or ()}


def _told(error: HttpResponseError) -> str:
    """Return what the service said, and which property it is about; never a value that was sent."""
    said = error.error
    text = _first_line(str(getattr(said, "message", None) or error.reason or "no reason is given"))
    details = _details(error)
    about = [
        f"{name}: {details[name]}"
        for name in ("PropertyName", "QueryParameterName", "HeaderName", "Reason")
        if name in details
    ]
    return f"{text} ({', '.join(about)})" if about else text


def _first_line(text: str) -> str:
    """Leave out the request's id and time, which the service writes below its sentence."""
    return without_signatures(text.partition("\n")[0].strip().removesuffix("."))


def without_signatures(text: str) -> str:
    """Return a text of the service without the queries of addresses in it, which may hold a signature."""
    return _QUERY.sub("?...", text)


def _retry_after(error: HttpResponseError) -> float | None:
    """Return the seconds that the service asked to be left alone for, if it said so."""
    headers = getattr(error.response, "headers", None) or {}
    value = headers.get("Retry-After")
    try:
        return float(value) if value else None
    except ValueError:
        return None
