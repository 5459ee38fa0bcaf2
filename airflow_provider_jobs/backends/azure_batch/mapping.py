"""What the service's words mean: the states of tasks and jobs, and what they add up to. Pure.

What is read of every task and job at every look is read under the service's own name (``job["state"]``): the
vendor's models make new objects at every look at a field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

import pendulum
from azure.batch.models import BatchJob, BatchTask

from airflow_provider_jobs.backends.azure_batch.failures import (
    ended_failure,
    job_failure,
    task_failure,
    task_failure_kind,
    word,
)
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, JobHandle, JobReport
from airflow_provider_jobs.core.moments import in_utc
from airflow_provider_jobs.core.states import JobState

MAX_DETAILED_FAILURES = 10

# https://learn.microsoft.com/azure/batch/jobs-and-tasks and the vendor's BatchTaskState. A task that has
# completed says in its execution's result how.
TASK_STATES: dict[str, JobState] = {
    "active": JobState.QUEUED,
    "preparing": JobState.STARTING,
    "running": JobState.RUNNING,
}
COMPLETED = "completed"
RESULTS: dict[str, JobState] = {"success": JobState.SUCCEEDED, "failure": JobState.FAILED}

# The vendor's BatchJobState: whether a job's tasks may still run, and whether somebody is ending it.
JOB_STATES: dict[str, bool] = {
    "active": True,
    "disabling": True,
    "disabled": True,
    "enabling": True,
    "terminating": True,
    "completed": False,
    "deleting": True,
}
LEAVING = frozenset({"terminating", "deleting"})
_DETAILS = {
    "disabling": "the job is being disabled",
    "disabled": "the job is disabled",
    "deleting": "the job is being deleted",
}

# Why the service itself ends a job; any other text is that of a person or of ours.
# https://learn.microsoft.com/rest/api/batchservice/jobs/get-job#batchjobexecutioninfo
ENDED_BY_ITSELF = frozenset({"AllTasksComplete", "AllTasksCompleted", "JMComplete"})
ENDED_BADLY = {
    "TaskFailed": (FailureKind.USER_CODE, "a task failed, and its exit_conditions end the job"),
    "MaxWallClockTimeExpiry": (FailureKind.TIMEOUT, "the job ran longer than its own maxWallClockTime"),
    "TerminateJobSchedule": (FailureKind.CANCELLED, "the schedule of the job was ended"),
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What the tasks of one submission add up to.

    :param unknown: words for states that are not known here
    :param failed_indexes: original indexes of those that completed without success
    :param failed_tasks: these tasks themselves, by original index, where they are at hand
    :param unsuccessful: original indexes that have not succeeded, ``None`` where that is not known
    """

    succeeded: int = 0
    running: int = 0
    starting: int = 0
    waiting: int = 0
    unknown: tuple[str, ...] = ()
    failed_indexes: tuple[int, ...] = ()
    failed_tasks: tuple[tuple[int, BatchTask], ...] = ()
    failed: int = 0
    unsuccessful: tuple[int, ...] | None = None
    started_at: pendulum.DateTime | None = None
    ended_at: pendulum.DateTime | None = None
    requeues: int = 0

    @property
    def finished(self) -> int:
        """How many have completed."""
        return self.succeeded + self.failed

    @property
    def unfinished(self) -> int:
        """How many are there that have not completed."""
        return self.running + self.starting + self.waiting + len(self.unknown)

    @property
    def has_started(self) -> bool:
        """Whether one runs or has run."""
        return bool(self.running or self.finished)

    @property
    def ended_by_request(self) -> bool:
        """Whether one was ended by somebody."""
        return any(task_failure_kind(task) is FailureKind.CANCELLED for _, task in self.failed_tasks)


