"""A page of a list costs what is in it, however many jobs there are."""

from __future__ import annotations

from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch.emulator.batch_service import BatchService
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.protobuf_rpc import masks
from airflow_provider_jobs.google_cloud.emulator.shared import GoogleCloud
from tests.backends.gcp_batch.emulator.conftest import PARENT, spec
from tests.emulator.engine import counted, run

FIELDS = "jobs.name,jobs.uid,jobs.createTime,jobs.updateTime,nextPageToken"


def calls_of_page(jobs: int, *, parent: str = PARENT, fields: str = "", page: int = 0) -> int:
    """How many functions are called for a page of ten, the first or one behind it."""

    async def work(cloud: Cloud) -> int:
        google = GoogleCloud.of(cloud)
        service = BatchService(cloud, projects=google.projects, operations=google.operations)
        for number in range(jobs):
            made = batch_v1.CreateJobRequest(parent=PARENT, job=spec("sleep 600"), job_id=f"j{number}")
            await service.create_job(batch_v1.CreateJobRequest.pb(made))
        asked = batch_v1.ListJobsRequest(parent=parent, page_size=10, order_by="create_time desc")
        with masks.asked_for(fields):
            for _ in range(page):
                asked.page_token = (await service.list_jobs(type(asked).pb(asked))).next_page_token
            with counted() as calls:
                found = await service.list_jobs(type(asked).pb(asked))
        assert len(found.jobs) == 10
        return calls.count

    return run(work, simulate_sleep=True)


def test_a_page_of_ten_costs_the_same_among_twenty_jobs_and_among_a_thousand():
    assert calls_of_page(1000) <= calls_of_page(20)
    everywhere = "projects/p/locations/-"
    assert calls_of_page(1000, parent=everywhere) <= calls_of_page(20, parent=everywhere)


def test_a_later_page_does_not_begin_from_the_start():
    assert calls_of_page(1000, page=50) <= calls_of_page(40, page=1)


def test_fields_that_nobody_asks_for_cost_nothing():
    assert calls_of_page(20, fields=FIELDS) < calls_of_page(20)
