from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_jobs.emulator.capture import Piece
from airflow_provider_jobs.emulator.logstore import LineWriter, LogLine, LogQuery, LogStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    made = LogStore(tmp_path / "lines.sqlite")
    yield made
    made.close()


def line(text: str, *, uid: str = "u", index: int = 0) -> LogLine:
    return LogLine("test", uid, index, 0, 0, "stdout", text)


def texts(store: LogStore, **query: object) -> list[str]:
    return [found.text for found in store.read(LogQuery(**query))]  # type: ignore[arg-type]


def test_lines_are_read_in_the_order_they_were_written_and_backwards_on_request(store: LogStore):
    for number in range(1200):
        store.append(line(str(number)))
    assert texts(store) == [str(number) for number in range(1200)]
    assert texts(store, descending=True)[0] == "1199"


def test_no_two_lines_have_the_same_time(store: LogStore):
    times = [store.append(line("x")).written_ns for _ in range(5000)]
    assert len(set(times)) == 5000
    assert times == sorted(times)


def test_one_job_s_lines_are_found_among_those_of_others(store: LogStore):
    for number in range(10):
        store.append(line(f"{number}", uid=f"u{number % 3}"))
    assert texts(store, job_uids=["u1"]) == ["1", "4", "7"]
    assert texts(store, job_uids=["u1", "u2"]) == ["1", "2", "4", "5", "7", "8"]
    assert texts(store, dialects=["another"]) == []


def test_bounds_of_time_are_inclusive(store: LogStore):
    times = [store.append(line(str(number))).written_ns for number in range(5)]
    assert texts(store, from_ns=times[1], to_ns=times[3]) == ["1", "2", "3"]


def test_a_late_line_is_not_seen_before_its_time(store: LogStore):
    store.append(line("early"))
    store.delay_seconds = 0.3
    late = store.append(line("late"))
    assert texts(store) == ["early"]
    while time.time_ns() < late.visible_ns:
        time.sleep(0.01)
    assert texts(store) == ["early", "late"]


def test_the_parts_of_a_split_line_know_each_other_and_how_many_they_are(store: LogStore):
    write = LineWriter(store, line(""))
    write(Piece("whole"))
    write(Piece("a", 0, last=False))
    assert [(found.part, found.parts) for found in store.read(LogQuery())][-1] == (0, 0)
    write(Piece("b", 1, last=False))
    write(Piece("c", 2, last=True))
    write(Piece("after"))
    found = list(store.read(LogQuery()))
    assert [(each.text, each.part, each.parts) for each in found] == [
        ("whole", 0, 1),
        ("a", 0, 3),
        ("b", 1, 3),
        ("c", 2, 3),
        ("after", 0, 1),
    ]
    assert len({each.line for each in found[1:4]}) == 1


def test_a_new_store_on_the_same_file_begins_empty(tmp_path: Path):
    for _ in range(2):
        store = LogStore(tmp_path / "lines.sqlite")
        assert len(store) == 0
        store.append(line("x"))
        store.close()


def test_reading_can_stop_early_and_go_on_while_lines_are_written(store: LogStore):
    for number in range(3):
        store.append(line(str(number)))
    reading = store.read(LogQuery())
    assert next(reading).text == "0"
    store.append(line("3"))
    store.flush()
    assert next(reading).text == "1"
