"""What to wait for, until when, and what to do at the end. Crosses into the trigger."""

from __future__ import annotations

from typing import Literal

from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.moments import DateTime
from airflow_provider_jobs.core.terms import EXPLAIN_AFTER_SECONDS, LOG_MAX_BYTES, FailWhen
from airflow_provider_jobs.core.wire import Wire
from airflow_provider_jobs.engine.leftover import Outputs
from airflow_provider_jobs.engine.story import DEFAULT_TAIL


class WaitPlan(Wire):
    """How one job is waited for.

    :param attempts: how many jobs were submitted for the task instance
    :param wakes_from: before it no event wakes a worker, in UTC
    :param execution_deadline: when the job is cancelled, in UTC
    :param queue_deadline: when it is cancelled unless it has started by then, in UTC
    :param log_indexes: ``"all"``, ``"failed"``, ``"none"``, or the original indexes to show
    :param log_tail: how many last lines of a failed index go into the exception
    :param log_max_bytes: how much of the job's lines is shown
    :param wants_outputs: whether what the job reports on stdout is the task's result
    :param poll_seconds: the user's own poll interval, ``None`` for the adaptive one
    :param explain_after_seconds: when a job that has not started is asked why
    :param on_kill: what happens to the job when the task is killed or times out
    :param array_size: of the whole array, where the job runs a part of it
    :param earlier_outputs: what the indexes reported that have succeeded in earlier jobs
    :param delete_after: when the service's record is removed
    :param vcpus: what each index is to be given, ``None`` for the service's default
    :param memory_mib: likewise
    :param parallelism: how many indexes may run at once, ``None`` for all
    :param fail_when: how many failed indexes make the task fail
    """

    version: Literal[1] = 1
    handle: JobHandle
    attempts: int = 1
    wakes_from: DateTime | None = None
    execution_deadline: DateTime | None = None
    queue_deadline: DateTime | None = None
    log_indexes: Literal["all", "failed", "none"] | tuple[int, ...] = "all"
    log_tail: int = DEFAULT_TAIL
    log_max_bytes: int = LOG_MAX_BYTES
    wants_outputs: bool = True
    poll_seconds: float | None = None
    explain_after_seconds: float = EXPLAIN_AFTER_SECONDS
    on_kill: Literal["cancel", "leave"] = "cancel"
    array_size: int | None = None
    earlier_outputs: Outputs = {}
    delete_after: Literal["never", "success", "always"] = "never"
    vcpus: float | None = None
    memory_mib: int | None = None
    parallelism: int | None = None
    fail_when: FailWhen = "any"
