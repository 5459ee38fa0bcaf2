from __future__ import annotations

import pytest
from google.api.launch_stage_pb2 import LaunchStage
from google.api_core import exceptions
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2

from tests.backends.cloud_run.emulator.conftest import JOB, PARENT, Clients, container, job


def test_a_job_is_kept_with_the_service_s_defaults(either: Clients):
    created = either.create({"template": {"template": {"containers": [{"image": "busybox"}]}}})
    tasks = created.template.template
    assert created.name == JOB
    assert (created.generation, created.observed_generation, created.reconciling) == (1, 1, False)
    assert created.launch_stage == LaunchStage.GA
    assert created.template.task_count == 1
    assert (tasks.max_retries, tasks.timeout.total_seconds()) == (3, 600)
    assert dict(tasks.containers[0].resources.limits) == {"cpu": "1000m", "memory": "512Mi"}
    assert tasks.execution_environment.name == "EXECUTION_ENVIRONMENT_GEN2"
    assert tasks.service_account.endswith("-compute@developer.gserviceaccount.com")
    assert created.terminal_condition.type_ == "Ready"
    assert created.terminal_condition.state.name == "CONDITION_SUCCEEDED"
    assert created.etag.startswith('"')
    assert created.create_time == created.update_time
    assert either.jobs.get_job(name=JOB) == created


def test_no_retries_is_not_the_default_number_of_retries(either: Clients):
    assert either.create(job("true", max_retries=0)).template.template.max_retries == 0


def test_a_job_is_reconciled_after_it_was_created(either: Clients):
    operation = either.jobs.create_job(parent=PARENT, job=run_v2.Job(job("true")), job_id="job-1")
    begun = operation.metadata
    assert isinstance(begun, run_v2.Job)
    assert begun.reconciling
    assert begun.terminal_condition.state.name == "CONDITION_RECONCILING"
    ended = operation.result(timeout=20)
    assert not ended.reconciling
    assert ended.uid == begun.uid


def test_a_job_of_a_taken_name_is_refused(either: Clients):
    either.create(job("true"))
    with pytest.raises(exceptions.Conflict, match="Resource 'job-1' already exists"):
        either.create(job("true"))


def test_a_missing_job_is_told_of_with_its_place(either: Clients):
    with pytest.raises(exceptions.NotFound) as caught:
        either.jobs.get_job(name=JOB)
    assert caught.value.message.endswith(
        "Resource 'job-1' of kind 'JOB' in region 'us-central1' in project 'p' does not exist."
    )


def test_an_update_replaces_the_job_and_raises_its_generation(either: Clients):
    before = either.create({**job("true"), "labels": {"team": "a"}})
    changed = run_v2.Job(job("false", execution={"task_count": 3}), name=JOB)
    after = either.jobs.update_job(job=changed).result(timeout=20)
    assert (after.uid, after.generation, after.observed_generation) == (before.uid, 2, 2)
    assert dict(after.labels) == {}
    assert after.template.task_count == 3
    assert after.etag != before.etag
    assert after.update_time > before.update_time == after.create_time


def test_an_update_that_changes_nothing_keeps_generation_and_etag(either: Clients):
    before = either.create(job("true"))
    after = either.jobs.update_job(job=run_v2.Job(job("true"), name=JOB)).result(timeout=20)
    assert (after.generation, after.etag, after.update_time) == (1, before.etag, before.update_time)


def test_an_update_with_another_etag_is_refused(either: Clients):
    before = either.create(job("true"))
    either.jobs.update_job(job=run_v2.Job(job("false"), name=JOB, etag=before.etag)).result(timeout=20)
    with pytest.raises(exceptions.Conflict, match="Conflict for resource 'job-1'") as caught:
        either.jobs.update_job(job=run_v2.Job(job("exit 2"), name=JOB, etag=before.etag))
    assert isinstance(caught.value, exceptions.Aborted) or caught.value.code == 409
    assert either.jobs.get_job(name=JOB).generation == 2


def test_an_update_of_a_missing_job_creates_it_if_that_is_allowed(either: Clients):
    wanted = run_v2.Job(job("true"), name=JOB)
    with pytest.raises(exceptions.NotFound):
        either.jobs.update_job(job=wanted)
    request = run_v2.UpdateJobRequest(job=wanted, allow_missing=True)
    assert either.jobs.update_job(request).result(timeout=20).name == JOB
    assert either.jobs.get_job(name=JOB).generation == 1


def test_validating_leaves_no_trace(either: Clients):
    asked = run_v2.CreateJobRequest(parent=PARENT, job=job("true"), job_id="job-1", validate_only=True)
    assert either.jobs.create_job(asked).metadata.template.template.timeout.total_seconds() == 600
    assert list(either.jobs.list_jobs(parent=PARENT)) == []
    either.create(job("true"))
    changed = run_v2.Job(job("false"), name=JOB)
    either.jobs.update_job(run_v2.UpdateJobRequest(job=changed, validate_only=True))
    either.jobs.run_job(run_v2.RunJobRequest(name=JOB, validate_only=True))
    either.jobs.delete_job(run_v2.DeleteJobRequest(name=JOB, validate_only=True))
    kept = either.jobs.get_job(name=JOB)
    assert (kept.generation, kept.execution_count) == (1, 0)


