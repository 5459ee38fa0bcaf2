"""The log of one job as it is read: lines go on to the task, markers are heard, the last lines kept.

Memory is bounded by the number of indexes times the lines kept of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_jobs.core.markers import MalformedMarker, Marker, parse_marker
from airflow_provider_jobs.core.models import LogLine

DEFAULT_TAIL = 20
_TAIL_LINE_CHARS = 2_000


class Listener(Protocol):
    """Who is told while a job is waited for: the task's log, in Airflow."""

    def line(self, line: LogLine) -> None:
        """Show one line of the job."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Show one sentence about the job."""


@dataclass(slots=True)
class JobStory:
    """What the lines of one job have said so far.

    :param shown: which indexes go to the listener: ``"all"``, ``"none"``, or a collection of them
    :param tail: how many last lines of each index are kept for the exception
    """

    listener: Listener
    shown: str | Collection[int] = "all"
    tail: int = DEFAULT_TAIL
    outputs: dict[int, dict[str, Any]] = field(default_factory=dict)
    _tails: dict[int | None, deque[str]] = field(default_factory=dict)

    def take(self, lines: Iterable[LogLine]) -> None:
        """Take the next lines, in order."""
        for line in lines:
            marker = self._marker(line)
            if marker is not None:
                self._hear(marker, line.index or 0)
            if self._is_shown(line):
                self.listener.line(line)
            if self.tail:
                self._tails.setdefault(line.index, deque(maxlen=self.tail)).append(
                    line.message[:_TAIL_LINE_CHARS]
                )

    def last_lines(self, index: int | None) -> tuple[str, ...]:
        """Return the last lines of an index, oldest first; of the job as a whole for ``None``."""
        if index is None and None not in self._tails and len(self._tails) == 1:
            index = next(iter(self._tails))
        return tuple(self._tails.get(index, ()))

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

    def _hear(self, marker: Marker, index: int) -> None:
        if marker.outputs:
            self.outputs.setdefault(index, {}).update(marker.outputs)
        if marker.progress is not None:
            said = f": {marker.message}" if marker.message else ""
            self.listener.note(f"Index {index} is at {marker.progress:.0%}{said}")
