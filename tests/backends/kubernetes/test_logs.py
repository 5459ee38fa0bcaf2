"""The logs of pods: which there are, what they say, and that nothing of them is lost or told twice."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.kubernetes import logs
from airflow_provider_jobs.backends.kubernetes.logs import Mark, entries_of, streams_of, take
from tests.backends.kubernetes.api import container, ended, handle, pod

RUNS = {"running": {"startedAt": "2030-01-01T00:00:01Z"}}


class File:
    """A log file of a container, and what the service answers of it."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, bytes]] = []

    def write(self, seconds: float, text: str) -> None:
        """Write a line at so many seconds past midnight."""
        whole, fraction = divmod(seconds, 1)
        stamp = f"2030-01-01T00:{int(whole) // 60:02d}:{int(whole) % 60:02d}.{int(fraction * 1e9):09d}Z"
        self.lines.append((seconds, f"{stamp} {text}\n".encode()))

    def answer(self, mark: Mark, limit: int = 10**6) -> bytes:
        """Return the bytes from a mark's time on, as far as the limit goes."""
        midnight = 1893456000
        return b"".join(line for at, line in self.lines if midnight + at >= mark.since)[:limit]


def read(
    file: File, mark: Mark, *, limit: int = 10**6, is_over: bool = False
) -> tuple[list[str], Mark, bool]:
    """Read on from a mark."""
    taken = take(mark, file.answer(mark, limit), limit=limit, is_over=is_over)
    return [entry.text for entry in taken.entries], taken.mark, taken.is_torn


class TestStreams:
    def test_each_container_that_has_started_is_one_and_none_before(self) -> None:
        starting = pod(
            3,
            container("main", waiting={"reason": "PodInitializing"}),
            container("proxy", **RUNS),
            phase="Pending",
        )
        starting["status"]["initContainerStatuses"] = [container("fetch", terminated=ended(0))]
        told = [(each.container, each.is_over, each.index, each.shown_as) for each in streams_of([starting])]
        assert told == [("fetch", True, 3, "fetch"), ("proxy", False, 3, "proxy")]

    def test_a_pod_of_one_container_does_not_name_it(self) -> None:
        (stream,) = streams_of([pod(None, container(**RUNS))])
        assert (stream.index, stream.shown_as, stream.attempt) == (0, None, 0)

    def test_the_pods_of_an_index_are_its_attempts_in_the_order_in_which_they_were_made(self) -> None:
        pods = [
            pod(1, container(**RUNS), name="c", created="2030-01-01T00:02:00Z"),
            pod(1, container(terminated=ended(1)), name="b", created="2030-01-01T00:01:00Z"),
            pod(0, container(**RUNS), name="a", created="2030-01-01T00:01:30Z"),
        ]
        told = [(each.pod, each.index, each.attempt) for each in streams_of(pods)]
        assert told == [("b", 1, 0), ("a", 0, 0), ("c", 1, 1)]
        assert {each.attempt for each in streams_of(pods, is_whole=False)} == {None}

    def test_where_the_service_counts_failures_they_are_the_attempt(self) -> None:
        counted = {"batch.kubernetes.io/job-index-failure-count": "4"}
        (stream,) = streams_of([pod(0, container(**RUNS), annotations=counted)], is_whole=False)
        assert stream.attempt == 4

    @pytest.mark.parametrize("ids", [("containerd://old", "containerd://new"), (None, None)])
    def test_a_container_that_is_started_again_has_a_log_for_each_start(
        self, ids: tuple[str | None, str | None]
    ) -> None:
        first = ended(1, containerID=ids[0]) if ids[0] else ended(1)
        states = [
            container(cid=ids[0], terminated=first),
            container(cid=ids[0], last=first, waiting={"reason": "CrashLoopBackOff"}),
            container(cid=ids[1], restarts=1, last=first, waiting={}),
            container(cid=ids[1], restarts=1, last=first, **RUNS),
        ]
        told = [[(s.key, s.is_previous, s.is_over) for s in streams_of([pod(None, each)])] for each in states]
        old, new = told[3][0][0], told[3][1][0]
        assert old != new
        assert told == [
            [(old, False, True)],
            [(old, False, True)],
            [(old, False, True)],
            [(old, True, True), (new, False, False)],
        ]

    def test_only_a_container_that_may_be_started_again_is_looked_at_twice(self) -> None:
        both = pod(0, container("main", **RUNS), container("side", **RUNS), phase="Running")
        both["spec"]["containers"][1]["restartPolicy"] = "Always"
        assert [each.may_restart for each in streams_of([both])] == [False, True]
        both["status"]["phase"] = "Failed"
        assert [each.may_restart for each in streams_of([both])] == [False, False]
        again = pod(0, container("main", **RUNS), phase="Running")
        again["spec"]["restartPolicy"] = "OnFailure"
        assert [each.may_restart for each in streams_of([again])] == [True]


