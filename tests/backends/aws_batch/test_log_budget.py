"""Many streams that are written to share the quota of a region, whatever connection they are read through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from airflow_provider_jobs.backends.aws_batch import log_budget, log_reader
from airflow_provider_jobs.backends.aws_batch.backend import AwsBatchBackend
from airflow_provider_jobs.core.budget import CallBudget
from airflow_provider_jobs.core.models import BackendRef, LogCursor
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.backends.aws_batch.conftest import QUEUE, new_key, until
from tests.contract.world import local_cloud
from tests.engine.clockwork import STEADY, Heard, Inline, run

TAKEN_PER_SECOND = 5
SIZE = 250
ROUNDS = 4
CONNECTIONS = ("aws_default", "another")


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud in which commands that only sleep need no process."""
    with (
        local_cloud("aws_batch", arguments=("--simulate-sleep",)) as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AIRFLOW_CONN_ANOTHER", json.dumps(started.connections["aws_default"]))
        yield started


def array(conn_id: str) -> WaitPlan:
    """Return the plan to wait for an array that runs on."""
    backend = AwsBatchBackend(BackendRef(backend="aws_batch", conn_id=conn_id, scope={"job_queue": QUEUE}))
    spec = JobSpec(image="busybox:1", command=("sleep", "86400"), prelude=False, array_size=SIZE)
    handle = backend.submit(spec, new_key())
    until(backend, handle, lambda report: bool(report.array and report.array.running == SIZE))
    return WaitPlan(handle=handle, poll_seconds=600)


def test_hundreds_of_streams_stay_within_the_quota_and_all_lines_come_once(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [array(conn_id) for conn_id in CONNECTIONS]
    heard = [Heard() for _ in plans]

    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        per_second = log_budget.READS_PER_SECOND
        burst = int(per_second * log_budget._BURST_SECONDS)
        budget = CallBudget(per_second, burst=burst, clock=loop.time)
        monkeypatch.setattr(log_reader, "budget_of", lambda region: budget)
        groups = PollGroups(pacing=STEADY, executor=Inline())
        waiting = [
            asyncio.ensure_future(wait_for_job(plan, groups, each))
            for plan, each in zip(plans, heard, strict=True)
        ]
        cloud.admin.clear_counters()
        for number in range(ROUNDS):
            for plan in plans:
                lines = [{"index": index, "text": f"line {number}"} for index in range(SIZE)]
                cloud.admin.write_lines([{"job": plan.handle.native_id, **line} for line in lines])
            await asyncio.sleep(5)
        calls, seconds = cloud.admin.calls("FilterLogEvents"), loop.time()
        while any(len(each.lines) < SIZE * ROUNDS for each in heard) and loop.time() < 300:  # noqa: ASYNC110 - the clock jumps
            await asyncio.sleep(5)
        for task in waiting:
            task.cancel()
        return calls, seconds

    calls, seconds = run(main())
    assert calls <= TAKEN_PER_SECOND / 2 * seconds
    for each in heard:
        assert [line.message for line in each.lines if line.index == SIZE - 1] == [
            f"line {number}" for number in range(ROUNDS)
        ]
        assert len({(line.index, line.message) for line in each.lines}) == len(each.lines) == SIZE * ROUNDS


def test_without_room_for_a_query_nothing_is_asked_at_all(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = array("aws_default")
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__CLOUDWATCH_READS_PER_SECOND", "0.001")
    backend = AwsBatchBackend(BackendRef(backend="aws_batch", conn_id="aws_default"))
    cursor = LogCursor(handle=plan.handle)
    (first,) = backend.read_logs([cursor])
    assert (first.more, first.unread) == (True, False)  # one of three queries
    cloud.admin.clear_counters()
    cursor = LogCursor(handle=plan.handle, position=first.position)
    (second,) = backend.read_logs([cursor])
    assert (second.more, second.unread, second.position) == (True, True, first.position)
    assert cloud.admin.counters() == {}
