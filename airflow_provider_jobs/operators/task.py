"""What every task that runs a job does: submit once, defer, and end as the job ended.

Where the job goes is a subclass's business. No vendor package is imported here, and no call to a
service is made while a DAG is parsed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from pendulum import DateTime

from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import JobsError, SubmissionStopped
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobOutcome
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed, cancel_job_now
from airflow_provider_jobs.engine.claims import Claim
from airflow_provider_jobs.engine.clock import utc_now
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import Target, Terms, find_own, submit_to_first, targets_from
from airflow_provider_jobs.engine.verdict import (
    found_no_room,
    is_success,
    only_preempted,
    refusal,
    with_failure,
)
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.exceptions import job_exception, submission_exception
from airflow_provider_jobs.operators.ending import needs_worker
from airflow_provider_jobs.operators.job_arguments import JobArguments
from airflow_provider_jobs.operators.records import TaskStateRecords, task_state_records
from airflow_provider_jobs.operators.starting import start_arguments
from airflow_provider_jobs.operators.submitting import claim_of, submit
from airflow_provider_jobs.triggers.following import ON_KILL_SECONDS, success_xcoms
from airflow_provider_jobs.triggers.job import JobTrigger
from airflow_provider_jobs.triggers.task_log import TaskLog
from airflow_provider_jobs.triggers.task_state import has_ended

# What Airflow resumes a task with whose deferral it has ended itself.
_DEFERRAL_FAILED = "__fail__"


class _Leg(NamedTuple):
    """What a try carries from one worker to the next.

    :param deadline: when ``execution_timeout`` has passed
    :param preemptions: how many jobs of this try were preempted before
    :param in_triggerer: whether the try began in a triggerer, where nothing is recorded
    """

    deadline: DateTime | None = None
    preemptions: int = 0
    in_triggerer: bool = False

    def as_kwargs(self) -> dict[str, Any] | None:
        """Return it as plain arguments of ``execute_complete``."""
        deadline = self.deadline.isoformat() if self.deadline else None
        told = {**self._asdict(), "deadline": deadline}
        return {name: value for name, value in told.items() if value} or None

    @classmethod
    def read(cls, deadline: str | None, preemptions: int, in_triggerer: bool) -> _Leg:
        """Read what :meth:`as_kwargs` wrote."""
        return cls(DateTime.fromisoformat(deadline) if deadline else None, preemptions, in_triggerer)

    def records(self, context: Any) -> TaskStateRecords | None:
        """Return where this try is recorded, if it is."""
        return None if self.in_triggerer else task_state_records(context)


class JobTask(JobArguments):
    """Runs one container job, or one array of them, as a task; its arguments are those of its base.

    The task submits the job once, whatever dies in between, and defers. While it waits, its log shows
    the job's lines. It ends as the job ended; killing it cancels the job.
    """

    # The job that this process has submitted, or ends a task for.
    job_handle: JobHandle | None = None
    _backend: Backend | None = None
    _is_killed = False
    _looks_before_it_leaves = False

    def settle_start(self, fields: Sequence[str]) -> None:
        """Let the task begin in the triggerer, where that is wanted and possible.

        :param fields: the arguments that say what runs and where
        """
        if self.submit_from == "triggerer" and (arguments := start_arguments(self, fields)):
            self.start_trigger_args = arguments
            self.start_from_trigger = True

    def resolve_targets(self) -> list[Target]:
        """Return where the job may go, the first choice first, each with the job as it is submitted there.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        raise NotImplementedError

    # The task

    def execute(self, context: Any) -> Any:
        """Submit the job, or find the one that is there, and wait for it.

        :raises JobFailed: it could not be submitted, or did not succeed; the subclass says why
        """
        deadline = utc_now() + self.execution_timeout if self.execution_timeout else None
        try:
            targets = self.resolve_targets()
        except JobsError as error:
            raise submission_exception(refusal(error), may_fail_at_once=self._may_fail_at_once) from error
        return self._run(context, targets, _Leg(deadline))

    def execute_complete(
        self,
        context: Any,
        event: Mapping[str, Any],
        deadline: str | None = None,
        preemptions: int = 0,
        in_triggerer: bool = False,
    ) -> Any:
        """End the task as the trigger saw the job end, or submit another where that is wanted.

        :param deadline: when ``execution_timeout`` has passed, in ISO 8601
        :param preemptions: how many jobs of this try were preempted before
        :param in_triggerer: whether the try began in a triggerer
        :raises JobFailed: the job did not succeed; the subclass says why
        """
        if "refused" in event:
            refused = Failure.from_json(event["refused"])
            raise submission_exception(refused, may_fail_at_once=self._may_fail_at_once)
        outcome = JobOutcome.from_json(event["outcome"])
        leg = _Leg.read(deadline, preemptions, in_triggerer or bool(event.get("in_triggerer")))
        if leg.in_triggerer and self.execution_timeout and not leg.deadline:
            leg = leg._replace(deadline=outcome.handle.submitted_at + self.execution_timeout)
        return self._after(outcome, context, leg)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """Go on after the deferral; where Airflow itself has ended that, cancel the job first.

        It does so when a trigger breaks, and at ``execution_timeout`` where a task began in the triggerer. No
        trigger is asked then.
        """
        if next_method == _DEFERRAL_FAILED:
            self._cancel_unfollowed(context)
        return super().resume_execution(next_method, next_kwargs, context)

    def _cancel_unfollowed(self, context: Any) -> None:
        """Cancel the job that nobody follows any more."""
        records = None if self.start_from_trigger else task_state_records(context)
        record = records.load() if records else None
        try:
            handle = record.handle if record else self.find_from_triggerer(context["ti"])
        except JobsError as error:
            self.log.warning("The deferral has failed; whether its job still runs is not known: %s", error)
            return
        if handle is not None:
            self._cancel(handle)

    def _run(self, context: Any, targets: Sequence[Target], leg: _Leg) -> Any:
        """Submit to the first target that takes the job, and wait for it there."""
        log = TaskLog()
        self._looks_before_it_leaves = True
        try:
            submission = self._submit(context, targets, leg, log)
            _tell(submission, log)
            # A worker learns late that its task has ended, and a deferral that is refused calls nobody.
            is_over = self.deferrable and has_ended(context["ti"])
        finally:
            self._looks_before_it_leaves = False
        if self._is_killed or is_over:
            self._give_up(submission.handle)
        plan = self.plan_for(submission, since=utc_now(), deadline=leg.deadline, deferred_at=utc_now())
        if not self.deferrable:
            return self._after(asyncio.run(wait_for_job(plan, PollGroups(), log)), context, leg)
        reason = needs_worker(self)
        self.log.debug("Success ends %s", f"on a worker: {reason}" if reason else "in the triggerer")
        self.defer(
            trigger=JobTrigger(
                plan=plan.to_json(),
                ends_success=reason is None,
                pushes_xcom=bool(self.do_xcom_push),
            ),
            method_name="execute_complete",
            kwargs=leg.as_kwargs(),
        )
        return None

    def _submit(self, context: Any, targets: Sequence[Target], leg: _Leg, log: TaskLog) -> Submission:
        self.job_handle = None
        submission = submit(
            targets,
            leg.records(context),
            claim=self._claim(context["ti"], leg),
            terms=self._terms(log, lambda: self._is_killed),
            may_fail_at_once=self._may_fail_at_once,
            open_backend=self._open,
        )
        self.job_handle = submission.handle
        return submission

    def _claim(self, ti: Any, leg: _Leg) -> Claim:
        return claim_of(
            ti,
            has_record=not leg.in_triggerer,
            jobs_per_try=1 + max(0, self.preemption_retries),
            resubmission=leg.preemptions,
        )

    def _terms(self, log: TaskLog, is_stopped: Callable[[], bool]) -> Terms:
        return Terms(
            note=log.note,
            parts=self.retry_failed_only,
            withdraws=self.on_kill_action == "cancel",
            is_stopped=is_stopped,
        )

    # The task in a triggerer

    def submit_from_triggerer(self, ti: Any, *, is_stopped: Callable[[], bool]) -> Submission:
        """Submit the job, or find the one that is there. Blocking.

        :param ti: the task instance, as a triggerer knows it
        :param is_stopped: whether the task was killed meanwhile
        :raises JobsError: it could not be submitted
        """
        log = TaskLog()
        submission = submit_to_first(
            self.resolve_targets(),
            claim=self._claim(ti, _Leg(in_triggerer=True)),
            store=None,
            open_backend=open_backend,
            terms=self._terms(log, is_stopped),
        )
        _tell(submission, log)
        return submission

    def find_from_triggerer(self, ti: Any) -> JobHandle | None:
        """Return the job that this try has submitted from a triggerer, or ``None``. Blocking.

        :raises JobsError: the service does not say
        """
        claim = self._claim(ti, _Leg(in_triggerer=True))
        return find_own(self.resolve_targets(), claim=claim, open_backend=open_backend)

    # The end

    def _after(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        """End the task as the job ended, or go on with another job."""
        self.job_handle = outcome.handle
        if only_preempted(outcome) and leg.preemptions < self.preemption_retries:
            return self._run_again(outcome, context, leg)
        reason = found_no_room(outcome)
        further = targets_from(self.resolve_targets(), outcome.handle.ref)[1:] if reason else []
        if not further:
            return self._finish(outcome, context, leg)
        TaskLog().note(
            f"Job {outcome.handle.name}: {reason}; {further[0].ref.backend} is tried", warning=True
        )
        return self._run(context, further, leg)

    def _run_again(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        """Submit what a preemption has left, within the same try."""
        count = leg.preemptions + 1
        TaskLog().note(
            f"Job {outcome.handle.name} was preempted; it is submitted again"
            f" ({count} of {self.preemption_retries} preemption_retries)",
            warning=True,
        )
        if records := leg.records(context):
            records.mark_ended(outcome)
        targets = self.resolve_targets()
        return self._run(
            context, targets_from(targets, outcome.handle.ref) or targets, leg._replace(preemptions=count)
        )

    def on_kill(self) -> None:
        """Cancel the job that this worker has submitted.

        A submission that is under way stops before it sends, and what it has sent is cancelled right after.
        Airflow calls this in the middle of whatever the worker does, which may be a call to the supervisor
        that holds up every other. So nothing of the supervisor is needed: the backend that has submitted is
        there already.
        """
        self._is_killed = True
        if self.job_handle is not None and not self._looks_before_it_leaves:
            self._cancel(self.job_handle)

    def _open(self, ref: BackendRef) -> Backend:
        self._backend = open_backend(ref)
        return self._backend

    def _give_up(self, handle: JobHandle) -> NoReturn:
        """End a task that was killed while its job was submitted, with the job."""
        self._cancel(handle)
        failure = refusal(SubmissionStopped("the task was killed"))
        raise submission_exception(failure, may_fail_at_once=False)

    def _cancel(self, handle: JobHandle) -> None:
        if self.on_kill_action == "leave":
            return
        self.log.info("The task was killed; cancelling job %s", handle.native_id)
        try:
            cancel_job_now(
                lambda ref: self._backend or open_backend(ref),
                handle,
                "killed in Airflow",
                within_seconds=ON_KILL_SECONDS,
            )
        except CancelNotConfirmed as error:
            self.log.warning("%s", error)

    @property
    def _may_fail_at_once(self) -> bool:
        """Whether a failure that a retry cannot mend may skip the retries; else the retry policy says."""
        return getattr(self, "retry_policy", None) is None

    def _finish(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        success = is_success(outcome, self.fail_when)  # type: ignore[arg-type]
        if not success:
            outcome = with_failure(outcome)
        xcoms = success_xcoms(outcome)
        if self.do_xcom_push:
            context["ti"].xcom_push(key="job", value=xcoms["job"])
        if success:
            return xcoms.get("return_value")
        if records := leg.records(context):
            records.count_failure(outcome.failures[0].kind)
            if outcome.state.is_terminal:
                records.mark_ended(outcome)
        raise job_exception(outcome, may_fail_at_once=self._may_fail_at_once)

    def plan_for(
        self,
        submission: Submission,
        *,
        since: DateTime,
        deadline: DateTime | None = None,
        deferred_at: DateTime | None = None,
    ) -> WaitPlan:
        """Return how the job is waited for.

        :param since: from when on times count
        :param deadline: when ``execution_timeout`` has passed; counted from ``since`` if not given
        :param deferred_at: when a worker deferred the task, ``None`` where none did
        """
        shown = self.log_indexes if isinstance(self.log_indexes, str) else tuple(self.log_indexes)
        if deadline is None and self.execution_timeout:
            deadline = since + self.execution_timeout
        values = {
            "handle": submission.handle,
            "attempts": submission.attempt,
            "array_size": submission.array_size,
            "earlier_outputs": submission.earlier_outputs or {},
            "deferred_at": deferred_at,
            "execution_deadline": deadline,
            "queue_deadline": since + self.queue_timeout if self.queue_timeout else None,
            "log_indexes": shown if self.stream_logs else "none",
            "log_tail": self.log_tail_on_failure,
            "poll_seconds": self.poll_interval,
            "explain_after_seconds": self.explain_after.total_seconds(),
            "on_kill": self.on_kill_action,
            "delete_after": self.delete_after,
            "fail_when": self.fail_when,
        }
        return build_model(WaitPlan, values)


def _tell(submission: Submission, log: TaskLog) -> None:
    """Say in the task's log which job there is, and why it was or was not taken over."""
    handle = submission.handle
    for sentence in submission.notes:
        log.note(sentence)
    log.note(f"Job {handle.native_id} {'is followed' if submission.adopted else 'was submitted'}")
    if handle.console_url:
        log.note(f"Console: {handle.console_url}")
