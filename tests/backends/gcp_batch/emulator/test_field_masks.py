"""Answers with the fields that the caller asked for, as the service gives them."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch.emulator import job_messages
from tests.backends.gcp_batch.emulator.conftest import PARENT, run, spec, submit


def mask(text: str) -> tuple[tuple[str, str], ...]:
    """The header of https://cloud.google.com/apis/docs/system-parameters"""
    return (("x-goog-fieldmask", text),)


def set_fields(message: Any) -> set[str]:
    return {field.name for field, _ in type(message).pb(message).ListFields()}


@pytest.fixture
def job(either: batch_v1.BatchServiceClient) -> batch_v1.Job:
    return run(either, spec("true"))


def test_a_list_has_the_fields_that_were_asked_for_and_no_others(
    either: batch_v1.BatchServiceClient, job: batch_v1.Job
):
    asked = "jobs.name,jobs.uid,jobs.status,jobs.createTime,jobs.updateTime,nextPageToken"
    (found,) = either.list_jobs(parent=PARENT, metadata=mask(asked))
    assert set_fields(found) == {"name", "uid", "status", "create_time", "update_time"}
    for name in ("name", "uid", "status", "create_time", "update_time"):
        assert getattr(found, name) == getattr(job, name)


def test_fields_are_asked_for_at_any_depth_and_in_both_spellings(
    either: batch_v1.BatchServiceClient, job: batch_v1.Job
):
    found = either.get_job(name=job.name, metadata=mask("status.state, task_groups.taskSpec"))
    assert set_fields(found) == {"status", "task_groups"}
    assert set_fields(found.status) == {"state"}
    assert found.task_groups[0].task_spec == job.task_groups[0].task_spec
    assert set_fields(found.task_groups[0]) == {"task_spec"}


def test_without_a_mask_or_with_a_star_everything_is_answered(
    either: batch_v1.BatchServiceClient, job: batch_v1.Job
):
    assert either.get_job(name=job.name, metadata=mask("*")) == either.get_job(name=job.name) == job


def test_a_token_that_is_not_asked_for_is_not_given(either: batch_v1.BatchServiceClient):
    for number in range(2):
        submit(either, spec("true"), f"j{number}")
    request = batch_v1.ListJobsRequest(parent=PARENT, page_size=1)
    assert len(list(either.list_jobs(request, metadata=mask("jobs.name")))) == 1
    assert len(list(either.list_jobs(request, metadata=mask("jobs.name,nextPageToken")))) == 2


def test_a_field_that_there_is_not_is_refused(either: batch_v1.BatchServiceClient, job: batch_v1.Job):
    with pytest.raises(exceptions.BadRequest):
        either.get_job(name=job.name, metadata=mask("name,nothing"))
    with pytest.raises(exceptions.BadRequest):
        list(either.list_jobs(parent=PARENT, metadata=mask("jobs.status.nothing")))


def test_what_the_job_runs_is_not_even_copied_when_nobody_asks_for_it():
    """A job can be a megabyte, a page has a thousand of them."""
    assert {"name", "uid", "status", "create_time", "update_time"} == job_messages.SHORT
