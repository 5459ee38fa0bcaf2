"""Which task gets which node: jobs by priority, their tasks in order, as long as there is room.

It exists so that 10,000 waiting tasks cost nothing until a slot is free. It must not run a task.
https://learn.microsoft.com/azure/batch/batch-parallel-node-tasks
"""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Callable

from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node, Pool
from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task

Entry = tuple[int, int, BatchJob]


class Dispatcher:
    """The tasks that could run now, and the pass that gives them nodes."""

    def __init__(self, account: Account, *, start: Callable[[Task, Node], None]) -> None:
        self._account = account
        self._start = start
        #: By pool: jobs with something to run, the most urgent and then the oldest first.
        self._waiting: dict[str, list[Entry]] = defaultdict(list)
        self._due: set[str] = set()

    def clear(self) -> None:
        self._waiting.clear()

    def add(self, task: Task) -> None:
        """A task may run from now on."""
        task.job.ready.append(task)
        self.wake(task.job)

    def wake(self, job: BatchJob) -> None:
        """Look at a job again: it has a new task or a slot to spare, has moved, or is enabled."""
        place = (job.pool_id.lower(), -job.body.priority)
        if job.ready and job.takes_more and job.queued != place:
            # What may be left of it under another priority or pool is passed over there.
            job.queued = place
            self._push(job, *place)
        self.look(job.pool_id)

    def look(self, pool_id: str) -> None:
        """Look at a pool again soon: it may have room."""
        key = pool_id.lower()
        if key not in self._due:
            self._due.add(key)
            asyncio.get_running_loop().call_soon(self._fill, key)

    def _push(self, job: BatchJob, key: str, urgency: int) -> None:
        heapq.heappush(self._waiting[key], (urgency, job.number, job))

    def _fill(self, key: str) -> None:
        self._due.discard(key)
        pool, heap = self._account.pools.get(key), self._waiting[key]
        if pool is None or pool.state != "active" or self._account.cloud.ending:
            return
        aside: list[Entry] = []
        while heap and pool.has_room():
            entry = heapq.heappop(heap)
            urgency, _, job = entry
            if job.queued != (key, urgency):
                continue
            if self._serve(job, pool):
                job.queued = None
            else:
                aside.append(entry)
        for entry in aside:
            heapq.heappush(heap, entry)

    def _serve(self, job: BatchJob, pool: Pool) -> bool:
        """Start what fits. False when the job's next task could run but no node has room for it."""
        while job.ready and job.takes_more:
            task = job.ready[0]
            if task.state != "active" or job.tasks.get(task.key) is not task:
                job.ready.popleft()
                continue
            node = pool.pick(task.body.required_slots, job_id=job.key)
            if node is None:
                return False
            job.ready.popleft()
            self._start(task, node)
        return True
