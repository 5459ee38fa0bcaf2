"""Retry strategies: how often, and which failures."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    Client,
    define,
    describe,
    lines,
    run,
    submit,
    until,
)


def _attempts(batch: Client, script: str, *rules: dict[str, str], attempts: int = 3) -> int:
    strategy = {"attempts": attempts, "evaluateOnExit": list(rules)}
    return len(run(batch, script, retryStrategy=strategy)["attempts"])


def test_a_job_has_one_attempt_unless_it_asks_for_more(batch: Client):
    assert len(run(batch, "exit 1")["attempts"]) == 1


def test_every_attempt_is_told_with_its_own_container_and_log_stream(batch: Client, logs: Client):
    job = run(batch, 'echo "$AWS_BATCH_JOB_ATTEMPT"; exit 4', retryStrategy={"attempts": 3})
    attempts = job["attempts"]
    assert [attempt["container"]["exitCode"] for attempt in attempts] == [4, 4, 4]
    assert [lines(logs, attempt) for attempt in attempts] == [["1"], ["2"], ["3"]]
    assert len({attempt["container"]["taskArn"] for attempt in attempts}) == 3
    assert job["container"]["logStreamName"] == attempts[-1]["container"]["logStreamName"]
    assert job["startedAt"] == attempts[-1]["startedAt"] >= attempts[0]["stoppedAt"]
    assert job["retryStrategy"] == {"attempts": 3, "evaluateOnExit": []}


def test_an_attempt_that_succeeds_is_the_last(batch: Client):
    job = run(batch, '[ "$AWS_BATCH_JOB_ATTEMPT" = 2 ]', retryStrategy={"attempts": 5})
    assert job["status"] == "SUCCEEDED"
    assert len(job["attempts"]) == 2


def test_a_job_that_is_tried_again_is_never_seen_as_failed(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("assigned", delay_seconds=0.05)
    job_id = submit(batch, '[ "$AWS_BATCH_JOB_ATTEMPT" = 10 ]', retryStrategy={"attempts": 10})
    statuses = []
    while (job := describe(batch, job_id))["status"] != "SUCCEEDED":
        statuses.append(job["status"])
    assert "FAILED" not in statuses
    assert "RUNNABLE" in statuses


@pytest.mark.parametrize(
    ("rules", "attempts"),
    [
        ([{"onExitCode": "3", "action": "EXIT"}], 1),
        ([{"onExitCode": "4", "action": "EXIT"}], 3),
        ([{"onExitCode": "3*", "action": "exit"}], 1),
        ([{"onExitCode": "*", "action": "EXIT"}], 1),
        ([{"onStatusReason": "Essential container*", "action": "EXIT"}], 1),
        ([{"onStatusReason": "Essential container", "action": "EXIT"}], 3),
        ([{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}], 1),
        ([{"onExitCode": "3", "action": "RETRY"}, {"onExitCode": "*", "action": "EXIT"}], 3),
        ([{"onExitCode": "3", "onReason": "Out*", "action": "EXIT"}], 3),
    ],
)
def test_the_first_rule_that_holds_decides_and_without_one_it_is_tried_again(
    batch: Client, rules: list[dict[str, str]], attempts: int
):
    assert _attempts(batch, "exit 3", *rules) == attempts


def test_a_lost_machine_can_be_told_from_a_failure_of_the_job(cloud: LocalCloud, batch: Client):
    rules = [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
    job_id = submit(
        batch,
        '[ "$AWS_BATCH_JOB_ATTEMPT" = 1 ] && exec sleep 600; exit 1',
        retryStrategy={"attempts": 5, "evaluateOnExit": rules},
    )
    until(batch, job_id, "RUNNING")
    cloud.admin.interrupt(job_id, 0, reason="preempted")
    job = until(batch, job_id)
    assert [attempt["container"].get("exitCode") for attempt in job["attempts"]] == [None, 1]
    assert job["attempts"][0]["statusReason"].startswith("Host EC2")


def test_children_of_an_array_are_retried_each_on_its_own(batch: Client):
    script = '[ "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 ] || [ "$AWS_BATCH_JOB_ATTEMPT" = 2 ]'
    parent = run(batch, script, arrayProperties={"size": 2}, retryStrategy={"attempts": 3})
    assert parent["status"] == "SUCCEEDED"
    counts = [len(describe(batch, f"{parent['jobId']}:{index}")["attempts"]) for index in (0, 1)]
    assert counts == [1, 2]


def test_a_strategy_of_the_job_takes_the_place_of_the_definition_s(batch: Client):
    definition = define(batch, "exit 1", retryStrategy={"attempts": 4})
    assert len(run(batch, jobDefinition=definition)["attempts"]) == 4
    assert len(run(batch, jobDefinition=definition, retryStrategy={"attempts": 2})["attempts"]) == 2


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({}, "RetryAttempts must be provided"),
        ({"attempts": 0}, "between 1 and 10"),
        ({"attempts": 11}, "between 1 and 10"),
        ({"evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}]}, "RetryAttempts must be provided"),
        ({"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}] * 6}, "at most 5"),
        ({"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}]}, "at least one of"),
        ({"attempts": 2, "evaluateOnExit": [{"onExitCode": "x", "action": "EXIT"}]}, "digits only"),
        ({"attempts": 2, "evaluateOnExit": [{"onReason": "a*b", "action": "EXIT"}]}, "asterisk"),
        ({"attempts": 2, "evaluateOnExit": [{"onReason": "a", "action": "STOP"}]}, "enum value set"),
    ],
)
def test_strategies_that_cannot_be_are_refused_in_jobs_and_definitions(
    batch: Client, strategy: dict[str, Any], said: str
):
    with pytest.raises(ClientError, match=said):
        submit(batch, retryStrategy=strategy)
    with pytest.raises(ClientError, match=said):
        define(batch, retryStrategy=strategy)
