from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

from tests.backends.cloud_run.emulator.conftest import JOB, Clients, container, job, lines, violations


def override(**fields: object) -> dict[str, object]:
    return {"container_overrides": [fields]}


def test_arguments_are_replaced_for_this_execution_alone(either: Clients, logging: LoggingServiceV2Client):
    echo = {"image": "busybox", "command": ["echo"], "args": ["job"]}
    first = either.execute(job(echo), **override(args=["one", "two"]))
    second = either.end(either.start())
    assert (lines(logging, first), lines(logging, second)) == (["one two"], ["job"])
    assert list(first.template.containers[0].args) == ["one", "two"]
    assert list(either.jobs.get_job(name=JOB).template.template.containers[0].args) == ["job"]


def test_arguments_are_cleared(either: Clients, logging: LoggingServiceV2Client):
    echo = {"image": "busybox", "command": ["echo"], "args": ["job"]}
    assert lines(logging, either.execute(job(echo), **override(clear_args=True))) == [""]


def test_variables_are_merged_by_name(either: Clients, logging: LoggingServiceV2Client):
    env = [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}]
    own = container('echo "$A $B $C"', env=env)
    new = [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}]
    execution = either.execute(job(own), **override(env=new))
    assert lines(logging, execution) == ["a 2 3"]


def test_task_count_and_timeout_are_replaced(either: Clients):
    execution = either.execute(job("true"), task_count=4, timeout="30s")
    assert (execution.task_count, execution.succeeded_count) == (4, 4)
    assert execution.template.timeout.total_seconds() == 30
    assert either.jobs.get_job(name=JOB).template.task_count == 1


def test_one_of_several_containers_is_named(either: Clients, logging: LoggingServiceV2Client):
    pair = [container("echo $X", name=name, env=[{"name": "X", "value": name}]) for name in ("a", "b")]
    execution = either.execute(job(*pair), **override(name="b", env=[{"name": "X", "value": "changed"}]))
    assert sorted(lines(logging, execution)) == ["a", "changed"]


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"task_count": 10_001}, "overrides.task_count"),
        ({"timeout": "604801s"}, "overrides.timeout"),
        ({"timeout": "0s"}, "overrides.timeout"),
        (override(name="nobody", args=["x"]), "overrides.container_overrides[0].name"),
        (override(name="a", args=["x"], clear_args=True), "overrides.container_overrides[0].clear_args"),
        (
            override(name="a", env=[{"name": "CLOUD_RUN_JOB", "value": "x"}]),
            "overrides.container_overrides[0].env[0].name",
        ),
    ],
)
def test_overrides_that_cannot_be_are_refused_by_field(
    either: Clients, overrides: dict[str, object], field: str
):
    either.create(job(container(name="a"), container(name="b")))
    with pytest.raises(exceptions.BadRequest) as caught:
        either.start(**overrides)
    assert f"Violation in RunJobRequest.{field}: " in caught.value.message
    assert violations(caught.value) == [f"RunJobRequest.{field}"]
    assert either.jobs.get_job(name=JOB).execution_count == 0
