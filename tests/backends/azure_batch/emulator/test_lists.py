"""Lists: filters, selections, pages."""

from __future__ import annotations

import httpx
import pytest
from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError

from tests.backends.azure_batch.emulator.conftest import add_job, ids, refused, run, task


def follow(wire: httpx.Client, link: str) -> httpx.Response:
    """Ask for a link as it stands, without the client's own parameters."""
    return httpx.get(link, headers=wire.headers, trust_env=False)


@pytest.fixture
def tasks(batch: BatchClient) -> BatchClient:
    """A job with a success, a failure and two that wait."""
    add_job(batch)
    run(batch, "true", "a-good")
    run(batch, "false", "a-bad")
    add_job(batch, "other", pool="missing")
    batch.create_tasks("other", [task("b-1"), task("b-2")])
    return batch


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state eq 'completed'", ["a-good", "a-bad"]),
        ("state ne 'completed'", []),
        ("id eq 'a-bad'", ["a-bad"]),
        ("startswith(id, 'a-')", ["a-good", "a-bad"]),
        ("startswith(id,'a-b') or startswith(id,'a-g')", ["a-good", "a-bad"]),
        ("executionInfo/exitCode eq 1", ["a-bad"]),
        ("executionInfo/exitCode ge 0 and executionInfo/result eq 'success'", ["a-good"]),
        ("not (executionInfo/result eq 'success')", ["a-bad"]),
        ("(id eq 'a-bad' or id eq 'x') and state eq 'completed'", ["a-bad"]),
        ("creationTime ge DateTime'2017-02-17T00:00:00Z'", ["a-good", "a-bad"]),
        ("stateTransitionTime le datetime'2017-02-17T00:00:00Z'", []),
        ("executionInfo/failureInfo/code eq 'FailureExitCode'", ["a-bad"]),
    ],
)
def test_a_filter_takes_what_it_says(tasks: BatchClient, text: str, expected: list[str]):
    assert ids(tasks.list_tasks("job", filter=text)) == expected


def test_jobs_pools_and_nodes_are_filtered_too(tasks: BatchClient):
    assert ids(tasks.list_jobs(filter="startswith(id, 'oth') and state eq 'active'")) == ["other"]
    assert ids(tasks.list_pools(filter="allocationState eq 'steady' and state eq 'active'")) == ["default"]
    assert len(ids(tasks.list_nodes("default", filter="state eq 'idle'"))) == 4


@pytest.mark.parametrize(
    "text",
    [
        "state",
        "state like 'a'",
        "state eq",
        "(id eq 'a'",
        "id eq 'a' and",
        "id eq 'a' id eq 'b'",
        "#",
        "startswith(id, 3)",
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(tasks: BatchClient, text: str):
    with pytest.raises(HttpResponseError) as error:
        list(tasks.list_tasks("job", filter=text))
    assert refused(error) == (400, "InvalidQueryParameterValue")
    assert text in error.value.response.text()


def test_a_selection_leaves_out_the_rest(tasks: BatchClient, wire: httpx.Client):
    (first, _) = wire.get("/jobs/job/tasks", params={"$select": "id, state"}).json()["value"]
    assert first == {"id": "a-good", "state": "completed"}
    one = wire.get("/jobs/job", params={"$select": "id,executionInfo"}).json()
    assert set(one) == {"odata.metadata", "id", "executionInfo"}


def test_pages_are_linked_with_whole_addresses_and_the_last_has_no_link(
    batch: BatchClient, wire: httpx.Client
):
    add_job(batch, pool="missing")
    batch.create_tasks("job", [task(f"t{number}") for number in range(7)])
    query = {"maxresults": "3", "$filter": "startswith(id,'t')", "$select": "id"}
    found, link, pages = [], None, 0
    while True:
        page = (follow(wire, link) if link else wire.get("/jobs/job/tasks", params=query)).json()
        found += [each["id"] for each in page["value"]]
        pages += 1
        link = page.get("odata.nextLink")
        if link is None:
            break
        assert link.startswith(f"{wire.base_url}/jobs/job/tasks?")
        assert "api-version=2025-06-01" in link
    assert (sorted(found), pages) == ([f"t{number}" for number in range(7)], 3)


def test_the_vendors_client_follows_the_pages(batch: BatchClient):
    add_job(batch, pool="missing")
    batch.create_tasks("job", [task(str(number)) for number in range(25)])
    assert len(ids(batch.list_tasks("job", max_results=10))) == 25


def test_a_page_goes_on_where_the_last_one_ended_even_when_tasks_went_away(
    batch: BatchClient, wire: httpx.Client
):
    add_job(batch, pool="missing")
    for name in "abcd":
        batch.create_task("job", task(name))
    first = wire.get("/jobs/job/tasks", params={"maxresults": "2"}).json()
    batch.delete_task("job", "b")
    second = follow(wire, first["odata.nextLink"]).json()
    assert [each["id"] for each in (*first["value"], *second["value"])] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ("0", "OutOfRangeQueryParameterValue"),
        ("1001", "OutOfRangeQueryParameterValue"),
        ("many", "InvalidQueryParameterValue"),
    ],
)
def test_a_page_has_one_to_a_thousand_entries(wire: httpx.Client, size: str, code: str):
    answer = wire.get("/jobs", params={"maxresults": size})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_strange_token_is_refused(wire: httpx.Client):
    answer = wire.get("/jobs", params={"$skiptoken": "???"})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidQueryParameterValue")
