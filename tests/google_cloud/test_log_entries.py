"""Log entries, and cursors that neither lose nor repeat one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pendulum
import pytest
from google.cloud.logging_v2.types import LogEntry, LogSplit
from google.logging.type.log_severity_pb2 import LogSeverity
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.models import BackendRef, JobHandle, LogCursor, LogLine
from airflow_provider_jobs.google_cloud import log_entries
from airflow_provider_jobs.google_cloud.log_entries import Position

START = pendulum.datetime(2030, 1, 1)
HANDLE = JobHandle(
    ref=BackendRef(backend="b", conn_id="c"), native_id="projects/p/jobs/j", name="j", submitted_at=START
)
LOGS = 'logName="l"'
SECOND = 10**9
BEGIN = int(START.timestamp()) * SECOND


def clause(keys: Sequence[str]) -> str:
    """Ask for the entries of some jobs."""
    return f"labels.job={log_entries.any_of(keys)}"


def entry(text: str, *, at_ns: int = 0, **fields: Any) -> LogEntry:
    """Return an entry of a job."""
    made = LogEntry(log_name="l", insert_id=text, **({"text_payload": text} | fields))
    LogEntry.pb(made).timestamp.FromNanoseconds(BEGIN + at_ns)
    return made


def to_line(made: LogEntry) -> LogLine:
    """Return an entry as a line."""
    return LogLine(timestamp=log_entries.timestamp(made), message=log_entries.text_of(made))


class TestWhatAnEntrySays:
    @pytest.mark.parametrize(
        ("severity", "level"),
        [
            ("DEFAULT", "info"),
            ("DEBUG", "debug"),
            ("INFO", "info"),
            ("NOTICE", "info"),
            ("WARNING", "warning"),
            ("ERROR", "error"),
            ("CRITICAL", "error"),
            ("ALERT", "error"),
            ("EMERGENCY", "error"),
        ],
    )
    def test_every_severity_has_its_level(self, severity: str, level: str) -> None:
        assert log_entries.level(entry("x", severity=LogSeverity.Value(severity))) == level

    def test_all_severities_are_tried(self) -> None:
        assert len(LogSeverity.keys()) == 9

    @pytest.mark.parametrize(
        ("payload", "message"),
        [
            ({"message": "hi", "a": 1.0}, "hi"),
            ({"a": "ä"}, '{"a": "ä"}'),
            ({"message": 3.0}, '{"message": 3.0}'),
        ],
    )
    def test_a_structured_line_is_its_message_or_itself(self, payload: dict[str, Any], message: str) -> None:
        made = entry("x")
        LogEntry.pb(made).json_payload.update(payload)
        assert log_entries.text_of(made) == message

    def test_the_time_is_the_jobs_own(self) -> None:
        made = entry("x", at_ns=1_500_000_999)
        assert log_entries.timestamp(made) == START.add(seconds=1, microseconds=500_000)


class TestFilters:
    def test_jobs_that_are_read_to_about_the_same_time_share_the_earliest(self) -> None:
        positions = [
            Position("u1", BEGIN + 5),
            Position("u2", BEGIN),
            Position("u3", BEGIN + 30 * SECOND + 7),
        ]
        assert log_entries.group_filter(LOGS, positions, clause) == (
            'logName="l" AND timestamp>="2030-01-01T00:00:00.000000000Z" AND '
            '((labels.job=("u1" OR "u2") AND timestamp>="2030-01-01T00:00:00.000000000Z") OR '
            '(labels.job="u3" AND timestamp>="2030-01-01T00:00:30.000000007Z"))'
        )

    def test_a_job_that_would_bring_much_again_has_a_time_of_its_own(self) -> None:
        positions = [Position("u1", BEGIN + 5, alone=True), Position("u2", BEGIN)]
        assert '(labels.job="u1" AND timestamp>="2030-01-01T00:00:00.000000005Z")' in (
            log_entries.group_filter(LOGS, positions, clause)
        )

    def test_the_longer_ago_the_more_jobs_share_a_time(self) -> None:
        positions = [Position(f"u{n}", BEGIN - n * SECOND) for n in range(7_200)]
        query = log_entries.group_filter(LOGS, positions, clause)
        assert query.count(" AND timestamp>=") <= 1 + 13 + 60 + 8

    def test_no_query_is_longer_than_the_service_takes(self) -> None:
        positions = [Position(f"job-{n:04}-{'x' * 60}", BEGIN + n * SECOND // 7) for n in range(1000)]
        chunks = list(log_entries.chunks(LOGS, positions, clause))
        assert [position for chunk in chunks for position in chunk] == positions
        lengths = [len(log_entries.group_filter(LOGS, chunk, clause)) for chunk in chunks]
        assert max(lengths) <= log_entries.MAX_FILTER_LENGTH
        assert len(chunks) < 8


def query(entries: list[LogEntry], position: Position) -> list[LogEntry]:
    """Answer as the service does: from a time on, by time and then by id."""
    wanted = [each for each in entries if log_entries.time_ns(each) >= position.from_ns]
    return sorted(wanted, key=lambda each: (log_entries.time_ns(each), each.insert_id))


class TestCursors:
    @settings(max_examples=60, deadline=None)
    @given(
        times=st.lists(st.integers(0, 8 * SECOND), min_size=1, max_size=60),
        order=st.randoms(use_true_random=False),
        steps=st.integers(1, 6),
    )
    def test_lines_that_arrive_late_or_at_one_time_come_once(
        self, times: list[int], order: random.Random, steps: int
    ) -> None:
        arriving = [entry(f"e{n}", at_ns=time) for n, time in enumerate(times)]
        order.shuffle(arriving)
        there: list[LogEntry] = []
        position, found = Position("u", BEGIN), []
        for step in range(steps + 1):
            there += arriving[len(there) : len(arriving) * (step + 1) // (steps + 1)]
            told = LogCursor(handle=HANDLE, position=position.to_json())
            position = Position.of(LogCursor.from_json(told.to_json()), "u")
            brought = log_entries.fresh(position, query(there, position), to_line)
            found += [line.message for line in brought.lines]
            position = log_entries.advance(position, brought, read_until_ns=None, overlap_entries=1000)
        assert sorted(found) == sorted(f"e{n}" for n in range(len(times)))

    def test_what_is_read_again_is_bounded_in_time_and_number(self) -> None:
        many = [entry(f"e{n}", at_ns=n * SECOND) for n in range(60)]
        brought = log_entries.fresh(Position("u", BEGIN), many, to_line)
        by_time = log_entries.advance(Position("u", BEGIN), brought, read_until_ns=None, overlap_entries=1000)
        assert by_time.from_ns == BEGIN + 49 * SECOND
        by_number = log_entries.advance(Position("u", BEGIN), brought, read_until_ns=None, overlap_entries=3)
        assert (by_number.from_ns, len(by_number.seen)) == (BEGIN + 57 * SECOND, 3)

    def test_what_others_bring_from_before_is_no_line_and_not_brought_twice(self) -> None:
        position = Position("u", BEGIN + 50 * SECOND)
        early = [entry(f"e{n}", at_ns=n * SECOND) for n in range(50)]
        brought = log_entries.fresh(position, [*early, entry("x", at_ns=51 * SECOND)], to_line)
        assert [line.message for line in brought.lines] == ["x"]
        after = log_entries.advance(position, brought, read_until_ns=None, overlap_entries=1000)
        assert after.alone
        told = LogCursor(handle=HANDLE, position=after.to_json())
        assert Position.of(LogCursor.from_json(told.to_json()), "u").alone

    def test_a_read_that_was_broken_off_goes_on_there(self) -> None:
        brought = log_entries.fresh(Position("u", BEGIN), [entry("a"), entry("b", at_ns=SECOND)], to_line)
        after = log_entries.advance(
            Position("u", BEGIN), brought, read_until_ns=BEGIN + SECOND, overlap_entries=1000
        )
        assert (after.from_ns, len(after.seen)) == (BEGIN + SECOND, 1)

    def test_what_a_read_that_was_broken_off_did_not_bring_stays_handed_out(self) -> None:
        early, late = entry("early", at_ns=SECOND), entry("late", at_ns=5 * SECOND)
        position = log_entries.advance(
            Position("u", BEGIN),
            log_entries.fresh(Position("u", BEGIN), [late], to_line),
            read_until_ns=None,
            overlap_entries=1000,
        )
        brought = log_entries.fresh(position, [early], to_line)
        position = log_entries.advance(
            position, brought, read_until_ns=BEGIN + 2 * SECOND, overlap_entries=1000
        )
        again = query([early, late], position)
        assert log_entries.fresh(position, again, to_line).lines == ()

    def test_a_job_made_anew_under_the_same_name_is_read_from_its_beginning(self) -> None:
        cursor = LogCursor(handle=HANDLE, position=Position("old", BEGIN + 99 * SECOND).to_json())
        assert Position.of(cursor, "new").from_ns < BEGIN


class TestLongLines:
    def parts(self, *texts: str, total: int | None = None) -> list[LogEntry]:
        return [
            entry(
                text,
                at_ns=n,
                split=LogSplit(uid="s", index=n, total_splits=len(texts) if total is None else total),
            )
            for n, text in enumerate(texts)
        ]

    def test_the_parts_of_a_line_are_joined(self) -> None:
        brought = log_entries.fresh(
            Position("u", BEGIN), [*self.parts("aa", "bb", "cc"), entry("x", at_ns=9)], to_line
        )
        assert [line.message for line in brought.lines] == ["aabbcc", "x"]

    def test_a_line_waits_for_its_last_part(self) -> None:
        first, second = self.parts("aa", "bb")
        position = Position("u", BEGIN)
        brought = log_entries.fresh(position, [first, entry("x", at_ns=9)], to_line)
        assert [line.message for line in brought.lines] == ["x"]
        position = log_entries.advance(position, brought, read_until_ns=None, overlap_entries=1)
        again = query([first, second, entry("x", at_ns=9)], position)
        assert [line.message for line in log_entries.fresh(position, again, to_line).lines] == ["aabb"]

    def test_a_part_that_never_comes_holds_up_nothing_for_long(self) -> None:
        first, _ = self.parts("aa", "bb")
        later = entry("x", at_ns=60 * SECOND)
        brought = log_entries.fresh(Position("u", BEGIN), [first, later], to_line)
        assert [line.message for line in brought.lines] == ["aa", "x"]