def tally(tasks: Iterable[BatchTask], handle: JobHandle) -> Tally:
    """Return what the tasks of a handle add up to; others in the list are left alone.

    Of a task that is given twice the later one counts.
    """
    place = Place.of(handle.native_id)
    wanted = set(handle.indexes if handle.indexes is not None else range(handle.size))
    ours = {
        index: task for task in tasks if (index := place.index(task["id"])) is not None and index in wanted
    }
    states = {index: task_state(task) for index, task in ours.items()}
    succeeded = {index for index, state in states.items() if state is JobState.SUCCEEDED}
    failed = [(index, ours[index]) for index, state in sorted(states.items()) if state is JobState.FAILED]
    ran = [info for task in ours.values() if (info := task.get("executionInfo"))]
    counted = list(states.values())
    return Tally(
        succeeded=len(succeeded),
        running=counted.count(JobState.RUNNING),
        starting=counted.count(JobState.STARTING),
        waiting=counted.count(JobState.QUEUED),
        unknown=tuple(sorted({word(ours[index].state) for index, state in states.items() if state is None})),
        failed_indexes=tuple(index for index, _ in failed),
        failed_tasks=tuple(failed),
        failed=len(failed),
        unsuccessful=tuple(sorted(wanted - succeeded)),
        started_at=moment(min((each.start_time for each in ran if each.get("startTime")), default=None)),
        ended_at=moment(max((each.end_time for each in ran if each.get("endTime")), default=None)),
        requeues=sum(each.get("requeueCount") or 0 for each in ran),
    )


def kept(counted: Tally) -> Tally:
    """Return what is worth keeping of a tally until the next look: no tasks."""
    return replace(counted, failed_tasks=(), unsuccessful=None)


def with_ended(unfinished: Tally, before: Tally) -> Tally:
    """Return a tally of the unfinished tasks with what was seen before of those that have ended."""
    started = [each for each in (unfinished.started_at, before.started_at) if each]
    return replace(
        unfinished,
        succeeded=before.succeeded,
        failed=before.failed,
        failed_indexes=before.failed_indexes,
        unsuccessful=None,
        started_at=min(started, default=None),
        ended_at=before.ended_at,
        requeues=max(unfinished.requeues, before.requeues),
    )


def task_state(task: BatchTask) -> JobState | None:
    """Return our state of a task, ``None`` for one that is not known here."""
    state = word(task["state"])
    if state != COMPLETED:
        return TASK_STATES.get(state)
    ran = task.execution_info
    if ran is None or ran.result is None:
        # A task that was ended before it ran has no result in some answers, and it did not succeed.
        return JobState.SUCCEEDED if ran is not None and ran.exit_code == 0 else JobState.FAILED
    return RESULTS.get(word(ran.result))


def job_word(job: BatchJob | None) -> str:
    """Return the service's word for the state of a job."""
    said = job.get("state") if job is not None else None
    return word(said) if said is not None else ""


def terminate_reason(job: BatchJob | None) -> str | None:
    """Return why a job was ended, where it was."""
    ran = job.get("executionInfo") if job is not None else None
    return ran.get("terminateReason") if ran is not None else None


def needs_job(handle: JobHandle, counted: Tally) -> bool:
    """Return whether the tasks alone do not tell how the submission is."""
    return counted.finished < handle.size or counted.ended_by_request


def report(handle: JobHandle, counted: Tally, job: BatchJob | None) -> JobReport:
    """Return the report of a submission; one of which tasks were deleted is no longer known.

    :param job: its job; may be ``None`` where :func:`needs_job` says so
    """
    if _has_lost_tasks(handle, counted, job):
        return JobReport(native_id=handle.native_id, found=False)
    state = _state(handle, counted, job)
    over = state is not None and state.is_terminal
    return JobReport(
        native_id=handle.native_id,
        state=state,
        native_state=_native_state(handle, counted, job),
        detail=_detail(counted, job),
        array=_counts(handle, counted, over=over),
        failures=_failures(handle, counted, job, state),
        started_at=counted.started_at,
        ended_at=(counted.ended_at or _job_end(job)) if over else None,
        cancelling=not over and job_word(job) in LEAVING,
    )


def moment(stamp: datetime | None) -> pendulum.DateTime | None:
    """Return a time of the vendor's client in UTC."""
    return None if stamp is None else in_utc(stamp)


