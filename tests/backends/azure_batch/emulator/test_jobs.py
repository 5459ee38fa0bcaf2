"""Jobs through their life, seen through the vendor's client."""

from __future__ import annotations

import datetime as dt

import httpx
import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import (
    add_job,
    add_pool,
    ids,
    machines,
    refused,
    run,
    shell,
    task,
    terminate_job,
    until_job,
    until_task,
)


def test_an_id_can_be_taken_once_whatever_its_case(batch: BatchClient):
    add_job(batch, "Report")
    with pytest.raises(HttpResponseError) as error:
        add_job(batch, "report")
    assert refused(error) == (409, "JobExists")
    assert batch.get_job("REPORT").id == "Report"


def test_a_job_on_a_missing_pool_is_taken_and_waits_until_there_is_one(batch: BatchClient):
    add_job(batch, pool="later")
    batch.create_task("job", task("t"))
    assert batch.get_task("job", "t").state == "active"
    add_pool(batch, "later")
    assert until_task(batch).node_info.pool_id == "later"


def test_terminating_ends_what_runs_and_leaves_what_waits(batch: BatchClient):
    add_job(batch, max_parallel_tasks=1)
    batch.create_tasks("job", [task("a", "sleep 600"), task("b", "sleep 600")])
    while len(running := [each for each in batch.list_tasks("job") if each.state == "running"]) != 1:
        continue
    terminate_job(batch)
    job = batch.get_job("job")
    assert (job.state, job.previous_state) == ("completed", "terminating")
    assert job.execution_info.termination_reason == "enough"
    assert job.execution_info.end_time is not None
    states = {each.id: each.state for each in batch.list_tasks("job")}
    (ran,) = ids(running)
    assert states.pop(ran) == "completed"
    assert list(states.values()) == ["active"]


def test_a_job_that_ended_by_its_user_says_so_by_default(batch: BatchClient, wire: httpx.Client):
    add_job(batch)
    assert wire.post("/jobs/job/terminate").status_code == 202
    assert until_job(batch).execution_info.termination_reason == "UserTerminate"


def test_a_completed_job_takes_no_tasks_and_no_changes_and_can_be_deleted(batch: BatchClient):
    add_job(batch)
    terminate_job(batch)
    for change in (
        lambda: batch.create_task("job", task("t")),
        lambda: batch.create_task_collection("job", models.BatchTaskGroup(task_values=[task("t")])),
        lambda: batch.update_job("job", models.BatchJobUpdateOptions(priority=1)),
        lambda: terminate_job(batch),
    ):
        with pytest.raises(HttpResponseError) as error:
            change()
        assert refused(error) == (409, "JobCompleted")
    batch.begin_delete_job("job", polling_interval=0).result()
    with pytest.raises(HttpResponseError) as error:
        batch.get_job("job")
    assert refused(error) == (404, "JobNotFound")


