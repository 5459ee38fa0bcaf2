"""Every line that a job wrote, in a file with an index, so that memory stays bounded.

It exists so that a log API can ask for lines by job, time and order without holding them. It knows lines,
not log entries: severity, names and labels are a dialect's business. The file is the store's own and is
emptied at start, for the jobs it speaks of are gone then.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from airflow_provider_jobs.emulator.capture import Piece

_SCHEMA = """
create table lines (
    seq integer primary key, dialect text not null, job_uid text not null, task_index integer not null,
    attempt integer not null, step integer not null, stream text not null, text text not null,
    line integer not null, part integer not null, parts integer not null,
    written_ns integer not null, visible_ns integer not null
);
create index lines_by_job on lines (job_uid, written_ns);
create index lines_by_time on lines (written_ns);
create index lines_by_line on lines (line) where parts = 0;
"""
_COLUMNS = (
    "dialect, job_uid, task_index, attempt, step, stream, text, "
    "seq, line, part, parts, written_ns, visible_ns"
)
_INSERT = f"insert into lines ({_COLUMNS}) values ({', '.join('?' * 13)})"  # noqa: S608 - constants
_FLUSH_LINES, _FLUSH_CHARACTERS = 500, 4_000_000


class LogLine(NamedTuple):
    """One line (or one part of a line that was too long) of one stream of one attempt.

    ``stream`` is "stdout", "stderr" or "system" (what the engine itself has to say). Times are nanoseconds
    since the epoch and strictly rise within a store; ``visible_ns`` is when a reader may first see it.
    ``parts`` is 1 for a whole line, the number of parts for a split one, 0 while that is not known yet.
    """

    dialect: str
    job_uid: str
    task_index: int
    attempt: int
    step: int
    stream: str
    text: str
    seq: int = 0
    line: int = 0
    part: int = 0
    parts: int = 1
    written_ns: int = 0
    visible_ns: int = 0


@dataclass(frozen=True)
class LogQuery:
    """Bounds that the index can use. None means unbounded; times are inclusive, in nanoseconds.

    ``unseen``: also lines that no reader may see yet, for readers that must know what is still to come.
    """

    dialects: Sequence[str] | None = None
    job_uids: Sequence[str] | None = None
    task_indexes: Sequence[int] | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    descending: bool = False
    unseen: bool = False


class LogStore:
    """An append-only file of lines. Not thread-safe: it lives on the event loop's thread."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("pragma journal_mode = off")
        self._database.execute("pragma synchronous = off")
        self._database.executescript(_SCHEMA)
        self._held: list[LogLine] = []
        self._held_characters = 0
        self._sequence = itertools.count(1)
        self._last_ns = 0
        #: The number of the latest line; a reader that knows it need not look for newer ones.
        self.last_seq = 0
        #: Seconds between the writing of a line and the moment a reader can see it, and which lines are
        #: so late: 1 means every line, 3 every third, so that later lines are seen before earlier ones.
        self.delay_seconds = 0.0
        self.delay_one_in = 1

    def append(self, line: LogLine) -> LogLine:
        """Store a line; sequence number and times are given here. Returns it as stored."""
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        seq = self.last_seq = next(self._sequence)
        late_ns = 0 if seq % self.delay_one_in else int(self.delay_seconds * 1e9)
        stored = line._replace(
            seq=seq, line=line.line or seq, written_ns=self._last_ns, visible_ns=self._last_ns + late_ns
        )
        self._held.append(stored)
        self._held_characters += len(stored.text)
        if len(self._held) >= _FLUSH_LINES or self._held_characters >= _FLUSH_CHARACTERS:
            self.flush()
        return stored

    def complete(self, line: int, *, parts: int) -> None:
        """Note how many parts the split line turned out to have."""
        self.flush()
        self._database.execute("update lines set parts = ? where line = ? and parts = 0", (parts, line))

    def flush(self) -> None:
        """Write what is held in memory to the file."""
        if not self._held:
            return
        rows, self._held = self._held, []
        self._held_characters = 0
        self._database.execute("begin")
        self._database.executemany(_INSERT, rows)
        self._database.execute("commit")

    def read(self, query: LogQuery) -> Iterator[LogLine]:
        """Visible lines within the bounds, by time. Lazy: stop early and the rest is not read."""
        self.flush()
        where: list[str] = ["visible_ns <= ?"]
        values: list[str | int] = [sys.maxsize if query.unseen else time.time_ns()]
        bounds: tuple[tuple[str, Sequence[str | int] | None], ...] = (
            ("dialect", query.dialects),
            ("job_uid", query.job_uids),
            ("task_index", query.task_indexes),
        )
        for column, wanted in bounds:
            if wanted is not None:
                where.append(f"{column} in ({', '.join('?' * len(wanted))})")
                values += list(wanted)
        for comparison, bound in (("written_ns >= ?", query.from_ns), ("written_ns <= ?", query.to_ns)):
            if bound is not None:
                where.append(comparison)
                values.append(bound)
        order = "desc" if query.descending else "asc"
        # Only names written above go into the statement; what comes from outside is bound.
        select = f"select {_COLUMNS} from lines where {' and '.join(where)} order by written_ns {order}"  # noqa: S608
        rows = self._database.execute(select, values)
        yield from map(LogLine._make, rows)

    def __len__(self) -> int:
        self.flush()
        (count,) = self._database.execute("select count(*) from lines").fetchone()
        return count

    def clear(self) -> None:
        """Forget every line."""
        self._held.clear()
        self._held_characters = 0
        self._database.execute("delete from lines")

    def close(self) -> None:
        self._database.close()


class LineWriter:
    """Appends the pieces of one stream of one attempt, joining the parts of split lines."""

    def __init__(self, store: LogStore, origin: LogLine) -> None:
        self._store = store
        self._origin = origin
        self._line = 0

    def __call__(self, piece: Piece) -> None:
        whole = piece.last and not piece.part
        parts = 1 if whole else 0
        stored = self._store.append(
            self._origin._replace(text=piece.text, line=self._line, part=piece.part, parts=parts)
        )
        if whole:
            return
        self._line = 0 if piece.last else stored.line
        if piece.last:
            self._store.complete(stored.line, parts=piece.part + 1)
