"""``@task.container_job``: the function's result is what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.operators.decorated import DecoratedContainerJobOperator

TARGETS = {"gcp_batch": {"region": "europe-west1"}}


def spec_of(function: Callable[..., Any], *args: Any, context: dict[str, Any] | None = None) -> JobSpec:
    """Return the job of a decorated function, written as on a worker."""
    with DAG("d", schedule=None):
        task.container_job(backend="gcp_batch", image="busybox", targets=TARGETS)(function)(*args)
        made = DecoratedContainerJobOperator(
            task_id="t",
            python_callable=function,
            op_args=args,
            backend="gcp_batch",
            image="busybox",
            targets=TARGETS,
        )
    made.op_kwargs, made._context = {}, context or {}
    return made.resolve_targets()[0].spec


def test_a_list_is_the_command_and_gets_the_functions_arguments() -> None:
    def count(day: str) -> list[str]:
        return ["python", "count.py", day]

    assert spec_of(count, "2026-01-31").command == ("python", "count.py", "2026-01-31")


def test_one_text_is_a_shell_script() -> None:
    def count() -> str:
        return "echo one\necho two"

    assert spec_of(count).script == "echo one\necho two"


def test_the_function_sees_airflows_context_by_name() -> None:
    def count(ds: str) -> list[str]:
        return ["count", ds]

    assert spec_of(count, context={"ds": "2026-01-31"}).command == ("count", "2026-01-31")


def test_jinja_in_what_the_function_returns_is_rendered() -> None:
    def count() -> list[str]:
        return ["count", "{{ ds }}"]

    assert spec_of(count, context={"ds": "2026-01-31"}).command == ("count", "2026-01-31")


@pytest.mark.parametrize("returned", [None, [], "", 7, ["a", 1], {"a": "b"}])
def test_a_function_that_returns_nothing_to_run_fails_and_says_what_to_return(returned: Any) -> None:
    def count() -> Any:
        return returned

    with pytest.raises(InvalidArgument, match="Return a list of texts"):
        spec_of(count)


def count() -> list[str]:
    """Return a command."""
    return ["true"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"command": ["true"]}, r"^command: the function returns"),
        ({"script": "true"}, r"^script: the function returns"),
        ({"targets": {"gcp_batch": {"region": "mars"}}}, r"^targets\.gcp_batch\.region"),
    ],
)
def test_what_is_wrong_fails_at_parse(arguments: dict[str, Any], says: str) -> None:
    values = {"backend": "gcp_batch", "image": "busybox", "targets": TARGETS, **arguments}
    with DAG("d", schedule=None):
        decorated = task.container_job(**values)(count)
        with pytest.raises(InvalidArgument, match=says):
            decorated()


def test_the_function_can_be_mapped() -> None:
    with DAG("d", schedule=None) as made:

        @task.container_job(backend="gcp_batch", image="busybox", targets=TARGETS)
        def count(day: str) -> list[str]:
            return ["count", day]

        count.expand(day=["a", "b"])
    assert made.task_ids == ["count"]
