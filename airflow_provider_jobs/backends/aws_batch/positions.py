"""How far the log of a job has been read: what a cursor carries from read to read. Pure.

Within one stream events become readable in the order of time, or nearly so. So every stream has a time of
its own from which the next query reads, a little before its last event, and the ids of the events from
there on that were handed out. A silent stream keeps its time, within reason. Where a query of many streams
is broken off in what was written a while ago, all of them have been read up to there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import JsonValue

from airflow_provider_jobs.backends.aws_batch import mapping, streams
from airflow_provider_jobs.backends.aws_batch.streams import Stream
from airflow_provider_jobs.core.ranges import format_indexes, parse_indexes

Fields = Mapping[str, Any]

# How far back a read begins again, for events that become readable late.
OVERLAP_MS = 10_000
# So late an event of a silent stream may come. The clock of this machine is off by less: AWS refuses
# requests of a clock that is off by more than 5 minutes.
LATE_MS = 600_000
# A stream is read so much longer once its attempt is known to be over, and what was written so long ago does
# not come any more from a stream that has been heard.
SETTLE_MS = 30_000
# A clock that is a little off must not hide a job's first lines.
_SKEW_MS = 60_000


@dataclass(eq=False)
class Progress:
    """How far one stream has been read; times are milliseconds since 1970.

    :param from_ms: from where the next query reads
    :param seen: the events from there on that were handed out, their times by their ids
    :param heard: whether it has ever brought an event
    :param read_ms: when it was last read, so that whatever waited longest comes first
    :param ended_ms: when its attempt was found to be over, 0 while it is not
    :param missing: whether the service knew no such stream
    """

    stream: Stream
    from_ms: int
    seen: dict[str, int] = field(default_factory=dict)
    heard: bool = False
    read_ms: int = 0
    ended_ms: int = 0
    missing: bool = False

    def is_new(self, event: Fields) -> bool:
        """Return whether an event was not handed out before."""
        return event["timestamp"] >= self.from_ms and event["eventId"] not in self.seen

    def advance(self, fresh: Sequence[Fields], *, overlap_events: int, read_until_ms: int = 0) -> None:
        """Count the new events of a query, oldest first, as handed out.

        :param overlap_events: how many events the next query may bring again
        :param read_until_ms: where the query was broken off and nothing older is waited for, else 0; a
            stream that was never heard is waited for all the same
        """
        handed_out = {**self.seen, **{each["eventId"]: each["timestamp"] for each in fresh}}
        if handed_out:
            times = sorted(handed_out.values())
            oldest = times[-overlap_events] if len(times) > overlap_events else 0
            self.heard = True
            self.from_ms = max(self.from_ms, times[-1] - OVERLAP_MS, oldest)
        if self.heard:
            self.from_ms = max(self.from_ms, read_until_ms)
        self.seen = {name: at for name, at in handed_out.items() if at >= self.from_ms}

    def is_settled(self, now_ms: int) -> bool:
        """Return whether nothing more is expected of it."""
        return bool(self.ended_ms) and now_ms - self.ended_ms >= SETTLE_MS


@dataclass
class Position:
    """How far the log of one job has been read.

    :param count: how many children or nodes it has, 1 for a job that runs itself, 0 while that is unknown
    :param done: those of which all streams are known
    :param running: those that run, by number, with the time at which they began
    :param summary: how many children were in which status when they were last asked for
    :param turn: which child is asked for first, where they are too many for one read
    """

    count: int = 0
    done: set[int] = field(default_factory=set)
    running: dict[int, int] = field(default_factory=dict)
    summary: dict[str, int] = field(default_factory=dict)
    turn: int = 0
    streams: dict[str, Progress] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Any) -> Position:
        """Return where a cursor stands."""
        if not isinstance(told, dict):
            return cls()
        return cls(
            count=told["count"],
            done=set(parse_indexes(told["done"])),
            running={int(number): began for number, began in told["running"].items()},
            summary=told["summary"],
            turn=told["turn"],
            streams={
                each["stream"]["name"]: Progress(**{**each, "stream": Stream(**each["stream"])})
                for each in told["streams"]
            },
        )

    def to_json(self) -> JsonValue:
        """Return what the next cursor carries."""
        return {
            "count": self.count,
            "done": format_indexes(self.done),
            "running": {str(number): began for number, began in self.running.items()},
            "summary": dict(self.summary),
            "turn": self.turn,
            "streams": [asdict(progress) for progress in self.streams.values()],
        }

    @property
    def knows_all(self) -> bool:
        """Whether every stream that there will ever be is known."""
        return bool(self.count) and len(self.done) >= self.count

    def learn(self, number: int, part: Fields, *, now_ms: int) -> None:
        """Take in what the service tells of a child, a node, or the job itself."""
        is_over = mapping.is_over(part)
        for stream in streams.of_job(part):
            began = max(0, stream.started_ms - _SKEW_MS)
            progress = self.streams.setdefault(stream.name, Progress(stream, began))
            progress.ended_ms = progress.ended_ms or (now_ms if is_over else 0)
        if is_over:
            self.done.add(number)
            self.running.pop(number, None)
        elif mapping.word(part) == "RUNNING":
            self.running[number] = int(part.get("startedAt") or 0)

    def turned(self, numbers: Sequence[int], room: int) -> list[int]:
        """Return as many of the parts as there is room for, others the next time."""
        later = [number for number in numbers if number >= self.turn]
        taken = [*later, *numbers[: len(numbers) - len(later)]][:room]
        self.turn = taken[-1] + 1 if len(taken) < len(numbers) else 0
        return taken

    def read_on(self, name: str, *, now_ms: int) -> None:
        """Note that a stream was read to its end as it stands now."""
        progress = self.streams[name]
        progress.from_ms = max(progress.from_ms, now_ms - LATE_MS)
        if progress.is_settled(now_ms):
            del self.streams[name]

    def miss(self, name: str, *, now_ms: int) -> None:
        """Note that the service knows no such stream; it may come to be until its attempt is long over."""
        progress = self.streams[name]
        progress.missing, progress.read_ms = True, now_ms
        if progress.is_settled(now_ms):
            del self.streams[name]


def chunks(progresses: Iterable[Progress], size: int) -> Iterator[list[Progress]]:
    """Yield streams that are worth one query: of one log group, and read to about the same time.

    A query reads all its streams from the same time on, so one that lags would bring what the others
    have handed out long ago. The longer a time is ago, the more streams differ in it, and the less they
    say; so the span of a chunk grows from one to the next, which keeps them few.
    """
    groups: dict[tuple[Any, ...], list[Progress]] = {}
    for progress in progresses:
        stream = progress.stream
        groups.setdefault((stream.region, stream.group, progress.missing), []).append(progress)
    for group in groups.values():
        chunk: list[Progress] = []
        span = OVERLAP_MS
        for progress in sorted(group, key=lambda each: -each.from_ms):
            if chunk and (len(chunk) == size or chunk[0].from_ms - progress.from_ms > span):
                span = span if len(chunk) == size else span * 4
                yield chunk
                chunk = []
            chunk.append(progress)
        if chunk:
            yield chunk
