"""The logs of many submissions: two files for every task, each read on from where it was left.

The service has no call for several files, so every read is bounded and goes round: first a list of the
tasks of an array, to leave alone those that have not begun and those that are read to their end, then for
each task whose turn it is a list of its files, to leave alone those that have not grown. What all of them
bring is bounded too, in bytes and in lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pendulum
from azure.batch.models import BatchNodeFile

from airflow_provider_jobs.backends.azure_batch import logs
from airflow_provider_jobs.backends.azure_batch.failures import word
from airflow_provider_jobs.backends.azure_batch.fan_out import at_once
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook, FilePart
from airflow_provider_jobs.backends.azure_batch.logs import NEWLINE, STREAMS, Mark, Position
from airflow_provider_jobs.backends.azure_batch.mapping import COMPLETED
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.core.errors import Conflict, NotFound
from airflow_provider_jobs.core.models import LogCursor, LogLine, LogPage

# How many tasks are looked at in one read, of all submissions together.
TASKS_PER_READ = 100
PIECE_BYTES = 256 * 1024
# Of the files of all tasks of one read together; a line that is longer than its file's share is read whole.
_BYTES_PER_READ = 8 * 2**20
_LEAST_BYTES = 16 * 1024
MAX_LINES = 20_000
_LEAST_LINES = 50
_BEGUN = "state eq 'running' or state eq 'completed'"
_FILES = "startswith(name,'std')"


@dataclass
class _Turn:
    """One task whose turn it is, and what its files brought.

    :param is_over: whether it has completed, ``None`` where that was not asked
    """

    place: Place
    index: int
    marks: list[Mark]
    is_over: bool | None
    lines: list[LogLine] = field(default_factory=list)
    has_more: bool = False
    is_done: bool = False


@dataclass(frozen=True)
class _Bound:
    """How much one read takes of each file; of most tasks only one of the two is long."""

    bytes: int
    lines: int

    @classmethod
    def of(cls, tasks: int, piece_bytes: int) -> _Bound:
        """Share what a read may bring among so many tasks."""
        tasks = max(tasks, 1)
        share = max(_BYTES_PER_READ // tasks, _LEAST_BYTES)
        return cls(min(piece_bytes, share), max(MAX_LINES // tasks, _LEAST_LINES))


class LogReader:
    """Reads on from cursors. Holds no state of its own."""

    def __init__(
        self, hook: AzureBatchHook, *, tasks_per_read: int = TASKS_PER_READ, piece_bytes: int = PIECE_BYTES
    ) -> None:
        self._hook = hook
        self._tasks_per_read = tasks_per_read
        self._piece_bytes = piece_bytes

    def read(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return one page for every cursor, in their order; one that is gone has no lines."""
        if not cursors:
            return []
        share = max(self._tasks_per_read // len(cursors), 1)
        begun = at_once(self._begun, cursors)
        turns: list[list[_Turn]] = []
        left: list[bool] = []
        for cursor, states in zip(cursors, begun, strict=True):
            position = Position.of(cursor)
            waiting = position.in_turn(states)
            turns.append([self._turn(cursor, position, index, states) for index in waiting[:share]])
            left.append(len(waiting) > share)
        taken = [turn for each in turns for turn in each]
        bound = _Bound.of(len(taken), self._piece_bytes)
        at_once(partial(self._read_task, bound=bound), taken)
        return [
            _page(cursor, each, more=more) for cursor, each, more in zip(cursors, turns, left, strict=True)
        ]

    def _turn(
        self, cursor: LogCursor, position: Position, index: int, states: dict[int, bool | None]
    ) -> _Turn:
        place = Place.of(cursor.handle.native_id)
        return _Turn(place, index, position.marks_of(index), states[index])

    def _begun(self, cursor: LogCursor) -> dict[int, bool | None]:
        """Return the indexes that may have files, and whether they have completed.

        Of a single task that is asked only where its last line has no end: the list of its files tells the
        rest.
        """
        handle, place = cursor.handle, Place.of(cursor.handle.native_id)
        if handle.size == 1 and not Position.of(cursor).holds_back:
            return {handle.original_index(0): None}
        ours = f"({_BEGUN}) and {place.filter}" if place.filter else _BEGUN
        try:
            tasks = list(self._hook.list_tasks(place.job_id, ours, ("id", "state")))
        except NotFound:
            return {}
        numbered = {index: task for task in tasks if (index := place.index(task.id)) is not None}
        return {index: word(task.state) == COMPLETED for index, task in numbered.items()}

    def _read_task(self, turn: _Turn, *, bound: _Bound) -> None:
        """Read on in the files of one task that have grown."""
        job_id, task_id = turn.place.job_id, turn.place.task_id(turn.index)
        try:
            files = {file.name: file for file in self._hook.list_task_files(job_id, task_id, _FILES)}
            for number, (name, _) in enumerate(STREAMS):
                if name in files:
                    self._read_file(turn, number, files[name], bound)
        except NotFound:
            # Where the task has completed, its files have gone with their node, or with their time.
            turn.is_done = bool(turn.is_over)
        except Conflict:
            return
        else:
            turn.is_done = bool(turn.is_over) and not turn.has_more

    def _read_file(self, turn: _Turn, number: int, file: BatchNodeFile, bound: _Bound) -> None:
        size = int(file.properties.content_length) if file.properties else 0
        mark = turn.marks[number]
        if size < mark.offset:
            # The task runs again, by its retries or on another node, and has begun the file anew.
            mark = Mark(0, mark.time_us)
        if size == mark.offset:
            return
        part = self._part(turn, file.name or "", mark.offset, bound)
        reached = mark.offset + len(part.content)
        piece = logs.read_piece(
            part.content,
            mark,
            index=turn.index,
            stream=STREAMS[number][1],
            modified=part.modified or pendulum.now("UTC"),
            is_last=bool(turn.is_over) and reached >= size,
            is_full=len(part.content) >= self._piece_bytes,
            most_lines=bound.lines,
        )
        turn.lines.extend(piece.lines)
        turn.marks[number] = piece.mark
        # Whether a line without an end is the last one is asked at the next read.
        holds_last = piece.mark.held and turn.is_over is None
        is_left = piece.is_short or (bool(part.content) and reached < size)
        turn.has_more = turn.has_more or holds_last or is_left

    def _part(self, turn: _Turn, name: str, start: int, bound: _Bound) -> FilePart:
        """Return the next part of a file; a longer one where a line does not end within its share."""
        job_id, task_id = turn.place.job_id, turn.place.task_id(turn.index)
        part = self._hook.read_task_file(job_id, task_id, name, start=start, length=bound.bytes)
        is_cut = len(part.content) >= bound.bytes and NEWLINE not in part.content
        if not is_cut or bound.bytes >= self._piece_bytes:
            return part
        return self._hook.read_task_file(job_id, task_id, name, start=start, length=self._piece_bytes)


def _page(cursor: LogCursor, turns: Sequence[_Turn], *, more: bool) -> LogPage:
    position = Position.of(cursor)
    for turn in turns:
        if turn.is_done:
            position.finish(turn.index)
        else:
            position.marks[turn.index] = turn.marks
    if turns:
        position.next = turns[-1].index + 1
    return LogPage(
        native_id=cursor.handle.native_id,
        lines=tuple(line for turn in turns for line in turn.lines),
        position=position.to_json(),
        more=more or any(turn.has_more for turn in turns),
    )
