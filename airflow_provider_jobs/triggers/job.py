"""The one trigger: follows a job of any backend and ends the task, or wakes a worker to end it.

It holds no logic of waiting, which is the engine's; it translates between the engine and Airflow.
It cancels the job when a user kills the task, and never when the triggerer restarts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.common.compat.sdk import XCom
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed, cancel_job
from airflow_provider_jobs.engine.group import poll_groups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.verdict import is_success
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.triggers.task_log import TaskLog
from airflow_provider_jobs.triggers.task_state import is_still_deferred

log = logging.getLogger(__name__)

# An event that wakes a worker must not overtake the scheduler's reading of the first leg's end: the
# task, queued again under the same try, would count as lost.
SAFE_AFTER_DEFERRAL_SECONDS = 8.0
# Airflow gives on_kill 30 s by default; the cancel must have said its last word before.
ON_KILL_SECONDS = 25.0


class JobTrigger(BaseTrigger):
    """Follows one job.

    :param plan: a :class:`~airflow_provider_jobs.engine.plan.WaitPlan` as JSON
    :param ends_success: whether a success ends the task here, with no worker
    :param pushes_xcom: whether the task's XComs are wanted where it ends here
    """

    def __init__(self, *, plan: dict[str, Any], ends_success: bool, pushes_xcom: bool) -> None:
        super().__init__()
        self.plan = plan
        self.ends_success = ends_success
        self.pushes_xcom = pushes_xcom

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to make this trigger again in another process."""
        kwargs = {
            "plan": self.plan,
            "ends_success": self.ends_success,
            "pushes_xcom": self.pushes_xcom,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the job, then end the task or hand the outcome to a worker."""
        plan = WaitPlan.from_json(self.plan)
        outcome = await wait_for_job(plan, poll_groups(), TaskLog())
        if self.ends_success and is_success(outcome, plan.fail_when) and await self._push_xcoms(outcome):
            yield TaskSuccessEvent()
            return
        await _until_safe(plan)
        yield TriggerEvent({"outcome": outcome.to_json()})

    async def on_kill(self) -> None:
        """Cancel the job, since the task was marked, cleared or deleted.

        Airflow calls this too where another triggerer has taken the trigger over; the task is then still
        deferred, and nothing is cancelled.
        """
        plan = WaitPlan.from_json(self.plan)
        log = TaskLog()
        if self.task_instance is not None and await is_still_deferred(self.task_instance):
            log.note(f"Another triggerer follows job {plan.handle.native_id} from here on")
            return
        if plan.on_kill == "leave":
            log.note(
                f"The task was killed; job {plan.handle.native_id} is left running (on_kill)", warning=True
            )
            return
        log.note(f"The task was killed; cancelling job {plan.handle.native_id}")
        async with poll_groups().using(plan.handle.ref) as group:
            try:
                await cancel_job(
                    group.calls, plan.handle, "killed in Airflow", within_seconds=ON_KILL_SECONDS
                )
            except CancelNotConfirmed as error:
                log.note(str(error), warning=True)
            else:
                log.note(f"Job {plan.handle.native_id} has ended")

    async def _push_xcoms(self, outcome: JobOutcome) -> bool:
        """Write the task's XComs as a worker would, and return whether that is done.

        The event could carry them, but Airflow would then encode them twice: a task downstream would
        pull text. Written here they also go through the deployment's XCom backend.
        """
        if not self.pushes_xcom:
            return True
        ti = self.task_instance
        if ti is None:
            return False  # airflow dags test runs a trigger by itself, and ends the task in its own process
        try:
            for key, value in success_xcoms(outcome).items():
                await asyncio.to_thread(_push_xcom, ti, key, value)
        except Exception:
            # Whatever it is that a trigger cannot do here, a worker can, or fails with it in the open.
            log.exception("The task's XComs cannot be written here; a worker ends the task")
            return False
        return True


def _push_xcom(ti: Any, key: str, value: Any) -> None:
    XCom.set(
        key=key,
        value=value,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


async def _until_safe(plan: WaitPlan) -> None:
    """Wait until an event may wake a worker."""
    if plan.deferred_at:
        age_seconds = (poll_groups().now() - plan.deferred_at).total_seconds()
        await asyncio.sleep(max(0.0, SAFE_AFTER_DEFERRAL_SECONDS - age_seconds))


def success_xcoms(outcome: JobOutcome) -> dict[str, Any]:
    """Return what a task leaves in XCom: the record under ``job``, and the result where there is one."""
    xcoms: dict[str, Any] = {"job": outcome.summary().model_dump(mode="json")}
    result = outcome.result()
    if result is not None:
        xcoms["return_value"] = result
    return xcoms
