"""The log in Airflow: nothing lost, nothing twice, whatever comes late, and in few calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from airflow_provider_jobs.backends.aws_batch import log_reader
from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.backends.aws_batch.positions import Position, Progress
from airflow_provider_jobs.backends.aws_batch.streams import Stream
from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.conftest import REF, new_key, until, until_over

SIZES = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]


def submit(backend: AwsBatchBackend, script: str, **values: object) -> JobHandle:
    """Submit a job that runs a script."""
    return backend.submit(JobSpec.model_validate({"image": "busybox", "script": script, **values}), new_key())


def read_until(
    backend: AwsBatchBackend, handle: JobHandle, met: Callable[[list[LogLine]], bool]
) -> tuple[list[LogLine], LogCursor]:
    """Read on, with cursors that cross a process, until the lines are enough."""
    cursor, lines = LogCursor(handle=handle), list[LogLine]()
    while not met(lines):
        (page,) = backend.read_logs([cursor])
        lines.extend(page.lines)
        cursor = LogCursor.from_json(LogCursor(handle=handle, position=page.position).to_json())
    return lines, cursor


def by_index(lines: list[LogLine]) -> dict[int | None, list[str]]:
    """Return the messages of each index in the order in which they were read."""
    messages: dict[int | None, list[str]] = defaultdict(list)
    for line in lines:
        messages[line.index].append(line.message)
    return messages


def calls(cloud: LocalCloud) -> dict[str, int]:
    """Return how often each method was called, by its last name."""
    return {name.rpartition("/")[2]: told["calls"] for name, told in cloud.admin.counters().items()}


class TestNothingIsLostAndNothingTwice:
    def test_lines_that_become_readable_late_and_out_of_order(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        quiet_cloud.admin.set_log_delay(1.0, one_in=3)
        script = "for n in 0 1 2 3 4 5 6 7 8 9 10 11; do echo $n; sleep 0.05; done"
        handle = submit(backend, script, array_size=2)
        lines, cursor = read_until(backend, handle, lambda lines: len(lines) >= 24)
        quiet_cloud.admin.set_log_delay(0)
        messages = by_index(lines)
        assert {index: sorted(map(int, told)) for index, told in messages.items()} == {
            0: list(range(12)),
            1: list(range(12)),
        }
        assert backend.read_logs([cursor])[0].lines == ()

    def test_a_log_longer_than_one_read_is_read_in_several(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "n=0; while [ $n -lt 25000 ]; do echo $n; n=$((n + 1)); done")
        until_over(backend, handle)
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert page.more
        assert log_reader.MAX_LINES <= len(page.lines) < 25_000
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 25_000)
        assert [line.message for line in lines] == [str(n) for n in range(25_000)]

    def test_every_attempt_of_the_service_is_read_and_told_apart(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        script = 'echo "try $JOB_ATTEMPT"; [ "$JOB_ATTEMPT" = 2 ]'
        handle = submit(backend, script, options={"retry_strategy": {"attempts": 3}})
        until_over(backend, handle)
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 3)
        assert [(line.attempt, line.message) for line in lines] == [(0, "try 0"), (1, "try 1"), (2, "try 2")]

    def test_a_part_of_an_array_is_told_by_its_original_indexes(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, 'echo "$JOB_INDEX of $JOB_COUNT"', array_size=9, indexes=(3, 7))
        until_over(backend, handle)
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 2)
        assert by_index(lines) == {3: ["3 of 9"], 7: ["7 of 9"]}

    def test_trouble_in_the_middle_of_a_read_loses_nothing(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo 1; echo 2")
        until_over(backend, handle)
        cursor = LogCursor(handle=handle)
        quiet_cloud.admin.add_fault(method="FilterLogEvents", error={"code": "ThrottlingException"}, times=1)
        with pytest.raises(ThrottledError):
            backend.read_logs([cursor])
        assert [line.message for line in backend.read_logs([cursor])[0].lines] == ["1", "2"]

    def test_what_was_read_before_the_service_is_in_trouble_is_kept(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        own_group = {"log_configuration": {"logDriver": "awslogs", "options": {"awslogs-group": "/own"}}}
        handles = [submit(backend, "echo hi"), submit(backend, "echo hi", options=own_group)]
        for handle in handles:
            until_over(backend, handle)
        fault = {"method": "FilterLogEvents", "error": {"code": "ThrottlingException"}, "skip": 1, "times": 1}
        quiet_cloud.admin.add_fault(**fault)
        cursors = [LogCursor(handle=handle) for handle in handles]
        pages = backend.read_logs(cursors)
        assert sorted((len(page.lines), page.more) for page in pages) == [(0, True), (1, False)]
        cursors = [
            LogCursor(handle=cursor.handle, position=page.position)
            for cursor, page in zip(cursors, pages, strict=True)
        ]
        assert sum(len(page.lines) for page in backend.read_logs(cursors)) == 1


class TestWhereLinesComeFrom:
    def test_a_log_group_of_the_users_own_is_read(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        options = {"log_configuration": {"logDriver": "awslogs", "options": {"awslogs-group": "/mine"}}}
        handle = submit(backend, "echo hi", options=options)
        until_over(backend, handle)
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 1)
        assert [line.message for line in lines] == ["hi"]

    def test_the_containers_of_one_task_are_told_apart(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        # The task ends with the first container that does, so that one has to wait for the other.
        scripts = {"main": "sleep 1; echo I am main", "helper": "echo I am helper; exec sleep 600"}
        containers = [
            {
                "name": name,
                "image": "busybox",
                "resourceRequirements": SIZES,
                "command": ["/bin/sh", "-c", script],
            }
            for name, script in scripts.items()
        ]
        native = {"jobDefinition": {"ecsProperties": {"taskProperties": [{"containers": containers}]}}}
        handle = backend.submit(
            JobSpec(
                native=native,
                options={"ecs_properties_override": {"taskProperties": [{"containers": [{"name": "main"}]}]}},
            ),
            new_key(),
        )
        until_over(backend, handle)
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 2)
        assert {(line.container, line.message) for line in lines} == {
            ("main", "I am main"),
            ("helper", "I am helper"),
        }

    def test_stderr_stands_among_the_lines_of_stdout(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo out; sleep 0.2; echo err >&2")
        until_over(backend, handle)
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 2)
        assert [(line.stream, line.level, line.message) for line in lines] == [
            ("stdout", "info", "out"),
            ("stdout", "info", "err"),
        ]

    def test_a_job_that_has_not_begun_has_no_lines_and_costs_no_query(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        quiet_cloud.admin.hold("assigned")
        handles = [submit(backend, "echo hi"), submit(backend, "echo hi", array_size=5)]
        quiet_cloud.admin.clear_counters()
        pages = backend.read_logs([LogCursor(handle=handle) for handle in handles])
        assert [page.lines for page in pages] == [(), ()]
        assert calls(quiet_cloud) == {"DescribeJobs": 1}


class TestFewCalls:
    def test_many_jobs_are_read_with_one_query(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handles = [submit(backend, "echo hi") for _ in range(10)]
        for handle in handles:
            until_over(backend, handle)
        quiet_cloud.admin.clear_counters()
        pages = backend.read_logs([LogCursor(handle=handle) for handle in handles])
        assert [[line.message for line in page.lines] for page in pages] == [["hi"]] * 10
        assert calls(quiet_cloud) == {"DescribeJobs": 1, "FilterLogEvents": 1}

    def test_a_job_that_is_over_is_asked_for_once(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo hi", array_size=3)
        until_over(backend, handle)
        _, cursor = read_until(backend, handle, lambda lines: len(lines) >= 3)
        quiet_cloud.admin.clear_counters()
        backend.read_logs([cursor])
        assert calls(quiet_cloud) == {"FilterLogEvents": 1}

    def test_an_array_in_which_nothing_has_changed_is_not_looked_into(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo hi; exec sleep 600", array_size=3)
        until(backend, handle, lambda report: bool(report.array and report.array.running == 3))
        _, cursor = read_until(backend, handle, lambda lines: len(lines) >= 3)
        quiet_cloud.admin.clear_counters()
        backend.read_logs([cursor])
        assert calls(quiet_cloud) == {"DescribeJobs": 1, "FilterLogEvents": 1}
        backend.cancel(handle, "the test is over")

    def test_a_large_array_is_listed_before_its_children_are_asked_for(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo $JOB_INDEX", array_size=250)
        until_over(backend, handle)
        quiet_cloud.admin.clear_counters()
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert calls(quiet_cloud)["DescribeJobs"] == 4
        assert calls(quiet_cloud)["ListJobs"] <= 3
        assert calls(quiet_cloud)["FilterLogEvents"] <= log_reader.MAX_QUERIES
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 250)
        assert by_index(lines) == {index: [str(index)] for index in range(250)}
        assert len(page.lines) == 250

    def test_a_read_is_bounded_and_children_take_turns(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_reader, "MAX_PARTS", 4)
        monkeypatch.setattr(log_reader, "MAX_STREAMS", 3)
        handle = submit(backend, "echo $JOB_INDEX", array_size=10)
        until_over(backend, handle)
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert page.more
        assert len(page.lines) <= 3
        lines, _ = read_until(backend, handle, lambda lines: len(lines) >= 10)
        assert by_index(lines) == {index: [str(index)] for index in range(10)}

    def test_what_had_to_wait_is_read_first_the_next_time(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_reader, "MAX_QUERIES", 1)
        own_group = {"log_configuration": {"logDriver": "awslogs", "options": {"awslogs-group": "/own"}}}
        handles = [submit(backend, "echo hi"), submit(backend, "echo hi", options=own_group)]
        for handle in handles:
            until_over(backend, handle)
        cursors = [LogCursor(handle=handle) for handle in handles]
        brought = []
        for _ in range(2):
            pages = backend.read_logs(cursors)
            brought.append(sorted(len(page.lines) for page in pages))
            cursors = [
                LogCursor(handle=handle, position=page.position)
                for handle, page in zip(handles, pages, strict=True)
            ]
        assert brought == [[0, 1], [0, 1]]

    def test_two_cursors_of_one_job_are_both_served(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo $JOB_INDEX", array_size=2)
        until_over(backend, handle)
        pages = backend.read_logs([LogCursor(handle=handle)] * 2)
        assert [sorted(line.message for line in page.lines) for page in pages] == [["0", "1"]] * 2


class TestWhatIsMissing:
    def test_the_log_of_a_job_that_is_gone_is_read_on_with_what_the_cursor_knows(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo 1; sleep 1; echo 2")
        _, cursor = read_until(backend, handle, lambda lines: len(lines) >= 1)
        until_over(backend, handle)
        quiet_cloud.admin.remove(handle.native_id)
        lines: list[str] = []
        while not lines:
            (page,) = AwsBatchBackend(REF).read_logs([cursor])
            lines = [line.message for line in page.lines]
        assert lines == ["2"]

    def test_a_stream_that_is_not_there_hides_no_other(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo $JOB_INDEX", array_size=5)
        until_over(backend, handle)
        _, cursor = read_until(backend, handle, lambda lines: len(lines) >= 5)
        position = Position.of(cursor.position)
        gone = Progress(Stream("gone/default/1", "/aws/batch/job"), from_ms=0)
        position.streams = {"gone/default/1": gone, **position.streams}
        for progress in position.streams.values():
            progress.from_ms, progress.seen = 0, {}
        (page,) = backend.read_logs([LogCursor(handle=handle, position=position.to_json())])
        assert sorted(line.message for line in page.lines) == ["0", "1", "2", "3", "4"]
        assert Position.of(page.position).streams["gone/default/1"].missing

    def test_a_group_that_is_not_there_costs_one_query(
        self, quiet_cloud: LocalCloud, backend: AwsBatchBackend
    ) -> None:
        handle = submit(backend, "echo hi")
        until_over(backend, handle)
        position = Position(count=1, done={0})
        position.streams = {
            f"s{n}": Progress(Stream(f"s{n}", "/nowhere"), from_ms=0, ended_ms=1) for n in range(50)
        }
        quiet_cloud.admin.clear_counters()
        (page,) = backend.read_logs([LogCursor(handle=handle, position=position.to_json())])
        assert page.lines == ()
        assert calls(quiet_cloud) == {"FilterLogEvents": 1}
        assert Position.of(page.position).streams == {}
