"""How a command ended, in the service's words: exit codes, results, failures.

It exists so that the wording lives in one place. It must not decide what follows from an end.
Codes: https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes, on scheduling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.wire import timestamp
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason

#: Exit codes by which the engine tells what it could not begin. They are never shown: there was no process.
BLOB_NOT_FOUND, BLOB_ACCESS_DENIED, BLOB_ERROR, NO_CONTAINERS, BAD_IMAGE = range(1001, 1006)
_BEFORE_THE_COMMAND: dict[int, tuple[str, str, str]] = {
    BLOB_NOT_FOUND: ("UserError", "BlobNotFound", "One of the specified Azure Blob(s) is not found"),
    BLOB_ACCESS_DENIED: (
        "UserError",
        "BlobAccessDenied",
        "Access for one of the specified Azure Blob(s) is denied",
    ),
    BLOB_ERROR: (
        "ServerError",
        "BlobDownloadMiscError",
        "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)",
    ),
    NO_CONTAINERS: (
        "UserError",
        "ContainerPoolNotSupported",
        "The compute environment does not support containers",
    ),
    BAD_IMAGE: (
        "UserError",
        "ContainerInvalidImage",
        "One or more container images specified are invalid",
    ),
}
_NODE_LOST = frozenset(
    {
        EndReason.PREEMPTED,
        EndReason.LOST,
        EndReason.REBOOTED,
        EndReason.UNRESPONSIVE,
        EndReason.RECREATED,
    }
)
_KILLED = 137


@dataclass(frozen=True)
class Failure:
    """Why a task has failed, as ``failureInfo`` says it."""

    code: str
    message: str
    category: str = "UserError"
    details: tuple[tuple[str, str], ...] = ()

    def wire(self) -> dict[str, Any]:
        told: dict[str, Any] = {"category": self.category, "code": self.code, "message": self.message}
        if self.details:
            told["details"] = [{"name": name, "value": value} for name, value in self.details]
        return told


_FAILURE_EXIT_CODE = ("AdditionalErrorCode", "FailureExitCode")
_ENDED = Failure("TaskEnded", "Task Was Ended by User Request")
_LATE = Failure(
    "TaskEnded",
    "Task Was Ended by User Request",
    details=(
        ("Message", "The maximum execution time configured on the task was exceeded"),
        _FAILURE_EXIT_CODE,
    ),
)
_EXITED = Failure(
    "FailureExitCode",
    "The task exited with an exit code representing a failure",
    details=(("Message", "The task process exited with an unexpected exit code"), _FAILURE_EXIT_CODE),
)


@dataclass
class Outcome:
    """The latest execution of a command: when it ran and how it ended. ``ended_at`` is None while it runs."""

    started_at: pendulum.DateTime | None = None
    ended_at: pendulum.DateTime | None = None
    exit_code: int | None = None
    failure: Failure | None = None
    retry_count: int = 0
    last_retry_at: pendulum.DateTime | None = None
    container_id: str | None = None
    upload_failed: bool = False
    where: dict[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return self.ended_at is not None and self.failure is None

    @property
    def before_the_command(self) -> bool:
        """Whether the command never came to run."""
        return self.failure is not None and self.exit_code is None and self.failure.code != "TaskEnded"

    def begin(self) -> None:
        """It runs, perhaps again."""
        self.started_at = pendulum.now("UTC")
        self.ended_at = self.exit_code = self.failure = None

    def end(self, end: AttemptEnd) -> None:
        """Take over how the engine says that it ended."""
        self.ended_at = pendulum.now("UTC")
        self.exit_code = None if self.started_at is None else _exit_code(end)
        self.failure = _failure(end)

    def retry(self) -> None:
        """It has failed and will be tried again: that is all that is told of this try."""
        self.retry_count += 1
        self.last_retry_at = pendulum.now("UTC")
        self.ended_at = self.exit_code = self.failure = None

    def fail_upload(self, failure: Failure) -> None:
        """What it wrote could not be brought away; a failure of its own comes first."""
        self.upload_failed = True
        self.failure = self.failure or failure

    def wire(self, *, retries: bool) -> dict[str, Any]:
        """As an execution's information is written; ``retries`` with their number."""
        told: dict[str, Any] = dict(self.where)
        if self.started_at is not None:
            told["startTime"] = timestamp(self.started_at)
        if self.ended_at is not None:
            told["endTime"] = timestamp(self.ended_at)
        if self.exit_code is not None:
            told["exitCode"] = self.exit_code
        if self.failure is not None:
            told["failureInfo"] = self.failure.wire()
        if self.ended_at is not None:
            told["result"] = "success" if self.succeeded else "failure"
        if self.container_id is not None and self.started_at is not None:
            state = "running" if self.ended_at is None else "exited"
            told["containerInfo"] = {"containerId": self.container_id, "state": state}
        if retries:
            told["retryCount"] = self.retry_count
        if self.last_retry_at is not None:
            told["lastRetryTime"] = timestamp(self.last_retry_at)
        return told


def is_node_lost(end: AttemptEnd) -> bool:
    """Whether the machine went away under the task: it runs again and nobody sees a failure.

    An end with a message is the local cloud's own trouble, which would only come again.
    """
    return end.reason in _NODE_LOST and not end.message


def _exit_code(end: AttemptEnd) -> int | None:
    """The code that is shown; None where no command ran. What the service ends shows the system's code."""
    if end.reason is EndReason.REFUSED or _is_not_found(end):
        return None
    if end.reason in _NODE_LOST:
        return None
    if end.reason is not EndReason.EXITED:
        return _KILLED
    return end.exit_code if end.exit_code >= 0 else 128 - end.exit_code


def _failure(end: AttemptEnd) -> Failure | None:
    if end.succeeded:
        return None
    if end.reason is EndReason.REFUSED:
        category, code, message = _BEFORE_THE_COMMAND[end.exit_code]
        return Failure(code, message, category, (("Message", end.message),))
    if _is_not_found(end):
        details = (("Message", "The system cannot find the file specified."),)
        return Failure(
            "CommandProgramNotFound", "The specified command program is not found", details=details
        )
    if end.reason in _NODE_LOST:
        message = "An unknown scheduling error has occurred"
        return Failure("Unknown", message, "ServerError", (("Message", end.message),))
    if end.reason is EndReason.CANCELLED:
        return _ENDED
    return _LATE if end.reason is EndReason.TIMED_OUT else _EXITED


def _is_not_found(end: AttemptEnd) -> bool:
    """The engine could not start the program; a shell that could not says so with an exit code alone."""
    return end.reason is EndReason.EXITED and end.exit_code in (126, 127) and bool(end.message)
