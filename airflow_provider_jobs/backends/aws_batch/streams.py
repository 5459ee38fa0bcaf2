"""Where the log of a job stands: the CloudWatch streams of its attempts, and what an event says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.backends.aws_batch import details
from airflow_provider_jobs.core.models import JobHandle, LogLine
from airflow_provider_jobs.core.moments import from_microseconds

Fields = Mapping[str, Any]

# https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html
DEFAULT_GROUP = "/aws/batch/job"
_DRIVER = "awslogs"


@dataclass(frozen=True)
class Stream:
    """One stream of a log group: one container of one attempt of one job, child of an array, or node.

    :param region: of the log group, where the job's log configuration names one
    :param task: the number of the child of an array, 0 for any other job
    :param attempt: which attempt of the service wrote it, counted from 0
    :param container: its name where a task has several, or the node that it ran on
    :param started_ms: when the attempt began, milliseconds since 1970
    """

    name: str
    group: str
    region: str | None = None
    task: int = 0
    attempt: int = 0
    container: str | None = None
    started_ms: int = 0


def of_job(job: Fields) -> list[Stream]:
    """Return the streams of a described job, child or node, those of its first attempt first."""
    node = details.node(job)
    where = None if node is None else f"node {node}"
    return [
        Stream(
            name=container.stream,
            group=_option(container, "awslogs-group") or DEFAULT_GROUP,
            region=_option(container, "awslogs-region"),
            task=details.task_number(job),
            attempt=attempt.number,
            container=" ".join(filter(None, (where, container.name))) or None,
            started_ms=attempt.started_ms,
        )
        for attempt in details.attempts(job)
        for container in attempt.containers
        if container.stream and container.log.get("logDriver", _DRIVER) == _DRIVER
    ]


def to_line(event: Fields, stream: Stream, handle: JobHandle | None = None) -> LogLine:
    """Return an event as a line. The awslogs driver puts stdout and stderr into one stream, untold apart.

    :param handle: translates the number of a child to the original index
    """
    return LogLine(
        timestamp=from_microseconds(int(event["timestamp"]) * 1000),
        message=str(event.get("message", "")).rstrip("\r\n"),
        index=stream.task if handle is None else handle.original_index(stream.task),
        attempt=stream.attempt,
        container=stream.container,
    )


def _option(container: details.Container, name: str) -> str | None:
    return (container.log.get("options") or {}).get(name)
