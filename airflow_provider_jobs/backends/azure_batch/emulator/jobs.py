"""A job of Batch: its tasks, their counts, how it stands, how the service describes it.

It exists to hold that state. It must not run, schedule or wait.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.catalogue import Catalogue
from airflow_provider_jobs.backends.azure_batch.emulator.job_bodies import JobBody
from airflow_provider_jobs.backends.azure_batch.emulator.resources import SHORT, Resource, without_secrets
from airflow_provider_jobs.backends.azure_batch.emulator.wire import timestamp

if TYPE_CHECKING:
    from airflow_provider_jobs.backends.azure_batch.emulator.preparations import Preparation
    from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task

#: States in which a job takes neither tasks nor changes, and the refusal.
CLOSED = {
    "terminating": "JobBeingTerminated",
    "completed": "JobCompleted",
    "deleting": "JobBeingDeleted",
}
#: How a task's state is counted: one that waits for its node's preparation is not running yet.
_COUNTED_AS = {"active": "active", "preparing": "running", "running": "running", "completed": "completed"}


class BatchJob(Resource):
    """A job. It is active as soon as it is made."""

    def __init__(self, body: JobBody, *, number: int, pool_id: str) -> None:
        super().__init__("active")
        self.body = body
        self.number = number
        self.pool_id = pool_id
        self.started_at = self.state_at
        self.ended_at: pendulum.DateTime | None = None
        self.terminate_reason: str | None = None
        self.tasks: Catalogue[Task] = Catalogue()
        self.task_numbers = itertools.count(1)
        #: Tasks that could run now, in order; some may have been ended since they came in.
        self.ready: deque[Task] = deque()
        #: The pool and urgency under which the dispatcher has the job among those with something to run.
        self.queued: tuple[str, int] | None = None
        #: How many tasks hold a place on a node; the event is set while it is none.
        self.running_count = 0
        self.quiet = asyncio.Event()
        self.quiet.set()
        self._counts: Counter[str] = Counter()
        self._slot_counts: Counter[str] = Counter()
        #: Tasks that wait for others.
        self.blocked: dict[str, Task] = {}
        self.preparations: list[Preparation] = []
        self.releases: list[Preparation] = []
        self.time_limit: asyncio.TimerHandle | None = None

    @property
    def key(self) -> str:
        return self.body.id.lower()

    @property
    def path(self) -> str:
        return f"/jobs/{self.body.id}"

    @property
    def takes_more(self) -> bool:
        """Whether one more task may run beside those that run."""
        limit = self.body.max_parallel_tasks
        return self.state == "active" and (limit < 1 or self.running_count < limit)

    @property
    def open_count(self) -> int:
        """How many tasks have not completed."""
        return self._counts["active"] + self._counts["running"]

    def count_running(self, change: int) -> None:
        """One task more, or less, holds a place on a node."""
        self.running_count += change
        if self.running_count:
            self.quiet.clear()
        else:
            self.quiet.set()

    def wire(self, endpoint: str, names: frozenset[str] | None = None) -> dict[str, Any]:
        """As the service describes it; ``names``: nobody looks at other properties."""
        if names is not None and names <= SHORT:
            return {"id": self.body.id, **self.states(), "executionInfo": self._execution()}
        body = self.body.wire()
        for name in ("jobManagerTask", "jobPreparationTask", "jobReleaseTask"):
            if name in body:
                body[name] = without_secrets(body[name])
                if "constraints" in body[name]:
                    body[name]["constraints"].setdefault("maxTaskRetryCount", 0)
        return {
            "id": self.body.id,
            "url": f"{endpoint}{self.path}",
            **self.version(),
            **self.states(),
            **body,
            "executionInfo": self._execution(),
        }

    def _execution(self) -> dict[str, Any]:
        told: dict[str, Any] = {"startTime": timestamp(self.started_at), "poolId": self.pool_id}
        if self.ended_at is not None:
            told["endTime"] = timestamp(self.ended_at)
        if self.terminate_reason is not None:
            told["terminateReason"] = self.terminate_reason
        return told

    def count(self, task: Task, change: int) -> None:
        """One task more, or less, stands as this one does."""
        names = [_COUNTED_AS[task.state]]
        if task.state == "completed":
            names.append("succeeded" if task.outcome.succeeded else "failed")
        for name in names:
            self._counts[name] += change
            self._slot_counts[name] += change * task.body.required_slots

    def task_counts(self) -> dict[str, Any]:
        """Tasks by state, and the slots that they need."""
        shown = ("active", "running", "completed", "succeeded", "failed")
        return {
            "taskCounts": {name: self._counts[name] for name in shown},
            "taskSlotCounts": {name: self._slot_counts[name] for name in shown},
        }
