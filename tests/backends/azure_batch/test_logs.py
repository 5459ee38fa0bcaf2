"""Lines out of pieces of files: nothing lost, nothing twice, whole characters and whole lines."""

from __future__ import annotations

import uuid
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pendulum
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.backends.azure_batch import logs
from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.log_reader import MAX_LINES, LogReader
from airflow_provider_jobs.backends.azure_batch.logs import Mark, Position, read_piece
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud

AT = pendulum.datetime(2026, 11, 20, 12)


def pieces(content: bytes, size: int, *, is_over: bool = True) -> list[LogLine]:
    """Read a whole file in pieces of a size, as the reader does."""
    mark, lines = Mark(), []
    while True:
        part = content[mark.offset : mark.offset + size]
        is_last = is_over and mark.offset + len(part) == len(content)
        piece = read_piece(
            part, mark, index=0, stream="stdout", modified=AT, is_last=is_last, is_full=len(part) == size
        )
        lines.extend(piece.lines)
        if piece.mark.offset == mark.offset:
            return lines
        mark = piece.mark


class TestPieces:
    @given(
        st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12))
    )
    def test_lines_are_the_same_however_a_file_is_cut(self, texts: list[str]) -> None:
        content = "".join(f"{text}\n" for text in texts).encode()
        for size in (50, 64, 1000):
            assert [line.message for line in pieces(content, size)] == texts

    @given(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), st.integers(4, 9))
    def test_a_line_that_is_longer_than_a_piece_is_divided_between_characters(
        self, text: str, size: int
    ) -> None:
        assert "".join(line.message for line in pieces(text.encode(), size)) == text

    def test_a_line_that_may_go_on_is_held_back_until_the_task_is_over(self) -> None:
        assert [line.message for line in pieces(b"a\nb", 100, is_over=False)] == ["a"]
        assert [line.message for line in pieces(b"a\nb", 100)] == ["a", "b"]

    def test_empty_lines_and_ends_of_windows_are_kept_apart(self) -> None:
        assert [line.message for line in pieces(b"\n\na\r\n\r\n", 100)] == ["", "", "a", ""]

    def test_bytes_that_are_no_text_are_shown_as_such(self) -> None:
        assert [line.message for line in pieces(b"a\xffb\n", 100)] == ["a\ufffdb"]
        assert "".join(line.message for line in pieces(b"\x80" * 9, 4)) == "\ufffd" * 9

    def test_times_rise_within_a_file_whatever_the_service_says(self) -> None:
        first = read_piece(
            b"a\nb\n", Mark(), index=0, stream="stdout", modified=AT, is_last=False, is_full=False
        )
        earlier = AT.subtract(seconds=3)
        then = read_piece(
            b"c\n", first.mark, index=0, stream="stdout", modified=earlier, is_last=False, is_full=False
        )
        times = [line.timestamp for line in (*first.lines, *then.lines)]
        assert times[0] == AT
        assert all(before < after for before, after in pairwise(times))


class TestPositions:
    def test_it_is_the_same_after_a_round_through_json(self) -> None:
        position = Position({3: [Mark(5, 7, True), Mark()], 12: [Mark(1, 2), Mark(3, 4)]}, {0, 1, 2, 9}, 4)
        handle = JobHandle.from_json(
            {
                "ref": {"backend": "azure_batch", "conn_id": "c"},
                "native_id": "j",
                "name": "j",
                "submitted_at": AT.isoformat(),
            }
        )
        cursor = LogCursor(handle=handle, position=position.to_json())
        assert Position.of(LogCursor.from_json(cursor.to_json())) == position
        assert Position.of(LogCursor(handle=handle)) == Position()

    def test_every_index_has_its_turn(self) -> None:
        position = Position(done={1}, next=3)
        assert position.in_turn(range(5)) == [3, 4, 0, 2]


def submit(backend: AzureBatchBackend, script: str, **values: Any) -> JobHandle:
    """Submit a script."""
    options = {"pool_id": "default", **values.pop("options", {})}
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    return backend.submit(JobSpec(script=script, options=options, **values), key)


def end(backend: AzureBatchBackend, handle: JobHandle) -> None:
    """Return when the submission has ended."""
    while not ((state := next(backend.describe([handle])).state) and state.is_terminal):
        pass


