from __future__ import annotations

import re

import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import JOB, Clients, condition, job


def states(resource: run_v2.Execution | run_v2.Task) -> dict[str, str]:
    return {condition.type_: condition.state.name for condition in resource.conditions}


def test_the_service_names_an_execution_after_its_job(either: Clients):
    execution = either.execute(job("true"))
    assert re.fullmatch(re.escape(JOB) + r"/executions/job-1-[a-z0-9]{5}", execution.name)
    assert execution.job == "job-1"


def test_a_success_is_told_in_counts_conditions_and_times(either: Clients):
    execution = either.execute(job("true", execution={"task_count": 3}))
    assert (execution.task_count, execution.parallelism, execution.succeeded_count) == (3, 3, 3)
    assert (execution.running_count, execution.failed_count, execution.cancelled_count) == (0, 0, 0)
    assert states(execution) == {
        "Completed": "CONDITION_SUCCEEDED",
        "ResourcesAvailable": "CONDITION_SUCCEEDED",
        "Started": "CONDITION_SUCCEEDED",
        "ContainerReady": "CONDITION_SUCCEEDED",
    }
    assert condition(execution, "Completed").message.startswith("Execution completed successfully in ")
    assert execution.create_time <= execution.start_time <= execution.completion_time
    assert not execution.reconciling
    assert execution.observed_generation == execution.generation == 1


def test_a_failure_names_the_task_that_failed_first(either: Clients):
    script = "exit $CLOUD_RUN_TASK_INDEX"
    execution = either.execute(job(script, execution={"task_count": 2, "parallelism": 1}))
    completed = condition(execution, "Completed")
    name = execution.name.rpartition("/")[2]
    assert completed.state.name == "CONDITION_FAILED"
    assert completed.execution_reason.name == "NON_ZERO_EXIT_CODE"
    assert completed.message == (
        f"Task {name}-task1 failed with exit code: 1 and message: The container exited with an error."
    )
    assert (execution.succeeded_count, execution.failed_count) == (1, 1)


def test_all_tasks_are_tried_though_one_has_failed(either: Clients):
    script = "[ $CLOUD_RUN_TASK_INDEX != 0 ]"
    execution = either.execute(job(script, execution={"task_count": 4, "parallelism": 1}))
    assert (execution.succeeded_count, execution.failed_count) == (3, 1)


def test_a_job_passes_through_its_states(cloud: LocalCloud, either: Clients):
    rules = [cloud.admin.hold(stage) for stage in ("scheduled", "running", "finished")]
    either.create(job("true"))
    execution = either.executions.get_execution(name=either.start().name)
    assert execution.reconciling
    assert not execution.start_time
    assert states(execution) == {
        "Completed": "CONDITION_RECONCILING",
        "ResourcesAvailable": "CONDITION_RECONCILING",
        "Started": "CONDITION_PENDING",
        "ContainerReady": "CONDITION_RECONCILING",
    }
    cloud.admin.release(rules[0])
    execution = either.until(execution, lambda found: bool(found.start_time))
    assert states(execution)["ResourcesAvailable"] == "CONDITION_SUCCEEDED"
    assert states(execution)["Started"] == "CONDITION_RECONCILING"
    assert execution.running_count == 0
    cloud.admin.release(rules[1])
    execution = either.until(execution, lambda found: found.succeeded_count == 1)
    assert states(execution)["Started"] == "CONDITION_SUCCEEDED"
    assert states(execution)["Completed"] == "CONDITION_RECONCILING"
    assert condition(execution, "Retry").reason.name == "WAITING_FOR_OPERATION"
    assert condition(execution, "Retry").severity.name == "INFO"
    cloud.admin.release(rules[2])
    assert "Retry" not in states(either.end(execution))


def test_no_more_tasks_run_at_once_than_are_allowed(cloud: LocalCloud, either: Clients):
    either.create(job("sleep 60", execution={"task_count": 5, "parallelism": 2}))
    execution = either.running(either.start(), 2)
    assert either.executions.get_execution(name=execution.name).running_count == 2


