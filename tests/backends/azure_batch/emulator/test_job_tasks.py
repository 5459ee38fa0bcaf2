"""Manager, preparation, release and start tasks: they really run."""

from __future__ import annotations

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from tests.backends.azure_batch.emulator.conftest import (
    add_job,
    add_pool,
    refused,
    run,
    shell,
    task,
    terminate_job,
    until_job,
    until_task,
)

PREPARE = models.BatchJobPreparationTask(command_line=shell("echo ready > here"))


def test_the_preparation_runs_once_on_a_node_and_before_its_tasks(batch: BatchClient):
    add_pool(batch, "one", task_slots_per_node=4)
    add_job(batch, pool="one", job_preparation_task=PREPARE)
    batch.create_tasks(
        "job", [task(name, shell("cat $AZ_BATCH_JOB_PREP_WORKING_DIR/here")) for name in "abc"]
    )
    for name in "abc":
        until_task(batch, name)
        assert b"".join(batch.download_task_file("job", name, "stdout.txt")) == b"ready\n"
    (status,) = batch.list_job_preparation_and_release_task_status("job")
    info = status.job_preparation_task_execution_info
    assert (info.state, info.exit_code, info.result, info.retry_count) == ("completed", 0, "success", 0)
    assert status.pool_id == "one"
    assert status.job_release_task_execution_info is None


def test_a_task_waits_for_the_preparation_in_a_state_of_its_own(batch: BatchClient, cloud):
    rule = cloud.admin.hold("running", job="jobs/job/jobpreparation/*")
    add_job(batch, job_preparation_task=PREPARE)
    batch.create_task("job", task("t"))
    assert until_task(batch, state="preparing").execution_info.start_time is None
    cloud.admin.release(rule)
    until_task(batch)


def test_a_node_whose_preparation_failed_gets_no_task_of_the_job(batch: BatchClient):
    add_pool(batch, "two", 2)
    # The nodes of a pool lie side by side here: the first one to come fails.
    text = "cd $AZ_BATCH_NODE_ROOT_DIR/..; test -e first && exit 0; touch first; exit 1"
    add_job(batch, pool="two", job_preparation_task=models.BatchJobPreparationTask(command_line=shell(text)))
    done = run(batch, "true")
    told = {each.node_id: each for each in batch.list_job_preparation_and_release_task_status("job")}
    assert len(told) == 2
    results = {node: each.job_preparation_task_execution_info.result for node, each in told.items()}
    assert results.pop(done.node_info.node_id) == "success"
    assert list(results.values()) == ["failure"]


def test_a_task_does_not_run_where_no_node_can_be_prepared(batch: BatchClient):
    add_pool(batch, "one")
    broken = models.BatchJobPreparationTask(
        command_line="false", constraints=models.BatchTaskConstraints(max_task_retry_count=2)
    )
    add_job(batch, pool="one", job_preparation_task=broken)
    batch.create_task("job", task("t"))
    while not (told := list(batch.list_job_preparation_and_release_task_status("job"))) or (
        told[0].job_preparation_task_execution_info.state != "completed"
    ):
        continue
    assert told[0].job_preparation_task_execution_info.retry_count == 2
    until_task(batch, state="active")


def test_a_preparation_that_need_not_succeed_lets_tasks_run(batch: BatchClient):
    lax = models.BatchJobPreparationTask(command_line="false", wait_for_success=False)
    add_job(batch, job_preparation_task=lax)
    assert run(batch, "true").execution_info.result == "success"


def test_the_release_runs_where_the_preparation_ran_when_the_job_ends(batch: BatchClient):
    add_pool(batch, "one")
    release = models.BatchJobReleaseTask(command_line=shell("echo bye > $AZ_BATCH_NODE_SHARED_DIR/bye"))
    add_job(batch, pool="one", job_preparation_task=PREPARE, job_release_task=release)
    node = run(batch, "true").node_info.node_id
    terminate_job(batch)
    (status,) = batch.list_job_preparation_and_release_task_status("job")
    assert status.node_id == node
    assert status.job_release_task_execution_info.result == "success"
    assert b"".join(batch.download_node_file("one", node, "shared/bye")) == b"bye\n"


def test_a_job_without_a_preparation_has_no_status_of_one(batch: BatchClient):
    add_job(batch)
    with pytest.raises(HttpResponseError) as error:
        list(batch.list_job_preparation_and_release_task_status("job"))
    assert refused(error) == (409, "JobPreparationTaskNotSpecified")


@pytest.mark.parametrize(("kill", "expected"), [(True, "completed"), (False, "active")])
def test_the_manager_is_a_task_whose_end_may_end_the_job(batch: BatchClient, kill: bool, expected: str):
    manager = models.BatchJobManagerTask(
        id="boss",
        command_line=shell("echo $AZ_BATCH_TASK_ID"),
        kill_job_on_completion=kill,
    )
    add_job(batch, job_manager_task=manager)
    until_task(batch, "boss")
    assert b"".join(batch.download_task_file("job", "boss", "stdout.txt")) == b"boss\n"
    job = until_job(batch, state=expected)
    assert job.execution_info.termination_reason == ("JMComplete" if kill else None)


def test_the_ids_of_the_jobs_own_tasks_are_taken(batch: BatchClient):
    release = models.BatchJobReleaseTask(id="after", command_line="true")
    add_job(batch, job_preparation_task=PREPARE, job_release_task=release)
    for task_id, code in (
        ("jobpreparation", "TaskIdSameAsJobPreparationTask"),
        ("after", "TaskIdSameAsJobReleaseTask"),
    ):
        with pytest.raises(HttpResponseError) as error:
            batch.create_task("job", task(task_id))
        assert refused(error) == (409, code)


def test_the_start_task_runs_on_every_node_before_any_task(batch: BatchClient):
    start = models.BatchStartTask(command_line=shell("echo up > here; echo hello"), wait_for_success=True)
    add_pool(batch, "ready", 2, start_task=start)
    add_job(batch, pool="ready")
    run(batch, shell("cat $AZ_BATCH_NODE_STARTUP_WORKING_DIR/here"))
    for node in batch.list_nodes("ready"):
        while batch.get_node("ready", node.id).start_task_info.state != "completed":
            continue
        assert b"".join(batch.download_node_file("ready", node.id, "startup/stdout.txt")) == b"hello\n"


def test_a_node_whose_start_task_fails_takes_no_tasks(batch: BatchClient):
    start = models.BatchStartTask(command_line="false", wait_for_success=True, max_task_retry_count=1)
    add_pool(batch, "broken", start_task=start)
    add_job(batch, pool="broken")
    batch.create_task("job", task("t"))
    while (node := next(iter(batch.list_nodes("broken")))).state != "starttaskfailed":
        continue
    assert (node.start_task_info.retry_count, node.start_task_info.result) == (1, "failure")
    assert node.start_task_info.failure_info.code == "FailureExitCode"
    assert batch.get_task("job", "t").state == "active"
