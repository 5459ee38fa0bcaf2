"""What of an array is left to run after a failure, so that a retry runs that alone.

Most outcomes leave everything; where indexes have succeeded, their outputs are kept for the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from pydantic import JsonValue

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import (
    ArrayCounts,
    JobEvent,
    JobHandle,
    JobOutcome,
    LogCursor,
    LogLine,
    LogPage,
)
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.core.ranges import format_indexes, parse_indexes
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.core.wire import Wire
from airflow_provider_jobs.engine.calls import Asking
from airflow_provider_jobs.engine.claims import Found, Stamp
from airflow_provider_jobs.engine.story import JobStory

Outputs = dict[int, dict[str, JsonValue]]


class Leftover(Wire):
    """The part of an array that has not succeeded yet.

    :param fingerprint: of what the others have run
    :param indexes: the original indexes to run, as ranges
    :param outputs: what the others have reported
    """

    version: Literal[1] = 1
    fingerprint: str
    indexes: str
    outputs: Outputs = {}

    def part_of(self, spec: JobSpec) -> JobSpec:
        """Return the spec of these indexes alone."""
        return spec.model_copy(update={"indexes": tuple(parse_indexes(self.indexes))})


def leftover_of(outcome: JobOutcome) -> Leftover | None:
    """Return what a failed array leaves to run; ``None`` for everything."""
    return _leftover(outcome.handle, _left(outcome.state, outcome.array), outcome.outputs)


def _leftover(handle: JobHandle, indexes: tuple[int, ...] | None, outputs: Outputs) -> Leftover | None:
    stamp = Stamp.read(handle.stamp)
    if indexes is None or stamp is None:
        return None
    left = set(indexes)
    kept = {index: said for index, said in outputs.items() if index not in left}
    return Leftover(fingerprint=stamp.fingerprint, indexes=format_indexes(indexes), outputs=kept)


def _left(state: JobState, array: ArrayCounts) -> tuple[int, ...] | None:
    is_counted = array.succeeded + array.failed == array.size and len(array.failed_indexes) == array.failed
    if state is not JobState.FAILED or not is_counted or not 0 < array.failed < array.size:
        return None
    return array.failed_indexes


def merged(array: ArrayCounts, array_size: int) -> ArrayCounts:
    """Return the counts of a whole array from those of its last part; the rest has succeeded before."""
    before = array_size - array.size
    if before <= 0:
        return array
    return array.model_copy(update={"size": array_size, "succeeded": array.succeeded + before})


def read_leftover(backend: Backend, ask: Asking, ended: Sequence[Found], *, size: int) -> Leftover | None:
    """Return what jobs that have ended left to run, from what their service still knows of them.

    :param ended: the jobs, the newest first
    :param size: of the whole array
    """
    if not ended or (array := ended[0].report.array) is None:
        return None
    indexes = _left(ended[0].state, merged(array, size))
    if indexes is None:
        return None
    outputs: Outputs = {}
    for found in reversed(ended):
        outputs.update(_outputs(backend, ask, found.handle))
    return _leftover(ended[0].handle, indexes, outputs)


class _Silent:
    """A listener that shows nothing: the lines stand in the log of an earlier try."""

    def line(self, line: LogLine) -> None:
        """Show nothing."""

    def note(self, text: str, *, warning: bool = False) -> None:
        """Show nothing."""

    def event(self, event: JobEvent) -> None:
        """Hear nothing: an earlier try has."""

    def progress(self, progress: JobProgress) -> None:
        """Hear nothing: it is over."""


def _outputs(backend: Backend, ask: Asking, handle: JobHandle) -> Outputs:
    """Read what an ended job has reported in its log."""
    story = JobStory(_Silent(), "none", tail=0)
    page = LogPage(native_id=handle.native_id, more=True)
    while page.more or page.lines:
        page = ask(partial(_next_page, backend, LogCursor(handle=handle, position=page.position)))
        story.take(page.lines)
    return dict(story.outputs)


def _next_page(backend: Backend, cursor: LogCursor) -> LogPage:
    """Return the next lines of a job.

    :raises ThrottledError: this process has used up its share of a quota for now
    """
    (page,) = backend.read_logs([cursor])
    if page.unread:
        raise ThrottledError("this process reads logs as often as it may")
    return page
