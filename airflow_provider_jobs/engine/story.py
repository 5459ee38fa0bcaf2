"""The log of one job as it is read: lines go on to the task, markers are heard, the last lines kept.

Memory is bounded by the number of indexes times the lines kept of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_jobs.core.markers import MalformedMarker, Marker, parse_marker
from airflow_provider_jobs.core.models import JobEvent, LogLine
from airflow_provider_jobs.core.moments import DateTime
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.core.terms import LOG_MAX_BYTES

DEFAULT_TAIL = 20
_TAIL_LINE_CHARS = 2_000
# They cross into a worker with the outcome, in one row of Airflow's database.
MOST_EVENT_BYTES = 256 * 1024


class Listener(Protocol):
    """Who is told while a job is waited for: the task's log, in Airflow."""

    def line(self, line: LogLine) -> None:
        """Show one line of the job."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Show one sentence about the job."""

    def event(self, event: JobEvent) -> None:
        """Hear an event of the job."""

    def progress(self, progress: JobProgress) -> None:
        """Hear how far the job is, or why it does not start."""


@dataclass(slots=True)
class JobStory:
    """What the lines of one job have said so far.

    :param shown: which indexes go to the listener: ``"all"``, ``"none"``, or a collection of them
    :param tail: how many last lines of each index are kept for the exception
    :param room: how many bytes of lines are shown yet
    :param logs_url: where a person sees those that are not
    :param size: how many indexes there are
    """

    listener: Listener
    shown: str | Collection[int] = "all"
    tail: int = DEFAULT_TAIL
    room: int = LOG_MAX_BYTES
    logs_url: str | None = None
    size: int = 1
    events: list[JobEvent] = field(default_factory=list)
    outputs: dict[int, dict[str, Any]] = field(default_factory=dict)
    _event_room: int = MOST_EVENT_BYTES
    _fractions: dict[int, float] = field(default_factory=dict)
    _sum_of_fractions: float = 0.0
    _tails: dict[int | None, deque[str]] = field(default_factory=dict)

    def take(self, lines: Iterable[LogLine]) -> None:
        """Take the next lines, in order."""
        for line in lines:
            marker = self._marker(line)
            if marker is not None:
                self._hear(marker, line.index or 0, at=line.timestamp)
            if self._is_shown(line):
                self._show(line)
            if self.tail:
                self._tails.setdefault(line.index, deque(maxlen=self.tail)).append(
                    line.message[:_TAIL_LINE_CHARS]
                )

    def last_lines(self, index: int | None) -> tuple[str, ...]:
        """Return the last lines of an index, oldest first; of the job as a whole for ``None``."""
        if index is None and None not in self._tails and len(self._tails) == 1:
            index = next(iter(self._tails))
        return tuple(self._tails.get(index, ()))

    def _show(self, line: LogLine) -> None:
        """Show a line, if there is room; once there is none, say so and show no more."""
        if self.room < 0:
            return
        self.room -= len(line.message.encode())
        if self.room >= 0:
            self.listener.line(line)
            return
        where = f": {self.logs_url}" if self.logs_url else " of its service"
        self.listener.note(
            f"The job has written more than this log shows (log_max_bytes). The rest is in the log{where}",
            warning=True,
        )

    def _is_shown(self, line: LogLine) -> bool:
        if isinstance(self.shown, str):
            return self.shown == "all"
        return line.index is None or line.index in self.shown

    def _marker(self, line: LogLine) -> Marker | None:
        if line.stream != "stdout":
            return None
        try:
            return parse_marker(line.message)
        except MalformedMarker as problem:
            at = f" of index {line.index}" if line.index is not None else ""
            self.listener.note(f"A marker{at} was not understood ({problem}): {line.message}", warning=True)
            return None

    def _hear(self, marker: Marker, index: int, *, at: DateTime) -> None:
        if marker.outputs:
            self.outputs.setdefault(index, {}).update(marker.outputs)
        if marker.progress is not None:
            self.listener.progress(self._progress(index, marker.progress, marker.message, at=at))
        if marker.event is not None:
            self._keep(JobEvent(index=index, event=marker.event))

    def _progress(self, index: int, fraction: float, message: str | None, *, at: DateTime) -> JobProgress:
        """Return how far the whole job is, now that one index is so far."""
        self._sum_of_fractions += fraction - self._fractions.get(index, 0.0)
        self._fractions[index] = fraction
        reported = len(self._fractions)
        return JobProgress(
            at=at,
            # A sum of differences may leave the range by a rounding error.
            fraction=min(1.0, max(0.0, self._sum_of_fractions / max(self.size, reported))),
            index=index,
            index_fraction=fraction,
            message=message,
            reported=reported,
        )

    def _keep(self, event: JobEvent) -> None:
        """Hand an event on, and keep it while there is room."""
        self.listener.event(event)
        if self._event_room < 0:
            return
        self._event_room -= len(event.model_dump_json())
        if self._event_room >= 0:
            self.events.append(event)
        else:
            self.listener.note(
                f"The job has reported more events than can be kept ({MOST_EVENT_BYTES} bytes)", warning=True
            )
