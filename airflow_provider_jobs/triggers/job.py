"""The trigger of a job that a worker has submitted, of whatever backend."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.triggers.following import Beginning, FollowingTrigger
from airflow_provider_jobs.triggers.task_log import TaskLog


class JobTrigger(FollowingTrigger):
    """Follows one job, and ends its task or wakes a worker to end it.

    It cancels the job when a user kills the task, and never when the triggerer restarts.

    :param plan: a :class:`~airflow_provider_jobs.engine.plan.WaitPlan` as JSON
    :param ends_success: whether a success ends the task here, with no worker
    :param pushes_xcom: whether the task's XComs are wanted where it ends here
    :param named_secrets: the connections and variables whose secrets the job's lines must not show
    """

    def __init__(
        self,
        *,
        plan: dict[str, Any],
        ends_success: bool,
        pushes_xcom: bool,
        named_secrets: Sequence[str] = (),
    ) -> None:
        super().__init__()
        # The model alone is kept: thousands of triggers wait in one process.
        self.plan = WaitPlan.from_json(plan)
        self.ends_success = ends_success
        self.pushes_xcom = pushes_xcom
        self.named_secrets = tuple(named_secrets)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what it takes to make this trigger again in another process."""
        kwargs = {
            "plan": self.plan.to_json(),
            "ends_success": self.ends_success,
            "pushes_xcom": self.pushes_xcom,
        }
        if self.named_secrets:
            kwargs["named_secrets"] = list(self.named_secrets)
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def begin(self) -> Beginning:
        """Return how the job is waited for."""
        if self.named_secrets:
            from airflow_provider_jobs.operators.named_secrets import hide_secrets

            await asyncio.to_thread(hide_secrets, self.named_secrets)
        return Beginning(self.plan, ends_success=self.ends_success)

    async def cancel_its_job(self) -> None:
        """Cancel the job, unless another triggerer follows it."""
        if await self.has_moved():
            TaskLog().note(f"Another triggerer follows job {self.plan.handle.native_id} from here on")
            return
        await self.cancel(self.plan.handle, on_kill=self.plan.on_kill)
