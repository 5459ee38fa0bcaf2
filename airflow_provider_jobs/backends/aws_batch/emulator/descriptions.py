"""Jobs, children and nodes as DescribeJobs and ListJobs tell of them.

It exists so that a job read from here looks like one read from the service. It must not change a job.
https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import hindrances, outcomes
from airflow_provider_jobs.backends.aws_batch.emulator.attempt_descriptions import (
    attempts_of,
    properties,
    show_ended,
    show_latest,
)
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement, hindrance
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind, milliseconds
from airflow_provider_jobs.emulator.jobs import Job, Task, TaskState

Shown = dict[str, Any]

_SUMMARY = (
    "jobArn", "jobId", "jobName", "createdAt", "status", "statusReason", "startedAt", "stoppedAt",
    "shareIdentifier", "isCancelled", "isTerminated",
)  # fmt: skip
_ENDED = ("SUCCEEDED", "FAILED")


class Describer:
    """Tells of jobs. ``held`` says whether somebody keeps a job from getting a machine."""

    def __init__(self, placement: Placement, held: Callable[[Job], bool]) -> None:
        self._placement = placement
        self._held = held

    def detail(self, record: JobRecord, index: int | None) -> Shown:
        """The job itself, or a child or node of it."""
        if index is None and record.kind is Kind.ARRAY:
            return self._array(record)
        if index is None and record.kind is Kind.NODES:
            return self._nodes(record)
        task = record.job.tasks[index or 0]
        shown = self._task(record, task)
        if record.kind is Kind.ARRAY:
            shown["arrayProperties"] = {"statusSummary": {}, "index": task.index}
        if record.kind is Kind.NODES:
            shown["nodeDetails"] = {"nodeIndex": task.index, "isMainNode": task.index == record.main_node}
        return shown

    def summary(self, record: JobRecord, index: int | None, *, filtered: bool) -> Shown:
        """The few members of a description that a list shows; one more where a filter was used."""
        detail = self.detail(record, index)
        shown = {name: detail[name] for name in _SUMMARY if name in detail}
        container = detail.get("container", {})
        shown["container"] = {key: container[key] for key in ("exitCode", "reason") if key in container}
        if record.kind is Kind.ARRAY:
            own = detail["arrayProperties"]
            shown["arrayProperties"] = own if index is None else {"index": own["index"]}
        if record.kind is Kind.NODES:
            shown["nodeProperties"] = {**detail.get("nodeDetails", {}), "numNodes": record.size}
        if filtered:
            shown["jobDefinition"] = detail["jobDefinition"]
        return shown

    def _array(self, record: JobRecord) -> Shown:
        """The parent of an array: it runs nothing itself, so it has neither attempts nor a start."""
        shown = _common(record, record.job_id, record.status) | {"attempts": [], "eksAttempts": []}
        shown |= properties(record, 0)
        shown["arrayProperties"] = {
            "statusSummary": record.summary(),
            "statusSummaryLastUpdatedAt": milliseconds(record.job.updated_at),
            "size": record.size,
        }
        if record.over:
            shown["stoppedAt"] = milliseconds(record.job.updated_at)
        if record.status == "FAILED":
            shown["statusReason"] = self._array_reason(record)
        return shown

    def _array_reason(self, record: JobRecord) -> str:
        if record.stop is not None and record.stop in record.stops.values():
            return record.stop.reason
        reasons = {self._status_reason(record, task) for task in record.job.tasks}
        return (
            outcomes.CHILD_FAILED if reasons != {outcomes.DEPENDENCY_FAILED} else outcomes.DEPENDENCY_FAILED
        )

    def _nodes(self, record: JobRecord) -> Shown:
        """A job of several nodes: it tells what its main node tells."""
        shown = self._task(record, record.job.tasks[record.main_node])
        for name in ("container", "ecsProperties", "eksProperties"):
            shown.pop(name, None)
        return shown | {
            "jobArn": record.place.arn("job", record.job_id),
            "jobId": record.job_id,
            "status": record.status,
            "nodeProperties": record.properties["nodeProperties"],
        }

    def _task(self, record: JobRecord, task: Task) -> Shown:
        status = record.status_of(task)
        shown = _common(record, record.id_of(task.index), status)
        stop = record.stops.get(task.index)
        if stop is not None:
            shown["isTerminated" if stop.terminated else "isCancelled"] = True
        shown |= properties(record, task.index)
        if (reason := self._status_reason(record, task)) is not None:
            shown["statusReason"] = reason
        attempts = attempts_of(record, task)
        if attempts and task.state is not TaskState.PENDING:
            shown |= {key: value for key, value in attempts[-1].times().items() if key == "startedAt"}
            show_latest(shown, attempts[-1])
        if status in _ENDED and task.events:
            shown["stoppedAt"] = milliseconds(task.events[-1].at)
        ended = [show_ended(attempt) for attempt in attempts if attempt.ended]
        shown["attempts"], shown["eksAttempts"] = ([], ended) if record.in_pods else (ended, [])
        return shown

    def _status_reason(self, record: JobRecord, task: Task) -> str | None:
        status = record.status_of(task)
        if status == "RUNNABLE":
            word = self._hindrance(record, task.index)
            return hindrances.sentence(word) if word else None
        if status not in _ENDED:
            return None
        if task.end is None or task.state is TaskState.UNEXECUTED:
            stop = record.stops.get(task.index)
            return stop.reason if stop else None
        return outcomes.outcome_of(record, task.index, task.end).status_reason or None

    def _hindrance(self, record: JobRecord, index: int) -> str | None:
        """What keeps a task from a machine: what a rule says, or what is found out of the head of a queue."""
        if record.job.hindered_by is not None:
            return record.job.hindered_by
        if self._held(record.job):
            return hindrances.NO_CAPACITY
        return hindrance(record, index) if self._placement.is_first(record, index) else None


def _common(record: JobRecord, job_id: str, status: str) -> Shown:
    shown = {
        **record.detail,
        "jobArn": record.place.arn("job", job_id),
        "jobId": job_id,
        "status": status,
        "tags": dict(record.tags),
    }
    if record.stop is not None:
        shown["isTerminated" if record.stop.terminated else "isCancelled"] = True
    return shown
