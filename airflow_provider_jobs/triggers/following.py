"""What both triggers do once there is a job: follow it, end the task or wake a worker, cancel on a kill."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from airflow.providers.common.compat.sdk import redact
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_jobs.core.models import JobHandle, JobOutcome
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed, cancel_job
from airflow_provider_jobs.engine.group import poll_groups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.verdict import is_success
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.triggers.progress_log import ProgressLog, push_xcom
from airflow_provider_jobs.triggers.results import success_xcoms
from airflow_provider_jobs.triggers.task_log import TaskLog
from airflow_provider_jobs.triggers.task_state import is_still_deferred

log = logging.getLogger(__name__)

# Airflow gives on_kill 30 s by default; the cancel must have said its last word before.
ON_KILL_SECONDS = 25.0


_held: set[asyncio.Task[None]] = set()


class Beginning(NamedTuple):
    """What there is to follow.

    :param plan: how the job is waited for, or the event that wakes a worker where there is no job
    :param ends_success: whether a success ends the task here, with no worker
    :param told: what the worker is told beside the outcome
    :param is_begun_here: whether the job is known to the triggerer alone
    """

    plan: WaitPlan | TriggerEvent
    ends_success: bool = False
    told: Mapping[str, Any] = MappingProxyType({})
    is_begun_here: bool = False


class Payload(dict[str, Any]):
    """What the worker is told. Airflow writes its ``repr`` into the task's log, and results may be large."""

    def __repr__(self) -> str:
        outcome = self["outcome"]
        return f"{outcome['handle']['native_id']} {outcome['state']}"


class FollowingTrigger(BaseTrigger):
    """Follows one job. It holds no logic of waiting, which is the engine's.

    :ivar pushes_xcom: whether the task's XComs are wanted where it ends here
    """

    pushes_xcom: bool

    async def begin(self) -> Beginning:
        """Return what to follow, submitted first where that is wanted."""
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the job, then end the task or hand the outcome to a worker."""
        plan, ends_success, told, is_begun_here = await self.begin()
        if isinstance(plan, TriggerEvent):
            yield plan
            return
        ti = self.task_instance if self.pushes_xcom else None
        listener = ProgressLog(ti, plan.handle if is_begun_here else None)
        try:
            outcome = await wait_for_job(plan, poll_groups(), listener)
        finally:
            await listener.stop()
        may_end_here = ends_success and is_success(outcome, plan.fail_when)
        if may_end_here and (not self.pushes_xcom or await self._push_xcoms(outcome)):
            yield TaskSuccessEvent()
            return
        if plan.wakes_from:
            await asyncio.sleep(max(0.0, (plan.wakes_from - poll_groups().now()).total_seconds()))
        yield TriggerEvent(Payload({"outcome": _without_secrets(outcome).to_json(), **told}))

    async def on_kill(self) -> None:
        """Cancel the job, since the task was marked, cleared or deleted.

        The work goes on by itself: Airflow cancels a trigger again with every heartbeat, about once a second,
        and a cancel takes longer than that where the service or Airflow is slow.
        """
        task = asyncio.create_task(self.cancel_its_job())
        _held.add(task)
        task.add_done_callback(_held.discard)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise

    async def cancel_its_job(self) -> None:
        """Cancel the job of the killed task, whatever of it there is by now."""
        raise NotImplementedError

    async def has_moved(self) -> bool:
        """Return whether another triggerer follows the job from here on.

        Airflow calls ``on_kill`` in that case too; the task is then still deferred.
        """
        return self.task_instance is not None and await is_still_deferred(self.task_instance)

    async def cancel(self, handle: JobHandle, *, on_kill: str) -> None:
        """Cancel the job of a task that was killed, unless it is to be left."""
        task_log = TaskLog()
        if on_kill == "leave":
            task_log.note(
                f"The task was killed; job {handle.native_id} is left running (on_kill)", warning=True
            )
            return
        task_log.note(f"The task was killed; cancelling job {handle.native_id}")
        groups = poll_groups()
        calls = groups.lend(handle.ref).calls
        try:
            await cancel_job(calls, handle, "killed in Airflow", within_seconds=ON_KILL_SECONDS)
        except CancelNotConfirmed as error:
            task_log.note(str(error), warning=True)
        else:
            task_log.note(f"Job {handle.native_id} has ended")
        finally:
            groups.give_back(handle.ref)

    async def _push_xcoms(self, outcome: JobOutcome) -> bool:
        """Write the task's XComs as a worker would, and return whether that is done.

        The event could carry them, but Airflow would then encode them twice: a task downstream would
        pull text. Written here they also go through the deployment's XCom backend.
        """
        ti = self.task_instance
        if ti is None:
            return False  # airflow dags test runs a trigger by itself, and ends the task in its own process
        try:
            await asyncio.to_thread(_push, outcome, ti)
        except Exception:
            # Whatever it is that a trigger cannot do here, a worker can, or fails with it in the open.
            log.exception("The task's XComs cannot be written here; a worker ends the task")
            return False
        return True


def _without_secrets(outcome: JobOutcome) -> JobOutcome:
    """Return the outcome without secrets of Airflow in the last lines, which stand in its database then."""
    failures = [
        failure.model_copy(update={"log_tail": tuple(map(redact, failure.log_tail))})
        for failure in outcome.failures
    ]
    return outcome.model_copy(update={"failures": tuple(failures)})


def _push(outcome: JobOutcome, ti: Any) -> None:
    for key, value in success_xcoms(outcome, ti).items():
        push_xcom(ti, key, value)
