"""Which secrets the templates of a task name, and that another process hides them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.operators import ContainerJobOperator
from airflow_provider_jobs.operators.named_secrets import hide_secrets, named_secrets


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ conn.api.password }}", ["connection api"]),
        ("{{ conn.get('my.api').password }}", ["connection my.api"]),
        ('{{ conn["my-api"].extra_dejson.key }}', ["connection my-api"]),
        ("{{ var.value.api_key }}", ["variable api_key"]),
        ("{{ var.value.get('api.key', 'none') }}", ["variable api.key"]),
        ("{{ var.json.keys.first }}", ["variable keys"]),
        ("{% if var.value.token %}{{ conn.api.login }}{% endif %}", ["connection api", "variable token"]),
        ("{{ ds }} conn.api.password", ["connection api"]),
        ("conn.api.password", []),
        ("{{ params.conn_id }}", []),
    ],
)
def test_connections_and_variables_are_found_in_templates(text: str, names: list[str]) -> None:
    assert named_secrets([text]) == names


def test_they_are_found_in_all_that_an_argument_may_be() -> None:
    values = [{"A": ["{{ conn.a.password }}"], "{{ var.value.b }}": 1}, ("{{ conn.c.password }}",), None, 3]
    assert named_secrets(values) == ["connection a", "connection c", "variable b"]


def test_a_task_knows_those_of_its_arguments_before_they_are_rendered() -> None:
    task = ContainerJobOperator(
        task_id="t",
        backend="kubernetes",
        image="busybox",
        script="curl -u :$PASSWORD",
        env={"PASSWORD": "{{ conn.api.password }}"},
        targets={"kubernetes": {"namespace": "{{ var.value.namespace }}"}},
    )
    assert task.named_secrets == ["connection api", "variable namespace"]


def test_one_is_read_once_for_many_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(Connection, "get", read.append)
    for _ in range(3):
        hide_secrets(["connection of_this_test_one", "connection of_this_test_two"])
    assert read == ["of_this_test_one", "of_this_test_two"]


def test_one_that_cannot_be_read_stops_nobody_and_is_read_for_the_next_task_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def get(key: str) -> Any:
        read.append(key)
        if len(read) == 1:
            raise LookupError(key)

    monkeypatch.setattr(Connection, "get", get)
    for _ in range(3):
        hide_secrets(["connection in_trouble_at_first"])
    assert read == ["in_trouble_at_first"] * 2
