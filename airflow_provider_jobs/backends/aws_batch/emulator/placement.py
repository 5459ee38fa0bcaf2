"""Which compute environment takes a job, and when: the scheduler's part of Batch.

It exists because jobs wait in RUNNABLE for vCPUs. Queues are served by priority, each first in first out; a
queue with a scheduling policy goes by the share that uses least, then by scheduling priority. A job at the
head that finds no room holds up those behind it. It must not know what a job does.
https://docs.aws.amazon.com/batch/latest/userguide/job_queue_parameters.html
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_jobs.backends.aws_batch.emulator import hindrances
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord
from airflow_provider_jobs.backends.aws_batch.emulator.resources import ComputeEnvironment, JobQueue


@dataclass(order=True)
class _Waiting:
    """A task that waits for room. Ordered by scheduling priority, then by arrival."""

    rank: tuple[int, int]
    record: JobRecord = field(compare=False)
    index: int = field(compare=False)
    granted: asyncio.Future[None] = field(compare=False)


class Placement:
    """Room in compute environments, given out in order."""

    def __init__(self) -> None:
        self._waiting: dict[JobQueue, dict[str, list[_Waiting]]] = {}
        self._used: dict[JobQueue, defaultdict[str, float]] = {}
        self._arrivals = itertools.count()
        self._pass: asyncio.Handle | None = None

    async def acquire(self, record: JobRecord, index: int) -> None:
        """Wait until some compute environment of the queue has room, and take it."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting((-record.priority, next(self._arrivals)), record, index, granted)
        shares = self._waiting.setdefault(record.queue, {})
        heapq.heappush(shares.setdefault(record.share, []), waiting)
        self.changed()
        await granted

    def release(self, record: JobRecord, index: int) -> None:
        """Give back what a task holds, if it does."""
        environment = record.held.pop(index, None)
        if environment is None:
            return
        environment.used_vcpus -= record.vcpus_of(index)
        self._used[record.queue][record.share] -= record.vcpus_of(index)
        self.changed()

    def changed(self) -> None:
        """There may be room where there was none: look again, once, soon."""
        if self._pass is None:
            self._pass = asyncio.get_running_loop().call_soon(self._place_all)

    def is_first(self, record: JobRecord, index: int) -> bool:
        """Whether it is this task's turn; one behind it is told no reason of its own."""
        head = self._head(record.queue)
        return head is not None and (head.record, head.index) == (record, index)

    def demand(self, environment: ComputeEnvironment) -> float:
        """VCPUs that jobs have of an environment, or wait for in its queues if it can be large enough."""
        waiting = (
            each.record.vcpus_of(each.index)
            for queue, shares in self._waiting.items()
            if environment in queue.environments
            for share in shares.values()
            for each in share
            if each.record.vcpus_of(each.index) <= environment.max_vcpus
        )
        return environment.used_vcpus + sum(waiting)

    def clear(self) -> None:
        """Forget everybody who waits."""
        self._waiting.clear()
        self._used.clear()

    def _place_all(self) -> None:
        self._pass = None
        for queue in sorted(self._waiting, key=lambda each: -each.priority):
            while (shares := self._waiting[queue]) and self._place_next(queue, shares):
                continue
            if not shares:
                del self._waiting[queue]

    def _place_next(self, queue: JobQueue, shares: dict[str, list[_Waiting]]) -> bool:
        """Place the task whose turn it is. False when there is no room for it."""
        used = self._used.setdefault(queue, defaultdict(float))
        share = _next_share(shares, used)
        head = shares[share][0]
        if not head.granted.done():
            environment = room_for(head.record, head.index)
            if environment is None:
                return False
            self._give(head, environment, used)
        heapq.heappop(shares[share])
        if not shares[share]:
            del shares[share]
        return True

    def _head(self, queue: JobQueue) -> _Waiting | None:
        shares = self._waiting.get(queue)
        if not shares:
            return None
        return shares[_next_share(shares, self._used.get(queue, {}))][0]

    def _give(self, head: _Waiting, environment: ComputeEnvironment, used: defaultdict[str, float]) -> None:
        record, index = head.record, head.index
        environment.used_vcpus += record.vcpus_of(index)
        used[record.share] += record.vcpus_of(index)
        record.held[index] = record.placed[index] = environment
        head.granted.set_result(None)


def _next_share(shares: Mapping[str, list[_Waiting]], used: Mapping[str, float]) -> str:
    """The share whose turn it is: the one that uses least, then the one that came first."""
    return min(shares, key=lambda each: (used.get(each, 0.0), shares[each][0]))


def room_for(record: JobRecord, index: int) -> ComputeEnvironment | None:
    """The first compute environment of the queue that can take this task now."""
    need = record.vcpus_of(index)
    for environment in record.queue.environments:
        fits = not record.needs_gpu or environment.has_gpus
        if environment.usable and fits and environment.used_vcpus + need <= environment.max_vcpus:
            return environment
    return None


def hindrance(record: JobRecord, index: int) -> str | None:
    """Why no compute environment will ever take this task as things are; None when it only has to wait."""
    environments = record.queue.environments
    usable = [environment for environment in environments if environment.usable]
    if not usable:
        return _of_broken(environments)
    if all(record.vcpus_of(index) > each.max_vcpus for each in usable):
        return hindrances.TOO_LARGE
    if record.needs_gpu and not any(each.has_gpus for each in usable):
        return hindrances.NO_MACHINE_FITS
    return None


def _of_broken(environments: Sequence[ComputeEnvironment]) -> str | None:
    """What is told of environments of which none can be used; nothing of those that are only disabled."""
    if any("role" in each.detail["statusReason"].lower() for each in environments):
        return hindrances.ROLE_PROBLEM
    invalid = all(each.detail["status"] == "INVALID" for each in environments)
    return hindrances.INVALID if invalid else None
