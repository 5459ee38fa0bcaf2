"""Commands that a node runs for a job or for its pool: preparation, release and start tasks.

It exists because they are run once per node and are nobody's task. It must not decide what waits for them.
https://learn.microsoft.com/azure/batch/batch-job-prep-release
"""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_provider_jobs.backends.azure_batch.emulator.outcomes import Outcome
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node
from airflow_provider_jobs.backends.azure_batch.emulator.runs import Order, Run
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import AttemptEnd, EndReason


class Preparation:
    """One such command on one node, with its retries. ``done`` is set when it has ended for good."""

    def __init__(self, cloud: Cloud, node: Node, *, order: Order, retries: int, must_succeed: bool) -> None:
        self.node = node
        self.outcome = Outcome()
        self.done = asyncio.Event()
        self._cloud = cloud
        self._order = order
        self._retries = retries
        self._must_succeed = must_succeed
        self._stopped = False
        self._run = Run(cloud, order, self)

    @property
    def failed(self) -> bool:
        """Whether it has ended so that what waits for it must not go on."""
        return self.done.is_set() and self._must_succeed and not self.outcome.succeeded

    def stop(self) -> None:
        """End it now; it is not tried again."""
        self._stopped = True
        if not self.done.is_set():
            self._run.cancel()

    def forget(self) -> None:
        """Leave nothing of it in the local cloud."""
        self._stopped = True
        self._run.forget()

    def wire(self, *, retries: bool) -> dict[str, Any]:
        state = "completed" if self.done.is_set() else "running"
        return {"state": state, **self.outcome.wire(retries=retries)}

    def run_assigned(self) -> None:
        """It counts from its beginning."""

    def run_began(self) -> None:
        self.outcome.begin()

    def run_ended(self, end: AttemptEnd) -> None:
        if self.outcome.started_at is None:
            self.outcome.begin()
        self.outcome.end(end)
        tries_left = self._retries < 0 or self.outcome.retry_count < self._retries
        stopped = self._stopped or self._cloud.ending
        if end.reason is EndReason.EXITED and not end.succeeded and tries_left and not stopped:
            self.outcome.retry()
            self._run = Run(self._cloud, self._order, self)
            return
        self.done.set()

    def run_removed(self) -> None:
        self.run_ended(AttemptEnd(EndReason.CANCELLED))
