"""What every job operator promises at DAG parse, without any service."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, BaseOperator, task

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.operators import GcpBatchJobOperator
from airflow_provider_jobs.operators.ending import needs_worker
from airflow_provider_jobs.operators.templates import holds_template


def operator(**kwargs: Any) -> GcpBatchJobOperator:
    values = {"task_id": "t", "region": "europe-west1", "image": "busybox", "script": "true", **kwargs}
    return GcpBatchJobOperator(**values)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("image", "has spaces"),
        ("array_size", 0),
        ("memory", "4 potatoes"),
        ("env", {"A": 1}),
        ("cpu", -1),
        ("command", "python x.py"),
        ("fail_when", "sometimes"),
        ("fail_when", 0),
        ("fail_when", 1.5),
        ("on_kill", "explode"),
        ("delete_after", "maybe"),
        ("log_indexes", "some"),
        ("poll_interval", 0),
        ("region", "mars"),
        ("region", 7),
        ("machine_type", "no such type!"),
    ],
)
def test_a_bad_value_fails_at_dag_parse_with_the_arguments_name(argument: str, value: Any) -> None:
    values = {argument: value} | ({"script": None} if argument == "command" else {})
    with pytest.raises(InvalidArgument) as raised:
        operator(**values)
    assert argument in str(raised.value)


@pytest.mark.parametrize(
    "values",
    [
        {"image": "{{ var.value.image }}"},
        {"array_size": "{{ params.n }}"},
        {"memory": "{{ params.memory }}"},
        {"env": {"A": "{{ ds }}"}},
        {"script": None, "command": ["run", "{{ ds }}"]},
        {"region": "{{ var.value.region }}"},
        {"inputs": "{{ params.inputs }}", "array_size": 3},
    ],
)
def test_a_template_is_checked_when_it_is_rendered_and_not_before(values: dict[str, Any]) -> None:
    operator(**values)


def test_the_result_of_another_task_is_taken_for_any_argument() -> None:
    with DAG("d", schedule=None):

        @task
        def shards() -> list[int]:
            return [1, 2]

        made = operator(inputs=shards(), array_size=2)
    assert made.upstream_task_ids == {"shards"}


def test_a_template_beside_a_bad_value_does_not_hide_it() -> None:
    with pytest.raises(InvalidArgument, match="memory"):
        operator(image="{{ var.value.image }}", memory="lots")


def test_every_template_field_is_an_attribute() -> None:
    made = operator()
    assert [name for name in type(made).template_fields if not hasattr(made, name)] == []


def test_a_job_can_be_mapped() -> None:
    with DAG("d", schedule=None):
        GcpBatchJobOperator.partial(task_id="t", region="europe-west1", image="busybox").expand(
            script=["true", "false"]
        )


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="imge"):
        operator(imge="busybox")


def test_waiting_is_deferred_unless_somebody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert operator().deferrable is True
    assert operator(deferrable=False).deferrable is False
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "False")
    assert operator().deferrable is False


def test_the_default_that_airflow_writes_into_its_own_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[operators]\ndefault_deferrable = false\n")
    code = (
        "from airflow.providers.common.compat.sdk import conf\n"
        "from airflow_provider_jobs.operators.ending import default_deferrable\n"
        "print(conf.getboolean('operators', 'default_deferrable'), default_deferrable())"
    )
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_services_limit_per_index_defaults_to_execution_timeout() -> None:
    def limit(**kwargs: Any) -> int | None:
        return (
            operator(execution_timeout=timedelta(minutes=5), **kwargs)
            .resolve_targets()[0]
            .spec.max_run_seconds
        )

    assert limit() == 300
    assert limit(max_run_seconds=7) == 7


def test_a_success_ends_in_the_triggerer_unless_something_needs_a_worker() -> None:
    with DAG("d", schedule=None):
        plain = operator(task_id="plain")
        outlets = operator(task_id="outlets", outlets=[Asset("a")])
        hooked = operator(task_id="hooked", post_execute=lambda context, result: None)
        mapped_over = operator(task_id="mapped_over")

        @task
        def use(one: Any) -> None: ...

        use.expand(one=mapped_over.output)
    assert needs_worker(plain) is None
    assert needs_worker(outlets) == "the task has outlets"
    assert needs_worker(hooked) == "the task has post_execute"
    assert needs_worker(mapped_over) == "a task is mapped over its result"


def test_a_setting_ends_every_task_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__FINISH_ON_WORKER", "True")
    with DAG("d", schedule=None):
        made = operator()
    assert "finish_on_worker" in (needs_worker(made) or "")


@pytest.mark.parametrize(
    ("value", "is_template"),
    [
        ("plain", False),
        ("{{ ds }}", True),
        ("{% if x %}", True),
        ({"a": ["{{ ds }}"]}, True),
        ({"{{ ds }}": 1}, True),
        ([1, {"a": "b"}], False),
        (None, False),
        (3.5, False),
    ],
)
def test_templates_are_seen_wherever_they_stand(value: Any, is_template: bool) -> None:
    assert holds_template(value) is is_template


def test_operators_are_named_lazily() -> None:
    from airflow_provider_jobs import operators

    assert "GcpBatchJobOperator" in dir(operators)
    with pytest.raises(AttributeError, match="SlurmJobOperator"):
        operators.SlurmJobOperator  # noqa: B018
    assert issubclass(GcpBatchJobOperator, BaseOperator)
