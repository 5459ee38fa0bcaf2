"""Jobs that wait for others: plainly, index by index, one child after another."""

from __future__ import annotations

from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.aws_batch.emulator.conftest import Client, describe, run, submit, until


def _stopped_at(batch: Client, job_id: str) -> int:
    return describe(batch, job_id)["stoppedAt"]


def test_a_job_is_pending_until_what_it_depends_on_has_succeeded(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("running", job="*/first/*")
    first = submit(batch, name="first")
    second = submit(batch, name="second", dependsOn=[{"jobId": first}])
    until(batch, first, "STARTING")
    assert until(batch, second, "PENDING")["dependsOn"] == [{"jobId": first}]
    cloud.admin.release()
    job = until(batch, second)
    assert job["status"] == "SUCCEEDED"
    assert job["startedAt"] >= _stopped_at(batch, first)


def test_a_failed_dependency_fails_the_job_without_an_attempt(batch: Client):
    first = submit(batch, "exit 1")
    job = run(batch, dependsOn=[{"jobId": first}])
    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Dependent Job failed"
    assert job["attempts"] == []
    assert "startedAt" not in job


def test_a_failure_passes_along_a_chain(batch: Client):
    first = submit(batch, "exit 1")
    second = submit(batch, dependsOn=[{"jobId": first}])
    assert run(batch, dependsOn=[{"jobId": second}])["statusReason"] == "Dependent Job failed"


def test_all_dependencies_count_and_ended_ones_too(batch: Client):
    done = run(batch)["jobId"]
    open_ = submit(batch, "sleep 0.1")
    job = run(batch, dependsOn=[{"jobId": done}, {"jobId": open_}])
    assert job["status"] == "SUCCEEDED"
    assert job["startedAt"] >= _stopped_at(batch, open_)
    failed = run(batch, "exit 1")["jobId"]
    late = run(batch, dependsOn=[{"jobId": done}, {"jobId": failed}])
    assert late["statusReason"] == "Dependent Job failed"


def test_a_retried_dependency_is_waited_for_to_its_last_attempt(batch: Client):
    script = '[ "$AWS_BATCH_JOB_ATTEMPT" = 3 ]'
    first = submit(batch, script, retryStrategy={"attempts": 3})
    assert run(batch, dependsOn=[{"jobId": first}])["status"] == "SUCCEEDED"
    assert len(describe(batch, first)["attempts"]) == 3


def test_a_plain_dependency_on_an_array_waits_for_all_its_children(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("finished", job="*/first/*")
    first = submit(batch, name="first", arrayProperties={"size": 3})
    second = submit(batch, name="second", dependsOn=[{"jobId": first}])
    for index in range(3):
        until(batch, f"{first}:{index}", "SUCCEEDED")
    assert until(batch, second, "PENDING")["status"] == "PENDING"
    cloud.admin.release()
    assert until(batch, second)["status"] == "SUCCEEDED"


def test_one_child_can_be_depended_on(batch: Client):
    first = submit(batch, '[ "$AWS_BATCH_JOB_ARRAY_INDEX" = 1 ]', arrayProperties={"size": 2})
    assert run(batch, dependsOn=[{"jobId": f"{first}:1"}])["status"] == "SUCCEEDED"
    assert run(batch, dependsOn=[{"jobId": f"{first}:0"}])["status"] == "FAILED"


def test_n_to_n_lets_each_child_wait_for_its_own_counterpart(batch: Client):
    first = submit(
        batch,
        "case $AWS_BATCH_JOB_ARRAY_INDEX in 0) exit 0;; 1) exit 1;; *) exec sleep 600;; esac",
        arrayProperties={"size": 3},
    )
    second = submit(batch, arrayProperties={"size": 3}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    assert until(batch, f"{second}:0")["status"] == "SUCCEEDED"
    failed = until(batch, f"{second}:1")
    assert (failed["status"], failed["statusReason"]) == ("FAILED", "Dependent Job failed")
    assert describe(batch, f"{second}:2")["status"] == "PENDING"
    batch.terminate_job(jobId=first, reason="enough")
    parent = until(batch, second)
    assert parent["statusReason"] == "Array Child Job failed"
    assert until(batch, f"{second}:2")["statusReason"] == "Dependent Job failed"


def test_sequential_children_run_one_after_another(batch: Client):
    parent = run(batch, arrayProperties={"size": 4}, dependsOn=[{"type": "SEQUENTIAL"}])
    children = [describe(batch, f"{parent['jobId']}:{index}") for index in range(4)]
    times = [(child["startedAt"], child["stoppedAt"]) for child in children]
    assert times == sorted(times)
    assert all(before[1] <= after[0] for before, after in pairwise(times))


def test_a_failed_child_of_a_sequence_fails_all_after_it(batch: Client):
    script = '[ "$AWS_BATCH_JOB_ARRAY_INDEX" != 1 ]'
    parent = run(batch, script, arrayProperties={"size": 4}, dependsOn=[{"type": "SEQUENTIAL"}])
    reasons = [describe(batch, f"{parent['jobId']}:{index}")["statusReason"] for index in range(4)]
    exited, dependent = "Essential container in task exited", "Dependent Job failed"
    assert reasons == [exited, exited, dependent, dependent]


def test_children_are_counted_as_pending_while_they_wait(cloud: LocalCloud, batch: Client):
    cloud.admin.hold("running", job="*/first/*")
    first = submit(batch, name="first")
    second = submit(batch, name="second", arrayProperties={"size": 2}, dependsOn=[{"jobId": first}])
    parent = until(batch, second, "PENDING")
    assert parent["arrayProperties"]["statusSummary"]["PENDING"] == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dependsOn": [{"jobId": "unknown"}]}, "does not exist"),
        ({"dependsOn": [{}]}, "must have a job ID"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "array jobs only"),
        ({"dependsOn": [{"jobId": "any", "type": "N_TO_N"}]}, "array jobs only"),
        ({"dependsOn": [{"jobId": "any"}] * 21}, "at most 20"),
        ({"dependsOn": [{"jobId": "any", "type": "OTHER"}]}, "enum value set"),
    ],
)
def test_dependencies_that_cannot_be_are_refused(batch: Client, asked: dict, said: str):
    with pytest.raises(ClientError, match=said):
        submit(batch, **asked)


def test_n_to_n_needs_an_array_of_the_same_size(batch: Client):
    single, other = submit(batch), submit(batch, arrayProperties={"size": 3})
    for job_id in (single, other):
        with pytest.raises(ClientError, match="array job of the same size"):
            submit(batch, arrayProperties={"size": 2}, dependsOn=[{"jobId": job_id, "type": "N_TO_N"}])


def test_a_dependency_that_is_removed_meanwhile_fails_the_job(cloud: LocalCloud, batch: Client):
    first = submit(batch, "exec sleep 600")
    second = submit(batch, dependsOn=[{"jobId": first}])
    until(batch, second, "PENDING")
    cloud.admin.remove(first)
    assert until(batch, second)["statusReason"] == "Dependent Job failed"
