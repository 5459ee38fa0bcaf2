"""A page of a list costs what is in it, however many executions there are."""

from __future__ import annotations

import itertools

import pytest
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.emulator import names
from airflow_provider_jobs.backends.cloud_run.emulator.control import ControlPlane
from airflow_provider_jobs.backends.cloud_run.emulator.names import RunNames
from airflow_provider_jobs.backends.cloud_run.emulator.services import ExecutionsService, JobsService
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.protobuf_rpc import masks
from airflow_provider_jobs.google_cloud.emulator.names import Place
from airflow_provider_jobs.google_cloud.emulator.shared import GoogleCloud
from tests.backends.cloud_run.emulator.conftest import PARENT, job
from tests.emulator.engine import counted, run

FIELDS = "executions.name,executions.createTime,nextPageToken"


def calls_of_page(count: int, *, job_id: str = "job-1", fields: str = "", page: int = 0) -> int:
    """How many functions are called for a page of ten, the first or one behind it."""

    async def work(cloud: Cloud) -> int:
        google = GoogleCloud.of(cloud)
        control = ControlPlane(cloud, run_names=RunNames(google.projects))
        jobs = JobsService(control, operations=google.operations)
        executions = ExecutionsService(control, operations=google.operations)
        made = run_v2.CreateJobRequest(parent=PARENT, job=job("sleep 600"), job_id="job-1")
        await jobs.create_job(run_v2.CreateJobRequest.pb(made))
        for _ in range(count):
            await jobs.run_job(run_v2.RunJobRequest.pb(run_v2.RunJobRequest(name=f"{PARENT}/jobs/job-1")))
        asked = run_v2.ListExecutionsRequest(parent=f"{PARENT}/jobs/{job_id}", page_size=10)
        with masks.asked_for(fields):
            for _ in range(page):
                asked.page_token = (await executions.list_executions(type(asked).pb(asked))).next_page_token
            with counted() as calls:
                found = await executions.list_executions(type(asked).pb(asked))
        assert len(found.executions) == 10
        return calls.count

    return run(work, simulate_sleep=True)


def test_a_page_of_ten_costs_the_same_among_twenty_executions_and_among_a_thousand():
    assert calls_of_page(1000) <= calls_of_page(20)
    assert calls_of_page(1000, job_id="-") <= calls_of_page(20, job_id="-")


def test_a_later_page_does_not_begin_from_the_start():
    assert calls_of_page(1000, page=50) <= calls_of_page(40, page=1)


def test_fields_that_nobody_asks_for_cost_nothing():
    assert calls_of_page(20, fields=FIELDS) < calls_of_page(20)


def test_an_id_that_an_execution_has_is_not_given_a_second_time(monkeypatch: pytest.MonkeyPatch):
    chosen = itertools.chain("aaaaa", "aaaaa", "bbbbb")
    monkeypatch.setattr(names.secrets, "choice", lambda _: next(chosen))

    async def work(cloud: Cloud) -> list[str]:
        control = ControlPlane(cloud, run_names=RunNames(GoogleCloud.of(cloud).projects))
        made = run_v2.Job.pb(run_v2.Job(job("sleep 600")))
        record = control.create_job(Place("p", "us-central1"), "job-1", made, validate_only=False)
        nothing = run_v2.RunJobRequest.Overrides.pb(run_v2.RunJobRequest.Overrides())
        return [control.run_job(record, nothing).data.name.execution_id for _ in range(2)]

    assert run(work, simulate_sleep=True) == ["job-1-aaaaa", "job-1-bbbbb"]
