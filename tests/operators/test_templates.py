"""Which of an operator's arguments Airflow keeps as template fields."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_jobs.operators import GcpBatchJobOperator
from airflow_provider_jobs.operators.templates import TemplateFields


class Own(GcpBatchJobOperator):
    template_fields = TemplateFields(*GcpBatchJobOperator.template_fields, "team")

    def __init__(self, *, team: str | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.team = team


def made(**arguments: object) -> Own:
    with DAG("d", schedule=None):
        return Own(task_id="t", region="europe-west1", image="busybox", command=["true"], **arguments)


def test_a_class_has_all_of_them_and_a_task_those_that_hold_something() -> None:
    assert {"env", "network", "team"} <= set(Own.template_fields)
    task = made()
    assert {"image", "command", "region"} <= set(task.template_fields)
    assert {"env", "network", "inputs", "gcp_conn_id", "team"}.isdisjoint(task.template_fields)
    assert "gcp_conn_id" in made(gcp_conn_id="other").template_fields


def test_the_interface_is_told_how_to_show_what_there_is() -> None:
    assert made().template_fields_renderers == {"command": "json"}
    assert Own.template_fields_renderers["env"] == "json"


def test_what_is_set_later_is_rendered_too() -> None:
    task = made()
    task.env = {"DAY": "{{ ds }}"}
    task.team = "{{ params.team }}"
    task.render_template_fields({"ds": "2030-01-01", "params": {"team": "night"}})
    assert (task.env, task.team) == ({"DAY": "2030-01-01"}, "night")


def test_a_template_that_is_a_subclasses_default_is_rendered() -> None:
    class Daily(Own):
        def __init__(self, *, script: str = "echo {{ ds }}", **kwargs: object) -> None:
            super().__init__(script=script, **kwargs)

    with DAG("d", schedule=None):
        task = Daily(task_id="t", region="europe-west1", image="busybox")
    task.render_template_fields({"ds": "2030-01-01"})
    assert task.script == "echo 2030-01-01"


def test_a_class_that_writes_its_fields_as_a_plain_list_has_them_all() -> None:
    class Plain(Own):
        template_fields = (*Own.template_fields, "more")
        more = None

    with DAG("d", schedule=None):
        task = Plain(task_id="t", region="europe-west1", image="busybox", command=["true"])
    assert task.template_fields == (*Own.template_fields, "more")


def test_the_result_of_another_task_that_is_set_later_makes_that_task_run_before() -> None:
    with DAG("d", schedule=None):
        first = GcpBatchJobOperator(task_id="first", region="europe-west1", image="busybox", command=["true"])
        second = GcpBatchJobOperator(
            task_id="second", region="europe-west1", image="busybox", command=["true"]
        )
        second.input = first.output
    assert second.upstream_task_ids == {"first"}
