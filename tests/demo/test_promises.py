"""The promises of the examples are written down once, and what is not kept of them is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from airflow_provider_jobs.demo.promises import FILE_NAME, Outcome, TaskPromise, broken, load_promises
from tests.conftest import REPOSITORY

KEPT = Outcome(
    state="failed",
    backend="gcp_batch",
    array="7/8",
    returned={"words": 3},
    log="one line\nanother",
    error="JobFailed: index 5",
)
PROMISE = TaskPromise(
    state="failed",
    backend="gcp_batch",
    array="7/8",
    returns={"words": 3},
    log_contains=("another",),
    error_contains=("index 5",),
)


def test_nothing_is_said_of_a_promise_that_was_kept() -> None:
    assert broken(PROMISE, KEPT) == []


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"state": "success"}, "state is success, promised is failed"),
        ({"state": None}, "state is None, promised is failed"),
        ({"backend": None}, "backend is None, promised is gcp_batch"),
        ({"array": "8/8"}, "array is 8/8, promised is 7/8"),
        ({"returned": None}, "returned None, promised is {'words': 3}"),
        ({"log": "one line"}, "log does not say 'another'"),
        ({"error": ""}, "exception does not say 'index 5'"),
    ],
)
def test_every_promise_that_was_not_kept_is_said(difference: dict[str, object], said: str) -> None:
    assert broken(PROMISE, KEPT.model_copy(update=difference)) == [said]


def test_a_return_value_that_was_not_promised_may_be_anything() -> None:
    assert broken(TaskPromise(state="success"), Outcome(state="success", returned=[1])) == []


def test_a_misspelt_promise_is_refused(tmp_path: Path) -> None:
    wrong = {"a_dag": {"says": "it works", "tasks": {"a_task": {"state": "success", "log_says": ["x"]}}}}
    (tmp_path / FILE_NAME).write_text(json.dumps(wrong))
    with pytest.raises(ValidationError, match="log_says"):
        load_promises(tmp_path)


def test_every_example_dag_has_a_promise_and_every_promise_a_dag() -> None:
    dags = {path.stem for path in (REPOSITORY / "dags").glob("*.py")}
    assert set(load_promises(REPOSITORY / "dags")) == dags
