"""A job's way: made, disabled, enabled, terminated, deleted; and what the end of a task does to it.

It exists so that a job changes here alone. Its steps wait for rules of the admin API by the name
``jobs/<id>``. https://learn.microsoft.com/rest/api/batchservice/job. It must not know HTTP.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator import orders
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.job_bodies import AutoPool, JobBody, JobReleaseTask
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.pool_bodies import PoolBody
from airflow_provider_jobs.backends.azure_batch.emulator.pool_life import PoolLife
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node
from airflow_provider_jobs.backends.azure_batch.emulator.preparations import Preparation
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import TaskBody
from airflow_provider_jobs.backends.azure_batch.emulator.task_life import TaskLife
from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task
from airflow_provider_jobs.backends.azure_batch.emulator.wire import duration_seconds
from airflow_provider_jobs.emulator.progress import Stage

#: A timer further away than this is none.
_LONGEST_SECONDS = 10 * 365 * 86_400


class JobLife:
    """Moves the jobs of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.tasks = TaskLife(account, completed=self._task_completed)
        self.pools = PoolLife(account, self.tasks)

    def clear(self) -> None:
        """Forget every job and pool; the engine has ended what ran."""
        for job in self._account.jobs.values():
            if job.time_limit is not None:
                job.time_limit.cancel()
        self._account.jobs.clear()
        self._account.pools.clear()
        self.tasks.clear()

    def add(self, body: JobBody) -> BatchJob:
        """Make a job, its pool if it brings one, and its manager task."""
        pool_id = body.pool_info.pool_id or self._auto_pool(body.pool_info.auto_pool_specification)
        job = BatchJob(body, number=next(self._account.numbers), pool_id=pool_id)
        self._account.jobs[job.key] = job
        self.limit(job)
        if (manager := body.job_manager_task) is not None:
            values = manager.model_dump(by_alias=True, exclude_none=True)
            for name in ("killJobOnCompletion", "runExclusive", "allowLowPriorityNode"):
                del values[name]
            self.add_task(job, TaskBody.model_validate(values))
        return job

    def add_task(self, job: BatchJob, body: TaskBody) -> Task:
        """Make a task of the job."""
        task = Task(job, body, number=next(job.task_numbers))
        self.tasks.admit(task)
        return task

    def _auto_pool(self, wanted: AutoPool | None) -> str:
        assert wanted is not None
        unique = str(uuid.uuid4()).upper()
        pool_id = f"{wanted.auto_pool_id_prefix}_{unique}" if wanted.auto_pool_id_prefix else unique
        values = wanted.pool.model_dump(by_alias=True, exclude_none=True)
        self.pools.add(PoolBody.model_validate({**values, "id": pool_id}), auto=not wanted.keep_alive)
        return pool_id

    def limit(self, job: BatchJob) -> None:
        """Start the clock of the job's wall-clock limit, anew if need be."""
        if job.time_limit is not None:
            job.time_limit.cancel()
        seconds = duration_seconds(job.body.constraints.max_wall_clock_time)
        if seconds is None or seconds > _LONGEST_SECONDS or job.state == "completed":
            job.time_limit = None
            return
        left = seconds - (pendulum.now("UTC") - job.created_at).total_seconds()
        loop = asyncio.get_running_loop()
        job.time_limit = loop.call_later(max(0.0, left), self.terminate, job, "MaxWallClockTimeExpiry")

    def reconsider(self, job: BatchJob) -> None:
        """Look at a job whose properties a caller has changed."""
        self.limit(job)
        self.tasks.dispatcher.wake(job)
        self._end_if_done(job)

    def disable(self, job: BatchJob, *, option: str) -> None:
        """Run no more tasks of the job; those that run are requeued, ended or waited for."""
        job.touch()
        job.move("disabling")
        self.tasks.spawn(self._disable(job, option=option))

    def enable(self, job: BatchJob) -> None:
        """Let the job's tasks run again."""
        job.touch()
        job.move("active")
        self.tasks.dispatcher.wake(job)

    def terminate(self, job: BatchJob, reason: str | None) -> None:
        """End the job: its running tasks are ended, those that wait stay as they are."""
        if job.state in ("terminating", "completed", "deleting"):
            return
        job.touch()
        job.terminate_reason = reason
        job.move("terminating")
        self.tasks.spawn(self._terminate(job))

    def delete(self, job: BatchJob) -> None:
        """Remove the job with its tasks and their files."""
        job.move("deleting")
        self.tasks.spawn(self._delete(job))

    async def _disable(self, job: BatchJob, *, option: str) -> None:
        for task in [each for each in job.tasks.values() if each.placed]:
            if option == "requeue":
                self.tasks.requeue(task)
            elif option == "terminate":
                self.tasks.terminate(task)
        await job.quiet.wait()
        await self._account.step(f"jobs/{job.body.id}", Stage.CANCELLED)
        if job.state == "disabling":
            job.move("disabled")

    async def _terminate(self, job: BatchJob) -> None:
        await self._end_tasks(job)
        await self._release(job)
        await self._account.step(f"jobs/{job.body.id}", Stage.CANCELLED)
        if job.state == "terminating":
            self._close(job)
            job.move("completed")

    async def _delete(self, job: BatchJob) -> None:
        await self._end_tasks(job)
        await self._release(job)
        await self._account.step(f"jobs/{job.body.id}", Stage.DELETED)
        self._close(job)
        for task in list(job.tasks.values()):
            self.tasks.delete(task, files=False)
        for each in (*job.preparations, *job.releases):
            each.forget()
        for node in self._nodes():
            directory = node.directory / "workitems" / job.body.id
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
            node.preparations.pop(job.key, None)
        # Last, for from now on there may be another job of this id.
        self._account.jobs.pop(job.key, None)

    async def _end_tasks(self, job: BatchJob) -> None:
        for task in [each for each in job.tasks.values() if each.placed]:
            self.tasks.terminate(task)
        for preparation in job.preparations:
            preparation.stop()
        await job.quiet.wait()

    async def _release(self, job: BatchJob) -> None:
        """Run the release task on every node where the preparation task ran, once."""
        work = job.body.job_release_task
        if work is None or job.releases:
            return
        for prepared in job.preparations:
            if prepared.node.id in prepared.node.pool.nodes:
                job.releases.append(self._release_on(job, prepared.node, work))
        for release in job.releases:
            await release.done.wait()

    def _release_on(self, job: BatchJob, node: Node, work: JobReleaseTask) -> Preparation:
        order = orders.for_job_task(self._account, job, node, work)
        return Preparation(self._account.cloud, node, order=order, retries=0, must_succeed=False)

    def _close(self, job: BatchJob) -> None:
        job.ended_at = pendulum.now("UTC")
        if job.time_limit is not None:
            job.time_limit.cancel()
        pool = self._account.pools.get(job.pool_id.lower())
        if pool is not None and pool.auto and pool.state == "active":
            self.pools.delete(pool)

    def _task_completed(self, task: Task) -> None:
        """What the end of a task means for its job."""
        job = task.job
        manager = job.body.job_manager_task
        if manager is not None and manager.id.lower() == task.key and manager.kill_job_on_completion:
            self.terminate(job, "JMComplete")
            return
        if job.body.on_task_failure == "performexitoptionsjobaction" and job.state == "active":
            action = task.exit_options().job_action
            if action == "terminate":
                self.terminate(job, "TaskFailed")
                return
            if action == "disable":
                self.disable(job, option="requeue")
                return
        self._end_if_done(job)

    def _end_if_done(self, job: BatchJob) -> None:
        if job.body.on_all_tasks_complete != "terminatejob" or job.state != "active":
            return
        if not job.open_count:
            self.terminate(job, "AllTasksComplete")

    def _nodes(self) -> list[Node]:
        return [node for pool in self._account.pools.values() for node in pool.nodes.values()]
