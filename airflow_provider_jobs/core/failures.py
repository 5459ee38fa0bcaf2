"""Why a job ended badly, in words shared by all backends."""

from __future__ import annotations

from enum import Enum

from airflow_provider_jobs.core.wire import Wire


class FailureKind(str, Enum):
    """The cause of a failure, as far as the service tells it."""

    USER_CODE = "USER_CODE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    PREEMPTED = "PREEMPTED"
    IMAGE = "IMAGE"
    CAPACITY = "CAPACITY"
    CONFIG = "CONFIG"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    PLATFORM = "PLATFORM"


class Failure(Wire):
    """One failure of a job or of one of its indexes.

    :param kind: the cause
    :param retryable: whether the same job can succeed when it is run again unchanged
    :param message: one sentence for a person
    :param index: the array index that failed, ``None`` for the job as a whole
    :param exit_code: the exit code of the user's command, where there was one
    :param native_reason: the service's own words
    :param console_url: where the job is seen in the vendor's console
    :param log_tail: the last log lines of that index, oldest first
    """

    kind: FailureKind
    retryable: bool
    message: str
    index: int | None = None
    exit_code: int | None = None
    native_reason: str | None = None
    console_url: str | None = None
    log_tail: tuple[str, ...] = ()
