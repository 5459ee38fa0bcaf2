"""Logs of many pods and containers on a local cloud: bounded reads, and nothing lost or told twice."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.backends.kubernetes import log_reader, pod_lists
from airflow_provider_jobs.backends.kubernetes.backend import KubernetesBackend
from airflow_provider_jobs.core.errors import AccessDenied, ThrottledError, UnavailableError
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle, LogCursor, LogLine
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud


def submit(backend: KubernetesBackend, script: str, **values: Any) -> JobHandle:
    """Submit a shell script under a new key."""
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    return backend.submit(JobSpec(**{"image": "busybox", "script": script, **values}), key)


def over(backend: KubernetesBackend, handle: JobHandle) -> JobHandle:
    """Return the handle once the job is over."""
    while not ((state := backend.describe([handle])[0].state) and state.is_terminal):
        pass
    return handle


def read_to_the_end(backend: KubernetesBackend, *handles: JobHandle) -> tuple[dict[str, list[LogLine]], int]:
    """Read until there is no more; return the lines of each job, and how many reads that took."""
    cursors = [LogCursor(handle=handle) for handle in handles]
    lines: dict[str, list[LogLine]] = defaultdict(list)
    reads, more = 0, True
    while more:
        pages = backend.read_logs(cursors)
        reads += 1
        for page in pages:
            lines[page.native_id] += page.lines
        cursors = [
            LogCursor(handle=cursor.handle, position=page.position)
            for cursor, page in zip(cursors, pages, strict=True)
        ]
        more = any(page.more for page in pages)
    return lines, reads


class TestContainers:
    def test_every_container_of_a_pod_is_read_and_named(self, backend: KubernetesBackend) -> None:
        fetch = {"name": "fetch", "image": "busybox", "command": ["sh", "-c", "echo fetched"]}
        side = {"name": "side", "image": "busybox", "command": ["sh", "-c", "echo beside"]}
        options = {"init_containers": [fetch], "containers": [side]}
        handle = over(backend, submit(backend, 'echo "main $JOB_INDEX"', array_size=2, options=options))
        lines, _ = read_to_the_end(backend, handle)
        told = Counter((line.index, line.container, line.message) for line in lines[handle.native_id])
        assert told == Counter(
            (index, name, text)
            for index in (0, 1)
            for name, text in (("fetch", "fetched"), ("main", f"main {index}"), ("side", "beside"))
        )

    def test_a_job_knows_its_index_without_the_lines_in_front_of_its_command(
        self, backend: KubernetesBackend
    ) -> None:
        script = 'echo "$JOB_INDEX of $JOB_COUNT"'
        handle = over(backend, submit(backend, script, array_size=3, prelude=False))
        lines, _ = read_to_the_end(backend, handle)
        told = sorted((line.index, line.message) for line in lines[handle.native_id])
        assert told == [(index, f"{index} of 3") for index in range(3)]

    def test_pods_that_are_repeated_are_attempts(self, backend: KubernetesBackend) -> None:
        handle = over(backend, submit(backend, "echo once; exit 3", options={"backoff_limit": 2}))
        lines, _ = read_to_the_end(backend, handle)
        assert [(line.attempt, line.message) for line in lines[handle.native_id]] == [
            (0, "once"),
            (1, "once"),
            (2, "once"),
        ]

    def test_where_the_service_counts_failures_the_job_knows_its_attempt(
        self, backend: KubernetesBackend
    ) -> None:
        script = 'echo "attempt $JOB_ATTEMPT"; [ "$JOB_ATTEMPT" = 1 ]'
        options = {"backoff_limit_per_index": 1}
        handle = over(backend, submit(backend, script, array_size=2, options=options))
        lines, _ = read_to_the_end(backend, handle)
        told = Counter((line.index, line.attempt, line.message) for line in lines[handle.native_id])
        assert told == Counter((index, n, f"attempt {n}") for index in (0, 1) for n in (0, 1))

    def test_a_container_that_is_started_again_keeps_its_lines(
        self, backend: KubernetesBackend, tmp_path: Path
    ) -> None:
        script = '[ -e "$MARK" ] && echo second && exec sleep 600; touch "$MARK"; echo first; exit 3'
        options = {"restart_policy": "OnFailure", "backoff_limit": 6}
        handle = submit(backend, script, env={"MARK": str(tmp_path / "mark")}, options=options)
        cursor, told = LogCursor(handle=handle), []
        while "second" not in told:
            (page,) = backend.read_logs([cursor])
            cursor = LogCursor(handle=handle, position=page.position)
            told += [line.message for line in page.lines]
        assert told == ["first", "second"]
        backend.delete(handle)


class TestTheEnd:
    def test_one_read_after_the_end_of_jobs_brings_all_of_their_lines(
        self, backend: KubernetesBackend
    ) -> None:
        script = "n=0; while [ $n -lt 300 ]; do echo $n; n=$((n + 1)); done; printf last; exit $JOB_INDEX"
        handles = [submit(backend, script, array_size=2) for _ in range(4)]
        for handle in handles:
            over(backend, handle)
            (page,) = backend.read_logs([LogCursor(handle=handle)])
            told = Counter(line.message for line in page.lines)
            assert told == Counter({str(n): 2 for n in range(300)} | {"last": 2})
            assert not page.more


class TestBounds:
    def test_a_read_asks_a_bounded_number_of_containers_in_turn(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_reader, "MAX_STREAMS", 16)
        handle = over(backend, submit(backend, 'echo "$JOB_INDEX"', array_size=40))
        quiet_cloud.admin.clear_counters()
        lines, reads = read_to_the_end(backend, handle)
        assert sorted(int(line.message) for line in lines[handle.native_id]) == list(range(40))
        assert reads == 3
        assert quiet_cloud.admin.calls("kubernetes/get pods/log") == 40
        assert quiet_cloud.admin.calls("list pods") == 3

    def test_one_talkative_job_does_not_hold_up_the_others(
        self, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_reader, "MAX_STREAMS", 4)
        monkeypatch.setattr(log_reader, "AT_ONCE", 2)
        large = over(backend, submit(backend, "echo large", array_size=12))
        small = [over(backend, submit(backend, "echo small")) for _ in range(2)]
        pages = backend.read_logs([LogCursor(handle=handle) for handle in (large, *small)])
        assert [bool(page.lines) for page in pages] == [True, True, True]
        lines, _ = read_to_the_end(backend, large, *small)
        assert [len(lines[handle.native_id]) for handle in (large, *small)] == [12, 1, 1]

    def test_a_job_that_had_no_turn_comes_first_in_the_next(
        self, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_reader, "MAX_STREAMS", 1)
        monkeypatch.setattr(log_reader, "AT_ONCE", 1)
        handles = [over(backend, submit(backend, f"echo {n}; exec sleep 0")) for n in range(3)]
        lines, reads = read_to_the_end(backend, *handles)
        assert [len(lines[handle.native_id]) for handle in handles] == [1, 1, 1]
        assert reads == 3

    def test_a_long_log_is_read_piece_by_piece(
        self, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_reader, "_MOST_BYTES", 10_000)
        monkeypatch.setattr(log_reader, "_LEAST_BYTES", 10_000)
        script = 'n=0; while [ $n -lt 3000 ]; do echo "line $n"; n=$((n + 1)); done'
        handle = over(backend, submit(backend, script))
        lines, reads = read_to_the_end(backend, handle)
        assert [line.message for line in lines[handle.native_id]] == [f"line {n}" for n in range(3000)]
        assert reads > 3

    def test_the_pods_of_many_jobs_are_one_list_and_read_logs_are_not_asked_for_again(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        handles = [over(backend, submit(backend, "echo hello")) for _ in range(10)]
        quiet_cloud.admin.clear_counters()
        cursors = [LogCursor(handle=handle) for handle in handles]
        pages = backend.read_logs(cursors)
        again = [
            LogCursor(handle=page_of.handle, position=page.position)
            for page_of, page in zip(cursors, pages, strict=True)
        ]
        assert [page.lines for page in backend.read_logs(again)] == [()] * 10
        assert quiet_cloud.admin.calls("list pods") == 2
        assert quiet_cloud.admin.calls("kubernetes/get pods/log") == 10


class TestLargeJobs:
    def test_a_large_jobs_pods_are_gone_through_page_by_page(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = over(backend, submit(backend, 'echo "$JOB_INDEX"', array_size=10))
        monkeypatch.setattr(pod_lists, "PAGE_SIZE", 4)
        quiet_cloud.admin.clear_counters()
        lines, reads = read_to_the_end(backend, handle)
        assert sorted(int(line.message) for line in lines[handle.native_id]) == list(range(10))
        assert reads == 3
        assert quiet_cloud.admin.calls("kubernetes/get pods/log") == 10

    def test_once_a_whole_look_has_brought_nothing_there_is_no_more(
        self, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = over(backend, submit(backend, 'echo "$JOB_INDEX"', array_size=10))
        monkeypatch.setattr(pod_lists, "PAGE_SIZE", 4)
        cursor, more = LogCursor(handle=handle), []
        for _ in range(9):
            (page,) = backend.read_logs([cursor])
            cursor = LogCursor(handle=handle, position=page.position)
            more.append(page.more)
        assert more == [True, True, False, True, True, False, False, False, False]

    def test_what_runs_is_read_before_its_page_comes(
        self, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = '[ "$JOB_INDEX" -lt 8 ] && exit 0; echo "$JOB_INDEX"; exec sleep 600'
        handle = submit(backend, script, array_size=10)
        monkeypatch.setattr(pod_lists, "PAGE_SIZE", 4)
        while (told := backend.describe([handle])[0].array) and (told.running, told.succeeded) != (2, 8):
            pass
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert {line.index for line in page.lines} == {8, 9}
        backend.delete(handle)

    def test_a_list_that_is_too_old_to_go_on_begins_anew(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = over(backend, submit(backend, 'echo "$JOB_INDEX"', array_size=10))
        monkeypatch.setattr(pod_lists, "PAGE_SIZE", 4)
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        quiet_cloud.admin.call("POST", "/kubernetes/compact")
        cursor = LogCursor(handle=handle, position=page.position)
        told = [line.message for line in page.lines]
        while page.more:
            (page,) = backend.read_logs([cursor])
            cursor = LogCursor(handle=handle, position=page.position)
            told += [line.message for line in page.lines]
        assert sorted(map(int, told)) == list(range(10))


class TestTrouble:
    def test_the_trouble_of_one_node_is_not_that_of_all(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        handle = over(backend, submit(backend, 'echo "$JOB_INDEX"', array_size=6))
        quiet_cloud.admin.add_fault(method="kubernetes/get pods/log", error={"code": 500}, times=2)
        (first,) = backend.read_logs([LogCursor(handle=handle)])
        assert len(first.lines) == 4
        (second,) = backend.read_logs([LogCursor(handle=handle, position=first.position)])
        assert sorted(line.message for line in (*first.lines, *second.lines)) == [str(n) for n in range(6)]

    @pytest.mark.parametrize(
        ("code", "error"), [(500, UnavailableError), (403, AccessDenied), (429, ThrottledError)]
    )
    def test_trouble_with_all_of_them_is_raised(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend, code: int, error: type[Exception]
    ) -> None:
        handle = over(backend, submit(backend, "echo hello"))
        quiet_cloud.admin.add_fault(method="kubernetes/get pods/log", error={"code": code})
        with pytest.raises(error):
            backend.read_logs([LogCursor(handle=handle)])

    def test_a_pod_that_goes_in_between_ends_its_log(
        self, quiet_cloud: LocalCloud, backend: KubernetesBackend
    ) -> None:
        handle = over(backend, submit(backend, 'echo "$JOB_INDEX"', array_size=2))
        quiet_cloud.admin.add_fault(method="kubernetes/get pods/log", error={"code": 404}, times=1)
        lines, reads = read_to_the_end(backend, handle)
        assert (len(lines[handle.native_id]), reads) == (1, 1)

    def test_a_container_that_has_not_started_has_no_lines_yet(self, backend: KubernetesBackend) -> None:
        handle = submit(backend, "echo hello", secrets={"TOKEN": "nowhere/token"})
        while backend.explain(handle) is None:
            pass
        (page,) = backend.read_logs([LogCursor(handle=handle)])
        assert (page.lines, page.more) == ((), False)
        backend.delete(handle)
