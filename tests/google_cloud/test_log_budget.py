"""Jobs that print share the quota of one project, whatever service, region and group they are of."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_jobs.core.budget import CallBudget
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.google_cloud import log_budget, log_reader
from tests.contract.world import local_cloud
from tests.engine.clockwork import STEADY, Heard, Inline, run

MOST_PER_MINUTE = 30  # half of what Cloud Logging takes
SLEEP = JobSpec(image="busybox:1", command=("sleep", "86400"), prelude=False)


def place(backend: str, region: str) -> BackendRef:
    scope = {"project_id": "local-project", "region": region}
    return BackendRef(backend=backend, conn_id="google_cloud_default", scope=scope)


GROUPS = {
    place("gcp_batch", "europe-west1"): 400,
    place("gcp_batch", "us-east1"): 30,
    place("cloud_run", "europe-west1"): 100,
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud("gcp_batch", "cloud_run", arguments=("--simulate-sleep",)) as started:
        yield started


class Counting(CallBudget):
    """The budget of a project as it is set by default, by the clock of a loop; it counts who was served."""

    def __init__(self, clock: Callable[[], float]) -> None:
        per_minute = log_budget.READS_PER_MINUTE
        super().__init__(per_minute / 60, burst=int(per_minute * log_budget._BURST_SHARE), clock=clock)
        self.served: Counter[str] = Counter()

    def take(self, user: str) -> bool:
        taken = super().take(user)
        self.served[user] += taken
        return taken


def submit(ref: BackendRef, count: int) -> list[JobHandle]:
    backend = open_backend(ref)
    keys = [JobKey(dag_id="d", run_id=str(n), task_id="t") for n in range(count)]
    with ThreadPoolExecutor(4) as pool:
        return [backend.submit(SLEEP, keys[0]), *pool.map(lambda key: backend.submit(SLEEP, key), keys[1:])]


def write(cloud: LocalCloud, text: str) -> None:
    """Let every job write a line."""
    cloud.admin.write_lines([{"job": job["uid"], "text": text} for job in cloud.admin.jobs()])


def test_hundreds_of_printing_jobs_stay_below_half_of_the_quota_and_all_lines_come_once(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles = [handle for ref, count in GROUPS.items() for handle in submit(ref, count)]
    heard = [Heard() for _ in handles]
    budgets: list[Counting] = []

    async def main() -> int:
        loop = asyncio.get_running_loop()
        budgets.append(Counting(loop.time))
        monkeypatch.setattr(log_reader, "budget_of", lambda project: budgets[0])
        groups = PollGroups(pacing=STEADY, executor=Inline())
        waiting = [
            asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle, poll_seconds=600), groups, each))
            for handle, each in zip(handles, heard, strict=True)
        ]
        cloud.admin.clear_counters()
        for minute_part in range(6):
            write(cloud, f"line {minute_part}")
            await asyncio.sleep(10)
        in_a_minute = cloud.admin.calls("ListLogEntries")
        while any(len(each.lines) < 6 for each in heard) and loop.time() < 600:  # noqa: ASYNC110 - the clock jumps
            await asyncio.sleep(5)
        for task in waiting:
            task.cancel()
        return in_a_minute

    assert run(main()) <= MOST_PER_MINUTE
    lines = [f"line {n}" for n in range(6)]
    assert [[line.message for line in each.lines] for each in heard] == [lines] * len(heard)
    served = budgets[0].served
    assert len(served) == len(GROUPS)
    assert min(served.values()) >= sum(served.values()) / len(GROUPS) - 3


def test_the_budget_belongs_to_the_project_and_to_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_budget.budget_of("p") is log_budget.budget_of("p")
    assert log_budget.budget_of("p") is not log_budget.budget_of("q")
    name = "AIRFLOW__AIRFLOW_PROVIDER_JOBS__CLOUD_LOGGING_READS_PER_MINUTE"
    monkeypatch.setenv(name, "5")
    assert [log_budget.budget_of("one-call").take("user") for _ in range(2)] == [True, False]
