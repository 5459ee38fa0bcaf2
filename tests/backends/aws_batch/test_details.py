"""What the service tells about a job, in the shapes in which it tells it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.backends.aws_batch import details, streams

LOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "/mine", "awslogs-region": "eu-west-1"}}


def job(job_id: str = "j", **fields: Any) -> dict[str, Any]:
    """Return a described job."""
    return {"jobId": job_id, "status": "RUNNING", **fields}


class TestParts:
    @pytest.mark.parametrize(
        ("described", "ids"),
        [
            (job(), []),
            (job(arrayProperties={"size": 2}), ["j:0", "j:1"]),
            (job("j:1", arrayProperties={"index": 1}), []),
            (job(nodeProperties={"numNodes": 2}), ["j#0", "j#1"]),
            (job("j#1", nodeProperties={"numNodes": 2}, nodeDetails={"nodeIndex": 1}), []),
        ],
    )
    def test_an_array_has_children_and_a_job_of_many_nodes_has_nodes(
        self, described: dict[str, Any], ids: list[str]
    ) -> None:
        assert details.part_ids(described) == ids

    def test_statuses_of_no_child_are_left_out_of_the_summary(self) -> None:
        told = job(arrayProperties={"size": 2, "statusSummary": {"RUNNING": 2, "FAILED": 0}})
        assert details.status_summary(told) == {"RUNNING": 2}


class TestVariables:
    @pytest.mark.parametrize(
        "fields",
        [
            {"container": {"environment": [{"name": "A", "value": "1"}]}},
            {
                "ecsProperties": {
                    "taskProperties": [{"containers": [{"environment": [{"name": "A", "value": "1"}]}]}]
                }
            },
            {"eksProperties": {"podProperties": {"containers": [{"env": [{"name": "A", "value": "1"}]}]}}},
            {
                "nodeProperties": {
                    "nodeRangeProperties": [{"container": {"environment": [{"name": "A", "value": "1"}]}}]
                }
            },
        ],
    )
    def test_a_variable_is_found_whatever_runs_the_job(self, fields: dict[str, Any]) -> None:
        assert details.variable(job(**fields), "A") == "1"
        assert details.variable(job(**fields), "B") is None


class TestAttempts:
    def test_a_job_that_never_ran_has_one_attempt_without_a_stream(self) -> None:
        (attempt,) = details.attempts(job(container={"image": "x", "reason": "CannotPull"}))
        assert (attempt.number, attempt.containers[0].reason) == (0, "CannotPull")
        assert streams.of_job(job(container={"image": "x"})) == []

    def test_the_attempt_under_way_is_told_beside_the_list_of_those_that_are_over(self) -> None:
        past = {"container": {"logStreamName": "first", "exitCode": 1}, "startedAt": 1, "stoppedAt": 2}
        running = job(attempts=[past], container={"logStreamName": "second"}, startedAt=5)
        told = [
            (each.number, each.started_ms, each.containers[0].stream) for each in details.attempts(running)
        ]
        assert told == [(0, 1, "first"), (1, 5, "second")]

    def test_the_last_attempt_of_a_job_that_is_over_is_told_once(self) -> None:
        past = {"container": {"logStreamName": "first", "exitCode": 1}}
        assert len(details.attempts(job(attempts=[past], container={"logStreamName": "first"}))) == 1

    def test_a_job_without_any_container_has_none(self) -> None:
        assert details.attempts(job()) == []


class TestStreams:
    def test_a_container_logs_to_the_default_group_unless_its_configuration_says_otherwise(self) -> None:
        (plain,) = streams.of_job(job(container={"logStreamName": "s"}))
        assert (plain.group, plain.region) == ("/aws/batch/job", None)
        (mine,) = streams.of_job(job(container={"logStreamName": "s", "logConfiguration": LOGS}))
        assert (mine.group, mine.region) == ("/mine", "eu-west-1")

    def test_what_goes_to_another_driver_cannot_be_read(self) -> None:
        assert (
            streams.of_job(job(container={"logStreamName": "s", "logConfiguration": {"logDriver": "splunk"}}))
            == []
        )

    def test_every_container_and_attempt_of_a_task_has_its_own(self) -> None:
        ended = [{"name": "main", "logStreamName": "a"}, {"name": "helper", "logStreamName": "b"}]
        now = [
            {"name": "main", "logStreamName": "c", "logConfiguration": LOGS},
            {"name": "helper", "logStreamName": "d"},
        ]
        told = job(
            attempts=[{"taskProperties": [{"containers": ended}]}],
            ecsProperties={"taskProperties": [{"containers": now}]},
        )
        assert [(each.name, each.attempt, each.container, each.group) for each in streams.of_job(told)] == [
            ("a", 0, "main", "/mine"),
            ("b", 0, "helper", "/aws/batch/job"),
            ("c", 1, "main", "/mine"),
            ("d", 1, "helper", "/aws/batch/job"),
        ]

    def test_a_node_is_named_as_where_a_line_comes_from(self) -> None:
        node = job("j#2", nodeDetails={"nodeIndex": 2}, container={"logStreamName": "s"})
        assert [(each.task, each.container) for each in streams.of_job(node)] == [(0, "node 2")]

    def test_a_child_of_an_array_is_known_by_its_number(self) -> None:
        child = job("j:7", arrayProperties={"index": 7}, container={"logStreamName": "s"})
        assert [each.task for each in streams.of_job(child)] == [7]

    def test_a_pod_has_none_that_the_service_names(self) -> None:
        pod = job(eksAttempts=[{"containers": [{"name": "main", "exitCode": 0}]}])
        assert streams.of_job(pod) == []


NEEDS = [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "512"}, {"type": "GPU", "value": "1"}]


@pytest.mark.parametrize(
    ("fields", "given"),
    [
        ({"container": {"resourceRequirements": NEEDS}}, (0.5, 512.0)),
        (
            {"ecsProperties": {"taskProperties": [{"containers": [{"resourceRequirements": NEEDS}] * 2}]}},
            (1.0, 1024.0),
        ),
        ({"container": {}}, (None, None)),
        ({"eksProperties": {"podProperties": {"containers": [{"name": "main"}]}}}, (None, None)),
    ],
)
def test_what_a_task_was_given_is_the_sum_over_its_containers(
    fields: dict[str, Any], given: tuple[float | None, float | None]
) -> None:
    described = job(**fields)
    assert (details.given(described, "VCPU"), details.given(described, "MEMORY")) == given
