"""What a task leaves behind, and the functions of the user's that it calls on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.exceptions import JobConfigError, JobUserCodeError
from tests.contract.fake import FakeBackend
from tests.operators.fake_service import FakeJobOperator, Task, fake_service

EVENTS = ['::airflow::{"event": {"epoch": 1}}', '::airflow::{"event": "half"}']
OUTPUT = '::airflow::{"outputs": {"text": "' + "x" * 200 + '"}}'


@pytest.fixture
def fake() -> Iterator[FakeBackend]:
    with fake_service() as service:
        yield service


def script(*lines: str, **values: Any) -> dict[str, Any]:
    return {"states": ["RUNNING", "SUCCEEDED"], "lines": list(lines), **values}


class Calls:
    """Functions of a user's that remember."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []

    def arguments(self) -> dict[str, Any]:
        """Return them as arguments of an operator."""
        return {f"on_job_{name}": self.call(name) for name in ("start", "event", "end")}

    def call(self, name: str) -> Any:
        """Return the function of this name."""
        return lambda context, told: self.made.append((name, told))


def test_the_users_functions_hear_of_the_start_every_event_and_the_end(fake: FakeBackend) -> None:
    calls, task = Calls(), Task()
    task.run(FakeJobOperator(script_of_states=script(*EVENTS), **calls.arguments()))
    assert [name for name, _ in calls.made] == ["start", "event", "event", "end"]
    (_, start), (_, first), (_, second), (_, end) = calls.made
    assert start["native_id"] == end["native_id"]
    assert (first, second) == ({"index": 0, "event": {"epoch": 1}}, {"index": 0, "event": "half"})
    assert end == task.job


def test_a_failed_job_is_told_to_them_too(fake: FakeBackend) -> None:
    calls = Calls()
    with pytest.raises(JobUserCodeError):
        Task().run(FakeJobOperator(script_of_states=script(exit_codes={"0": 3}), **calls.arguments()))
    assert calls.made[-1][0] == "end"
    assert calls.made[-1][1]["state"] == "FAILED"


def test_an_error_in_one_of_them_fails_no_task(fake: FakeBackend) -> None:
    def fails(context: Any, told: Any) -> None:
        raise RuntimeError("no such channel")

    task = Task()
    task.run(FakeJobOperator(script_of_states=script(), on_job_start=fails, on_job_end=fails))
    assert task.job["state"] == "SUCCEEDED"


def test_ten_thousand_indexes_that_report_a_number_each_are_one_result_in_xcom(fake: FakeBackend) -> None:
    lines = script('::airflow::{"outputs": {"rows": 12345}}')
    result = Task().run(FakeJobOperator(script_of_states=lines, array_size=10_000))
    assert result == {str(index): {"rows": 12345} for index in range(10_000)}


def test_ten_thousand_indexes_that_report_more_leave_their_result_in_the_storage(
    fake: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__STORAGE_PATH", f"file://{tmp_path}")
    result = Task().run(FakeJobOperator(script_of_states=script(OUTPUT), array_size=10_000))
    stored = json.loads(Path(result["object_storage_path"].removeprefix("file://")).read_text())
    assert stored == {str(index): {"text": "x" * 200} for index in range(10_000)}


def test_what_cannot_be_called_is_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidArgument, match="on_job_end"):
        FakeJobOperator(on_job_end="notify")


def test_no_worker_calls_a_function_at_the_start_of_a_task_that_begins_in_the_triggerer() -> None:
    with pytest.raises(InvalidArgument, match="on_job_start"):
        FakeJobOperator(submit_from="triggerer", deferrable=True, on_job_start=print)


def test_a_result_over_the_bound_is_written_where_the_deployment_says(
    fake: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__MAX_RESULT_BYTES", "100")
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__STORAGE_PATH", f"file://{tmp_path}")
    told = Task().run(FakeJobOperator(script_of_states=script(OUTPUT)))
    (file,) = tmp_path.rglob("return_value.json")
    assert told["object_storage_path"].endswith(str(file))
    assert json.loads(file.read_text()) == {"text": "x" * 200}


def test_without_such_a_place_the_task_says_which_bound_and_what_to_set(
    fake: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__MAX_RESULT_BYTES", "100")
    with pytest.raises(JobConfigError, match=r"max_result_bytes.*storage_path") as caught:
        Task().run(FakeJobOperator(script_of_states=script(OUTPUT)))
    assert isinstance(caught.value, AirflowFailException)


def test_a_task_that_pushes_no_xcom_has_no_bound(fake: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__MAX_RESULT_BYTES", "100")
    operator = FakeJobOperator(script_of_states=script(OUTPUT), do_xcom_push=False)
    assert Task().run(operator) is None
