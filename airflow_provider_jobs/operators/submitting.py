"""From a task instance to its job: who submits, and what it means for the task when a service refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf
from pendulum import DateTime

from airflow_provider_jobs.core.arguments import build_model, memory_mib
from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import ArrayCounts, JobEvent, JobHandle, JobOutcome
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.engine.calls import OpenBackend
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.clients import SharedBackends
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import Terms, find_own, submit_to_first
from airflow_provider_jobs.engine.verdict import refusal
from airflow_provider_jobs.exceptions import submission_exception
from airflow_provider_jobs.operators.records import TaskStateRecords
from airflow_provider_jobs.operators.staging import stage
from airflow_provider_jobs.triggers.progress_log import ProgressLog
from airflow_provider_jobs.triggers.task_log import TaskLog

if TYPE_CHECKING:
    from airflow_provider_jobs.operators.task import JobTask

# A triggerer does not know when a task was cleared; on_kill has cancelled what ran before.
_ANY_GENERATION = 0


def claim_of(task: JobTask, ti: Any, *, has_record: bool, resubmission: int = 0) -> Claim:
    """Return who submits: this try of this task instance.

    :param has_record: whether this try is submitted from a worker, which knows when the task was cleared
    :param resubmission: how many jobs of this try were preempted before
    """
    key = JobKey(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        deployment=conf.get("airflow_provider_jobs", "deployment", fallback=""),
    )
    # Clearing a task raises its max_tries, a retry does not. Every try has an id of its own.
    return Claim(
        key=key,
        try_number=ti.try_number,
        generation=ti.max_tries if has_record else _ANY_GENERATION,
        try_id=str(ti.id),
        resubmission=resubmission,
        jobs_per_try=1 + max(0, task.preemption_retries),
    )


def terms_of(task: JobTask, *, note: Callable[..., None], is_stopped: Callable[[], bool]) -> Terms:
    """Return on what terms a task submits.

    :param note: writes a sentence into the task's log
    :param is_stopped: whether the task was killed meanwhile
    """
    return Terms(
        note=note,
        parts=task.retry_failed_only,
        withdraws=task.on_kill_action == "cancel",
        is_stopped=is_stopped,
    )


def submit(
    targets: Sequence[Target],
    records: TaskStateRecords | None,
    *,
    claim: Claim,
    terms: Terms,
    may_fail_at_once: bool,
    open_backend: OpenBackend,
) -> Submission:
    """Return the job at the first target that takes it.

    :param may_fail_at_once: whether a refusal that a retry cannot mend may skip the task's retries
    :raises JobFailed: the service refuses it, or was in trouble for longer than the bound
    """
    try:
        return submit_to_first(targets, claim=claim, store=records, open_backend=open_backend, terms=terms)
    except JobsError as error:
        failure = refusal(error)
        if records:
            records.count_failure(failure.kind)
        raise submission_exception(failure, may_fail_at_once=may_fail_at_once) from error


def submit_from_triggerer(
    task: JobTask, ti: Any, *, backends: SharedBackends, is_stopped: Callable[[], bool]
) -> Submission:
    """Submit the job of a task with no worker, or find the one that is there. Blocking.

    :param ti: the task instance, as a triggerer knows it
    :param backends: what is submitted through
    :param is_stopped: whether the task was killed meanwhile
    :raises JobsError: it could not be submitted
    """
    log = TaskLog()
    claim = claim_of(task, ti, has_record=False)
    staged = stage(task, ti, task.resolve_targets(), generation=claim.generation)
    if staged.place:
        log.note(f"The job's files are below {staged.address}")
    submission = submit_to_first(
        staged.targets,
        claim=claim,
        store=None,
        open_backend=backends.open,
        reopen=backends.reopen,
        terms=terms_of(task, note=log.note, is_stopped=is_stopped),
    )
    tell(submission, log)
    return submission


def find_from_triggerer(task: JobTask, ti: Any) -> JobHandle | None:
    """Return the job that this try has submitted from a triggerer, or ``None``. Blocking.

    :raises JobsError: the service does not say
    """
    claim = claim_of(task, ti, has_record=False)
    return find_own(task.resolve_targets(), claim=claim, open_backend=open_backend)


def plan_for(
    task: JobTask,
    submission: Submission,
    *,
    since: DateTime,
    deadline: DateTime | None = None,
    wakes_from: DateTime | None = None,
) -> WaitPlan:
    """Return how the job of a task is waited for.

    :param since: from when on times count
    :param deadline: when ``execution_timeout`` has passed; counted from ``since`` if not given
    :param wakes_from: before it no event wakes a worker, ``None`` where none has deferred the task
    """
    shown = task.log_indexes if isinstance(task.log_indexes, str) else tuple(task.log_indexes)
    if deadline is None and task.execution_timeout:
        deadline = since + task.execution_timeout
    values = {
        "handle": submission.handle,
        "attempts": submission.attempt,
        "array_size": submission.array_size,
        "earlier_outputs": submission.earlier_outputs or {},
        "wakes_from": wakes_from,
        "execution_deadline": deadline,
        "queue_deadline": since + task.queue_timeout if task.queue_timeout else None,
        "log_indexes": shown if task.stream_logs else "none",
        "log_tail": task.log_tail_on_failure,
        "log_max_bytes": task.log_max_bytes,
        "wants_outputs": bool(task.do_xcom_push or task.on_job_event),
        "poll_seconds": task.poll_interval,
        "explain_after_seconds": task.explain_after.total_seconds(),
        "on_kill": task.on_kill_action,
        "vcpus": task.cpu,
        "memory_mib": memory_mib(task.memory) if task.memory else None,
        "parallelism": task.parallelism,
        "delete_after": task.delete_after,
        "fail_when": task.fail_when,
    }
    return build_model(WaitPlan, values)


def tell(submission: Submission, log: TaskLog) -> None:
    """Say in the task's log which job there is, and why it was or was not taken over."""
    handle = submission.handle
    for sentence in submission.notes:
        log.note(sentence)
    log.note(f"Job {handle.native_id} {'is followed' if submission.adopted else 'was submitted'}")
    if handle.console_url:
        log.note(f"Console: {handle.console_url}")


def begun(submission: Submission) -> dict[str, Any]:
    """Return the record of a job that has not ended, as far as it is known."""
    outcome = JobOutcome(
        handle=submission.handle,
        state=JobState.SUBMITTED,
        array=ArrayCounts(size=submission.array_size),
        attempts=submission.attempt,
    )
    return outcome.summary().model_dump(mode="json")


class HeardOnWorker(ProgressLog):
    """The task's log where a worker waits itself, which can hand on events as they come.

    :param ti: the task instance, ``None`` where its progress goes to the log alone
    :param told: is given each event as a dict
    """

    __slots__ = ("_told",)

    def __init__(self, ti: Any, told: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(ti)
        self._told = told

    def event(self, event: JobEvent) -> None:
        """Show an event of the job and hand it on."""
        super().event(event)
        self._told(event.model_dump(mode="json"))