def test_a_cancelled_execution_is_neither_a_success_nor_a_failure(cloud: LocalCloud, either: Clients):
    either.create(job("sleep 60", execution={"task_count": 3, "parallelism": 2}))
    execution = either.running(either.start(), 2)
    rule = cloud.admin.hold("cancelled")
    operation = either.executions.cancel_execution(name=execution.name)
    assert isinstance(operation.metadata, run_v2.Execution)
    stopping = condition(either.executions.get_execution(name=execution.name), "Completed")
    assert (stopping.state.name, stopping.execution_reason.name) == ("CONDITION_RECONCILING", "CANCELLING")
    cloud.admin.release(rule)
    ended = operation.result(timeout=20)
    completed = condition(ended, "Completed")
    assert (completed.state.name, completed.execution_reason.name) == ("CONDITION_FAILED", "CANCELLED")
    assert completed.message == "Cancelled by user."
    assert (ended.cancelled_count, ended.failed_count, ended.succeeded_count) == (3, 0, 0)
    assert ended.completion_time


def test_an_execution_that_has_ended_cannot_be_cancelled(either: Clients):
    execution = either.execute(job("true"))
    with pytest.raises(
        exceptions.BadRequest, match="cannot be cancelled because it is not running"
    ) as caught:
        either.executions.cancel_execution(name=execution.name)
    assert caught.value.code == 400
    assert either.executions.get_execution(name=execution.name) == execution


def test_an_execution_that_waits_is_cancelled_without_having_run(cloud: LocalCloud, either: Clients):
    cloud.admin.hold("scheduled")
    either.create(job("true"))
    ended = either.executions.cancel_execution(name=either.start().name).result(timeout=20)
    assert ended.cancelled_count == 1
    assert states(ended)["Started"] == "CONDITION_FAILED"


def test_a_deleted_execution_is_gone_and_can_still_be_listed(either: Clients):
    execution = either.execute(job("true"))
    deleted = either.executions.delete_execution(name=execution.name).result(timeout=20)
    assert deleted.delete_time
    assert condition(deleted, "Completed").state.name == "CONDITION_SUCCEEDED"
    with pytest.raises(exceptions.NotFound, match="of kind 'EXECUTION' in region 'us-central1'"):
        either.executions.get_execution(name=execution.name)
    assert list(either.executions.list_executions(parent=JOB)) == []
    listing = run_v2.ListExecutionsRequest(parent=JOB, show_deleted=True)
    assert [found.uid for found in either.executions.list_executions(listing)] == [execution.uid]


def test_deleting_a_running_execution_ends_it(either: Clients):
    either.create(job("sleep 60"))
    execution = either.running(either.start())
    deleted = either.executions.delete_execution(name=execution.name).result(timeout=20)
    assert condition(deleted, "Completed").execution_reason.name == "DELETED"
    assert deleted.cancelled_count == 1


@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_another_etag_stops_an_execution_from_being_cancelled_or_deleted(either: Clients, verb: str):
    either.create(job("sleep 60"))
    execution = either.running(either.start())
    call, kind = {
        "cancel": (either.executions.cancel_execution, run_v2.CancelExecutionRequest),
        "delete": (either.executions.delete_execution, run_v2.DeleteExecutionRequest),
    }[verb]
    with pytest.raises(exceptions.Conflict):
        call(kind(name=execution.name, etag='"another"'))
    call(kind(name=execution.name, etag=execution.etag)).result(timeout=20)


def test_validating_a_cancel_or_a_delete_does_nothing(either: Clients):
    either.create(job("sleep 60"))
    execution = either.running(either.start())
    either.executions.cancel_execution(run_v2.CancelExecutionRequest(name=execution.name, validate_only=True))
    either.executions.delete_execution(run_v2.DeleteExecutionRequest(name=execution.name, validate_only=True))
    assert either.executions.get_execution(name=execution.name).running_count == 1


def test_an_execution_keeps_the_template_and_the_labels_of_its_time(either: Clients):
    before = job("true", execution={"labels": {"run": "a"}})
    execution = either.execute({**before, "labels": {"team": "b"}})
    either.jobs.update_job(job=run_v2.Job(job("false"), name=JOB)).result(timeout=20)
    kept = either.executions.get_execution(name=execution.name)
    assert list(kept.template.containers[0].args) == ["true"]
    assert dict(kept.labels) == {"run": "a", "team": "b"}


def test_the_log_uri_leads_to_this_execution_s_logs(either: Clients):
    execution = either.execute(job("true"))
    assert execution.log_uri.startswith("https://console.cloud.google.com/logs/viewer?project=p&")
    assert execution.name.rpartition("/")[2] in execution.log_uri


def test_a_record_that_expired_is_missing(cloud: LocalCloud, either: Clients):
    execution = either.execute(job("true"))
    cloud.admin.remove(execution.uid)
    with pytest.raises(exceptions.NotFound):
        either.executions.get_execution(name=execution.name)
