"""Lines out of pieces of files, and how far they have been read. Pure.

A cursor's position is ``{"files": {"<index>": [mark, mark]}, "done": "0-3,7", "next": 4}``: for every index
that is being read how far ``stdout.txt`` and ``stderr.txt`` are read, the indexes that are read to their
end, and where the next round begins. A mark is ``[offset, time, held]``.
What the files hold has no time of its own. A line gets the time at which its file was last changed when it
was read, one microsecond after the line before at least.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pendulum
from pydantic import JsonValue

from airflow_provider_jobs.core.models import LogCursor, LogLine
from airflow_provider_jobs.core.moments import from_microseconds
from airflow_provider_jobs.core.ranges import format_indexes, parse_indexes

# In the order in which they stand in a position.
STREAMS: tuple[tuple[str, Literal["stdout", "stderr"]], ...] = (
    ("stdout.txt", "stdout"),
    ("stderr.txt", "stderr"),
)
NEWLINE = b"\n"


class Mark(NamedTuple):
    """How far one file has been read.

    :param offset: the byte at which the next line begins
    :param time_us: the time of the last line, in microseconds since 1970
    :param held: whether a line without an end follows, which may yet go on
    """

    offset: int = 0
    time_us: int = 0
    held: bool = False


@dataclass
class Position:
    """How far the log of one submission has been read.

    :param marks: by index, for stdout and stderr
    :param done: indexes that are read to their end
    :param next: the index at which the next round begins
    """

    marks: dict[int, list[Mark]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    next: int = 0

    @classmethod
    def of(cls, cursor: LogCursor) -> Position:
        """Return where a cursor stands; a fresh one begins with the files."""
        told: Any = cursor.position
        if not isinstance(told, dict):
            return cls()
        return cls(
            {int(index): [Mark(*mark) for mark in marks] for index, marks in told["files"].items()},
            set(parse_indexes(told["done"])),
            int(told["next"]),
        )

    def to_json(self) -> JsonValue:
        """Return what :meth:`of` reads."""
        return {
            "files": {
                str(index): [list(mark) for mark in marks] for index, marks in sorted(self.marks.items())
            },
            "done": format_indexes(self.done),
            "next": self.next,
        }

    @property
    def holds_back(self) -> bool:
        """Whether a line without an end was seen."""
        return any(mark.held for marks in self.marks.values() for mark in marks)

    def marks_of(self, index: int) -> list[Mark]:
        """Return how far the files of an index have been read."""
        return self.marks.get(index, [Mark() for _ in STREAMS])

    def finish(self, index: int) -> None:
        """Note that nothing more comes of an index."""
        self.marks.pop(index, None)
        self.done.add(index)

    def in_turn(self, indexes: Iterable[int]) -> list[int]:
        """Return the indexes that are not done, in the order in which it is their turn."""
        left = sorted(set(indexes) - self.done)
        return [index for index in left if index >= self.next] + [
            index for index in left if index < self.next
        ]


class Piece(NamedTuple):
    """The lines of a piece of a file.

    :param mark: where the file is read on
    :param is_short: whether there were more lines than were wanted
    """

    lines: tuple[LogLine, ...]
    mark: Mark
    is_short: bool = False


def read_piece(
    content: bytes,
    mark: Mark,
    *,
    index: int,
    stream: Literal["stdout", "stderr"],
    modified: pendulum.DateTime,
    is_last: bool,
    is_full: bool,
    most_lines: int | None = None,
) -> Piece:
    """Return the complete lines of a piece that begins at a mark.

    :param modified: when the file was last changed
    :param is_last: whether the file ends here and is written no more, so that its last line needs no end
    :param is_full: whether the piece is as long as a piece may be, so that a line that fills it is divided
    :param most_lines: how many are wanted, ``None`` for all
    """
    taken = len(content) if is_last else content.rfind(NEWLINE) + 1
    if not taken and is_full:
        taken = _whole_characters(content)
    texts = content[:taken].split(NEWLINE)
    if not texts[-1]:
        texts.pop()
    is_short = most_lines is not None and len(texts) > most_lines
    if is_short:
        texts = texts[:most_lines]
        taken = sum(len(text) + 1 for text in texts)
    first_us = max(_microseconds(modified), mark.time_us + 1)
    lines = tuple(
        _line(text, first_us + number, index=index, stream=stream) for number, text in enumerate(texts)
    )
    time_us = first_us + len(texts) - 1 if texts else mark.time_us
    held = taken < len(content) and not is_short
    return Piece(lines, Mark(mark.offset + taken, time_us, held), is_short)


def _line(text: bytes, time_us: int, *, index: int, stream: Literal["stdout", "stderr"]) -> LogLine:
    return LogLine(
        timestamp=from_microseconds(time_us),
        message=text.removesuffix(b"\r").decode(errors="replace"),
        stream=stream,
        # Most of what programs write to stderr is no error.
        level="warning" if stream == "stderr" else "info",
        index=index,
    )


def _whole_characters(content: bytes) -> int:
    """Return how many bytes there are up to a character of UTF-8 that is cut off at the end."""
    for back in range(1, min(4, len(content)) + 1):
        byte = content[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return len(content) if back >= length else len(content) - back
    return len(content)


def _microseconds(moment: pendulum.DateTime) -> int:
    return round(moment.timestamp() * 10**6)
