"""The log of one job as it is read: lines go on to the task, markers are heard, the last lines kept.

Memory is bounded by the number of indexes times the lines kept of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.core.markers import MalformedMarker, Marker, parse_marker
from airflow_provider_jobs.core.models import JobEvent, LogLine
from airflow_provider_jobs.core.terms import LOG_MAX_BYTES
from airflow_provider_jobs.engine.listening import Listener
from airflow_provider_jobs.engine.reports import MarkerReports

DEFAULT_TAIL = 20
_TAIL_LINE_CHARS = 2_000


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
    # Thousands wait whose jobs have said nothing yet: what holds it is made when there is something.
    _reports: MarkerReports | None = None
    _tails: dict[int | None, deque[str]] | None = None

    @property
    def outputs(self) -> Mapping[int, dict[str, Any]]:
        """What the indexes have reported as their results."""
        return self._reports.outputs if self._reports else {}

    @property
    def events(self) -> Sequence[JobEvent]:
        """The events that were reported, as far as they are kept."""
        return self._reports.events if self._reports else ()

    def take(self, lines: Iterable[LogLine]) -> None:
        """Take the next lines, in order."""
        for line in lines:
            marker = self._marker(line)
            if marker is not None:
                self._reports = self._reports or MarkerReports(self.listener, self.size)
                self._reports.take(marker, line.index or 0, at=line.timestamp)
            if self._is_shown(line):
                self._show(line)
            if self.tail:
                self._keep_last(line)

    def last_lines(self, index: int | None) -> tuple[str, ...]:
        """Return the last lines of an index, oldest first; of the job as a whole for ``None``."""
        tails = self._tails or {}
        if index is None and None not in tails and len(tails) == 1:
            index = next(iter(tails))
        return tuple(tails.get(index, ()))

    def _keep_last(self, line: LogLine) -> None:
        self._tails = {} if self._tails is None else self._tails
        self._tails.setdefault(line.index, deque(maxlen=self.tail)).append(line.message[:_TAIL_LINE_CHARS])

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
