"""Wait for one job: the same code in a trigger and in a worker that does not defer.

It ends when the job has ended and its log is read, or when a deadline has passed and the job is
cancelled. It never cancels because the process is asked to go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pendulum

from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import JobsError, PermanentError, is_trouble
from airflow_provider_jobs.core.explanations import is_same_reason
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.models import ArrayCounts, JobOutcome, JobReport, LogLine
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.core.ranges import format_indexes
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed, cancel_job
from airflow_provider_jobs.engine.clock import Now
from airflow_provider_jobs.engine.group import PollGroup, PollGroups
from airflow_provider_jobs.engine.leftover import merged
from airflow_provider_jobs.engine.listening import Listener
from airflow_provider_jobs.engine.members import PORTION, LogRead, LogTrouble, Member, ServiceTrouble, Update
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.story import JobStory
from airflow_provider_jobs.engine.verdict import is_success, unreachable
from airflow_provider_jobs.engine.watch import JobWatch

Deadline = Literal["execution_timeout", "queue_timeout"]
_EXPLAIN_EVERY_SECONDS = 60.0
# A read of very much, or one that a quota holds up, may take minutes.
_SLOW_READ_FACTOR = 10
_DELETE_TRIES = 5
_DELETE_PAUSE_SECONDS = 3.0


async def wait_for_job(plan: WaitPlan, groups: PollGroups, listener: Listener) -> JobOutcome:
    """Return how the job ended; a job that cannot be followed any longer is an outcome too."""
    group = groups.lend(plan.handle.ref)
    member = group.join(plan.handle, wants_logs=plan.log_indexes != "none", base_seconds=plan.poll_seconds)
    try:
        return await _Wait(plan, group, member, listener, groups.now).outcome()
    finally:
        group.leave(member)
        groups.give_back(plan.handle.ref)


@dataclass(slots=True)
class _Wait:
    plan: WaitPlan
    group: PollGroup
    member: Member
    listener: Listener
    now: Now
    watch: JobWatch = field(init=False)
    story: JobStory = field(init=False)
    # Once the reason for waiting was asked for; until then it follows from the plan, and need not be held.
    next_explain: pendulum.DateTime | None = None
    explain_turn: pendulum.DateTime | None = None
    explanation: str | None = None
    has_told_start: bool = False
    refused: JobsError | None = None
    logs_are_refused: bool = False
    log_has_more: bool = False

    def __post_init__(self) -> None:
        plan, shown = self.plan, self.plan.log_indexes
        self.watch = JobWatch(plan.handle)
        # Which indexes failed is known at the end; until then nothing of them is shown.
        self.story = JobStory(
            self.listener,
            "none" if shown == "failed" else shown,
            plan.log_tail,
            room=plan.log_max_bytes,
            logs_url=plan.handle.logs_url or plan.handle.console_url,
            size=plan.array_size or plan.handle.size,
        )

    async def outcome(self) -> JobOutcome:
        passed: Deadline | None = None
        while not self.watch.state.is_terminal and not self.refused:
            if passed := self._passed():
                await self._explain()
                await self._cancel(passed)
                break
            if not self.member.has_started and self.now() >= self._explain_at():
                await self._explain_in_turn()
            await self._take_update(self._wake_at())
        await self._read_late_lines()
        outcome = self._outcome(passed)
        await self._clean_up(outcome)
        return outcome

    # Updates

    async def _take_update(self, until: pendulum.DateTime | None) -> Update | None:
        """Take one update and return it; ``None`` where none came before ``until``."""
        seconds = None if until is None else max(0.0, (until - self.now()).total_seconds())
        update = await self.member.next_update(seconds)
        if update is None:
            return None
        if isinstance(update, JobReport):
            self._take_report(update)
        elif isinstance(update, LogRead):
            self.logs_are_refused = False
            self.log_has_more = update.page.more
            await self._take_lines(update.page.lines)
        elif isinstance(update, LogTrouble):
            self.logs_are_refused = isinstance(update.error, PermanentError)
            self.listener.note(f"The job's log cannot be read now: {update.error}", warning=True)
        elif isinstance(update, ServiceTrouble):
            self._take_trouble(update)
        else:
            self.refused = update
        return update

    async def _take_lines(self, lines: Sequence[LogLine]) -> None:
        """Take lines, so many at a time: a read may bring ten thousand, and others wait in the same loop."""
        for start in range(0, len(lines), PORTION):
            self.story.take(lines[start : start + PORTION])
            await asyncio.sleep(0)

    def _take_trouble(self, trouble: ServiceTrouble) -> None:
        if trouble.error is None:
            self.listener.note("The service answers again")
            return
        self.listener.note(
            f"The service cannot be asked now, which says nothing about the job: {trouble.error}",
            warning=True,
        )

    def _take_report(self, report: JobReport) -> None:
        had_started = self.has_told_start
        for sentence in self.watch.take(report, self.now()):
            self.listener.note(sentence)
        self.has_told_start = had_started or self.member.has_started
        if self.explanation and self.has_told_start and not had_started:
            self.listener.progress(JobProgress(at=self.now()))

    async def _read_late_lines(self) -> None:
        """Take lines that the service shows only after the end, until none can be late or for the bound.

        What is late is told by the time since the job's end, and not since it was seen: a job that was seen
        to have ended long after it did needs one read alone.
        """
        if not self._needs_log():
            return
        limits = (await self.group.calls.backend()).limits
        now = self.now()
        complete_at = min(self.watch.ended_at or now, now).add(seconds=limits.quiet_logs_seconds)
        bound = now.add(seconds=self._patience_seconds(limits))
        reads = 0
        while not self.logs_are_refused:
            update = await self._take_update(bound)
            if update is None or self.refused:
                return
            if not isinstance(update, LogRead):
                continue
            if update.page.more:
                bound = self.now().add(seconds=self._patience_seconds(limits))
                continue
            bound = min(bound, self.now().add(seconds=limits.late_logs_seconds))
            reads += update.after_end
            if reads > 1 and update.page.lines:
                complete_at = self.now().add(seconds=limits.quiet_logs_seconds)
            if reads and self.now() >= min(complete_at, bound):
                return

    def _patience_seconds(self, limits: Limits) -> float:
        """Return how long the next lines are waited for.

        What the service has already is not late, however long it takes to read it.
        """
        return limits.late_logs_seconds * (_SLOW_READ_FACTOR if self.log_has_more else 1)

    def _needs_log(self) -> bool:
        """Return whether anybody wants to know what the job has written."""
        if self.refused or self.watch.state is JobState.LOST or not self.member.has_started:
            return False
        if not self.watch.state.is_terminal and self.plan.on_kill == "leave":
            return False  # it writes on, and nobody waits for that
        is_quiet = self.plan.log_indexes == "none" and not self.plan.wants_outputs
        return not is_quiet or self.watch.state is not JobState.SUCCEEDED

    def _explain_at(self) -> pendulum.DateTime:
        plan = self.plan
        return self.next_explain or plan.handle.submitted_at.add(seconds=plan.explain_after_seconds)

    async def _explain_in_turn(self) -> None:
        """Take a place in the row of those whose jobs do not start; at one's turn, say why."""
        if self.explain_turn is None:
            self.explain_turn = self.next_explain = self.now().add(seconds=self.group.turn_to_explain())
        if self.now() >= self.explain_turn:
            self.explain_turn = None
            await self._explain()

    async def _explain(self) -> None:
        """Say why the job does not start: once, and again when the reason is another one."""
        self.next_explain = self.now().add(seconds=_EXPLAIN_EVERY_SECONDS)
        if self.member.has_started:
            return
        try:
            reason = await self.group.calls.run_in_turn(lambda backend: backend.explain(self.plan.handle))
        except JobsError:
            return  # the poller meets the same trouble and tells it
        if not reason:
            return
        is_news = not is_same_reason(reason, self.explanation)
        self.explanation = reason
        if is_news:
            self.listener.note(f"Job {self.plan.handle.name} has not started: {reason}")
            self.listener.progress(JobProgress(at=self.now(), waits_for=reason))

    # Deadlines

    def _wake_at(self) -> pendulum.DateTime | None:
        waiting = [] if self.member.has_started else [self.plan.queue_deadline, self._explain_at()]
        return min((time for time in (*waiting, self.plan.execution_deadline) if time), default=None)

    def _passed(self) -> Deadline | None:
        now = self.now()
        if self.plan.execution_deadline and now >= self.plan.execution_deadline:
            return "execution_timeout"
        if self.plan.queue_deadline and not self.member.has_started and now >= self.plan.queue_deadline:
            return "queue_timeout"
        return None

    async def _cancel(self, passed: Deadline) -> None:
        native_id = self.plan.handle.native_id
        if self.plan.on_kill == "leave":
            self.listener.note(
                f"{passed} has passed; job {native_id} is left running (on_kill)", warning=True
            )
            return
        self.listener.note(f"{passed} has passed; cancelling job {native_id}", warning=True)
        try:
            report = await cancel_job(self.group.calls, self.plan.handle, passed)
        except CancelNotConfirmed as error:
            self.listener.note(str(error), warning=True)
            return
        self._take_report(report)
        # The last lines are read now, not when the poller sees the end at the job's next turn.
        self.group.look_now(self.member)

    # The end

    def _outcome(self, passed: Deadline | None) -> JobOutcome:
        watch, handle = self.watch, self.plan.handle
        failures = watch.failures if not self.refused else (unreachable(handle, self.refused),)
        failures = tuple(
            failure.model_copy(update={"log_tail": self.story.last_lines(failure.index)})
            for failure in failures
        )
        if self.plan.log_indexes == "failed":
            self._show_failed(failures)
        array = merged(_settled(watch.array, watch.state), self.plan.array_size or handle.size)
        if array.size > 1:
            failed = f", failed: {format_indexes(array.failed_indexes)}" if array.failed_indexes else ""
            self.listener.note(f"{array.succeeded}/{array.size} indexes succeeded{failed}")
        return JobOutcome(
            handle=handle,
            state=watch.state,
            array=array,
            failures=failures,
            outputs={**self.plan.earlier_outputs, **self.story.outputs},
            events=tuple(self.story.events),
            started_at=watch.started_at,
            ended_at=watch.ended_at,
            attempts=self.plan.attempts,
            cancelled_for=passed,
            explanation=self.explanation,
            vcpus=watch.vcpus or self.plan.vcpus,
            memory_mib=watch.memory_mib or self.plan.memory_mib,
            parallelism=self.plan.parallelism,
            index_seconds=watch.index_seconds,
        )

    def _show_failed(self, failures: Iterable[Failure]) -> None:
        for failure in failures:
            for text in failure.log_tail:
                self.listener.note(text if failure.index is None else f"[{failure.index}] {text}")

    async def _clean_up(self, outcome: JobOutcome) -> None:
        wanted = self.plan.delete_after
        if not outcome.state.is_terminal or outcome.state is JobState.LOST or wanted == "never":
            return
        if wanted == "success" and not is_success(outcome, self.plan.fail_when):
            return
        try:
            await self._delete()
        except JobsError as error:
            self.listener.note(
                f"The record of job {outcome.handle.name} is still there: {error}", warning=True
            )

    async def _delete(self) -> None:
        for tries in range(1, _DELETE_TRIES + 1):
            try:
                await self.group.calls.run_in_turn(lambda backend: backend.delete(self.plan.handle))
            except JobsError as error:
                if not is_trouble(error) or tries == _DELETE_TRIES:
                    raise
                await asyncio.sleep(_DELETE_PAUSE_SECONDS)
            else:
                return


def _settled(array: ArrayCounts, state: JobState) -> ArrayCounts:
    """Count a job that succeeded as a whole as succeeded in all indexes, whatever the last counts said."""
    if state is not JobState.SUCCEEDED or array.succeeded + array.failed >= array.size:
        return array
    return array.model_copy(update={"succeeded": array.size - array.failed})
