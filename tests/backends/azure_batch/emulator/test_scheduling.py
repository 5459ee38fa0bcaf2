"""Which task runs when and where."""

from __future__ import annotations

import httpx
import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import (
    add_job,
    add_pool,
    ids,
    refused,
    run,
    task,
    until_job,
    until_task,
)


def running(batch: BatchClient, job_id: str = "job") -> list[str]:
    return sorted(ids(batch.list_tasks(job_id, filter="state eq 'running'")))


def until_running(batch: BatchClient, count: int, job_id: str = "job") -> list[str]:
    while len(found := running(batch, job_id)) != count:
        continue
    return found


def depends(*task_ids: str, ranges: list[tuple[int, int]] | None = None) -> models.BatchTaskDependencies:
    numbered = [models.BatchTaskIdRange(start=start, end=end) for start, end in ranges or ()]
    return models.BatchTaskDependencies(task_ids=list(task_ids), task_id_ranges=numbered)


def test_a_node_runs_as_many_tasks_as_it_has_slots(batch: BatchClient):
    add_pool(batch, "p", 2, task_slots_per_node=2)
    add_job(batch, pool="p")
    batch.create_tasks("job", [task(str(number), "sleep 600") for number in range(6)])
    (first, *_) = until_running(batch, 4)
    assert sorted(node.running_tasks_count for node in batch.list_nodes("p")) == [2, 2]
    batch.terminate_task("job", first)
    until_task(batch, first)
    assert first not in until_running(batch, 4)


def test_a_task_takes_as_many_slots_as_it_says(batch: BatchClient):
    add_pool(batch, "p", 1, task_slots_per_node=4)
    add_job(batch, pool="p")
    batch.create_task("job", task("big", "sleep 600", required_slots=3))
    until_task(batch, "big", state="running")
    batch.create_task("job", task("second", "sleep 600", required_slots=2))
    add_job(batch, "other", pool="p")
    batch.create_task("other", task("small", "sleep 600"))
    until_task(batch, "small", "other", state="running")
    assert batch.get_task("job", "second").state == "active"


@pytest.mark.parametrize(("policy", "expected"), [("spread", [1, 1]), ("pack", [0, 2])])
def test_tasks_are_spread_or_packed(batch: BatchClient, policy: str, expected: list[int]):
    fill = models.BatchTaskSchedulingPolicy(node_fill_type=policy)
    add_pool(batch, "p", 2, task_slots_per_node=2, task_scheduling_policy=fill)
    while {node.state for node in batch.list_nodes("p")} != {"idle"}:
        continue
    add_job(batch, pool="p")
    batch.create_tasks("job", [task("a", "sleep 600"), task("b", "sleep 600")])
    until_running(batch, 2)
    assert sorted(node.running_tasks_count for node in batch.list_nodes("p")) == expected


def test_a_job_runs_no_more_tasks_at_once_than_it_may(batch: BatchClient):
    add_job(batch, max_parallel_tasks=2)
    batch.create_tasks("job", [task(str(number), "sleep 600") for number in range(5)])
    first = until_running(batch, 2)
    batch.terminate_task("job", first[0])
    while set(until_running(batch, 2)) == set(first):
        continue
    batch.update_job("job", models.BatchJobUpdateOptions(max_parallel_tasks=-1))
    until_running(batch, 4)


def test_the_more_urgent_job_goes_first(batch: BatchClient):
    add_job(batch, "low", pool="later", priority=-5)
    add_job(batch, "high", pool="later", priority=5)
    add_job(batch, "raised", pool="later", priority=-900)
    for job_id in ("low", "high", "raised"):
        batch.create_task(job_id, task("t", "sleep 600"))
    batch.update_job("raised", models.BatchJobUpdateOptions(priority=900))
    add_pool(batch, "later", 1)
    for job_id in ("raised", "high", "low"):
        until_task(batch, job_id=job_id, state="running")
        assert [batch.get_task(each, "t").state for each in ("raised", "high", "low")].count("running") == 1
        batch.terminate_task(job_id, "t")


def test_a_task_waits_for_those_it_depends_on(batch: BatchClient):
    add_job(batch, uses_task_dependencies=True)
    batch.create_task("job", task("last", depends_on=depends("mid")))
    batch.create_task("job", task("mid", depends_on=depends(ranges=[(1, 3)])))
    run(batch, "true", "1")
    run(batch, "true", "2")
    assert batch.get_task("job", "mid").state == "active"
    run(batch, "true", "3")
    mid, last = until_task(batch, "mid"), until_task(batch, "last")
    assert mid.execution_info.end_time <= last.execution_info.start_time


def test_a_failure_blocks_what_depends_on_it_unless_it_satisfies(batch: BatchClient):
    add_job(batch, uses_task_dependencies=True)
    batch.create_task("job", task("blocked", depends_on=depends("bad")))
    batch.create_task("job", task("free", depends_on=depends("fine")))
    anyway = models.ExitConditions(default=models.ExitOptions(dependency_action="satisfy"))
    run(batch, "false", "bad")
    run(batch, "false", "fine", exit_conditions=anyway)
    until_task(batch, "free")
    assert batch.get_task("job", "blocked").state == "active"


def test_dependencies_need_a_job_that_uses_them(batch: BatchClient):
    add_job(batch)
    with pytest.raises(HttpResponseError) as error:
        batch.create_task("job", task("t", depends_on=depends("a")))
    assert refused(error) == (400, "TaskDependenciesNotSpecifiedOnJob")


def test_ten_thousand_tasks_wait_and_run_cheaply(batch: BatchClient, cloud: LocalCloud, wire: httpx.Client):
    """10,000 tasks in 100 requests, a thousand at a time on the nodes, each run once, listed in ten pages."""
    add_job(batch)
    for first in range(0, 10_000, 100):
        tasks = [{"id": str(number), "commandLine": "sleep 0.01"} for number in range(first, first + 100)]
        results = wire.post("/jobs/job/addtaskcollection", json={"value": tasks}).json()["value"]
        assert {result["status"] for result in results} == {"Success"}
    while wire.get("/jobs/job/taskcounts").json()["taskCounts"]["completed"] != 10_000:
        continue
    cloud.admin.clear_counters()
    done = list(batch.list_tasks("job", select=["id", "executionInfo"]))
    assert cloud.admin.calls("ListTasks") == 10
    assert len({each.id for each in done}) == 10_000
    assert {(each.execution_info.result, each.execution_info.retry_count) for each in done} == {
        ("success", 0)
    }
    assert sum(node.total_tasks_run for node in batch.list_nodes("default")) == 10_000
    batch.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
    assert until_job(batch).execution_info.termination_reason == "AllTasksComplete"
