"""The trigger of a task that needs no worker: it submits the job too, and follows it.

There is no record in a triggerer, so what stands on the job decides: a triggerer that starts again runs the
same try once more and finds its own job.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow.providers.common.compat.sdk import conf
from airflow.triggers.base import TriggerEvent

from airflow_provider_jobs.core.errors import JobsError, SubmissionStopped
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.registry import load
from airflow_provider_jobs.engine.clients import SharedBackends
from airflow_provider_jobs.engine.group import poll_groups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.submission import Submission
from airflow_provider_jobs.engine.verdict import refusal
from airflow_provider_jobs.operators.submitting import find_from_triggerer, plan_for, submit_from_triggerer
from airflow_provider_jobs.triggers.following import ON_KILL_SECONDS, Beginning, FollowingTrigger
from airflow_provider_jobs.triggers.task_log import TaskLog

if TYPE_CHECKING:
    from airflow_provider_jobs.operators.task import JobTask

T = TypeVar("T")

SUBMISSIONS_PER_CONNECTION = 4


@cache
def _pool(connection: str) -> ThreadPoolExecutor:
    """Return the threads of a connection: so many submissions at a time, since pools do not apply here."""
    size = conf.getint(
        "airflow_provider_jobs", "submissions_per_connection", fallback=SUBMISSIONS_PER_CONNECTION
    )
    return ThreadPoolExecutor(max(1, size), thread_name_prefix=f"submit {connection}")


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

    async def begin(self) -> Beginning:
        """Submit the job, or find the one that is there."""
        told = {"in_triggerer": True}
        try:
            task = await asyncio.to_thread(self._make_task)
            backends = poll_groups().shared
            self._sending = await self._in_thread(task, lambda task: self._submit(task, backends))
            # The thread goes on where this is cancelled, and on_kill waits for what it brings.
            submission = await asyncio.shield(self._sending)
        except JobsError as error:
            return Beginning(TriggerEvent({"refused": refusal(error).to_json(), **told}))
        self._plan = plan_for(task, submission, since=submission.handle.submitted_at)
        ends_success = self.ends_success and await asyncio.to_thread(self._may_end_here)
        return Beginning(self._plan, ends_success=ends_success, told=told, is_begun_here=True)

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

    def _submit(self, task: JobTask, backends: SharedBackends) -> Submission:
        return submit_from_triggerer(
            task, self.task_instance, backends=backends, is_stopped=lambda: self._is_killed
        )

    def _find(self, task: JobTask) -> JobHandle | None:
        return find_from_triggerer(task, self.task_instance)

    async def _in_thread(self, task: JobTask, call: Callable[[JobTask], T]) -> asyncio.Future[T]:
        """Begin a blocking call in one of the few threads of the task's first connection."""
        ref = await asyncio.to_thread(lambda: task.resolve_targets()[0].ref)
        pool = _pool(f"{ref.backend} {ref.conn_id}")
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(pool, context.run, call, task)
        # An error that nobody waits for any more is no error of the triggerer.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    def _may_end_here(self) -> bool:
        from airflow_provider_jobs.operators.ending import surroundings_need_worker

        return self.task is None or surroundings_need_worker(self.task) is None


_TIMES = frozenset({"queue_timeout", "explain_after", "execution_timeout"})
