"""The page of a job in the Airflow UI, as somebody sees it who may, and as somebody does who may not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from airflow_provider_jobs.demo.rest import AirflowRest, wait_until
from airflow_provider_jobs.plugin.registration import URL_PREFIX, JobsPlugin

pytestmark = pytest.mark.timeout(300)

DAG, TASK, TASK_FROM_TRIGGERER = "e2e_progress", "half_way", "half_way_from_triggerer"


def address(run_id: str, task_id: str = TASK) -> dict[str, str]:
    return {"dag_id": DAG, "run_id": run_id, "task_id": task_id, "map_index": "-1"}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "gate"


@pytest.fixture(scope="module")
def waiting(airflow: Any, gate: Path) -> Iterator[str]:
    """Yield a run whose job has reported its progress and waits at the gate."""
    rest: AirflowRest = airflow.rest
    rest.wait_for_dag(DAG)
    run_id = rest.trigger(DAG, conf={"gate": str(gate)})
    rest.wait_for_task(DAG, run_id, TASK, state="deferred", timeout_seconds=60)
    wait_until(
        lambda: job(rest, run_id).get("progress"),
        describe=lambda: f"no progress in {job(rest, run_id)}",
        timeout_seconds=60,
    )
    yield run_id
    gate.touch()


def job(rest: AirflowRest, run_id: str, task_id: str = TASK) -> dict[str, Any]:
    answer = rest.page(f"{URL_PREFIX}/api/job", params=address(run_id, task_id))
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_waiting_job_is_shown_with_its_progress(rest: AirflowRest, waiting: str) -> None:
    found = job(rest, waiting)
    assert (found["state"], found["handle"]["ref"]["backend"]) == ("deferred", "kubernetes")
    progress = found["progress"]
    assert (progress["fraction"], progress["index"], progress["reported"]) == (0.25, 0, 1)


def test_the_page_shows_it_too_and_what_the_job_wrote_is_text(rest: AirflowRest, waiting: str) -> None:
    page = rest.page(f"{URL_PREFIX}/job", params=address(waiting))
    assert page.status_code == httpx.codes.OK
    assert "25&nbsp;%" in page.text
    assert "&lt;b&gt;half&lt;/b&gt; of it" in page.text
    assert job(rest, waiting)["handle"]["native_id"] in page.text
    assert "http-equiv" in page.text


def test_the_interface_leaves_the_place_of_the_map_index_empty_for_a_task_that_is_not_mapped(
    rest: AirflowRest, waiting: str
) -> None:
    (view,) = [each for each in JobsPlugin.external_views if each["destination"] == "task_instance"]
    places = {"DAG_ID": DAG, "RUN_ID": waiting, "TASK_ID": TASK}
    href = view["href"]
    for name, value in places.items():
        href = href.replace(f"{{{name}}}", quote(value, safe=""))
    assert "{MAP_INDEX}" in href
    page = rest.page(f"/{href}")
    assert page.status_code == httpx.codes.OK
    assert job(rest, waiting)["handle"]["native_id"] in page.text


def test_the_list_of_waiting_jobs_holds_it_and_leads_to_its_task(rest: AirflowRest, waiting: str) -> None:
    listed = rest.page(f"{URL_PREFIX}/api/jobs").json()
    assert waiting in [each["task"]["run_id"] for each in listed]
    page = rest.page(f"{URL_PREFIX}/jobs").text
    assert waiting in page
    assert f'href="../dags/{DAG}/runs/{quote(waiting, safe="")}/tasks/{TASK}"' in page


def test_a_job_that_the_triggerer_has_submitted_is_shown_likewise(rest: AirflowRest, waiting: str) -> None:
    wait_until(
        lambda: rest.extra_links(DAG, waiting, TASK_FROM_TRIGGERER)["Job logs"],
        describe=lambda: f"no links; {job(rest, waiting, TASK_FROM_TRIGGERER)}",
        timeout_seconds=60,
    )
    found = job(rest, waiting, TASK_FROM_TRIGGERER)
    assert (found["state"], found["progress"]["fraction"]) == ("deferred", 0.25)
    handle = found["handle"]
    assert handle["native_id"] != job(rest, waiting)["handle"]["native_id"]
    assert rest.extra_links(DAG, waiting, TASK_FROM_TRIGGERER) == {
        "Job": handle["console_url"],
        "Job logs": handle["logs_url"],
    }
    listed = {each["task"]["task_id"]: each for each in rest.page(f"{URL_PREFIX}/api/jobs").json()}
    assert listed[TASK_FROM_TRIGGERER]["handle"]["native_id"] == handle["native_id"]


@pytest.mark.parametrize("path", ["/job", "/jobs", "/api/job", "/api/jobs"])
def test_nobody_sees_it_who_is_not_logged_in(rest: AirflowRest, waiting: str, path: str) -> None:
    answer = rest.page(f"{URL_PREFIX}{path}", params=address(waiting), as_nobody=True)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert waiting not in answer.text


def test_a_task_that_does_not_exist_is_not_found(rest: AirflowRest, waiting: str) -> None:
    params = {**address(waiting), "task_id": "nobody"}
    assert rest.page(f"{URL_PREFIX}/job", params=params).status_code == httpx.codes.NOT_FOUND


def test_the_interface_knows_both_pages(rest: AirflowRest) -> None:
    (plugin,) = [each for each in rest.plugins() if each["name"] == "airflow_provider_jobs"]
    views = {view["name"]: view for view in plugin["external_views"]}
    assert {name: view["destination"] for name, view in views.items()} == {
        "Job": "task_instance",
        "Waiting jobs": "nav",
    }


def test_what_has_ended_is_shown_as_it_ended(rest: AirflowRest, waiting: str, gate: Path) -> None:
    gate.touch()
    rest.wait_for_task(DAG, waiting, TASK, state="success", timeout_seconds=90)
    found = job(rest, waiting)
    assert (found["state"], found["summary"]["state"]) == ("success", "SUCCEEDED")
    page = rest.page(f"{URL_PREFIX}/job", params=address(waiting))
    assert "SUCCEEDED" in page.text
    assert "http-equiv" not in page.text
