"""What a page shows of what Airflow knows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_jobs.plugin.views import MOST_FILES, JobView, TaskAddress

TASK = {"dag_id": "d", "run_id": "manual__2030-01-01T00:00:00+00:00", "task_id": "group.t"}


def view(**summary: Any) -> JobView:
    told = {
        "backend": "kubernetes",
        "native_id": "n/j",
        "name": "j",
        "state": "SUCCEEDED",
        "array": {"size": 1, "succeeded": 1, "failed": 0},
    }
    return JobView.model_validate({"task": TASK, "summary": {**told, **summary}})


def test_output_files_stand_in_a_list_with_the_index_of_an_array_in_front() -> None:
    assert view(output_files={"model": "s3://b/model"}).output_files == [("model", "s3://b/model")]
    arrays = {"0": {"a": "s3://b/0/a"}, "7": {"a": "s3://b/7/a"}}
    assert view(output_files=arrays).output_files == [("0 a", "s3://b/0/a"), ("7 a", "s3://b/7/a")]
    assert view().output_files == []


def test_a_list_that_is_a_file_itself_is_shown_by_its_address() -> None:
    shown = view(output_files={"object_storage_path": "s3://b/files.json"})
    assert shown.output_files == [("object_storage_path", "s3://b/files.json")]


def test_of_very_many_output_files_some_are_shown_and_the_rest_is_counted() -> None:
    shown = view(output_files={f"{n}": f"s3://b/{n}" for n in range(1_000)})
    assert (len(shown.output_files), shown.more_output_files) == (MOST_FILES, 1_000 - MOST_FILES)


@pytest.mark.parametrize(
    ("map_index", "path"),
    [
        ("{MAP_INDEX}", "tasks/group.t"),
        ("-1", "tasks/group.t"),
        ("3", "tasks/group.t/mapped/3"),
    ],
)
def test_a_task_is_found_where_the_interface_has_it(map_index: str, path: str) -> None:
    address = TaskAddress.model_validate({**TASK, "map_index": map_index})
    assert address.path == f"../dags/d/runs/manual__2030-01-01T00%3A00%3A00%2B00%3A00/{path}"


def test_a_map_index_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValidationError):
        TaskAddress.model_validate({**TASK, "map_index": "three"})
