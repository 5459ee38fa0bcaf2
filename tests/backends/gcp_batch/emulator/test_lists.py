from __future__ import annotations

import itertools

import pytest
from google.api_core import exceptions
from google.cloud import batch_v1
from google.cloud.location import locations_pb2

from tests.backends.gcp_batch.emulator.conftest import PARENT, run, spec, submit


def ids(jobs: list[batch_v1.Job]) -> list[str]:
    return [job.name.rpartition("/")[2] for job in jobs]


def test_pages_together_are_the_whole_list(either: batch_v1.BatchServiceClient):
    for number in range(7):
        submit(either, spec("true"), f"j{number}")
    pager = either.list_jobs(batch_v1.ListJobsRequest(parent=PARENT, page_size=3))
    pages = [ids(list(page.jobs)) for page in pager.pages]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(itertools.chain(*pages)) == [f"j{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("", ["b", "a", "c"]),
        ("name", ["a", "b", "c"]),
        ("name desc", ["c", "b", "a"]),
        ("create_time", ["c", "a", "b"]),
        ("create_time desc", ["b", "a", "c"]),
    ],
)
def test_jobs_are_listed_in_the_order_asked_for(
    either: batch_v1.BatchServiceClient, order_by: str, expected: list[str]
):
    for job_id in ("c", "a", "b"):
        submit(either, spec("true"), job_id)
    assert ids(list(either.list_jobs(batch_v1.ListJobsRequest(parent=PARENT, order_by=order_by)))) == expected


def test_a_list_is_of_one_place_or_of_every_place_of_a_project(either: batch_v1.BatchServiceClient):
    submit(either, spec("true"), "here")
    either.create_job(
        parent="projects/p/locations/europe-west1", job=batch_v1.Job(spec("true")), job_id="there"
    )
    either.create_job(
        parent="projects/q/locations/us-central1", job=batch_v1.Job(spec("true")), job_id="other"
    )
    assert ids(list(either.list_jobs(parent=PARENT))) == ["here"]
    assert sorted(ids(list(either.list_jobs(parent="projects/p/locations/-")))) == ["here", "there"]


@pytest.mark.parametrize(
    "wrong", [{"order_by": "uid"}, {"page_token": "nonsense"}, {"page_token": "MQ=="}, {"page_size": -1}]
)
def test_what_a_list_does_not_understand_it_refuses(either: batch_v1.BatchServiceClient, wrong: dict):
    with pytest.raises(exceptions.BadRequest, match="field is invalid"):
        list(either.list_jobs(batch_v1.ListJobsRequest(parent=PARENT, **wrong)))


def test_a_token_of_another_list_is_refused(either: batch_v1.BatchServiceClient):
    for job_id in ("a", "b"):
        submit(either, spec("true"), job_id)
    token = next(either.list_jobs(batch_v1.ListJobsRequest(parent=PARENT, page_size=1)).pages).next_page_token
    with pytest.raises(exceptions.BadRequest, match="page_token"):
        list(either.list_jobs(batch_v1.ListJobsRequest(parent="projects/q/locations/-", page_token=token)))


def test_tasks_are_paged_and_filtered_by_state(either: batch_v1.BatchServiceClient):
    job = run(either, spec("exit $((BATCH_TASK_INDEX % 2))", group={"task_count": 10}))
    parent = f"{job.name}/taskGroups/group0"

    def indexes(**request: object) -> list[int]:
        found = either.list_tasks(batch_v1.ListTasksRequest(parent=parent, **request))
        return [int(task.name.rpartition("/")[2]) for task in found]

    assert indexes(page_size=3) == list(range(10))
    for filter_ in ("State=FAILED", "state = FAILED", 'State="FAILED"'):
        assert indexes(filter=filter_, page_size=2) == [1, 3, 5, 7, 9]
    assert indexes(filter="State=RUNNING") == []
    with pytest.raises(exceptions.BadRequest, match="filter field is invalid"):
        indexes(filter="index>3")


def test_locations_are_listed_and_looked_up(either: batch_v1.BatchServiceClient):
    found = either.list_locations(locations_pb2.ListLocationsRequest(name="projects/p"))
    assert "europe-west1" in {location.location_id for location in found.locations}
    one = either.get_location(locations_pb2.GetLocationRequest(name="projects/p/locations/us-east4"))
    assert (one.name, one.location_id) == ("projects/p/locations/us-east4", "us-east4")
    with pytest.raises(exceptions.Forbidden):
        either.get_location(locations_pb2.GetLocationRequest(name="projects/p/locations/moon-1"))
