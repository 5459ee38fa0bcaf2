"""The logs of many jobs, of all their pods and containers, in a bounded number of calls.

The service has no call for several logs: each container is one request, which its node answers. So a read
looks at some of them, those that waited longest first, and says that there is more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from airflow_provider_jobs.backends.kubernetes import logs
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.logs import Mark, Stream
from airflow_provider_jobs.backends.kubernetes.pod_lists import PodLists
from airflow_provider_jobs.core.errors import BackendError, InvalidRequest, NotFound, UnavailableError
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine, LogPage

MAX_STREAMS = 128
MAX_LINES = 3000
AT_ONCE = 8
_MOST_BYTES = 512 * 1024
_LEAST_BYTES = 64 * 1024


@dataclass
class _Reading:
    """One job in one read.

    :param done: logs that were read to their end
    :param waiting: how many reads in a row had no room for it
    :param sweep: how far the list of its pods has been gone through
    :param found: whether the last time through it brought anything, and whether this one has so far
    """

    handle: JobHandle
    marks: dict[str, Mark]
    done: set[str]
    turn: str | None
    waiting: int
    sweep: str
    found: tuple[bool, bool]
    streams: deque[Stream] = field(default_factory=deque)
    lines: list[LogLine] = field(default_factory=list)
    was_read: bool = False
    more: bool = False

    @classmethod
    def of(cls, cursor: LogCursor) -> _Reading:
        """Return where a cursor stands; a fresh one begins with the job."""
        told: Any = cursor.position if isinstance(cursor.position, dict) else {}
        last, this = told.get("found", (True, False))
        return cls(
            handle=cursor.handle,
            marks=logs.marks_from(told.get("marks")),
            done=set(told.get("done", ())),
            turn=told.get("turn"),
            waiting=int(told.get("waiting", 0)),
            sweep=str(told.get("sweep", "")),
            found=(bool(last), bool(this)),
        )

    def take_streams(self, pods: Sequence[dict[str, Any]], *, is_whole: bool) -> None:
        """Line up what is to be read, beginning where the last read stopped."""
        found = {stream.key: stream for stream in logs.streams_of(pods, is_whole=is_whole)}
        if is_whole:
            self.done &= found.keys()
            self.marks = {key: mark for key, mark in self.marks.items() if key in found}
        self.streams = deque(stream for key, stream in found.items() if key not in self.done)
        keys = [stream.key for stream in self.streams]
        if self.turn in keys:
            self.streams.rotate(-keys.index(self.turn))

    def page(self) -> LogPage:
        """Return what was read, and where the next read begins."""
        last, this = self.found[0], self.found[1] or bool(self.lines)
        self.more = self.more or bool(self.streams) or (bool(self.sweep) and (last or this))
        position: Any = {
            "marks": logs.marks_to_json(self.marks),
            "done": sorted(self.done),
            "turn": self.streams[0].key if self.streams else None,
            "waiting": self.waiting + 1 if self.streams and not self.was_read else 0,
            "sweep": self.sweep,
            "found": [last, this] if self.sweep else [this, False],
        }
        return LogPage(
            native_id=self.handle.native_id, lines=tuple(self.lines), position=position, more=self.more
        )


@dataclass(frozen=True)
class _Answer:
    """What one request brought: a text, or an error that says something about this log alone.

    :param is_another: whether the container was started again meanwhile, so that nothing can be said
    """

    text: bytes = b""
    error: BackendError | None = None
    is_another: bool = False


class LogReader:
    """Reads on from cursors. Holds no state of its own."""

    def __init__(self, hook: KubernetesJobHook) -> None:
        self._hook = hook
        self._pods = PodLists(hook)

    def read(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return one page for every cursor, in their order; a job without pods has no lines."""
        readings = [_Reading.of(cursor) for cursor in cursors]
        for reading, listed in self._pods.of_jobs([(each, each.handle, each.sweep) for each in readings]):
            reading.sweep = listed.next_token
            reading.take_streams(listed.pods, is_whole=listed.is_whole)
        self._read_streams(readings)
        return [reading.page() for reading in readings]

    def _read_streams(self, readings: Sequence[_Reading]) -> None:
        waiting = sum(len(reading.streams) for reading in readings)
        if not waiting:
            return
        chunk = min(_MOST_BYTES, max(_LEAST_BYTES, AT_ONCE * _MOST_BYTES // waiting))
        turns = _in_turn(sorted(readings, key=lambda each: -each.waiting))
        trouble: list[BackendError] = []
        streams = lines = 0
        with ThreadPoolExecutor(min(AT_ONCE, waiting), thread_name_prefix="pod-logs") as pool:
            while streams < MAX_STREAMS and lines < MAX_LINES and (batch := list(islice(turns, AT_ONCE))):
                asked = [
                    (reading, stream, reading.marks.get(stream.key, Mark())) for reading, stream in batch
                ]
                limits = [mark.size + chunk for _, _, mark in asked]
                answers = pool.map(
                    self._ask, (stream for _, stream, _ in asked), (mark for *_, mark in asked), limits
                )
                for (reading, stream, mark), limit, answer in zip(asked, limits, answers, strict=True):
                    reading.was_read = True
                    streams += 1
                    if isinstance(answer.error, UnavailableError):
                        trouble.append(answer.error)
                        reading.more = True
                        continue
                    lines += _hand_over(reading, stream, mark, answer, limit)
        if trouble and len(trouble) == streams:
            raise trouble[0]

    def _ask(self, stream: Stream, mark: Mark, limit: int) -> _Answer:
        """Return what a container has written, or the trouble with its node or pod, which is its own."""
        try:
            text = self._hook.read_pod_log(
                stream.pod,
                container=stream.container,
                since_time=mark.since_time,
                limit_bytes=limit,
                previous=stream.is_previous,
                timestamps=True,
            )
            if stream.may_restart and not self._is_still(stream):
                return _Answer(is_another=True)
        except (NotFound, InvalidRequest, UnavailableError) as error:
            return _Answer(error=error)
        return _Answer(text)

    def _is_still(self, stream: Stream) -> bool:
        """Return whether what was read is the log of this start: the service knows only the last two."""
        pods = self._hook.list_pods_page(field_selector=f"metadata.name={stream.pod}").items
        held = {(each.key, each.is_previous) for each in logs.streams_of(pods)}
        return not pods or (stream.key, stream.is_previous) in held


def _hand_over(reading: _Reading, stream: Stream, mark: Mark, answer: _Answer, limit: int) -> int:
    """Add the lines of one answer to its job, and return how many they are."""
    if answer.is_another:
        reading.more = True
        return 0
    if answer.error:
        # The pod is gone, or the container has not written anything that can be read.
        if isinstance(answer.error, NotFound) or stream.is_over:
            reading.done.add(stream.key)
        return 0
    taken = logs.take(mark, answer.text, limit=limit, is_over=stream.is_over)
    if taken.is_torn:
        text = "The log was rotated by its node between two reads; lines in front of the next may be missing"
        reading.lines.append(stream.note(text, mark, reading.handle))
    reading.lines += [stream.line(entry, reading.handle) for entry in taken.entries]
    reading.marks[stream.key] = taken.mark
    reading.more = reading.more or taken.is_cut
    if stream.is_over and not taken.is_cut:
        reading.done.add(stream.key)
        del reading.marks[stream.key]
    elif taken.is_cut and not taken.entries and limit > logs.MAX_LINE_BYTES:
        reading.done.add(stream.key)
        text = f"A line is longer than {logs.MAX_LINE_BYTES:,} bytes; the rest of this log is not shown"
        reading.lines.append(stream.note(text, mark, reading.handle))
    return len(taken.entries)


def _in_turn(readings: Iterable[_Reading]) -> Iterator[tuple[_Reading, Stream]]:
    """Yield a log of each job in turn, until none is left; what is not taken stays lined up."""
    held = list(readings)
    while any(reading.streams for reading in held):
        for reading in held:
            if reading.streams:
                yield reading, reading.streams.popleft()
