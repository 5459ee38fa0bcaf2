"""What every backend promises to the engine, whatever its service."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine
from airflow_provider_jobs.core.states import JobState
from tests.contract.world import FAULTS, PATIENCE_SECONDS, Work, World


def read_all(world: World, handle: JobHandle, *, lines: int) -> list[LogLine]:
    """Read a log with cursors that cross a process, until the lines are there and two reads bring none."""
    cursor, found, quiet = LogCursor(handle=handle), [], 0
    until = time.monotonic() + PATIENCE_SECONDS
    while quiet < 2 and time.monotonic() < until:
        (page,) = world.backend.read_logs([cursor])
        found.extend(page.lines)
        quiet = 0 if page.lines or page.more or len(found) < lines else quiet + 1
        cursor = LogCursor.from_json(LogCursor(handle=handle, position=page.position).to_json())
    return found


def messages_by_index(lines: list[LogLine]) -> dict[int | None, list[str]]:
    """Return the messages of each index in the order in which they were read."""
    messages: dict[int | None, list[str]] = defaultdict(list)
    for line in lines:
        messages[line.index].append(line.message)
    return messages


class TestSubmitting:
    def test_a_handle_names_the_job_and_where_to_look(self, world: World) -> None:
        handle = world.submit(Work(size=3))
        assert handle.native_id
        assert handle.name
        assert handle.size == 3
        assert handle.console_url is None or handle.console_url.startswith("https://")

    def test_a_handle_keeps_the_stamp_of_its_submission_and_says_how_to_cancel_by_hand(
        self, world: World
    ) -> None:
        key, stamp = world.key(), "0123456789abcdef-3-89abcdef"
        spec = world.write_spec(Work(size=2)).model_copy(update={"stamp": stamp})
        handle = world.backend.submit(spec, key)
        assert handle.stamp == stamp
        assert handle.name in (handle.cancel_command or "") or handle.native_id in (
            handle.cancel_command or ""
        )
        assert world.open().find(key) == handle

    def test_the_same_key_gives_the_same_job(self, world: World) -> None:
        key, spec = world.key(), world.write_spec(Work(size=2))
        first = world.backend.submit(spec, key)
        assert world.backend.submit(spec, key) == first
        assert world.open().submit(spec, key) == first

    def test_keys_that_differ_give_jobs_that_differ(self, world: World) -> None:
        key, spec = world.key(), world.write_spec(Work())
        names = {
            world.backend.submit(spec, each).native_id for each in (key, key.next_attempt(), world.key())
        }
        assert len(names) == 3

    def test_a_key_whose_job_was_deleted_can_be_submitted_again(self, world: World) -> None:
        key, spec = world.key(), world.write_spec(Work(runs_on=True))
        world.delete_behind(world.backend.submit(spec, key))
        again = world.backend.submit(spec, key)
        assert world.report(again).found
        world.backend.cancel(again, "the test is over")

    def test_an_answer_that_never_came_is_ambiguous_and_the_job_is_found(self, world: World) -> None:
        key, spec = world.key(), world.write_spec(Work())
        world.fault("submit", "lost_answer")
        with pytest.raises(FAULTS["lost_answer"]):
            world.backend.submit(spec, key)
        found = world.backend.find(key)
        assert found is not None
        assert world.backend.submit(spec, key) == found


class TestFinding:
    def test_no_job_is_found_before_it_was_submitted(self, world: World) -> None:
        assert world.backend.find(world.key()) is None

    def test_another_process_finds_the_same_handle(self, world: World) -> None:
        key = world.key()
        handle = world.backend.submit(world.write_spec(Work(size=6, indexes=(1, 4))), key)
        assert world.open().find(key) == handle

    def test_a_job_that_has_ended_is_found_too(self, world: World) -> None:
        key = world.key()
        handle = world.backend.submit(world.write_spec(Work()), key)
        world.end(handle)
        assert world.backend.find(key) == handle


class TestDescribing:
    def test_every_handle_is_answered_once_and_missing_ones_too(self, world: World) -> None:
        handles = [world.submit(Work()) for _ in range(12)]
        gone = handles[3]
        world.delete_behind(gone)
        reports = list(world.backend.describe(handles))
        assert Counter(report.native_id for report in reports) == Counter(each.native_id for each in handles)
        assert [report.native_id for report in reports if not report.found] == [gone.native_id]

    def test_no_handles_are_no_reports(self, world: World) -> None:
        assert list(world.backend.describe([])) == []

    def test_states_only_advance(self, world: World) -> None:
        handle = world.submit(Work(size=2, lines=1))
        reports = world.reports_until(handle, lambda report: report.state is JobState.SUCCEEDED)
        states = [report.state for report in reports]
        assert None not in states
        assert all(before.advance(after) is after for before, after in pairwise(states) if before and after)

    def test_a_success_counts_every_index_and_has_its_times(self, world: World) -> None:
        handle = world.submit(Work(size=3))
        report = world.end(handle)
        assert report.state is JobState.SUCCEEDED
        assert report.array is not None
        assert (report.array.size, report.array.succeeded, report.array.failed) == (3, 3, 0)
        assert report.started_at
        assert report.ended_at
        assert report.started_at <= report.ended_at
        assert not report.failures

    def test_a_failure_names_the_index_and_the_exit_code(self, world: World) -> None:
        report = world.end(world.submit(Work(size=4, exit_codes={2: 3})))
        assert report.state is JobState.FAILED
        assert report.array is not None
        assert (report.array.succeeded, report.array.failed) == (3, 1)
        assert report.array.failed_indexes == (2,)
        (failure,) = report.failures
        assert (failure.kind, failure.index, failure.exit_code) == (FailureKind.USER_CODE, 2, 3)
        assert failure.retryable
        assert failure.message

    def test_a_part_of_an_array_is_told_by_its_original_indexes(self, world: World) -> None:
        handle = world.submit(Work(size=9, indexes=(3, 7), exit_codes={7: 5}, lines=1))
        assert (handle.size, handle.indexes) == (2, (3, 7))
        report = world.end(handle)
        assert report.array is not None
        assert report.array.failed_indexes == (7,)
        assert [failure.index for failure in report.failures] == [7]
        assert {line.index for line in read_all(world, handle, lines=2)} == {3, 7}

    def test_a_part_of_ranges_runs_each_index_under_its_own_number(self, world: World) -> None:
        indexes = (0, 2, 3, 4, 7, 10, 11)
        handle = world.submit(Work(size=12, indexes=indexes, exit_codes={4: 5, 10: 6}, lines=1))
        report = world.end(handle)
        assert report.array is not None
        assert report.array.failed_indexes == (4, 10)
        lines = read_all(world, handle, lines=len(indexes))
        assert tuple(sorted(line.index for line in lines if line.index is not None)) == indexes

    def test_threads_may_ask_at_once(self, world: World) -> None:
        handles = [world.submit(Work()) for _ in range(3)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: list(world.backend.describe(handles)), range(24)))
        assert all(report.found for reports in answers for report in reports)


class TestLogs:
    def test_every_line_of_every_index_comes_once_and_in_order(self, world: World) -> None:
        handle = world.submit(Work(size=4, lines=25))
        world.reports_until(handle, lambda report: report.state is not JobState.SUBMITTED)
        world.end(handle)
        messages = messages_by_index(read_all(world, handle, lines=100))
        assert messages == {index: [f"line {n}" for n in range(25)] for index in range(4)}

    def test_a_log_that_is_read_while_it_is_written_is_complete(self, world: World) -> None:
        handle = world.submit(Work(size=2, lines=300))
        cursor, found = LogCursor(handle=handle), []
        while not ((state := world.report(handle).state) and state.is_terminal):
            (page,) = world.backend.read_logs([cursor])
            found.extend(page.lines)
            cursor = LogCursor(handle=handle, position=page.position)
        until = time.monotonic() + PATIENCE_SECONDS
        while len(found) < 600 and time.monotonic() < until:
            (page,) = world.backend.read_logs([cursor])
            found.extend(page.lines)
            cursor = LogCursor(handle=handle, position=page.position)
        assert messages_by_index(found) == {index: [f"line {n}" for n in range(300)] for index in (0, 1)}

    def test_many_jobs_are_read_at_once_and_answered_in_order(self, world: World) -> None:
        handles = [world.submit(Work(lines=2)) for _ in range(5)]
        for handle in handles:
            world.end(handle)
        pages = world.backend.read_logs([LogCursor(handle=handle) for handle in handles])
        assert [page.native_id for page in pages] == [handle.native_id for handle in handles]
        assert [[line.message for line in page.lines] for page in pages] == [["line 0", "line 1"]] * 5

    def test_a_job_that_wrote_nothing_has_an_empty_log(self, world: World) -> None:
        handle = world.submit(Work())
        world.end(handle)
        assert read_all(world, handle, lines=0) == []

    def test_a_job_that_is_gone_raises_nothing(self, world: World) -> None:
        handle = world.submit(Work(lines=1))
        world.end(handle)
        world.delete_behind(handle)
        (page,) = world.open().read_logs([LogCursor(handle=handle)])
        assert page.native_id == handle.native_id


class TestCancelling:
    def test_a_cancelled_job_ends_as_cancelled_and_cancelling_again_is_fine(self, world: World) -> None:
        handle = world.submit(Work(runs_on=True))
        world.reports_until(handle, lambda report: report.state is JobState.RUNNING)
        for _ in range(3):
            world.backend.cancel(handle, "the test wants it")
        assert world.end(handle).state is JobState.CANCELLED
        world.backend.cancel(handle, "again")

    def test_a_cancelled_array_leaves_none_of_its_indexes_running(self, world: World) -> None:
        handle = world.submit(Work(size=4, lines=1, runs_on=True))
        world.reports_until(handle, lambda report: bool(report.array and report.array.running == 4))
        world.backend.cancel(handle, "the test wants it")
        report = world.end(handle)
        assert report.state is JobState.CANCELLED
        assert report.array is not None
        assert (report.array.running, report.array.succeeded) == (0, 0)

    def test_a_job_that_has_ended_stays_as_it_ended(self, world: World) -> None:
        handle = world.submit(Work())
        world.end(handle)
        world.backend.cancel(handle, "too late")
        assert world.report(handle).state is JobState.SUCCEEDED

    def test_a_job_that_is_gone_is_fine(self, world: World) -> None:
        handle = world.submit(Work())
        world.delete_behind(handle)
        world.backend.cancel(handle, "nobody there")


class TestDeleting:
    def test_a_deleted_job_is_gone_and_deleting_again_is_fine(self, world: World) -> None:
        key = world.key()
        handle = world.backend.submit(world.write_spec(Work()), key)
        world.end(handle)
        for _ in range(3):
            world.backend.delete(handle)
        if not world.deletes:
            assert world.backend.find(key) == handle
            return
        world.reports_until(handle, lambda report: not report.found)
        assert world.backend.find(key) is None
        world.backend.delete(handle)


class TestWaiting:
    def test_a_job_that_runs_has_nothing_to_explain(self, world: World) -> None:
        handle = world.submit(Work(runs_on=True))
        world.reports_until(handle, lambda report: report.state is JobState.RUNNING)
        assert world.backend.explain(handle) is None
        world.backend.cancel(handle, "the test is over")


class TestErrors:
    @pytest.mark.parametrize("kind", ["throttled", "unavailable", "denied"])
    @pytest.mark.parametrize("method", ["find", "describe", "cancel", "delete", "read_logs"])
    def test_a_call_that_fails_raises_its_own_kind_of_error(
        self, world: World, method: str, kind: str
    ) -> None:
        key = world.key()
        handle = world.backend.submit(world.write_spec(Work()), key)
        calls = {
            "find": lambda: world.backend.find(key),
            "describe": lambda: list(world.backend.describe([handle])),
            "cancel": lambda: world.backend.cancel(handle, "why"),
            "delete": lambda: world.backend.delete(handle),
            "read_logs": lambda: world.backend.read_logs([LogCursor(handle=handle)]),
        }
        if method == "delete" and not world.deletes:
            assert calls[method]() is None
            return
        # A service that is away may have heard a request that changes something.
        ambiguous = kind == "unavailable" and method in ("cancel", "delete")
        world.fault(method, kind)
        with pytest.raises((FAULTS[kind], *([FAULTS["lost_answer"]] if ambiguous else []))):
            calls[method]()
        calls[method]()

    @pytest.mark.parametrize("kind", ["throttled", "denied"])
    def test_a_refused_submission_leaves_no_job(self, world: World, kind: str) -> None:
        key = world.key()
        world.fault("submit", kind)
        with pytest.raises(FAULTS[kind]):
            world.backend.submit(world.write_spec(Work()), key)
        assert world.backend.find(key) is None

    def test_every_error_is_one_of_ours(self) -> None:
        assert all(issubclass(error, JobsError) for error in FAULTS.values())


class TestCrossingAProcess:
    def test_handles_and_cursors_survive_json(self, world: World) -> None:
        handle = world.submit(Work(size=5, indexes=(0, 3), lines=3))
        world.end(handle)
        assert JobHandle.from_json(handle.to_json()) == handle
        (page,) = world.backend.read_logs([LogCursor(handle=handle)])
        cursor = LogCursor(handle=handle, position=page.position)
        assert LogCursor.from_json(cursor.to_json()) == cursor
