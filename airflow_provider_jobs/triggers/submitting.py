"""The trigger of a task that needs no worker: it submits the job too, and follows it.

There is no record in a triggerer, so what stands on the job decides: a triggerer that starts again runs the
same try once more and finds its own job.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow.triggers.base import TriggerEvent

from airflow_provider_jobs.core.errors import JobsError, SubmissionStopped
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.registry import load
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.verdict import refusal
from airflow_provider_jobs.triggers.following import ON_KILL_SECONDS, FollowingTrigger
from airflow_provider_jobs.triggers.task_log import TaskLog

if TYPE_CHECKING:
    from airflow_provider_jobs.operators.task import JobTask

T = TypeVar("T")

# How many submissions of one connection are under way at a time; pools do not apply in a triggerer.
SUBMISSIONS_PER_CONNECTION = 4
_pools: dict[str, ThreadPoolExecutor] = {}


class SubmitTrigger(FollowingTrigger):
    """Submits a job and follows it.

    :param operator: ``module:class`` of the task's operator
    :param settings: its arguments that are no templates, in JSON; times in seconds
    :param ends_success: whether the task itself lets a success end here, with no worker
    :param pushes_xcom: whether the task's XComs are wanted where it ends here
    :param fields: its template fields; Airflow renders them before the trigger runs
    """

    def __init__(
        self,
        *,
        operator: str,
        settings: dict[str, Any],
        ends_success: bool,
        pushes_xcom: bool,
        **fields: Any,
    ) -> None:
        super().__init__()
        self.operator = operator
        self.settings = settings
        self.ends_success = ends_success
        self.pushes_xcom = pushes_xcom
        self._fields = dict(fields)
        for name, value in fields.items():
            setattr(self, name, value)
        self._is_killed = False
        self._sending: asyncio.Future[Submission] | None = None
        self._plan: WaitPlan | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to make this trigger again elsewhere, with templates as they were written."""
        kwargs = {
            "operator": self.operator,
            "settings": self.settings,
            "ends_success": self.ends_success,
            "pushes_xcom": self.pushes_xcom,
            **self._fields,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Submit the job, or find the one that is there; then follow it."""
        try:
            task = await asyncio.to_thread(self._make_task)
            self._sending = await self._in_thread(task, self._submit)
            # The thread goes on where this is cancelled, and on_kill waits for what it brings.
            submission = await asyncio.shield(self._sending)
        except JobsError as error:
            yield TriggerEvent({"refused": refusal(error).to_json(), "in_triggerer": True})
            return
        self._plan = task.plan_for(submission, since=submission.handle.submitted_at)
        ends_success = self.ends_success and await asyncio.to_thread(self._may_end_here)
        async for event in self.follow(
            self._plan, ends_success=ends_success, pushes_xcom=self.pushes_xcom, in_triggerer=True
        ):
            yield event

    async def cancel_its_job(self) -> None:
        """Cancel the job, also one that is just submitted, unless another triggerer follows it."""
        self._is_killed = True
        if await self.has_moved():
            return
        try:
            task = await asyncio.to_thread(self._make_task)
            handle = await asyncio.wait_for(self._handle(task), ON_KILL_SECONDS)
        except (JobsError, asyncio.TimeoutError) as error:
            TaskLog().note(f"The task was killed; whether it has a job is not known: {error}", warning=True)
            return
        if handle is not None:
            await self.cancel(handle, on_kill=task.on_kill_action)

    async def _handle(self, task: JobTask) -> JobHandle | None:
        """Return the job that there is, or that there is once a submission under way has its answer."""
        if self._plan is not None:
            return self._plan.handle
        if self._sending is None:
            return await (await self._in_thread(task, self._find))
        try:
            return (await asyncio.shield(self._sending)).handle
        except SubmissionStopped:
            return None

    def _make_task(self) -> JobTask:
        """Return the operator of the task with its rendered arguments."""
        seconds = {name: timedelta(seconds=self.settings[name]) for name in _TIMES & self.settings.keys()}
        rendered = {name: getattr(self, name) for name in self._fields}
        assert self.task_instance is not None
        kind = cast("type[JobTask]", load(self.operator))
        return kind(task_id=self.task_instance.task_id, **{**self.settings, **seconds, **rendered})

    def _submit(self, task: JobTask) -> Submission:
        return task.submit_from_triggerer(self.task_instance, is_stopped=lambda: self._is_killed)

    def _find(self, task: JobTask) -> JobHandle | None:
        return task.find_from_triggerer(self.task_instance)

    async def _in_thread(self, task: JobTask, call: Callable[[JobTask], T]) -> asyncio.Future[T]:
        """Begin a blocking call in one of the few threads of the task's first connection."""
        ref = await asyncio.to_thread(lambda: task.resolve_targets()[0].ref)
        pool = _pools.setdefault(
            f"{ref.backend} {ref.conn_id}",
            ThreadPoolExecutor(SUBMISSIONS_PER_CONNECTION, thread_name_prefix="submit"),
        )
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(call, task))
        # An error that nobody waits for any more is no error of the triggerer.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    def _may_end_here(self) -> bool:
        from airflow_provider_jobs.operators.ending import surroundings_need_worker

        return self.task is None or surroundings_need_worker(self.task) is None


_TIMES = frozenset({"queue_timeout", "explain_after", "execution_timeout"})
