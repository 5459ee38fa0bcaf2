"""A task's way: given to a node, run, tried again, completed; ended, requeued or deleted by a caller.

It exists so that every way a task can go is in one place. It must not choose nodes, nor know HTTP.
https://learn.microsoft.com/azure/batch/jobs-and-tasks
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from airflow_provider_jobs.backends.azure_batch.emulator import orders, staging
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.dispatch import Dispatcher
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.outcomes import Failure, Outcome, is_node_lost
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node
from airflow_provider_jobs.backends.azure_batch.emulator.preparations import Preparation
from airflow_provider_jobs.backends.azure_batch.emulator.runs import Run
from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason


class TaskLife:
    """Moves the tasks of the account; ``completed`` is told about each that has come to its end."""

    def __init__(self, account: Account, *, completed: Callable[[Task], None]) -> None:
        self._account = account
        self._completed = completed
        self._background: set[asyncio.Task[None]] = set()
        self.dispatcher = Dispatcher(account, start=self._start)

    def clear(self) -> None:
        """Forget everything: nothing of the account exists any more."""
        for doing in self._background:
            doing.cancel()
        self.dispatcher.clear()

    def admit(self, task: Task) -> None:
        """A new task: wait for the tasks it depends on, then for a node."""
        job = task.job
        job.tasks[task.key] = task
        job.count(task, 1)
        task.missing = {key for key in _dependencies(task) if not _is_satisfied(job, key)}
        if task.missing:
            job.blocked[task.key] = task
        else:
            self.dispatcher.add(task)

    def terminate(self, task: Task) -> None:
        """Complete a task, as its failure. One that runs is ended first."""
        if task.placed:
            self._end(task, "terminate")
        elif task.state != "completed":
            task.outcome.end(AttemptEnd(EndReason.CANCELLED))
            self._complete(task)

    def requeue(self, task: Task) -> None:
        """Let a running task wait for a node again."""
        if task.placed:
            self._end(task, "requeue")

    def reactivate(self, task: Task) -> None:
        """Let a failed task run again, with all its retries."""
        task.touch()
        task.move("active")
        task.outcome, task.node = Outcome(), None
        self.dispatcher.add(task)

    def delete(self, task: Task, *, files: bool = True) -> None:
        """Remove a task and, unless told otherwise, its files; one that runs is ended."""
        job, run = task.job, task.run
        remains = self._aside(task.directory) if files else None
        if job.tasks.pop(task.key, None) is not None:
            job.count(task, -1)
        job.blocked.pop(task.key, None)
        self._leave(task)
        task.ending, task.node = "delete", None
        if run is not None or remains is not None:
            self.spawn(_remove(run, remains))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background of the server."""
        doing = asyncio.ensure_future(work)
        self._background.add(doing)
        doing.add_done_callback(self._background.discard)

    def _aside(self, directory: Path | None) -> Path | None:
        """Move what is to be deleted out of the way: a task of the same id may come at once."""
        if directory is None or not directory.exists():
            return None
        deleted = self._account.files_dir / ".deleted"
        deleted.mkdir(exist_ok=True)
        return directory.rename(deleted / uuid.uuid4().hex)

    def _end(self, task: Task, how: str) -> None:
        task.ending = task.ending or how
        if task.run is not None and not task.run.ended:
            task.run.cancel()
        elif task.state == "preparing":
            self.settle(task, AttemptEnd(EndReason.CANCELLED))

    def _start(self, task: Task, node: Node) -> None:
        """The dispatcher has found a node."""
        task.node, task.placed = node, True
        task.job.count_running(1)
        node.take(task)
        if task.job.body.job_preparation_task is None:
            self._launch(task)
            return
        task.move("preparing")
        self.spawn(self._prepare(task, node))

    async def _prepare(self, task: Task, node: Node) -> None:
        """Wait until the job's preparation task has run on this node, then run the task."""
        preparation = self._preparation(task.job, node)
        await preparation.done.wait()
        if task.node is not node or not task.placed or self._account.cloud.ending:
            return
        if preparation.failed:
            self._leave(task)
            task.node = None
            task.move("active")
            self.dispatcher.add(task)
            return
        self._launch(task)

    def _preparation(self, job: BatchJob, node: Node) -> Preparation:
        found = node.preparations.get(job.key)
        if found is not None:
            return found
        work = job.body.job_preparation_task
        assert work is not None
        order = orders.for_job_task(self._account, job, node, work)
        limit = work.constraints.max_task_retry_count or 0
        made = Preparation(
            self._account.cloud, node, order=order, retries=limit, must_succeed=work.wait_for_success
        )
        node.preparations[job.key] = made
        job.preparations.append(made)
        return made

    def _launch(self, task: Task) -> None:
        assert task.node is not None
        order = orders.for_task(self._account, task, task.node)
        if task.body.container_settings is not None:
            task.outcome.container_id = secrets.token_hex(32)
        task.run = Run(self._account.cloud, order, TaskOwner(self, task))

    def settle(self, task: Task, end: AttemptEnd) -> None:
        """A run has ended: bring the files away, then go on."""
        node = task.node
        due = staging.to_upload(task.body.output_files, succeeded=end.succeeded)
        if node is None or not due or task.ending or end.reason is not EndReason.EXITED:
            self._conclude(task, end, None)
            return
        self.spawn(self._upload(task, node, end))

    async def _upload(self, task: Task, node: Node, end: AttemptEnd) -> None:
        due = staging.to_upload(task.body.output_files, succeeded=end.succeeded)
        order = orders.for_task(self._account, task, node)
        failure = await staging.upload(due, order.directory / "wd", order.env)
        if task.ending != "delete":
            self._conclude(task, end, failure)

    def _conclude(self, task: Task, end: AttemptEnd, not_uploaded: Failure | None) -> None:
        ending, task.ending = task.ending, None
        self._leave(task, succeeded=end.succeeded)
        if ending == "requeue" or (ending is None and is_node_lost(end)):
            task.requeue()
            task.node = None
            self.dispatcher.add(task)
            return
        task.outcome.end(end)
        if not_uploaded is not None:
            task.outcome.fail_upload(not_uploaded)
        if ending is None and self._is_retried(task, end):
            task.outcome.retry()
            task.move("active")
            self.dispatcher.add(task)
            return
        self._complete(task)

    @staticmethod
    def _is_retried(task: Task, end: AttemptEnd) -> bool:
        """Only what the command itself says with its exit code is tried again."""
        failed = end.reason in (EndReason.EXITED, EndReason.OUT_OF_MEMORY) and not end.succeeded
        if not failed or task.outcome.exit_code is None:
            return False
        return task.retries < 0 or task.outcome.retry_count < task.retries

    def _complete(self, task: Task) -> None:
        task.move("completed")
        job = task.job
        if task.satisfies():
            for waiting in [each for each in job.blocked.values() if task.key in each.missing]:
                waiting.missing.discard(task.key)
                if not waiting.missing:
                    del job.blocked[waiting.key]
                    self.dispatcher.add(waiting)
        self._completed(task)

    def _leave(self, task: Task, *, succeeded: bool = False) -> None:
        """Give the task's place on its node back."""
        if not task.placed or task.node is None:
            return
        task.placed = False
        task.node.give_back(task, succeeded=succeeded)
        task.job.count_running(-1)
        self.dispatcher.wake(task.job)


class TaskOwner:
    """What the run of a task does to the task."""

    def __init__(self, life: TaskLife, task: Task) -> None:
        self._life = life
        self._task = task

    def run_assigned(self) -> None:
        """The node has taken it; it begins as soon as there is a process for it."""
        self._task.move("preparing")

    def run_began(self) -> None:
        self._task.outcome.begin()
        self._task.move("running")

    def run_ended(self, end: AttemptEnd) -> None:
        self._life.settle(self._task, end)

    def run_removed(self) -> None:
        self._life.delete(self._task)


async def _remove(run: Run | None, remains: Path | None) -> None:
    if run is not None:
        await asyncio.wait({run.forget()})
    if remains is not None:
        await asyncio.to_thread(shutil.rmtree, remains, ignore_errors=True)


def _dependencies(task: Task) -> set[str]:
    wanted = task.body.depends_on
    if wanted is None:
        return set()
    ranges = wanted.task_id_ranges or ()
    numbered = {str(number) for each in ranges for number in range(each.start, each.end + 1)}
    return {each.lower() for each in wanted.task_ids or ()} | numbered


def _is_satisfied(job: BatchJob, key: str) -> bool:
    task = job.tasks.get(key)
    return task is not None and task.satisfies()
