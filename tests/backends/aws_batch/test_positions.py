"""How far a log has been read, and which streams share a query."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jobs.backends.aws_batch.positions import (
    LATE_MS,
    OVERLAP_MS,
    SETTLE_MS,
    Position,
    Progress,
    chunks,
)
from airflow_provider_jobs.backends.aws_batch.streams import Stream


def progress(name: str, from_ms: int, **fields: object) -> Progress:
    """Return a stream that is read to a time."""
    return Progress(Stream(name, str(fields.pop("group", "g"))), from_ms, **fields)  # type: ignore[arg-type]


def event(event_id: str, stamp_ms: int) -> dict[str, object]:
    """Return an event."""
    return {"eventId": event_id, "timestamp": stamp_ms, "message": event_id, "logStreamName": "s"}


class TestPositions:
    def test_a_position_is_the_same_after_a_round_through_json(self) -> None:
        position = Position(count=9, done={0, 1, 5}, running={3: 77}, summary={"RUNNING": 1}, turn=4)
        position.streams["s"] = progress("s", 5, seen={"a": 7}, heard=True, ended_ms=9, missing=True)
        told = json.loads(json.dumps(position.to_json()))
        assert Position.of(told).to_json() == position.to_json()
        assert Position.of(told).streams["s"].seen == {"a": 7}
        assert Position.of(None) == Position()

    def test_events_of_one_millisecond_are_told_apart_by_their_ids(self) -> None:
        stream = progress("s", 0)
        first, both = [event("a", 100_000)], [event("a", 100_000), event("b", 100_000)]
        stream.advance(first, overlap_events=10)
        assert [each["eventId"] for each in both if stream.is_new(each)] == ["b"]

    def test_the_next_query_begins_a_little_before_the_last_event(self) -> None:
        stream = progress("s", 0)
        stream.advance([event("a", 50_000), event("b", 100_000)], overlap_events=10)
        assert stream.from_ms == 100_000 - OVERLAP_MS
        assert stream.seen == {"b": 100_000}

    def test_what_a_later_query_brings_before_the_last_event_is_new(self) -> None:
        stream = progress("s", 0)
        early, late = event("early", 1_000), event("late", 5_000)
        stream.advance([late], overlap_events=10)
        assert stream.is_new(early)
        stream.advance([early], overlap_events=10)
        assert not stream.is_new(early)
        assert stream.seen == {"early": 1_000, "late": 5_000}

    def test_many_reads_hold_no_more_than_one(self) -> None:
        stream = progress("s", 0)
        for begin in range(0, 5_000, 50):
            some = [event(str(n), 100_000 + n) for n in range(begin, begin + 50)]
            stream.advance(some, overlap_events=10)
        assert len(stream.seen) == 10

    def test_a_read_that_was_broken_off_in_the_past_counts_for_all_streams_that_were_heard(self) -> None:
        heard, silent = progress("heard", 0), progress("silent", 0)
        heard.advance([event("a", 1_000), event("b", 50_000)], overlap_events=10, read_until_ms=50_000)
        silent.advance([], overlap_events=10, read_until_ms=50_000)
        assert (heard.from_ms, heard.seen) == (50_000, {"b": 50_000})
        assert silent.from_ms == 0
        heard.advance([], overlap_events=10, read_until_ms=90_000)
        assert (heard.from_ms, heard.seen) == (90_000, {})
        heard.advance([], overlap_events=10, read_until_ms=99_000)
        assert heard.from_ms == 99_000

    def test_no_more_events_than_bounded_are_brought_again(self) -> None:
        stream = progress("s", 0)
        events = [event(str(n), 100_000 + n) for n in range(50)]
        stream.advance(events, overlap_events=10)
        assert stream.from_ms == 100_040
        assert len(stream.seen) == 10

    def test_a_silent_stream_keeps_its_time_within_reason(self) -> None:
        position = Position(streams={"s": progress("s", 1_000)})
        position.read_on("s", now_ms=LATE_MS)
        assert position.streams["s"].from_ms == 1_000
        position.read_on("s", now_ms=2 * LATE_MS)
        assert position.streams["s"].from_ms == LATE_MS

    def test_a_stream_is_read_for_a_while_after_its_attempt_is_over(self) -> None:
        position = Position(streams={"s": progress("s", 0, ended_ms=1_000)})
        position.read_on("s", now_ms=1_000 + SETTLE_MS - 1)
        assert "s" in position.streams
        position.read_on("s", now_ms=1_000 + SETTLE_MS)
        assert position.streams == {}

    @pytest.mark.parametrize(
        ("turn", "room", "taken", "after"),
        [(0, 9, [1, 4, 6], 0), (0, 2, [1, 4], 5), (5, 2, [6, 1], 2), (7, 2, [1, 4], 5)],
    )
    def test_parts_take_turns(self, turn: int, room: int, taken: list[int], after: int) -> None:
        position = Position(turn=turn)
        assert position.turned([1, 4, 6], room) == taken
        assert position.turn == after


class TestChunks:
    def names(self, *streams: Progress, size: int = 100) -> list[list[str]]:
        return [[each.stream.name for each in chunk] for chunk in chunks(streams, size)]

    def test_streams_that_are_read_to_about_the_same_time_share_a_query(self) -> None:
        assert self.names(progress("a", 100_000), progress("b", 95_000)) == [["a", "b"]]

    def test_one_that_lags_does_not_make_the_others_come_again(self) -> None:
        assert self.names(progress("a", 0), progress("b", 900_000)) == [["b"], ["a"]]

    def test_the_longer_ago_the_more_share_one(self) -> None:
        streams = [progress(f"s{n}", 600_000 - n * 1_000) for n in range(600)]
        assert len(self.names(*streams, size=1_000)) <= 4

    def test_another_group_and_what_is_missing_are_queries_of_their_own(self) -> None:
        streams = [progress("a", 0), progress("b", 0, group="h"), progress("c", 0, missing=True)]
        assert sorted(self.names(*streams)) == [["a"], ["b"], ["c"]]

    def test_no_query_has_more_than_the_service_takes(self) -> None:
        assert [len(each) for each in self.names(*[progress(str(n), 0) for n in range(250)])] == [
            100,
            100,
            50,
        ]