def _state(handle: JobHandle, counted: Tally, job: BatchJob | None) -> JobState | None:
    if counted.finished >= handle.size:
        if not counted.failed:
            return JobState.SUCCEEDED
        by_service = terminate_reason(job) in ENDED_BADLY
        return JobState.CANCELLED if counted.ended_by_request and not by_service else JobState.FAILED
    if not JOB_STATES.get(job_word(job), True):
        return _state_of_ended_job(job)
    if counted.unknown:
        return None
    if counted.running or counted.finished:
        return JobState.RUNNING
    return JobState.STARTING if counted.starting else JobState.QUEUED


def _state_of_ended_job(job: BatchJob | None) -> JobState:
    """Return the state where the job has ended and some of the tasks have not, or are gone."""
    reason = terminate_reason(job)
    if _has_error(job) or reason in ENDED_BADLY:
        return JobState.FAILED
    # A job that ended by itself has no task left to wait for: the list of tasks lags behind.
    return JobState.RUNNING if reason in ENDED_BY_ITSELF else JobState.CANCELLED


def _has_lost_tasks(handle: JobHandle, counted: Tally, job: BatchJob | None) -> bool:
    """Return whether nothing is left to wait for although some tasks never completed."""
    if counted.unfinished or counted.finished >= handle.size:
        return False
    may_run = JOB_STATES.get(job_word(job), True)
    return may_run or (terminate_reason(job) in ENDED_BY_ITSELF and not _has_error(job))


def _has_error(job: BatchJob | None) -> bool:
    ran = job.get("executionInfo") if job is not None else None
    return ran is not None and ran.get("schedulingError") is not None


def _counts(handle: JobHandle, counted: Tally, *, over: bool) -> ArrayCounts:
    """Return how far the tasks are; at the end every one that did not succeed counts as failed."""
    failed = counted.failed_indexes
    if over and counted.unsuccessful is not None:
        failed = counted.unsuccessful
    return ArrayCounts(
        size=handle.size,
        succeeded=counted.succeeded,
        failed=handle.size - counted.succeeded if over else counted.failed,
        running=counted.running,
        failed_indexes=failed,
    )


def _failures(
    handle: JobHandle, counted: Tally, job: BatchJob | None, state: JobState | None
) -> tuple[Failure, ...]:
    if state not in (JobState.FAILED, JobState.CANCELLED):
        return ()
    reason = terminate_reason(job)
    found = (task_failure(task, index, handle) for index, task in counted.failed_tasks)
    own = list(
        islice((each for each in found if each.kind is not FailureKind.CANCELLED), MAX_DETAILED_FAILURES)
    )
    if state is JobState.CANCELLED:
        why = f": {reason}" if reason and reason not in ENDED_BY_ITSELF else ""
        ended = ended_failure(FailureKind.CANCELLED, f"it was ended by request{why}", handle, reason=reason)
        return (ended, *own)
    if job is not None and (error := job_failure(job, handle.console_url)):
        return (error, *own)
    if own:
        return tuple(own)
    kind, message = ENDED_BADLY.get(reason or "", (FailureKind.PLATFORM, "the service gives no reason"))
    return (ended_failure(kind, message, handle, reason=reason),)


def _native_state(handle: JobHandle, counted: Tally, job: BatchJob | None) -> str:
    if counted.finished >= handle.size:
        return COMPLETED
    if (said := job_word(job)) not in ("", "active"):
        return said
    if counted.unknown:
        return counted.unknown[0]
    return "running" if counted.running else "preparing" if counted.starting else "active"


def _detail(counted: Tally, job: BatchJob | None) -> str | None:
    if (said := _DETAILS.get(job_word(job))) is not None:
        return said
    if counted.requeues:
        times = "once" if counted.requeues == 1 else f"{counted.requeues} times"
        return f"put back into the queue {times}, since nodes were taken away or the job was disabled"
    return None


def _job_end(job: BatchJob | None) -> pendulum.DateTime | None:
    ran = job.execution_info if job is not None else None
    return moment(ran.end_time) if ran is not None else None
