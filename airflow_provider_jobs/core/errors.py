"""The errors a backend and its hook may raise; vendor exceptions are chained below them.

::

    JobsError
    ├── InvalidArgument     a value the user gave (also a ValueError)
    │   └── InputTooLarge       an input that the service takes in a file alone
    ├── MissingExtra        a package is not installed (also an ImportError)
    ├── SubmissionStopped   the task was killed before its job was sent
    └── BackendError        a call to the service
        ├── TransientError      slow down, ask again; says nothing about the job
        │   ├── ThrottledError
        │   ├── UnavailableError
        │   └── CredentialsExpired      the credentials have expired and may be renewed
        ├── PermanentError      asking again gives the same answer
        │   ├── InvalidRequest
        │   ├── AccessDenied
        │   ├── NotFound
        │   ├── AlreadyExists
        │   ├── Conflict
        │   └── NoCapacity
        └── AmbiguousError      sent, answer lost: look for the job before sending again
"""

from __future__ import annotations


class JobsError(Exception):
    """The root of this provider's errors outside of a task's own failure."""


class InvalidArgument(JobsError, ValueError):
    """An argument that cannot be meant.

    :param argument: the argument's name as the user wrote it
    :param problem: what is wrong, with the value where it is no secret
    :param remedy: what to write instead
    """

    def __init__(self, argument: str, problem: str, *, remedy: str = "") -> None:
        super().__init__(f"{argument}: {problem}. {remedy}" if remedy else f"{argument}: {problem}")
        self.argument = argument
        self.problem = problem
        self.remedy = remedy


class InputTooLarge(InvalidArgument):
    """``input`` or ``inputs`` is over a limit of the service; it names the limit."""


class MissingExtra(JobsError, ImportError):
    """A backend is used whose packages are not installed.

    :param extra: the extra of this package that brings them
    """

    def __init__(self, backend: str, extra: str, *, missing: str) -> None:
        super().__init__(
            f"{backend} needs {missing}, which is not installed: pip install 'airflow-provider-jobs[{extra}]'"
        )
        self.extra = extra
        self.missing = missing


class SubmissionStopped(JobsError):
    """The task was killed before its job was sent."""


class BackendError(JobsError):
    """A call to a service that did not do what was asked.

    :param message: what the service said
    :param advice: one line on what to do about it
    :param call: the name of the call
    :param native_code: the service's own code, for example ``PERMISSION_DENIED``
    """

    def __init__(
        self, message: str, *, advice: str | None = None, call: str = "", native_code: str = ""
    ) -> None:
        parts = [f"{call}: " if call else "", f"{native_code}: " if native_code else "", message]
        text = "".join(parts)
        super().__init__(f"{text} ({advice})" if advice else text)
        self.message = message
        self.advice = advice
        self.call = call
        self.native_code = native_code


class TransientError(BackendError):
    """The service is in trouble, the job need not be.

    :param retry_after_seconds: how long the service asked to be left alone, if it said so
    """

    def __init__(
        self,
        message: str,
        *,
        advice: str | None = None,
        call: str = "",
        native_code: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, advice=advice, call=call, native_code=native_code)
        self.retry_after_seconds = retry_after_seconds


class ThrottledError(TransientError):
    """Too many calls."""


class UnavailableError(TransientError):
    """The service, or the way to it, is down."""


class CredentialsExpired(TransientError):
    """The credentials have expired, or what renews them does not answer; they may come back."""


class PermanentError(BackendError):
    """Asking again gives the same answer."""


class InvalidRequest(PermanentError):
    """The service refuses the request as it is written."""


class AccessDenied(PermanentError):
    """The credentials are missing, wrong, or lack a permission."""


class NotFound(PermanentError):
    """What the call names does not exist."""


class AlreadyExists(PermanentError):
    """What the call would create exists."""


class Conflict(PermanentError):
    """The thing is in a state that forbids the call."""


class NoCapacity(PermanentError):
    """A quota or the service's capacity refuses a submission."""


class AmbiguousError(BackendError):
    """The request was sent and the answer never came: it may or may not have been done."""


def is_trouble(error: BaseException) -> bool:
    """Return whether a repeatable call should be repeated: trouble of the service, or a lost answer."""
    return isinstance(error, (TransientError, AmbiguousError))


def retry_after_seconds(error: BaseException) -> float | None:
    """Return how long the service asked to be left alone, if it said so."""
    return error.retry_after_seconds if isinstance(error, TransientError) else None
