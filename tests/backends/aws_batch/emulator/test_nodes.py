"""Jobs of several nodes that run together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import (
    Client,
    container,
    describe,
    lines,
    submit,
    until,
    variables,
)


def _define(batch: Client, *ranges: dict[str, Any], nodes: int = 3, main: int = 0, **more: Any) -> str:
    properties = {"numNodes": nodes, "mainNode": main, "nodeRangeProperties": list(ranges)}
    made = batch.register_job_definition(
        jobDefinitionName="nodes", type="multinode", nodeProperties=properties, **more
    )
    return f"nodes:{made['revision']}"


def _range(script: str, targets: str = "0:") -> dict[str, Any]:
    return {"targetNodes": targets, "container": container(script)}


def _nodes(batch: Client, job_id: str, count: int) -> list[dict[str, Any]]:
    return [describe(batch, f"{job_id}#{index}") for index in range(count)]


def _meet(place: Path, script: str, *, nodes: int = 3) -> str:
    """A script for all nodes at whose end they wait for each other: the main node ends the others."""
    files = " ".join(f"-a -e {place}/$AWS_BATCH_JOB_ATTEMPT-{index}" for index in range(nodes))
    own = f"{place}/$AWS_BATCH_JOB_ATTEMPT-$AWS_BATCH_JOB_NODE_INDEX"
    return f"{script}; touch {own}; until [ -e / {files} ]; do sleep 0.01; done"


def test_nodes_know_their_place_and_where_the_main_node_is(batch: Client, logs: Client, tmp_path: Path):
    script = _meet(tmp_path, "env")
    job_id = submit(batch, jobDefinition=_define(batch, _range(script), main=1))
    assert until(batch, job_id)["status"] == "SUCCEEDED"
    seen = [variables(logs, node) for node in _nodes(batch, job_id, 3)]
    assert [each["AWS_BATCH_JOB_NODE_INDEX"] for each in seen] == ["0", "1", "2"]
    assert {each["AWS_BATCH_JOB_MAIN_NODE_INDEX"] for each in seen} == {"1"}
    assert {each["AWS_BATCH_JOB_NUM_NODES"] for each in seen} == {"3"}
    assert [each["AWS_BATCH_JOB_ID"] for each in seen] == [f"{job_id}#{index}" for index in range(3)]
    address = "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"
    assert [each.get(address) for each in seen] == ["127.0.0.1", None, "127.0.0.1"]


def test_the_job_tells_what_its_main_node_tells(batch: Client):
    script = "exit $((AWS_BATCH_JOB_NODE_INDEX + 5))"
    job_id = submit(batch, jobDefinition=_define(batch, _range(script), main=1))
    job = until(batch, job_id)
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Essential container in task exited"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [6]
    assert job["nodeProperties"]["numNodes"] == 3
    assert "container" not in job
    main = describe(batch, f"{job_id}#1")
    assert main["nodeDetails"] == {"nodeIndex": 1, "isMainNode": True}
    assert main["container"]["exitCode"] == 6


def test_the_end_of_the_main_node_ends_the_others(batch: Client):
    script = '[ "$AWS_BATCH_JOB_NODE_INDEX" = 0 ] && sleep 0.2 || exec sleep 600'
    job_id = submit(batch, jobDefinition=_define(batch, _range(script)))
    assert until(batch, job_id)["status"] == "SUCCEEDED"
    assert [node["status"] for node in _nodes(batch, job_id, 3)] == ["SUCCEEDED", "FAILED", "FAILED"]


def test_the_end_of_another_node_changes_nothing(batch: Client):
    script = "case $AWS_BATCH_JOB_NODE_INDEX in 0) exec sleep 600;; 1) exit 1;; *) exit 0;; esac"
    job_id = submit(batch, jobDefinition=_define(batch, _range(script)))
    assert until(batch, f"{job_id}#1")["status"] == "FAILED"
    assert until(batch, f"{job_id}#2")["status"] == "SUCCEEDED"
    assert describe(batch, job_id)["status"] == "RUNNING"
    batch.terminate_job(jobId=job_id, reason="seen enough")
    job = until(batch, job_id)
    assert job["statusReason"] == "seen enough"


def test_the_others_start_when_the_main_node_runs(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("running")
    job_id = submit(batch, jobDefinition=_define(batch, _range("exec sleep 600")))
    until(batch, f"{job_id}#0", "STARTING")
    assert [node["status"] for node in _nodes(batch, job_id, 3)[1:]] == ["RUNNABLE", "RUNNABLE"]
    cloud.admin.release()
    for index in range(3):
        until(batch, f"{job_id}#{index}", "RUNNING")
    batch.terminate_job(jobId=job_id, reason="over")
    until(batch, job_id)


def test_a_retry_after_the_main_node_s_failure_runs_all_nodes_again(
    batch: Client, logs: Client, tmp_path: Path
):
    script = _meet(tmp_path, 'echo "$AWS_BATCH_JOB_ATTEMPT"') + '; [ "$AWS_BATCH_JOB_NODE_INDEX" != 0 ]'
    job_id = submit(batch, jobDefinition=_define(batch, _range(script)), retryStrategy={"attempts": 2})
    job = until(batch, job_id)
    assert len(job["attempts"]) == 2
    for node in _nodes(batch, job_id, 3):
        assert [lines(logs, attempt) for attempt in node["attempts"]] == [["1"], ["2"]]


def test_ranges_may_nest_and_the_inner_one_wins(batch: Client, logs: Client, tmp_path: Path):
    inner = _range(_meet(tmp_path, "echo inner"), "1:1")
    outer = _range(_meet(tmp_path, "echo outer"), "0:2")
    job_id = submit(batch, jobDefinition=_define(batch, outer, inner))
    until(batch, job_id)
    assert [lines(logs, node) for node in _nodes(batch, job_id, 3)] == [["outer"], ["inner"], ["outer"]]


def test_overrides_reach_the_nodes_of_their_range(batch: Client, logs: Client, tmp_path: Path):
    script = _meet(tmp_path, "echo $WORD", nodes=2)
    first, rest = _range(script, "0:0"), _range(script, "1:")
    change = {"environment": [{"name": "WORD", "value": "changed"}]}
    overrides = {
        "numNodes": 2,
        "nodePropertyOverrides": [{"targetNodes": "1:", "containerOverrides": change}],
    }
    job_id = submit(batch, jobDefinition=_define(batch, first, rest), nodeOverrides=overrides)
    assert until(batch, job_id)["nodeProperties"]["numNodes"] == 2
    assert [lines(logs, node) for node in _nodes(batch, job_id, 2)] == [[], ["changed"]]


def test_nodes_are_listed_by_their_job_and_not_in_their_queue(batch: Client):
    job_id = submit(batch, jobDefinition=_define(batch, _range("sleep 0.2")))
    until(batch, job_id)
    listed = batch.list_jobs(multiNodeJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"]
    assert {"numNodes": 3, "nodeIndex": 0, "isMainNode": True} in [each["nodeProperties"] for each in listed]
    queued = batch.list_jobs(jobQueue="default", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [(each["jobId"], each["nodeProperties"]) for each in queued] == [(job_id, {"numNodes": 3})]


@pytest.mark.parametrize(
    ("nodes", "main", "targets", "said"),
    [
        (3, 3, "0:", "mainNode must be less"),
        (3, 0, "0:1", "account for all nodes"),
        (3, 0, "a:b", "targetNodes is not valid"),
    ],
)
def test_nodes_that_cannot_be_are_refused(batch: Client, nodes: int, main: int, targets: str, said: str):
    with pytest.raises(ClientError, match=said):
        _define(batch, _range("true", targets), nodes=nodes, main=main)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"nodePropertyOverrides": [{"targetNodes": "2:2", "containerOverrides": {"command": ["true"]}}]},
            "Non matching targets - 2:2",
        ),
        ({"numNodes": 1}, "lower boundary"),
    ],
)
def test_overrides_that_do_not_fit_the_ranges_are_refused(batch: Client, overrides: dict, said: str):
    definition = _define(batch, _range("true", "0:0"), _range("true", "1:"))
    with pytest.raises(ClientError, match=said):
        submit(batch, jobDefinition=definition, nodeOverrides=overrides)


def test_an_array_of_jobs_of_several_nodes_is_refused(batch: Client):
    with pytest.raises(ClientError, match="not applicable for multi-node"):
        submit(batch, jobDefinition=_define(batch, _range("true")), arrayProperties={"size": 2})