def test_deleting_ends_what_runs_and_can_be_held_up(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    version = batch.get_job("job").etag
    batch.create_task("job", task("t", shell("exec sleep 600")))
    until_task(batch, state="running")
    cloud.admin.hold("deleted", job="jobs/job")
    poller = batch.begin_delete_job("job", polling_interval=0)
    job = until_job(batch, state="deleting")
    assert (job.previous_state, job.etag) == ("active", version)
    with pytest.raises(HttpResponseError) as error:
        batch.create_task("job", task("u"))
    assert refused(error) == (409, "JobBeingDeleted")
    cloud.admin.release()
    poller.result()
    while cloud.admin.jobs():
        continue
    add_job(batch)


def test_a_job_removed_under_its_running_tasks_can_be_made_again_at_once(batch: BatchClient):
    for _ in range(3):
        add_job(batch)
        batch.create_task("job", task("t", shell("exec sleep 600")))
        batch.begin_delete_job("job", polling_interval=0).result()


@pytest.mark.parametrize(
    ("option", "state", "requeues"), [("requeue", "active", 1), ("terminate", "completed", 0)]
)
def test_a_disabled_job_runs_nothing_until_it_is_enabled(
    batch: BatchClient, option: str, state: str, requeues: int
):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 600"))
    until_task(batch, state="running")
    options = models.BatchJobDisableOptions(disable_tasks=option)
    batch.begin_disable_job("job", options, polling_interval=0).result()
    found = batch.get_task("job", "t")
    assert (batch.get_job("job").state, found.state) == ("disabled", state)
    assert found.execution_info.requeue_count == requeues
    batch.create_task("job", task("late"))
    assert batch.get_task("job", "late").state == "active"
    batch.begin_enable_job("job", polling_interval=0).result()
    until_task(batch, "late")


def test_disabling_can_wait_for_what_runs(batch: BatchClient):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 600"))
    until_task(batch, state="running")
    poller = batch.begin_disable_job(
        "job", models.BatchJobDisableOptions(disable_tasks="wait"), polling_interval=0
    )
    assert batch.get_job("job").state == "disabling"
    batch.terminate_task("job", "t")
    poller.result()
    assert batch.get_job("job").state == "disabled"


def test_a_job_terminates_when_all_its_tasks_are_complete(batch: BatchClient):
    add_job(batch, all_tasks_complete_mode="terminatejob", max_parallel_tasks=1)
    assert batch.get_job("job").state == "active"
    batch.create_tasks("job", [task("a"), task("b", "false")])
    assert until_job(batch).execution_info.termination_reason == "AllTasksComplete"
    assert {each.state for each in batch.list_tasks("job")} == {"completed"}


def test_asking_for_it_later_terminates_a_job_whose_tasks_are_complete_already(batch: BatchClient):
    add_job(batch)
    run(batch, "true")
    batch.update_job("job", models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob"))
    assert until_job(batch).execution_info.termination_reason == "AllTasksComplete"


def test_the_wall_clock_limit_ends_a_job(batch: BatchClient):
    limit = models.BatchJobConstraints(max_wall_clock_time=dt.timedelta(seconds=0.3))
    add_job(batch, constraints=limit)
    batch.create_task("job", task("t", "sleep 600"))
    assert until_job(batch).execution_info.termination_reason == "MaxWallClockTimeExpiry"


def test_a_patch_keeps_and_a_put_resets_what_is_left_out(batch: BatchClient):
    metadata = [models.BatchMetadataItem(name="a", value="b")]
    add_job(batch, priority=10, max_parallel_tasks=3, metadata=metadata)
    version = batch.get_job("job").etag
    batch.update_job("job", models.BatchJobUpdateOptions(priority=20))
    job = batch.get_job("job")
    assert (job.priority, job.max_parallel_tasks, len(job.metadata)) == (20, 3, 1)
    assert job.etag != version
    job.max_parallel_tasks = None
    job.metadata = None
    batch.replace_job("job", job)
    job = batch.get_job("job")
    assert (job.priority, job.max_parallel_tasks, job.metadata) == (20, -1, None)


def test_the_pool_of_a_job_can_be_changed_while_it_is_disabled(batch: BatchClient):
    add_job(batch, pool="missing")
    batch.create_task("job", task("t"))
    elsewhere = models.BatchJobUpdateOptions(pool_info=models.BatchPoolInfo(pool_id="default"))
    with pytest.raises(HttpResponseError) as error:
        batch.update_job("job", elsewhere)
    assert refused(error) == (409, "OperationInvalidForCurrentState")
    batch.begin_disable_job(
        "job", models.BatchJobDisableOptions(disable_tasks="wait"), polling_interval=0
    ).result()
    batch.update_job("job", elsewhere)
    batch.begin_enable_job("job", polling_interval=0).result()
    assert until_task(batch).node_info.pool_id == "default"


def test_an_auto_pool_lives_as_long_as_its_job(batch: BatchClient):
    specification = models.BatchPoolSpecification(
        vm_size="standard_d2s_v5", virtual_machine_configuration=machines(), target_dedicated_nodes=1
    )
    auto = models.BatchAutoPoolSpecification(
        pool_lifetime_option="job", auto_pool_id_prefix="mine", pool=specification
    )
    add_job(batch, pool_info=models.BatchPoolInfo(auto_pool_specification=auto))
    job = batch.get_job("job")
    pool_id = job.execution_info.pool_id
    assert pool_id.startswith("mine_")
    assert job.pool_info.auto_pool_specification.keep_alive is False
    assert run(batch, "true").node_info.pool_id == pool_id
    assert ids(batch.list_pools()) == ["default", pool_id]
    terminate_job(batch)
    while ids(batch.list_pools()) != ["default"]:
        continue


def test_an_auto_pool_that_is_kept_alive_stays(batch: BatchClient):
    specification = models.BatchPoolSpecification(
        vm_size="standard_d2s_v5", virtual_machine_configuration=machines()
    )
    auto = models.BatchAutoPoolSpecification(pool_lifetime_option="job", keep_alive=True, pool=specification)
    add_job(batch, pool_info=models.BatchPoolInfo(auto_pool_specification=auto))
    batch.begin_delete_job("job", polling_interval=0).result()
    assert len(ids(batch.list_pools())) == 2


def test_the_counts_are_those_of_the_tasks(batch: BatchClient):
    add_job(batch)
    run(batch, "true", "good")
    run(batch, "false", "bad", required_slots=3)
    batch.create_task("job", task("on", "sleep 600", required_slots=2))
    until_task(batch, "on", state="running")
    add_job(batch, "waiting", pool="missing")
    batch.create_task("waiting", task("t"))
    counts, slots = (
        getattr(batch.get_job_task_counts("job"), name) for name in ("task_counts", "task_slot_counts")
    )
    names = ("active", "running", "completed", "succeeded", "failed")
    assert [getattr(counts, name) for name in names] == [0, 1, 2, 1, 1]
    assert [getattr(slots, name) for name in names] == [0, 2, 4, 1, 3]
    assert batch.get_job_task_counts("waiting").task_counts.active == 1