class TestLines:
    @pytest.mark.parametrize(
        ("raw", "microsecond", "text"),
        [
            (b"2030-01-01T00:00:01.123456789Z hello  you ", 123456, "hello  you "),
            (b"2030-01-01T00:00:01Z hello", 0, "hello"),
            (b"2030-01-01T02:00:01.5+02:00 hello", 500000, "hello"),
            (b"2030-01-01T00:00:01.000000001Z ", 0, ""),
            (b"2030-01-01T00:00:01Z caf\xc3\xa9 \xff", 0, "caf\u00e9 \ufffd"),
            (b"2030-01-01T00:00:01Z 10%\r", 0, "10%"),
        ],
    )
    def test_a_line_has_its_own_time_and_text(self, raw: bytes, microsecond: int, text: str) -> None:
        (stream,) = streams_of([pod(2, container(**RUNS))])
        (entry,) = entries_of(raw)
        line = stream.line(entry, handle(3, (4, 5, 6)))
        assert (line.message, line.index, line.stream, line.attempt) == (text, 6, "stdout", 0)
        assert (line.timestamp.isoformat()[:19], line.timestamp.microsecond) == (
            "2030-01-01T00:00:01",
            microsecond,
        )

    def test_a_word_of_the_node_without_a_time_is_shown_too(self) -> None:
        (stream,) = streams_of([pod(None, container(**RUNS))])
        (entry,) = entries_of(b"unable to retrieve container logs for containerd://1")
        assert stream.line(entry).message.startswith("unable to retrieve")
        assert stream.line(entry).timestamp.year == 2030

    def test_a_line_without_its_end_is_whole_only_once_nothing_follows(self) -> None:
        raw = b"2030-01-01T00:00:01Z one\n2030-01-01T00:00:02Z tw"
        assert [entry.text for entry in entries_of(raw, is_over=False)] == ["one"]
        assert [entry.text for entry in entries_of(raw, is_over=True)] == ["one", "tw"]


class TestMarks:
    def test_every_line_comes_once_also_those_of_one_moment(self) -> None:
        file, mark, told = File(), Mark(), []
        for n in range(40):
            file.write(n // 10, f"line {n}")
            if n % 3 == 0:
                lines, mark, torn = read(file, mark)
                told += lines
                assert not torn
        told += read(file, mark)[0]
        assert told == [f"line {n}" for n in range(40)]

    def test_a_line_that_stands_out_of_order_is_not_lost(self) -> None:
        file = File()
        file.write(10.5, "first")
        _, mark, _ = read(file, Mark())
        file.write(9.9, "written later, with an earlier time")
        file.write(10.5, "third")
        assert read(file, mark)[0] == ["written later, with an earlier time", "third"]

    def test_what_is_asked_for_again_is_only_the_last_seconds(self) -> None:
        file = File()
        for n in range(1000):
            file.write(n / 10, f"line {n}")
        _, mark, _ = read(file, Mark())
        assert mark.since_time == "2030-01-01T00:01:37Z"
        assert mark.count == 30

    @pytest.mark.parametrize("limit", [50, 100, 1000])
    def test_a_burst_beyond_the_limit_is_read_piece_by_piece(self, limit: int) -> None:
        file, mark, told, cut = File(), Mark(), [], True
        for n in range(200):
            file.write(0.001 * n, f"line {n}")
        while cut:
            asked = mark.size + limit
            taken = take(mark, file.answer(mark, asked), limit=asked, is_over=False)
            told += [entry.text for entry in taken.entries]
            mark, cut = taken.mark, taken.is_cut
        assert told == [f"line {n}" for n in range(200)]

    def test_a_line_longer_than_the_limit_is_told_whole(self) -> None:
        file, mark, told, cut = File(), Mark(), [], True
        file.write(1, "x" * 5000)
        file.write(2, "after")
        while cut:
            asked = mark.size + 100
            taken = take(mark, file.answer(mark, asked), limit=asked, is_over=True)
            told += [entry.text for entry in taken.entries]
            mark, cut = taken.mark, taken.is_cut
        assert told == ["x" * 5000, "after"]

    def test_a_rotated_file_is_noticed_and_read_from_its_beginning(self) -> None:
        file = File()
        for n in range(5):
            file.write(n, f"old {n}")
        _, mark, _ = read(file, Mark())
        file.lines = []
        assert read(file, mark) == ([], mark, False)
        for n in range(9):
            file.write(5 + n, f"new {n}")
        lines, mark, torn = read(file, mark)
        assert (lines, torn) == ([f"new {n}" for n in range(9)], True)
        file.write(15, "and on")
        assert read(file, mark)[0] == ["and on"]

    def test_a_file_whose_beginning_went_and_whose_last_line_did_not_has_lost_nothing(self) -> None:
        file = File()
        for n in range(3):
            file.write(n / 10, f"line {n}")
        _, mark, _ = read(file, Mark())
        del file.lines[:2]
        file.write(0.5, "next")
        assert read(file, mark)[::2] == (["next"], False)

    def test_marks_survive_json(self) -> None:
        marks = {"p/main/0": Mark(1, 2, 3, 4), "p/main/1": Mark()}
        assert logs.marks_from(logs.marks_to_json(marks)) == marks
        assert logs.marks_from(None) == {}
