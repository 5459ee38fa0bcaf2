"""The logs of many jobs in few queries.

CloudWatch Logs takes about 5 of them per second, account and region, whoever asks. A query takes the names
of 100 streams, which the service tells only job by job, child by child, 100 of them in one call; so both
are grouped over jobs, what is asked and read at once is bounded, and all that read in one process share a
budget for each region.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch import details, mapping, parts, streams
from airflow_provider_jobs.backends.aws_batch.hook import MAX_DESCRIBED, MAX_FILTERED_STREAMS, AwsBatchHook
from airflow_provider_jobs.backends.aws_batch.log_budget import budget_of
from airflow_provider_jobs.backends.aws_batch.positions import SETTLE_MS, Position, Progress, chunks
from airflow_provider_jobs.core.errors import NotFound, TransientError
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine, LogPage

Fields = Mapping[str, Any]

MAX_LINES = 3000
MAX_QUERIES = 10
MAX_STREAMS = 1000
MAX_PARTS = 1000
_OVERLAP_EVENTS = 1000
_LEAST_OVERLAP_EVENTS = 10
_STARTED = {"RUNNING", "SUCCEEDED", "FAILED"}


@dataclass
class _Reading:
    """One job in one read.

    :param left_out: how many of its streams there was no room for
    """

    handle: JobHandle
    position: Position
    lines: list[LogLine] = field(default_factory=list)
    more: bool = False
    left_out: int = 0

    def page(self) -> LogPage:
        """Return what was read, the streams of all children by time."""
        return LogPage(
            native_id=self.handle.native_id,
            lines=tuple(sorted(self.lines, key=lambda line: (line.timestamp, line.attempt))),
            position=self.position.to_json(),
            more=self.more,
            unread=bool(self.left_out) and self.left_out == len(self.position.streams),
        )


@dataclass
class _Brought:
    """What one query brought.

    :param events: those that were not handed out before
    :param cut_ms: the time at which it was broken off with more to come, 0 where it was not
    """

    events: dict[Progress, list[Fields]] = field(default_factory=lambda: defaultdict(list))
    new: int = 0
    cut_ms: int = 0


class LogReader:
    """Reads on from cursors. Holds no state of its own.

    :param user: tells who reads from others that share the region's budget
    """

    def __init__(self, hook: AwsBatchHook, *, user: str) -> None:
        self._hook = hook
        self._user = user

    def read(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return one page for every cursor, in their order; one without a trace has no lines."""
        now_ms = int(pendulum.now("UTC").timestamp() * 1000)
        if not budget_of(self._hook.region).has_call(self._user):
            # Nothing could be read, so it is not asked either what there is.
            return [_unread(cursor) for cursor in cursors]
        readings = [_Reading(cursor.handle, Position.of(cursor.position)) for cursor in cursors]
        self._discover(readings, now_ms=now_ms)
        self._read_streams(readings, now_ms=now_ms)
        return [reading.page() for reading in readings]

    # Which streams there are

    def _discover(self, readings: Sequence[_Reading], *, now_ms: int) -> None:
        unknown = [reading for reading in readings if not reading.position.knows_all]
        ids = list(dict.fromkeys(reading.handle.native_id for reading in unknown))
        jobs = {job["jobId"]: job for job in self._hook.describe_jobs(ids)}
        found = [(each, jobs[each.handle.native_id]) for each in unknown if each.handle.native_id in jobs]
        with_parts = [(reading, job) for reading, job in found if details.part_count(job)]
        asked: dict[str, list[tuple[_Reading, int]]] = defaultdict(list)
        for reading, job in with_parts:
            for number in self._numbers(reading, job, room=max(1, MAX_PARTS // len(with_parts))):
                (part_id,) = details.part_ids(job, [number])
                asked[part_id].append((reading, number))
        for part in self._hook.describe_jobs(list(asked)):
            for reading, number in asked[part["jobId"]]:
                reading.position.learn(number, part, now_ms=now_ms)
        for reading, job in found:
            if not details.part_count(job):
                reading.position.count = 1
                reading.position.learn(0, job, now_ms=now_ms)

    def _numbers(self, reading: _Reading, job: Fields, *, room: int) -> list[int]:
        """Return the children or nodes whose streams are to be asked for."""
        position = reading.position
        position.count = details.part_count(job)
        summary = details.status_summary(job)
        is_same = summary == position.summary and not mapping.is_over(job)
        if details.is_array(job) and (is_same or not _STARTED & summary.keys()):
            return []
        pending = [number for number in range(position.count) if number not in position.done]
        if details.is_array(job) and len(pending) > MAX_DESCRIBED:
            pending = self._changed(job, position)
        taken = position.turned(pending, room)
        if len(taken) < len(pending):
            reading.more = True
        else:
            position.summary = summary
        return taken

    def _changed(self, job: Fields, position: Position) -> list[int]:
        """Return the children of a large array of which something new can be told."""
        summary = details.status_summary(job)
        over = [
            word
            for word in ("SUCCEEDED", "FAILED")
            if mapping.is_over(job) or summary.get(word) != position.summary.get(word)
        ]
        changed: set[int] = set()
        for status in ("RUNNING", *over):
            for child in self._hook.list_jobs(array_job_id=job["jobId"], status=status):
                number = parts.number(child)
                began = position.running.get(number, -1)
                if number not in position.done and (status != "RUNNING" or began != child.get("startedAt")):
                    changed.add(number)
        return sorted(changed)

    # What they hold

    def _read_streams(self, readings: Sequence[_Reading], *, now_ms: int) -> None:
        owners = _choose(readings)
        by_wait = sorted(
            chunks(owners, MAX_FILTERED_STREAMS), key=lambda chunk: min(each.read_ms for each in chunk)
        )
        queue = deque(by_wait)
        lines = 0
        for queries in range(MAX_QUERIES):
            if not queue or lines >= MAX_LINES:
                break
            if not self._take_call(queue[0]):
                break
            chunk = queue.popleft()
            try:
                lines += self._read_chunk(chunk, owners, now_ms=now_ms)
            except TransientError:
                if not queries:
                    raise
                # What was read before is not thrown away.
                queue.appendleft(chunk)
                break
            except NotFound as error:
                if len(chunk) > 1 and "log group" not in error.message:
                    # The service does not say which stream it does not know; halves will show.
                    middle = len(chunk) // 2
                    queue.extendleft([chunk[middle:], chunk[:middle]])
                    continue
                for progress in chunk:
                    owners[progress].position.miss(progress.stream.name, now_ms=now_ms)
        for progress in (each for chunk in queue for each in chunk):
            owners[progress].more = True
            owners[progress].left_out += 1

    def _take_call(self, chunk: Sequence[Progress]) -> bool:
        return budget_of(chunk[0].stream.region or self._hook.region).take(self._user)

    def _read_chunk(self, chunk: list[Progress], owners: Mapping[Progress, _Reading], *, now_ms: int) -> int:
        """Read one chunk and return how many lines it brought."""
        brought = self._query(chunk)
        overlap = max(_OVERLAP_EVENTS // len(chunk), _LEAST_OVERLAP_EVENTS)
        # Near to now, what was broken off is read on like what has ended: some of it may come late.
        read_until_ms = brought.cut_ms if brought.cut_ms < now_ms - SETTLE_MS else 0
        for progress in chunk:
            reading, name = owners[progress], progress.stream.name
            fresh = brought.events[progress]
            reading.lines += [streams.to_line(each, progress.stream, reading.handle) for each in fresh]
            reading.more = reading.more or bool(brought.cut_ms)
            progress.missing, progress.read_ms = False, now_ms
            progress.advance(fresh, overlap_events=overlap, read_until_ms=read_until_ms)
            if not brought.cut_ms:
                reading.position.read_on(name, now_ms=now_ms)
        return brought.new

    def _query(self, chunk: list[Progress]) -> _Brought:
        """Return the new events of some streams; the first call is taken from the budget already.

        Only new ones count towards the bound, so that every read gets on; and a page without any event, which
        the service gives while it searches, is no end. Events of all streams come in the order of time.
        """
        stream = chunk[0].stream
        by_name: dict[str, list[Progress]] = defaultdict(list)
        for progress in chunk:
            by_name[progress.stream.name].append(progress)
        start_ms = min(progress.from_ms for progress in chunk)
        brought = _Brought()
        token = ""
        while True:
            page = self._hook.filter_log_events(
                stream.group, list(by_name), start_ms=start_ms, page_token=token, region=stream.region
            )
            for event in page.items:
                for progress in by_name[event["logStreamName"]]:
                    if progress.is_new(event):
                        brought.events[progress].append(event)
                        brought.new += 1
            token = page.next_token
            if not token:
                return brought
            if page.items and (brought.new >= MAX_LINES or not self._take_call(chunk)):
                brought.cut_ms = page.items[-1]["timestamp"]
                return brought


def _unread(cursor: LogCursor) -> LogPage:
    return LogPage(native_id=cursor.handle.native_id, position=cursor.position, more=True, unread=True)


def _choose(readings: Sequence[_Reading]) -> dict[Progress, _Reading]:
    """Return the streams to read now and whose they are; of too many, those that have waited longest."""
    is_much = sum(len(reading.position.streams) for reading in readings) > MAX_STREAMS
    share = max(1, MAX_STREAMS // len(readings)) if is_much else MAX_STREAMS
    owners: dict[Progress, _Reading] = {}
    for reading in readings:
        some = sorted(reading.position.streams.values(), key=lambda progress: progress.read_ms)[:share]
        reading.more = reading.more or len(some) < len(reading.position.streams)
        owners.update(dict.fromkeys(some, reading))
    return owners
