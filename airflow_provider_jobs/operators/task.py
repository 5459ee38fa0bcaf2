"""What every task that runs a job does: submit once, defer, and end as the job ended.

Where the job goes is a subclass's business. No vendor package is imported here, and no call to a
service is made while a DAG is parsed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, NoReturn

from airflow.providers.common.compat.sdk import BaseOperator
from pendulum import DateTime

from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument, JobsError, SubmissionStopped
from airflow_provider_jobs.core.models import JobHandle, JobOutcome
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed, cancel_job_now
from airflow_provider_jobs.engine.clock import utc_now
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.plan import EXPLAIN_AFTER_SECONDS, WaitPlan
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.targets import Target, Terms, targets_from
from airflow_provider_jobs.engine.verdict import (
    check_fail_when,
    found_no_room,
    is_success,
    only_preempted,
    refusal,
    with_failure,
)
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.exceptions import job_exception, submission_exception
from airflow_provider_jobs.operators.arguments import SPEC_FIELDS
from airflow_provider_jobs.operators.ending import default_deferrable, needs_worker
from airflow_provider_jobs.operators.links import ConsoleLink, LogsLink
from airflow_provider_jobs.operators.records import task_state_records
from airflow_provider_jobs.operators.submitting import claim_of, submit
from airflow_provider_jobs.triggers.job import ON_KILL_SECONDS, JobTrigger, success_xcoms
from airflow_provider_jobs.triggers.task_log import TaskLog
from airflow_provider_jobs.triggers.task_state import has_ended

_CHOICES = {
    "on_kill": ("cancel", "leave"),
    "delete_after": ("never", "success", "always"),
    "log_indexes": ("all", "failed"),
}


class _Leg(NamedTuple):
    """What a try carries from one worker to the next.

    :param deadline: when ``execution_timeout`` has passed
    :param preemptions: how many jobs of this try were preempted before
    """

    deadline: DateTime | None = None
    preemptions: int = 0

    def as_kwargs(self) -> dict[str, Any] | None:
        """Return it as plain arguments of ``execute_complete``."""
        deadline = self.deadline.isoformat() if self.deadline else None
        told = {"deadline": deadline, "preemptions": self.preemptions}
        return {name: value for name, value in told.items() if value} or None


class JobTask(BaseOperator):
    """Runs one container job, or one array of them, as a task.

    The task submits the job once, whatever dies in between, and defers. While it waits, its log shows
    the job's lines. It ends as the job ended; killing it cancels the job.

    :param image: the container image
    :param command: the words to run in it
    :param script: a shell text to run in it, instead of ``command``
    :param env: plain variables
    :param secrets: name of a variable to a reference to a secret, in the vendor's form
    :param input: any JSON, arrives as ``JOB_INPUT``
    :param inputs: one JSON value per index, arrives as that index's ``JOB_INPUT``
    :param cpu: processors of one index, 2 or 0.5
    :param memory: memory of one index, ``"4Gi"`` or ``"512Mi"``
    :param gpu: accelerators of one index, a count or ``{"type": ..., "count": ...}``
    :param array_size: how many indexes the job has
    :param parallelism: how many of them run at once
    :param max_run_seconds: the limit that the service enforces per index; ``execution_timeout`` if not given
    :param queue_timeout: how long the job may take to start
    :param spot: whether cheaper machines that can be taken away may be used
    :param labels: labels of the remote job, beside ours
    :param prelude: whether a few lines of shell may stand in front of the command, which set
        ``JOB_INDEX``, ``JOB_ATTEMPT`` and ``JOB_INPUT``; switch it off for an image without a shell
    :param native: deep-merged last into the vendor's request
    :param deferrable: wait in the triggerer instead of in a worker
    :param poll_interval: seconds between two looks at the job; adapts to its age if not given
    :param stream_logs: show the job's lines in the task's log as they come
    :param log_indexes: whose lines to show: ``"all"``, ``"failed"`` or a list
    :param log_tail_on_failure: how many last lines of a failed index stand in the exception
    :param on_kill: ``"cancel"`` or ``"leave"`` the job when the task is killed or times out
    :param delete_after: remove the remote record: ``"never"``, after ``"success"``, ``"always"``
    :param fail_when: fail on ``"any"`` failed index, when ``"all"`` failed, or from a fraction of them on
    :param retry_failed_only: a retry of an array submits only the indexes that have not succeeded
    :param index_map: the image reads ``JOB_INDEX_MAP``, so that ``retry_failed_only`` holds also where no
        prelude can stand in front of its command
    :param preemption_retries: how often a job whose machine was taken away is submitted again within one try
    :param explain_after: how long a job may wait before the log says why
    """

    template_fields: Sequence[str] = SPEC_FIELDS
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "env": "json",
        "command": "json",
        "script": "bash",
        "input": "json",
        "inputs": "json",
        "native": "json",
    }
    operator_extra_links = (ConsoleLink(), LogsLink())
    ui_color = "#e6f0fa"

    def __init__(  # noqa: PLR0913 - the words all five services share
        self,
        *,
        image: str | None = None,
        command: Sequence[str] | None = None,
        script: str | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        input: Any = None,  # noqa: A002 - the public name
        inputs: Sequence[Any] | None = None,
        cpu: float | None = None,
        memory: str | None = None,
        gpu: int | Mapping[str, Any] | None = None,
        array_size: int = 1,
        parallelism: int | None = None,
        max_run_seconds: int | None = None,
        queue_timeout: timedelta | None = None,
        spot: bool = False,
        labels: Mapping[str, str] | None = None,
        prelude: bool = True,
        native: Mapping[str, Any] | None = None,
        deferrable: bool | None = None,
        poll_interval: float | None = None,
        stream_logs: bool = True,
        log_indexes: str | Sequence[int] = "all",
        log_tail_on_failure: int = 20,
        on_kill: str = "cancel",
        delete_after: str = "never",
        fail_when: str | float = "any",
        retry_failed_only: bool = True,
        index_map: bool = False,
        preemption_retries: int = 0,
        explain_after: timedelta = timedelta(seconds=EXPLAIN_AFTER_SECONDS),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image = image
        self.command = command
        self.script = script
        self.env = env or {}
        self.secrets = secrets or {}
        self.input = input
        self.inputs = inputs
        self.cpu = cpu
        self.memory = memory
        self.gpu = gpu
        self.array_size = array_size
        self.parallelism = parallelism
        self.max_run_seconds = max_run_seconds
        self.queue_timeout = queue_timeout
        self.spot = spot
        self.labels = labels or {}
        self.prelude = prelude
        self.native = native or {}
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.poll_interval = poll_interval
        self.stream_logs = stream_logs
        self.log_indexes = log_indexes
        self.log_tail_on_failure = log_tail_on_failure
        self.on_kill_action = on_kill
        self.delete_after = delete_after
        self.fail_when = fail_when
        self.retry_failed_only = retry_failed_only
        self.index_map = index_map
        self.preemption_retries = preemption_retries
        self.explain_after = explain_after
        self.job_handle: JobHandle | None = None
        self._is_killed = False

    def resolve_targets(self) -> list[Target]:
        """Return where the job may go, the first choice first, each with the job as it is submitted there.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        raise NotImplementedError

    def check_choices(self) -> None:
        """Check at DAG parse the arguments that no service sees.

        :raises InvalidArgument: names the argument, the value and the remedy
        """
        written = {
            "on_kill": self.on_kill_action,
            "delete_after": self.delete_after,
            "log_indexes": self.log_indexes if isinstance(self.log_indexes, str) else "all",
        }
        for name, value in written.items():
            if value not in _CHOICES[name]:
                choices = ", ".join(map(repr, _CHOICES[name]))
                raise InvalidArgument(name, f"{value!r} is refused", remedy=f"Write one of {choices}")
        check_fail_when(self.fail_when)
        retries = self.preemption_retries
        if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
            raise InvalidArgument(
                "preemption_retries", f"{retries!r} is refused", remedy="Write how many, 0 for none"
            )
        if self.poll_interval is not None and not self.poll_interval > 0:
            raise InvalidArgument(
                "poll_interval", f"{self.poll_interval!r} is refused", remedy="Write seconds above 0"
            )

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
        self, context: Any, event: Mapping[str, Any], deadline: str | None = None, preemptions: int = 0
    ) -> Any:
        """End the task as the trigger saw the job end, or submit another where that is wanted.

        :param deadline: when ``execution_timeout`` has passed, in ISO 8601
        :param preemptions: how many jobs of this try were preempted before
        :raises JobFailed: the job did not succeed; the subclass says why
        """
        outcome = JobOutcome.from_json(event["outcome"])
        until = DateTime.fromisoformat(deadline) if deadline else None
        return self._after(outcome, context, _Leg(until, preemptions))

    def _run(self, context: Any, targets: Sequence[Target], leg: _Leg) -> Any:
        """Submit to the first target that takes the job, and wait for it there."""
        log = TaskLog()
        submission = self._submit(context, targets, leg, log)
        handle = submission.handle
        for sentence in submission.notes:
            log.note(sentence)
        log.note(f"Job {handle.native_id} {'is followed' if submission.adopted else 'was submitted'}")
        if handle.console_url:
            log.note(f"Console: {handle.console_url}")
        plan = self._plan(submission, deadline=leg.deadline)
        if not self.deferrable:
            return self._after(asyncio.run(wait_for_job(plan, PollGroups(), log)), context, leg)
        reason = needs_worker(self)
        self.log.debug("Success ends %s", f"on a worker: {reason}" if reason else "in the triggerer")
        # A worker learns seconds late that its task has ended, and a deferral that is refused calls nobody.
        if self._is_killed or has_ended(context["ti"]):
            self._give_up(handle)
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
            context,
            claim=claim_of(
                context, resubmission=leg.preemptions, jobs_per_try=1 + max(0, self.preemption_retries)
            ),
            terms=Terms(
                note=log.note,
                parts=self.retry_failed_only,
                withdraws=self.on_kill_action == "cancel",
                is_stopped=lambda: self._is_killed,
            ),
            may_fail_at_once=self._may_fail_at_once,
        )
        self.job_handle = submission.handle
        if self._is_killed:
            self._give_up(submission.handle)
        return submission

    def _after(self, outcome: JobOutcome, context: Any, leg: _Leg) -> Any:
        """End the task as the job ended, or go on with another job."""
        self.job_handle = outcome.handle
        if only_preempted(outcome) and leg.preemptions < self.preemption_retries:
            return self._run_again(outcome, context, leg)
        reason = found_no_room(outcome)
        further = targets_from(self.resolve_targets(), outcome.handle.ref)[1:] if reason else []
        if not further:
            return self._finish(outcome, context)
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
        if records := task_state_records(context):
            records.mark_ended(outcome)
        targets = self.resolve_targets()
        return self._run(
            context, targets_from(targets, outcome.handle.ref) or targets, leg._replace(preemptions=count)
        )

    def on_kill(self) -> None:
        """Cancel the job that this worker has submitted.

        A submission that is under way stops before it sends, or cancels what it has sent.
        """
        self._is_killed = True
        if self.job_handle is not None:
            self._cancel(self.job_handle)

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
            cancel_job_now(open_backend, handle, "killed in Airflow", within_seconds=ON_KILL_SECONDS)
        except CancelNotConfirmed as error:
            self.log.warning("%s", error)

    @property
    def _may_fail_at_once(self) -> bool:
        """Whether a failure that a retry cannot mend may skip the retries; else the retry policy says."""
        return getattr(self, "retry_policy", None) is None

    def _finish(self, outcome: JobOutcome, context: Any) -> Any:
        success = is_success(outcome, self.fail_when)  # type: ignore[arg-type]
        if not success:
            outcome = with_failure(outcome)
        xcoms = success_xcoms(outcome)
        if self.do_xcom_push:
            context["ti"].xcom_push(key="job", value=xcoms["job"])
        if success:
            return xcoms.get("return_value")
        if records := task_state_records(context):
            records.count_failure(outcome.failures[0].kind)
            if outcome.state.is_terminal:
                records.mark_ended(outcome)
        raise job_exception(outcome, may_fail_at_once=self._may_fail_at_once)

    def _plan(self, submission: Submission, *, deadline: DateTime | None) -> WaitPlan:
        start = utc_now()
        shown = self.log_indexes if isinstance(self.log_indexes, str) else tuple(self.log_indexes)
        values = {
            "handle": submission.handle,
            "attempts": submission.attempt,
            "array_size": submission.array_size,
            "earlier_outputs": submission.earlier_outputs or {},
            "deferred_at": start,
            "execution_deadline": deadline,
            "queue_deadline": start + self.queue_timeout if self.queue_timeout else None,
            "log_indexes": shown if self.stream_logs else "none",
            "log_tail": self.log_tail_on_failure,
            "poll_seconds": self.poll_interval,
            "explain_after_seconds": self.explain_after.total_seconds(),
            "on_kill": self.on_kill_action,
            "delete_after": self.delete_after,
            "fail_when": self.fail_when,
        }
        return build_model(WaitPlan, values)