def test_a_deleted_job_takes_its_executions_with_it_and_can_still_be_listed(either: Clients):
    either.create(job("sleep 60"))
    execution = either.running(either.start())
    operation = either.jobs.delete_job(name=JOB)
    deleted = operation.result(timeout=20)
    assert deleted.delete_time
    assert (deleted.expire_time - deleted.delete_time).days == 30
    with pytest.raises(exceptions.NotFound):
        either.jobs.get_job(name=JOB)
    with pytest.raises(exceptions.NotFound):
        either.executions.get_execution(name=execution.name)
    assert list(either.jobs.list_jobs(parent=PARENT)) == []
    listing = run_v2.ListJobsRequest(parent=PARENT, show_deleted=True)
    assert [found.uid for found in either.jobs.list_jobs(listing)] == [deleted.uid]
    past = run_v2.ListExecutionsRequest(parent=JOB, show_deleted=True)
    (found,) = either.executions.list_executions(past)
    assert found.delete_time
    assert found.cancelled_count == 1


def test_the_name_of_a_deleted_job_is_free_again(either: Clients):
    before = either.create(job("true"))
    either.jobs.delete_job(name=JOB).result(timeout=20)
    assert either.create(job("true")).uid != before.uid


@pytest.mark.parametrize("verb", ["delete", "run"])
def test_another_etag_stops_a_job_from_being_deleted_or_run(either: Clients, verb: str):
    either.create(job("true"))
    calls = {
        "delete": lambda etag: either.jobs.delete_job(run_v2.DeleteJobRequest(name=JOB, etag=etag)),
        "run": lambda etag: either.jobs.run_job(run_v2.RunJobRequest(name=JOB, etag=etag)),
    }
    with pytest.raises(exceptions.Conflict):
        calls[verb]('"another"')
    calls[verb](either.jobs.get_job(name=JOB).etag).result(timeout=20)


def test_a_job_says_which_execution_was_created_last_and_how_it_ended(either: Clients):
    either.create(job("exit $CODE"))
    for code, status in (("0", "EXECUTION_SUCCEEDED"), ("3", "EXECUTION_FAILED")):
        overrides = {"container_overrides": [{"env": [{"name": "CODE", "value": code}]}]}
        execution = either.end(either.start(**overrides))
        latest = either.jobs.get_job(name=JOB).latest_created_execution
        assert execution.name.endswith(f"/executions/{latest.name}")
        assert latest.completion_status.name == status
        assert latest.completion_time == execution.completion_time
    assert either.jobs.get_job(name=JOB).execution_count == 2


def test_a_running_execution_is_told_of_as_running(either: Clients):
    either.create(job("sleep 60"))
    either.running(either.start())
    latest = either.jobs.get_job(name=JOB).latest_created_execution
    assert latest.completion_status.name == "EXECUTION_RUNNING"
    assert not latest.completion_time


@pytest.mark.parametrize("kind", ["start", "run"])
def test_an_execution_token_names_an_execution_that_is_created_once(either: Clients, kind: str):
    wanted = {**job("sleep 0.2"), f"{kind}_execution_token": "first"}
    created = either.jobs.create_job(parent=PARENT, job=run_v2.Job(wanted), job_id="job-1").result(timeout=20)
    execution = either.executions.get_execution(name=f"{JOB}/executions/job-1-first")
    assert bool(execution.completion_time) is (kind == "run")
    assert created.execution_count == 1
    again = run_v2.Job(wanted, name=JOB)
    assert either.jobs.update_job(job=again).result(timeout=20).execution_count == 1


def test_what_a_caller_may_not_set_is_ignored(either: Clients):
    created = either.create({**job("true"), "uid": "mine", "generation": 7, "creator": "me"})
    assert (created.uid, created.generation, created.creator) != ("mine", 7, "me")


def test_labels_annotations_and_client_are_kept(either: Clients):
    own = {"labels": {"team": "a"}, "annotations": {"example.com/note": "x y"}}
    created = either.create({**job("true"), **own, "client": "airflow", "client_version": "3"})
    assert (dict(created.labels), dict(created.annotations)) == (own["labels"], own["annotations"])
    assert (created.client, created.client_version) == ("airflow", "3")


def test_who_may_do_what_is_not_asked(run: Clients):
    with pytest.raises(exceptions.MethodNotImplemented):
        run.jobs.get_iam_policy(iam_policy_pb2.GetIamPolicyRequest(resource=JOB))


def test_a_project_s_number_and_id_are_the_same_project(run: Clients):
    created = run.create(job(container()))
    number = created.template.template.service_account.partition("-")[0]
    assert run.jobs.get_job(name=JOB.replace("/p/", f"/{number}/", 1)) == created
