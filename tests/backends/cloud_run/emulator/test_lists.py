from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from tests.backends.cloud_run.emulator.conftest import JOB, PARENT, Clients, job


def short(resources: Any) -> list[str]:
    return [resource.name.rpartition("/")[2] for resource in resources]


def test_jobs_are_listed_by_name_in_pages_and_places(either: Clients):
    for name in ("c", "a", "b"):
        either.create(job("true"), name)
    elsewhere = PARENT.replace("us-central1", "europe-west1")
    either.jobs.create_job(parent=elsewhere, job=run_v2.Job(job("true")), job_id="d").result(timeout=20)
    assert short(either.jobs.list_jobs(parent=PARENT)) == ["a", "b", "c"]
    pages = either.jobs.list_jobs(run_v2.ListJobsRequest(parent=PARENT, page_size=2)).pages
    assert [short(page.jobs) for page in pages] == [["a", "b"], ["c"]]
    everywhere = PARENT.replace("us-central1", "-")
    assert sorted(short(either.jobs.list_jobs(parent=everywhere))) == ["a", "b", "c", "d"]


def test_executions_are_listed_latest_first_of_one_job_or_of_all(either: Clients):
    either.create(job("true"), "a")
    either.create(job("true"), "b")
    started = [either.end(either.start(name)) for name in ("a", "b", "a")]
    names = short(started)
    of_a = either.executions.list_executions(parent=f"{PARENT}/jobs/a")
    assert short(of_a) == [names[2], names[0]]
    assert short(either.executions.list_executions(parent=f"{PARENT}/jobs/-")) == names[::-1]
    request = run_v2.ListExecutionsRequest(parent=f"{PARENT}/jobs/-", page_size=2)
    pages = either.executions.list_executions(request).pages
    assert [short(page.executions) for page in pages] == [names[:0:-1], names[:1]]


def test_executions_of_a_job_that_is_not_there_are_none(either: Clients):
    assert list(either.executions.list_executions(parent=JOB)) == []


def test_tasks_are_listed_of_one_execution_or_of_all(either: Clients):
    either.create(job("true", execution={"task_count": 3}))
    first, second = (either.end(either.start()) for _ in range(2))
    assert [task.index for task in either.tasks.list_tasks(parent=first.name)] == [0, 1, 2]
    every = list(either.tasks.list_tasks(parent=f"{JOB}/executions/-"))
    assert [task.execution for task in every] == [*short([second] * 3), *short([first] * 3)]
    assert len(list(either.tasks.list_tasks(parent=f"{PARENT}/jobs/-/executions/-"))) == 6
    request = run_v2.ListTasksRequest(parent=first.name, page_size=2)
    assert [len(page.tasks) for page in either.tasks.list_tasks(request).pages] == [2, 1]


def test_a_page_token_belongs_to_its_list(either: Clients):
    for name in ("a", "b"):
        either.create(job("true"), name)
    page = next(either.jobs.list_jobs(run_v2.ListJobsRequest(parent=PARENT, page_size=1)).pages)
    request = run_v2.ListJobsRequest(
        parent=PARENT.replace("/p/", "/q/"), page_token=page.next_page_token, page_size=1
    )
    with pytest.raises(exceptions.BadRequest, match="page_token"):
        list(either.jobs.list_jobs(request))


def test_a_list_has_the_fields_that_were_asked_for_and_no_others(either: Clients):
    execution = either.execute(job("true"))
    mask = "executions.name,executions.conditions,executions.completionTime,executions.succeededCount"
    (found,) = either.executions.list_executions(parent=JOB, metadata=(("x-goog-fieldmask", mask),))
    names = {field.name for field, _ in run_v2.Execution.pb(found).ListFields()}
    assert names == {"name", "conditions", "completion_time", "succeeded_count"}
    assert (found.name, found.conditions) == (execution.name, execution.conditions)
    mask = "executions.template.containers.env,executions.taskCount"
    (found,) = either.executions.list_executions(parent=JOB, metadata=(("x-goog-fieldmask", mask),))
    assert found.task_count == 1
    assert not found.name


def test_an_execution_that_was_deleted_is_listed_only_when_that_is_asked_for(either: Clients):
    either.create(job("true"), "a")
    gone, kept = (either.end(either.start("a")) for _ in range(2))
    either.executions.delete_execution(name=gone.name).result(timeout=20)
    parent = f"{PARENT}/jobs/a"
    assert short(either.executions.list_executions(parent=parent)) == short([kept])
    request = run_v2.ListExecutionsRequest(parent=parent, show_deleted=True)
    assert short(either.executions.list_executions(request)) == short([kept, gone])
