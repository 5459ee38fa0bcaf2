"""One task in one process: its job is submitted once, waited for or deferred, and the task ends like it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pendulum import DateTime

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import JobsError, SubmissionStopped
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobOutcome
from airflow_provider_jobs.core.moments import in_utc
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed, cancel_job_now
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.clock import utc_now
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import targets_from
from airflow_provider_jobs.engine.verdict import (
    found_no_room,
    is_success,
    only_preempted,
    refusal,
    with_failure,
)
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.exceptions import job_exception, submission_exception
from airflow_provider_jobs.operators.collecting import OutputMissing, collect
from airflow_provider_jobs.operators.ending import needs_worker, wakes_from
from airflow_provider_jobs.operators.records import TaskStateRecords, task_state_records
from airflow_provider_jobs.operators.staging import at_place, stage
from airflow_provider_jobs.operators.starting import why_from_worker
from airflow_provider_jobs.operators.submitting import (
    HeardOnWorker,
    begun,
    claim_of,
    find_from_triggerer,
    plan_for,
    submit,
    tell,
    terms_of,
)
from airflow_provider_jobs.triggers.following import ON_KILL_SECONDS
from airflow_provider_jobs.triggers.job import JobTrigger
from airflow_provider_jobs.triggers.results import ResultTooLarge, kept, success_xcoms
from airflow_provider_jobs.triggers.task_log import TaskLog
from airflow_provider_jobs.triggers.task_state import has_ended

if TYPE_CHECKING:
    from airflow_provider_jobs.operators.task import JobTask

log = logging.getLogger(__name__)


class _Leg(NamedTuple):
    """What a try carries from one worker to the next.

    :param deadline: when ``execution_timeout`` has passed
    :param preemptions: how many jobs of this try were preempted before
    :param in_triggerer: whether the try began in a triggerer, where nothing is recorded
    :param place: where the job's files lie, empty where it has none
    """

    deadline: DateTime | None = None
    preemptions: int = 0
    in_triggerer: bool = False
    place: str = ""

    def as_kwargs(self) -> dict[str, Any] | None:
        """Return it as plain arguments of ``execute_complete``."""
        deadline = self.deadline.isoformat() if self.deadline else None
        told = {**self._asdict(), "deadline": deadline}
        return {name: value for name, value in told.items() if value} or None

    def records(self, context: Any) -> TaskStateRecords | None:
        """Return where this try is recorded, if it is."""
        return None if self.in_triggerer else task_state_records(context)


class TaskRun:
    """What a task does in the process that runs it.

    :param task: says what to run and where, and how to wait
    """

    def __init__(self, task: JobTask) -> None:
        self._task = task
        self._backend: Backend | None = None
        self._began = utc_now()
        self._looks_before_it_leaves = False

    def begin(self, context: Any) -> Any:
        """Submit the job, or find the one that is there, and wait for it.

        :raises JobFailed: it could not be submitted, or did not succeed; the subclass says why
        """
        task, self._began = self._task, in_utc(context["ti"].start_date)
        deadline = utc_now() + task.execution_timeout if task.execution_timeout else None
        if task.submit_from == "triggerer":
            TaskLog().note(why_from_worker(task, context["ti"]))
        targets, leg = self._resolve(context, _Leg(deadline))
        return self._go(context, targets, leg)

    def complete(
        self,
        context: Any,
        event: Mapping[str, Any],
        *,
        deadline: str | None,
        preemptions: int,
        in_triggerer: bool,
        place: str,
    ) -> Any:
        """End the task as the trigger saw the job end, or submit another where that is wanted.

        :raises JobFailed: the job did not succeed; the subclass says why
        """
        if "refused" in event:
            refused = Failure.from_json(event["refused"])
            raise submission_exception(refused, may_fail_at_once=self._may_fail_at_once)
        outcome = JobOutcome.from_json(event["outcome"])
        leg = _Leg(
            DateTime.fromisoformat(deadline) if deadline else None,
            preemptions,
            in_triggerer or bool(event.get("in_triggerer")),
            place,
        )
        if leg.in_triggerer and self._task.execution_timeout and not leg.deadline:
            leg = leg._replace(deadline=outcome.handle.submitted_at + self._task.execution_timeout)
        for each in outcome.events:
            self._call("on_job_event", context, each.model_dump(mode="json"))
        return self._after(outcome, context, leg)

    def cancel_unfollowed(self, context: Any) -> None:
        """Cancel the job that nobody follows any more."""
        records = None if self._task.start_from_trigger else task_state_records(context)
        record = records.load() if records else None
        try:
            handle = record.handle if record else find_from_triggerer(self._task, context["ti"])
        except JobsError as error:
            log.warning("The deferral has failed; whether its job still runs is not known: %s", error)
            return
        if handle is not None:
            self._cancel(handle)

    def kill(self) -> None:
        """Cancel the job, unless it is looked at right after whether the task was killed.

        This comes in the middle of a call to the supervisor, maybe, which holds up every other. So nothing
        of the supervisor is needed: the backend that has submitted is there already.
        """
        if self._task.job_handle is not None and not self._looks_before_it_leaves:
            self._cancel(self._task.job_handle)

    # The job

    def _resolve(self, context: Any, leg: _Leg) -> tuple[list[Target], _Leg]:
        """Return where the job may go, with its files brought there.

        :raises JobFailed: an argument is refused
        """
        task = self._task
        try:
            targets = task.resolve_targets()
            if leg.place:  # this try has brought them; the worker that did may be another
                return at_place(task, context["ti"], targets, leg.place), leg
            claim = self._claim(context, leg)
            staged = stage(task, context["ti"], targets, generation=claim.generation)
        except JobsError as error:
            raise submission_exception(refusal(error), may_fail_at_once=self._may_fail_at_once) from error
        if staged.place:
            TaskLog().note(f"The job's files are below {staged.address}")
        return staged.targets, leg._replace(place=staged.place)

    def _claim(self, context: Any, leg: _Leg) -> Claim:
        return claim_of(
            self._task, context["ti"], has_record=not leg.in_triggerer, resubmission=leg.preemptions
        )

    def _go(self, context: Any, targets: Sequence[Target], leg: _Leg) -> Any:
        """Submit to the first target that takes the job, and wait for it there."""
        task, task_log = self._task, TaskLog()
        self._looks_before_it_leaves = True
        try:
            submission = self._submit(context, targets, leg, task_log)
            tell(submission, task_log)
            # A worker learns late that its task has ended, and a deferral that is refused calls nobody.
            is_over = task.deferrable and has_ended(context["ti"])
        finally:
            self._looks_before_it_leaves = False
        if task.is_killed or is_over:
            self._give_up(submission.handle)
        self._call("on_job_start", context, begun(submission))
        plan = plan_for(
            task,
            submission,
            since=utc_now(),
            deadline=leg.deadline,
            wakes_from=wakes_from(self._began, utc_now()),
        )
        if not task.deferrable:
            listener = HeardOnWorker(
                context["ti"] if task.do_xcom_push else None,
                lambda event: self._call("on_job_event", context, event),
            )
            return self._after(asyncio.run(wait_for_job(plan, PollGroups(), listener)), context, leg)
        reason = needs_worker(task)
        log.debug("Success ends %s", f"on a worker: {reason}" if reason else "in the triggerer")
        task.defer(
            trigger=JobTrigger(
                plan=plan.to_json(),
                ends_success=reason is None,
                pushes_xcom=bool(task.do_xcom_push),
                named_secrets=list(task.named_secrets),
            ),
            method_name="execute_complete",
            kwargs=leg.as_kwargs(),
        )
        return None

    def _submit(self, context: Any, targets: Sequence[Target], leg: _Leg, task_log: TaskLog) -> Submission:
        task = self._task
        task.job_handle = None
        submission = submit(
            targets,
            leg.records(context),
            claim=self._claim(context, leg),
            terms=terms_of(task, note=task_log.note, is_stopped=lambda: task.is_killed),
            may_fail_at_once=self._may_fail_at_once,
            open_backend=self._open,
        )
        task.job_handle = submission.handle
        return submission

    def _open(self, ref: BackendRef) -> Backend:
        self._backend = open_backend(ref)
        return self._backend

    # The end

    def _after(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        """End the task as the job ended, or go on with another job."""
        self._task.job_handle = outcome.handle
        if only_preempted(outcome) and leg.preemptions < self._task.preemption_retries:
            return self._go_again(outcome, context, leg)
        reason = found_no_room(outcome)
        targets, leg = self._resolve(context, leg) if reason else ([], leg)
        further = targets_from(targets, outcome.handle.ref)[1:]
        if not further:
            return self._finish(outcome, context, leg)
        TaskLog().note(
            f"Job {outcome.handle.name}: {reason}; {further[0].ref.backend} is tried", warning=True
        )
        return self._go(context, further, leg)

    def _go_again(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        """Submit what a preemption has left, within the same try."""
        count = leg.preemptions + 1
        TaskLog().note(
            f"Job {outcome.handle.name} was preempted; it is submitted again"
            f" ({count} of {self._task.preemption_retries} preemption_retries)",
            warning=True,
        )
        if records := leg.records(context):
            records.mark_ended(outcome)
        targets, leg = self._resolve(context, leg)
        return self._go(
            context, targets_from(targets, outcome.handle.ref) or targets, leg._replace(preemptions=count)
        )

    def _finish(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        success = is_success(outcome, self._task.fail_when)  # type: ignore[arg-type]
        output_files: dict[str, Any] | None = None
        if success and self._task.output_files:
            try:
                output_files = kept(
                    collect(self._task, context["ti"], leg.place, outcome.array),
                    context["ti"],
                    "output_files.json",
                )
            except OutputMissing as error:
                success = False
                failure = Failure(kind=FailureKind.USER_CODE, retryable=True, message=str(error))
                outcome = outcome.model_copy(update={"failures": (failure,)})
        if not success:
            outcome = with_failure(outcome)
        told = outcome.summary().model_copy(update={"output_files": output_files})
        summary = told.model_dump(mode="json")
        if self._task.do_xcom_push:
            context["ti"].xcom_push(key="job", value=summary)
        self._call("on_job_end", context, summary)
        if success:
            return self._result(outcome, context["ti"])
        if records := leg.records(context):
            records.count_failure(outcome.failures[0].kind)
            if outcome.state.is_terminal:
                records.mark_ended(outcome)
        raise job_exception(outcome, may_fail_at_once=self._may_fail_at_once)

    def _result(self, outcome: JobOutcome, ti: Any) -> Any:
        if not self._task.do_xcom_push:
            return None
        try:
            return success_xcoms(outcome, ti).get("return_value")
        except ResultTooLarge as error:
            failure = Failure(kind=FailureKind.CONFIG, retryable=False, message=str(error))
            told = outcome.model_copy(update={"failures": (failure,)})
            raise job_exception(told, may_fail_at_once=self._may_fail_at_once) from error

    def _call(self, name: str, context: Any, told: dict[str, Any]) -> None:
        """Call a function of the user's, if there is one; like a callback's, its errors fail no task."""
        if (call := getattr(self._task, name)) is not None:
            try:
                call(context, told)
            except Exception:
                log.exception("%s has failed", name)

    def _give_up(self, handle: JobHandle) -> NoReturn:
        """End a task that was killed while its job was submitted, with the job."""
        self._cancel(handle)
        failure = refusal(SubmissionStopped("the task was killed"))
        raise submission_exception(failure, may_fail_at_once=False)

    def _cancel(self, handle: JobHandle) -> None:
        if self._task.on_kill_action == "leave":
            return
        log.info("The task was killed; cancelling job %s", handle.native_id)
        try:
            cancel_job_now(
                lambda ref: self._backend or open_backend(ref),
                handle,
                "killed in Airflow",
                within_seconds=ON_KILL_SECONDS,
            )
        except CancelNotConfirmed as error:
            log.warning("%s", error)

    @property
    def _may_fail_at_once(self) -> bool:
        """Whether a failure that a retry cannot mend may skip the retries; else the retry policy says."""
        return getattr(self._task, "retry_policy", None) is None
