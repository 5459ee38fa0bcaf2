"""Takes jobs through what Batch does around a container: dependencies, room, nodes, retries, stops.

It exists so that the order of these is in one place. The engine asks it before and after each attempt. It
must not answer requests. Facts: https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html,
https://docs.aws.amazon.com/batch/latest/userguide/job-lifecycle.html (nodes), the reference of CancelJob.
"""

from __future__ import annotations

import asyncio

from airflow_provider_jobs.backends.aws_batch.emulator import outcomes, retries
from airflow_provider_jobs.backends.aws_batch.emulator.containers import (
    MAX_OVERRIDES_CHARACTERS,
    overrides_size,
)
from airflow_provider_jobs.backends.aws_batch.emulator.log_streams import LogStreams
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind, Stop
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import Worlds
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    END_STATES,
    TASK_END_STATES,
    AttemptEnd,
    AttemptRefused,
    EndReason,
    Event,
    Job,
    JobState,
    Task,
    TaskState,
)

#: Ends that no retry follows: "If a job is terminated due to a timeout, it isn't retried."
_LAST = frozenset({EndReason.CANCELLED, EndReason.TIMED_OUT})
_WAITING = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})
_ALIVE = _WAITING | {"STARTING", "RUNNING"}


class Lifecycle:
    """What happens to jobs between the engine's steps; listens to the engine as well."""

    def __init__(self, cloud: Cloud, *, placement: Placement, streams: LogStreams, worlds: Worlds) -> None:
        self._cloud = cloud
        self._streams = streams
        self._placement = placement
        self._worlds = worlds

    async def gate(self, record: JobRecord, index: int, attempt: int) -> None:
        """Return when the attempt may begin. Raises AttemptRefused when it never may."""
        if attempt == 0 and record.depends:
            succeeded = await self._dependencies(record, index)
            self._refuse_stopped(record, index)
            if not succeeded:
                raise AttemptRefused(outcomes.DEPENDENCY_FAILED, exit_code=1)
            record.unblocked.add(index)
            self._relist(record)
        self._refuse_stopped(record, index)
        if record.kind is Kind.NODES and index != record.main_node:
            await record.main_runs(attempt)
        await self._placement.acquire(record, index)
        if not record.in_pods and overrides_size(record, index) > MAX_OVERRIDES_CHARACTERS:
            raise AttemptRefused(outcomes.OVERRIDES_TOO_LONG, exit_code=1)

    def _refuse_stopped(self, record: JobRecord, index: int) -> None:
        stop = record.stops.get(index)
        if stop is not None:
            raise AttemptRefused(stop.reason, exit_code=1)

    async def _dependencies(self, record: JobRecord, index: int) -> bool:
        """Wait for the end of all that this child waits for; whether all of it succeeded.

        One failure decides at once, unless the job was cancelled meanwhile: a cancelled job stays PENDING
        until everything it depends on has ended.
        """
        waits = [
            asyncio.ensure_future(self._dependency(record, index, each))
            for each in record.detail["dependsOn"]
        ]
        try:
            for wait in asyncio.as_completed(waits):
                if not await wait and index not in record.stops:
                    return False
            return all(wait.result() for wait in waits)
        finally:
            for unfinished in waits:
                unfinished.cancel()

    async def _dependency(self, record: JobRecord, index: int, dependency: dict[str, str]) -> bool:
        kind, job_id = dependency.get("type"), dependency.get("jobId")
        if job_id is None:
            return index == 0 or await record.settled(index - 1)
        other = self._worlds.at(record.place).job(job_id)
        if other is None:
            return False
        return await other.settled(index if kind == "N_TO_N" else other.index_in(job_id))

    async def again(self, record: JobRecord, index: int, attempt: int, end: AttemptEnd) -> bool:
        """Whether another attempt follows; a node other than the main one does as the main one does."""
        if record.kind is Kind.NODES and index != record.main_node:
            return await record.main_tries_again(attempt)
        again = (
            not end.succeeded
            and index not in record.stops
            and end.reason not in _LAST
            and not _is_gate_refusal(record, index)
            and retries.wanted(record.strategy, outcomes.outcome_of(record, index, end), attempt=attempt + 1)
        )
        if not again:
            record.final.add(index)
        if record.kind is Kind.NODES:
            record.main_again[attempt] = again
        record.notify(index)
        return again

    def stop(self, record: JobRecord, index: int | None, stop: Stop) -> None:
        """Cancel or terminate a job, or one child of it, as far as it can be now. The first stop counts.

        A cancellation leaves alone what is STARTING or RUNNING. What is PENDING learns of it in time.
        """
        reach = _WAITING if not stop.terminated else _ALIVE
        tasks = record.job.tasks if index is None else [record.job.tasks[index]]
        reached = {task: record.status_of(task) for task in tasks}
        reached = {task: status for task, status in reached.items() if status in reach}
        for task in reached:
            record.stops.setdefault(task.index, stop)
        if index is None and reached:
            record.stop = record.stop or stop
        if index is None and record.job.state is JobState.QUEUED:
            self._cloud.cancel(record.job)
            return
        for task, status in reached.items():
            if status not in ("SUBMITTED", "PENDING"):
                self._cloud.interrupt(record.job, task.index, reason=EndReason.CANCELLED)

    def _relist(self, record: JobRecord) -> None:
        self._worlds.at(record.place).relist(record)

    def job_changed(self, job: Job, event: Event) -> None:
        self._relist(job.data)
        if event.after in END_STATES or event.after is JobState.DELETING:
            job.data.notify(None)

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        record: JobRecord = job.data
        self._relist(record)
        self._streams.task_changed(job, task, event)
        if task.state in TASK_END_STATES:
            self._placement.release(record, task.index)
        if record.kind is Kind.NODES and task.index == record.main_node:
            self._main_node_changed(record, task)

    def _main_node_changed(self, record: JobRecord, main: Task) -> None:
        """The others start when the main node runs, and are stopped when it has ended."""
        record.notify(main.index)
        if main.state in TASK_END_STATES:
            for task in record.job.tasks:
                if task is not main:
                    self._cloud.interrupt(record.job, task.index, reason=EndReason.CANCELLED)


def _is_gate_refusal(record: JobRecord, index: int) -> bool:
    """Whether the attempt was refused before anything of it had begun."""
    events = record.job.tasks[index].events
    return bool(events) and events[-1].before is TaskState.PENDING
