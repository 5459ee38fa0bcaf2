"""Which log streams there are, and the events in them.

It exists because a stream is named after an ECS task and knows nothing of jobs. Streams stay when a job is
forgotten. It must not answer requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from airflow_provider_jobs.backends.aws_batch.emulator.containers import containers_of, stream_of
from airflow_provider_jobs.backends.aws_batch.emulator.names import Place
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, milliseconds
from airflow_provider_jobs.emulator.jobs import EndReason, Event, Job, Task, TaskState
from airflow_provider_jobs.emulator.logstore import LogLine, LogQuery, LogStore


class Source(NamedTuple):
    """Whose output a stream is: a step of an attempt of a task."""

    job_uid: str
    task: int
    attempt: int
    step: int


@dataclass(frozen=True)
class LogStream:
    """A stream of one group. Times in milliseconds."""

    name: str
    source: Source
    created_at: int


class LogEvent(NamedTuple):
    """One event. ``place`` orders all events of the store and is never given twice."""

    stream: str
    message: str
    place: int
    timestamp: int
    ingested_at: int

    @property
    def size(self) -> int:
        """Bytes that it counts for in a page: "each event's UTF-8 bytes plus 26"."""
        return len(self.message.encode()) + 26


Group = dict[str, LogStream]


class LogStreams:
    """Streams by place, group and name; made when a container begins to run."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._groups: dict[Place, dict[str, Group]] = {}

    def clear(self) -> None:
        self._groups.clear()

    def groups(self, place: Place) -> Mapping[str, Group]:
        """All groups of an account and region, by name."""
        return self._groups.get(place, {})

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        """Open the streams of an attempt that begins; take them back when it was refused after all."""
        record: JobRecord = job.data
        refused = event.end is not None and event.end.reason is EndReason.REFUSED
        if event.after is not TaskState.RUNNING and not refused:
            return
        for step, container in enumerate(containers_of(record, task.index)):
            stream = stream_of(record, container, index=task.index, attempt=task.attempt)
            if stream is None:
                continue
            group = self._groups.setdefault(replace(record.place, region=stream.region), {}).setdefault(
                stream.group, {}
            )
            source = Source(record.job_id, task.index, task.attempt, step)
            group[stream.name] = LogStream(stream.name, source, milliseconds(event.at))
            if refused:
                del group[stream.name]

    def events(
        self,
        streams: Sequence[LogStream],
        *,
        after: int = -1,
        before: int = 2**63 - 1,
        descending: bool = False,
    ) -> Iterator[LogEvent]:
        """Events of these streams by time, strictly after and before these places. Lazy."""
        names = {stream.source: stream.name for stream in streams}
        query = LogQuery(
            job_uids=sorted({source.job_uid for source in names}),
            task_indexes=sorted({source.task for source in names}),
            from_ns=after + 1,
            to_ns=before - 1,
            descending=descending,
        )
        for line in self._logs.read(query):
            name = names.get(Source(line.job_uid, line.task_index, line.attempt, line.step))
            # The log driver sends no empty messages, and the service takes none.
            if name is not None and line.text:
                yield _event(name, line)


def _event(stream: str, line: LogLine) -> LogEvent:
    return LogEvent(
        stream, line.text, line.written_ns, line.written_ns // 1_000_000, line.visible_ns // 1_000_000
    )
