"""One task of a job: what was asked for, how it stands, how the service describes it.

It exists to hold that state. It must not run or schedule anything. A job may have 10,000 of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.outcomes import Outcome
from airflow_provider_jobs.backends.azure_batch.emulator.resources import SHORT, Resource, without_secrets
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import (
    ExitConditions,
    ExitOptions,
    TaskBody,
)
from airflow_provider_jobs.backends.azure_batch.emulator.wire import timestamp

if TYPE_CHECKING:
    from airflow_provider_jobs.backends.azure_batch.emulator.jobs import BatchJob
    from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node
    from airflow_provider_jobs.backends.azure_batch.emulator.runs import Run


class Task(Resource):
    """A task. ``ending`` is set while a running one is being ended: "terminate", "requeue" or "delete"."""

    __slots__ = (
        "body", "ending", "job", "last_requeue_at", "missing", "node", "number", "outcome", "placed",
        "requeue_count", "run",
    )  # fmt: skip

    def __init__(self, job: BatchJob, body: TaskBody, *, number: int) -> None:
        super().__init__("active")
        self.job = job
        self.body = body
        self.number = number
        self.outcome = Outcome()
        #: Where it runs or ran last, and whether it holds a place there now.
        self.node: Node | None = None
        self.placed = False
        self.run: Run | None = None
        self.ending: str | None = None
        self.requeue_count = 0
        self.last_requeue_at: pendulum.DateTime | None = None
        #: Ids of tasks that must end well before this one may run.
        self.missing: set[str] = set()

    @property
    def key(self) -> str:
        return self.body.id.lower()

    @property
    def path(self) -> str:
        return f"{self.job.path}/tasks/{self.body.id}"

    @property
    def engine_name(self) -> str:
        """The task's name in the local cloud: unique while it exists."""
        return self.path.removeprefix("/")

    @property
    def root(self) -> str:
        """The task's directory below its node's root."""
        return task_root(self.job.body.id, self.body.id)

    @property
    def directory(self) -> Path | None:
        """The task's directory on this machine; None before it has been given to a node."""
        return None if self.node is None else self.node.directory / self.root

    @property
    def retries(self) -> int:
        limit = self.body.constraints.max_task_retry_count
        return self.job.body.constraints.max_task_retry_count if limit is None else limit

    def move(self, state: str) -> None:
        """Change the state, and keep the job's counts right."""
        self.job.count(self, -1)
        super().move(state)
        self.job.count(self, 1)

    def requeue(self) -> None:
        """Back to waiting, as if it had not run."""
        self.requeue_count += 1
        self.last_requeue_at = pendulum.now("UTC")
        self.outcome.started_at = None
        self.move("active")

    def exit_options(self) -> ExitOptions:
        """What the task's exit conditions say about how it ended, with the defaults filled in."""
        well = self.outcome.succeeded
        found = _options(self.body.exit_conditions or ExitConditions(), self)
        return ExitOptions(
            jobAction=found.job_action or ("none" if well else "terminate"),
            dependencyAction=found.dependency_action or ("satisfy" if well else "block"),
        )

    def satisfies(self) -> bool:
        """Whether tasks that depend on this one may go on."""
        return self.state == "completed" and self.exit_options().dependency_action == "satisfy"

    def wire(self, endpoint: str, names: frozenset[str] | None = None) -> dict[str, Any]:
        """As the service describes it; ``names``: nobody looks at other properties."""
        if names is not None and names <= SHORT:
            told = {"id": self.body.id, **self.states()}
            return {**told, "executionInfo": self._execution()} if "executionInfo" in names else told
        body = without_secrets(self.body.wire())
        body["constraints"]["maxTaskRetryCount"] = self.retries
        told = {
            "id": self.body.id,
            "url": f"{endpoint}{self.path}",
            **self.version(),
            **self.states(),
            **body,
            "executionInfo": self._execution(),
        }
        if self.node is not None and self.outcome.started_at is not None:
            told["nodeInfo"] = node_info(self.node, self.root, endpoint)
        return told

    def _execution(self) -> dict[str, Any]:
        told = self.outcome.wire(retries=True)
        told["requeueCount"] = self.requeue_count
        if self.last_requeue_at is not None:
            told["lastRequeueTime"] = timestamp(self.last_requeue_at)
        return told


def task_root(job_id: str, task_id: str) -> str:
    """The directory of a task below its node's root. The service calls every first run of a job job-1."""
    return f"workitems/{job_id}/job-1/{task_id}"


def node_info(node: Node, root: str, endpoint: str) -> dict[str, Any]:
    """Where a task runs or ran."""
    return {
        "affinityId": f"TVM:{node.id}",
        "nodeUrl": f"{endpoint}{node.path}",
        "poolId": node.pool.body.id,
        "nodeId": node.id,
        "taskRootDirectory": root,
        "taskRootDirectoryUrl": f"{endpoint}{node.path}/files/{root}",
    }


def _options(conditions: ExitConditions, task: Task) -> ExitOptions:
    code = task.outcome.exit_code
    for exact in conditions.exit_codes or ():
        if exact.code == code:
            return exact.exit_options
    for among in conditions.exit_code_ranges or ():
        if code is not None and among.start <= code <= among.end:
            return among.exit_options
    found = None
    if task.outcome.before_the_command:
        found = conditions.pre_processing_error
    elif task.outcome.upload_failed:
        found = conditions.file_upload_error
    if found is None and not task.outcome.succeeded:
        found = conditions.default
    return found or ExitOptions()
