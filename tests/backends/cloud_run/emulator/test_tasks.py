from __future__ import annotations

import pytest
from google.api_core import exceptions

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import JOB, Clients, condition, job


def test_a_task_tells_its_index_attempts_and_exit_code(either: Clients):
    execution = either.execute(job("exit $CLOUD_RUN_TASK_INDEX", execution={"task_count": 3}, max_retries=1))
    tasks = either.tasks_of(execution)
    short = execution.name.rpartition("/")[2]
    assert [task.name for task in tasks] == [f"{execution.name}/tasks/{short}-task{i}" for i in range(3)]
    assert [task.index for task in tasks] == [0, 1, 2]
    assert [task.retried for task in tasks] == [0, 1, 1]
    assert [task.last_attempt_result.exit_code for task in tasks] == [0, 1, 2]
    assert [task.last_attempt_result.status.code for task in tasks] == [0, 10, 10]
    assert tasks[2].last_attempt_result.status.message == "The container exited with an error."
    assert (tasks[0].job, tasks[0].execution) == ("job-1", short)
    assert either.tasks.get_task(name=tasks[1].name) == tasks[1]
    assert execution.retried_count == 2


def test_a_task_has_conditions_and_times_of_its_own(either: Clients):
    (task,) = either.tasks_of(either.execute(job("true")))
    assert [condition.type_ for condition in task.conditions] == [
        "Completed",
        "ResourcesAvailable",
        "Started",
        "ContainerReady",
    ]
    assert {condition.state.name for condition in task.conditions} == {"CONDITION_SUCCEEDED"}
    assert task.create_time <= task.scheduled_time <= task.start_time <= task.completion_time
    assert task.max_retries == 0
    assert task.timeout.total_seconds() == 600


def test_the_signal_that_ended_a_container_takes_the_place_of_the_exit_code(either: Clients):
    (task,) = either.tasks_of(either.execute(job("kill -SEGV $$")))
    assert (task.last_attempt_result.exit_code, task.last_attempt_result.term_signal) == (0, 11)


def test_a_command_that_is_not_there_fails_the_task(either: Clients):
    containers = {"image": "busybox", "command": ["/no/such/program"]}
    (task,) = either.tasks_of(either.execute(job(containers)))
    assert task.last_attempt_result.exit_code == 127


def test_a_task_is_stopped_at_its_timeout_and_tried_again(either: Clients):
    execution = either.execute(job("sleep 60", timeout="0.3s", max_retries=1))
    (task,) = either.tasks_of(execution)
    assert task.last_attempt_result.status.code == 4
    assert task.last_attempt_result.status.message == "The configured timeout was reached."
    assert task.retried == 1
    assert condition(execution, "Completed").message == (
        f"Task {task.name.rpartition('/')[2]} failed with exit code: 0 and message: "
        "The configured timeout was reached."
    )


def test_each_attempt_has_the_full_time(either: Clients):
    script = '[ "$CLOUD_RUN_TASK_ATTEMPT" = 1 ] || exec sleep 60'
    execution = either.execute(job(script, timeout="0.5s", max_retries=1))
    assert execution.succeeded_count == 1


def test_a_task_without_memory_is_told_so(cloud: LocalCloud, either: Clients):
    either.create(job("sleep 60"))
    execution = either.running(either.start())
    cloud.admin.interrupt(execution.uid, 0, reason="out_of_memory")
    (task,) = either.tasks_of(either.end(execution))
    assert task.last_attempt_result.status.message == "The configured memory limit was reached."
    assert task.last_attempt_result.term_signal == 9


@pytest.mark.parametrize("reason", ["lost", "preempted"])
def test_a_task_whose_machine_went_away_failed_of_an_internal_error(
    cloud: LocalCloud, either: Clients, reason: str
):
    either.create(job("sleep 60"))
    execution = either.running(either.start())
    cloud.admin.interrupt(execution.uid, 0, reason=reason)
    (task,) = either.tasks_of(either.end(execution))
    assert task.last_attempt_result.status.code == 14
    assert task.last_attempt_result.status.message == "Internal error running task."


def test_tasks_of_a_cancelled_execution_are_told_so_whether_they_ran_or_not(either: Clients):
    either.create(job("sleep 60", execution={"task_count": 2, "parallelism": 1}))
    execution = either.running(either.start())
    either.executions.cancel_execution(name=execution.name).result(timeout=20)
    ran, waited = either.tasks_of(execution)
    assert ran.last_attempt_result.status.code == 1
    assert "last_attempt_result" not in waited
    for task in (ran, waited):
        assert condition(task, "Completed").execution_reason.name == "CANCELLED"


def test_a_task_that_is_tried_again_shows_how_the_attempt_before_ended(either: Clients):
    script = '[ "$CLOUD_RUN_TASK_ATTEMPT" = 1 ] && exec sleep 60; exit 7'
    either.create(job(script, max_retries=2))
    execution = either.start()
    while (task := either.tasks_of(execution)[0]).retried == 0:
        pass
    assert task.last_attempt_result.exit_code == 7
    assert not task.completion_time
    assert task.reconciling


def test_a_missing_task_is_told_of(either: Clients):
    execution = either.execute(job("true"))
    short = execution.name.rpartition("/")[2]
    for wrong in (f"{short}-task1", "nonsense"):
        with pytest.raises(exceptions.NotFound, match="of kind 'TASK'"):
            either.tasks.get_task(name=f"{execution.name}/tasks/{wrong}")
    with pytest.raises(exceptions.NotFound, match="of kind 'EXECUTION'"):
        list(either.tasks.list_tasks(parent=f"{JOB}/executions/job-1-nope0"))