def read(reader: LogReader, cursor: LogCursor) -> tuple[list[LogLine], LogCursor, bool]:
    """Read once, with a cursor that crosses a process."""
    (page,) = reader.read([cursor])
    after = LogCursor(handle=cursor.handle, position=page.position)
    return list(page.lines), LogCursor.from_json(after.to_json()), page.more


def read_all(reader: LogReader, handle: JobHandle) -> list[LogLine]:
    """Read until two reads bring nothing."""
    cursor, found, quiet = LogCursor(handle=handle), [], 0
    while quiet < 2:
        lines, cursor, more = read(reader, cursor)
        found.extend(lines)
        quiet = 0 if lines or more else quiet + 1
    return found


class TestReading:
    def test_characters_and_lines_that_a_piece_cuts_are_joined(self, backend: AzureBatchBackend) -> None:
        handle = submit(backend, 'for n in 1 2 3; do echo "größe $n €"; done; printf ende')
        end(backend, handle)
        for size in (20, 23, 4096):
            lines = read_all(LogReader(backend.hook, piece_bytes=size), handle)
            assert [line.message for line in lines] == ["größe 1 €", "größe 2 €", "größe 3 €", "ende"]

    def test_both_files_are_read_and_told_apart(self, backend: AzureBatchBackend) -> None:
        handle = submit(backend, "echo out; echo err >&2", array_size=2)
        end(backend, handle)
        lines = read_all(LogReader(backend.hook), handle)
        told = {(line.index, line.stream, line.level, line.message) for line in lines}
        assert told == {
            (index, *each)
            for index in (0, 1)
            for each in (("stdout", "info", "out"), ("stderr", "warning", "err"))
        }

    def test_a_prompt_without_an_end_waits_for_the_rest_of_its_line(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handle = submit(backend, "echo first; printf 'working...'; exec sleep 600")
        reader, cursor, found = LogReader(backend.hook), LogCursor(handle=handle), []
        while not found:
            found, cursor, _ = read(reader, cursor)
        for _ in range(3):
            lines, cursor, _ = read(reader, cursor)
            found += lines
        assert [line.message for line in found] == ["first"]
        backend.cancel(handle, "the test wants it")
        end(backend, handle)
        while len(found) < 2:
            lines, cursor, _ = read(reader, cursor)
            found += lines
        assert found[1].message == "working..."

    def test_a_last_line_without_an_end_is_told_as_more_until_it_is_known_to_be_the_last(
        self, backend: AzureBatchBackend
    ) -> None:
        handle = submit(backend, "echo first; printf last")
        end(backend, handle)
        reader, cursor, rounds = LogReader(backend.hook), LogCursor(handle=handle), []
        for _ in range(3):
            lines, cursor, more = read(reader, cursor)
            rounds.append(([line.message for line in lines], more))
        assert rounds == [(["first"], True), (["last"], False), ([], False)]

    def test_a_round_is_bounded_and_every_task_has_its_turn(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handle = submit(backend, 'echo "I am $JOB_INDEX"', array_size=5)
        end(backend, handle)
        reader, cursor = LogReader(backend.hook, tasks_per_read=2), LogCursor(handle=handle)
        rounds = []
        for _ in range(4):
            quiet_cloud.admin.clear_counters()
            lines, cursor, more = read(reader, cursor)
            rounds.append(([line.index for line in lines], more, quiet_cloud.admin.calls("ListTaskFiles")))
        assert rounds == [([0, 1], True, 2), ([2, 3], True, 2), ([4], False, 1), ([], False, 0)]

    def test_many_jobs_share_the_bound_fairly(self, backend: AzureBatchBackend) -> None:
        handles = [submit(backend, "echo x", array_size=4) for _ in range(2)]
        for handle in handles:
            end(backend, handle)
        pages = LogReader(backend.hook, tasks_per_read=4).read([LogCursor(handle=each) for each in handles])
        assert [len(page.lines) for page in pages] == [2, 2]
        assert all(page.more for page in pages)

    def test_a_file_that_has_not_grown_is_not_read(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        handle = submit(backend, "echo x; exec sleep 600")
        reader, cursor, found = LogReader(backend.hook), LogCursor(handle=handle), []
        while not found:
            found, cursor, _ = read(reader, cursor)
        quiet_cloud.admin.clear_counters()
        read(reader, cursor)
        counted = {
            name.rpartition("/")[2]: each["calls"] for name, each in quiet_cloud.admin.counters().items()
        }
        assert counted == {"ListTaskFiles": 1}
        backend.cancel(handle, "the test is over")

    def test_one_read_holds_few_lines_however_short_they_are(self, backend: AzureBatchBackend) -> None:
        script = "awk 'BEGIN { for (n = 0; n < 20000; n++) print n % 10 }'"
        handle = submit(backend, script, array_size=5)
        end(backend, handle)
        reader, cursor, found, sizes = LogReader(backend.hook), LogCursor(handle=handle), [], []
        more = True
        while more:
            lines, cursor, more = read(reader, cursor)
            sizes.append(len(lines))
            found += lines
        assert max(sizes) <= MAX_LINES
        by_index = defaultdict(list)
        for line in found:
            by_index[line.index].append(line.message)
        assert by_index == {index: [str(n % 10) for n in range(20000)] for index in range(5)}

    def test_a_line_that_is_longer_than_its_share_is_whole(self, backend: AzureBatchBackend) -> None:
        script = "head -c 200000 /dev/zero | tr '\\0' x; echo; echo after"
        handle = submit(backend, script, array_size=60)
        end(backend, handle)
        lines = read_all(LogReader(backend.hook), handle)
        assert [len(line.message) for line in lines] == [200_000, len("after")] * 60

    def test_a_large_file_comes_in_pieces_with_more_to_come(self, backend: AzureBatchBackend) -> None:
        handle = submit(backend, "n=0; while [ $n -lt 400 ]; do echo line $n; n=$((n + 1)); done")
        end(backend, handle)
        reader = LogReader(backend.hook, piece_bytes=1000)
        lines, _, more = read(reader, LogCursor(handle=handle))
        assert more
        assert len(lines) < 400
        assert [line.message for line in read_all(reader, handle)] == [f"line {n}" for n in range(400)]

    def test_a_task_that_is_tried_again_is_read_from_its_new_beginning(
        self, backend: AzureBatchBackend
    ) -> None:
        script = 'echo "long first line of a try"; [ -e ../again ] && exit 0; touch ../again; exec sleep 2'
        handle = submit(backend, script)
        reader, cursor, found = LogReader(backend.hook), LogCursor(handle=handle), []
        while not found:
            found, cursor, _ = read(reader, cursor)
        shorter = Position.of(cursor)
        shorter.marks[0][0] = Mark(10_000, shorter.marks[0][0].time_us)
        lines, _, _ = read(reader, LogCursor(handle=handle, position=shorter.to_json()))
        assert [line.message for line in lines] == ["long first line of a try"]
        end(backend, handle)

    def test_a_task_that_has_not_begun_has_no_lines(
        self, quiet_cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        quiet_cloud.admin.hold("scheduled")
        for size in (1, 3):
            handle = submit(backend, "echo x", array_size=size)
            assert read(LogReader(backend.hook), LogCursor(handle=handle))[0] == []
        quiet_cloud.admin.release()

    def test_files_that_are_gone_end_the_reading_of_their_task(self, backend: AzureBatchBackend) -> None:
        handle = submit(backend, "echo x", array_size=2)
        end(backend, handle)
        backend.hook.delete_task(handle.native_id, "0")
        lines = read_all(LogReader(backend.hook), handle)
        assert [line.index for line in lines] == [1]

    def test_the_log_of_a_shared_job_is_that_of_ones_own_tasks(
        self, cloud: LocalCloud, backend: AzureBatchBackend
    ) -> None:
        ref = backend.ref.model_copy(update={"scope": {"job_id": "logged"}})
        shared = AzureBatchBackend(ref)
        handles = [submit(shared, f'echo "{name} $JOB_INDEX"', array_size=2) for name in "ab"]
        for handle in handles:
            end(backend, handle)
        found = defaultdict(set)
        for handle in handles:
            found[handle.name].update(line.message for line in read_all(LogReader(backend.hook), handle))
        assert list(found.values()) == [{"a 0", "a 1"}, {"b 0", "b 1"}]

    def test_the_marks_of_a_position_are_in_the_order_of_the_streams(self) -> None:
        assert [stream for _, stream in logs.STREAMS] == ["stdout", "stderr"]


def test_a_success_whose_last_line_has_no_end_is_read_to_its_end(backend: AzureBatchBackend) -> None:
    handle = submit(backend, "printf '::airflow::{}'")
    end(backend, handle)
    assert next(backend.describe([handle])).state is JobState.SUCCEEDED
    assert [line.message for line in read_all(LogReader(backend.hook), handle)] == ["::airflow::{}"]
