from __future__ import annotations

import signal
from typing import Any

import pytest
from google.cloud import batch_v1
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.gcp_batch.emulator.conftest import (
    SECRET,
    exit_codes,
    run,
    script,
    spec,
    submit,
    tasks,
    texts,
    until,
)

PREDEFINED = {"BATCH_TASK_INDEX", "BATCH_TASK_COUNT", "BATCH_TASK_RETRY_ATTEMPT"}


def test_a_task_sees_the_documented_variables_and_no_others(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec("/usr/bin/env", group={"task_count": 1}))
    seen = dict(line.partition("=")[::2] for line in texts(logging, job))
    assert {name for name in seen if name.startswith("BATCH_")} == PREDEFINED
    assert set(seen) - PREDEFINED - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME", "LANG"}


def test_the_predefined_variables_say_index_count_and_attempt(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    text = 'echo "$BATCH_TASK_INDEX/$BATCH_TASK_COUNT $BATCH_TASK_RETRY_ATTEMPT"\n'
    text += "[ $BATCH_TASK_RETRY_ATTEMPT = 1 ]"
    job = run(batch, spec(text, max_retry_count=1, group={"task_count": 3}))
    assert job.status.state.name == "SUCCEEDED"
    assert sorted(texts(logging, job)) == ["0/3 0", "0/3 1", "1/3 0", "1/3 1", "2/3 0", "2/3 1"]


def test_the_hosts_file_is_there_when_it_is_asked_for(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec('cat "$BATCH_HOSTS_FILE"', group={"require_hosts_file": True}))
    assert texts(logging, job)


def test_variables_of_the_runnable_win_over_the_task_s_and_those_over_the_spec_s(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = spec(
        script('echo "$A $B $C"', environment={"variables": {"C": "runnable"}}),
        environment={"variables": {"A": "spec", "B": "spec", "C": "spec"}},
        group={"task_environments": [{"variables": {"B": f"task{n}", "C": "task"}} for n in range(2)]},
    )
    done = run(batch, job)
    assert done.task_groups[0].task_count == 2
    assert sorted(texts(logging, done)) == ["spec task0 runnable", "spec task1 runnable"]


def test_a_secret_comes_from_the_file_and_is_nowhere_to_be_read(
    cloud: LocalCloud, batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = spec(script('echo "${#TOKEN} $TOKEN"'), environment={"secret_variables": {"TOKEN": SECRET}})
    done = run(batch, job)
    assert texts(logging, done) == ["12 s3cret value"]
    assert "s3cret" not in str(batch.get_job(name=done.name))
    assert "s3cret" not in str(cloud.admin.job(done.uid))
    assert "s3cret" not in cloud.output()


def test_a_secret_that_is_missing_fails_the_task_and_the_agent_says_so(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    reference = "projects/p/secrets/other/versions/1"
    job = run(batch, spec(script("true", environment={"secret_variables": {"TOKEN": reference}})))
    assert job.status.state.name == "FAILED"
    assert exit_codes(batch, job) == [50000]
    assert any(reference in line for line in texts(logging, job, log="batch_agent_logs"))


def test_encrypted_variables_fail_the_task_instead_of_being_left_out(batch: batch_v1.BatchServiceClient):
    encrypted = {"encrypted_variables": {"key_name": "projects/p/k", "cipher_text": "eHg="}}
    assert exit_codes(batch, run(batch, spec("true", environment=encrypted))) == [50000]


CONTAINERS: dict[str, tuple[dict[str, Any], str]] = {
    "commands": ({"commands": ["sh", "-c", "echo a b"]}, "a b"),
    "entrypoint and commands": ({"entrypoint": "sh -c", "commands": ["echo c"]}, "c"),
    "an entrypoint with quotes": ({"entrypoint": "sh -c 'echo d'"}, "d"),
}


@pytest.mark.parametrize(("container", "said"), CONTAINERS.values(), ids=CONTAINERS.keys())
def test_a_container_runs_its_entrypoint_and_commands_on_this_machine(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client, container: dict[str, Any], said: str
):
    job = run(batch, spec({"container": {"image_uri": "busybox", **container}}))
    assert job.status.state.name == "SUCCEEDED"
    assert texts(logging, job) == [said]


def test_a_script_can_be_a_file_of_this_machine(batch: batch_v1.BatchServiceClient):
    assert run(batch, spec({"script": {"path": "/bin/true"}})).status.state.name == "SUCCEEDED"
    failed = run(batch, spec({"script": {"path": "/no/such/file"}}), "job-2")
    assert exit_codes(batch, failed) == [127]


RUNNABLES: dict[str, tuple[list[Any], list[str], str]] = {
    "in order": (["echo 1", "echo 2"], ["1", "2"], "SUCCEEDED"),
    "the first failure stops the rest": (["echo 1; exit 4", "echo 2"], ["1"], "FAILED"),
    "ignored": ([script("exit 4", ignore_exit_status=True), "echo 2"], ["2"], "SUCCEEDED"),
    "always": (["exit 4", script("echo 2", always_run=True)], ["2"], "FAILED"),
    "in the background": ([script("sleep 60", background=True), "echo 2"], ["2"], "SUCCEEDED"),
    "a barrier": (["echo 1", {"barrier": {"name": "all"}}, "echo 2"], ["1", "2"], "SUCCEEDED"),
}


@pytest.mark.parametrize(("runnables", "said", "state"), RUNNABLES.values(), ids=RUNNABLES.keys())
def test_runnables_run_one_after_the_other(
    batch: batch_v1.BatchServiceClient,
    logging: LoggingServiceV2Client,
    runnables: list[Any],
    said: list[str],
    state: str,
):
    job = run(batch, spec(*runnables))
    assert job.status.state.name == state
    assert texts(logging, job) == said


RETRIES: dict[str, tuple[dict[str, Any], int]] = {
    "not by default": ({}, 1),
    "up to the number given": ({"max_retry_count": 2}, 3),
    "a listed code, when listed codes are retried": (
        {"max_retry_count": 2, "policy": ("RETRY_TASK", [3])},
        3,
    ),
    "no other code then": ({"max_retry_count": 2, "policy": ("RETRY_TASK", [4])}, 1),
    "not a listed code, when listed codes fail": ({"max_retry_count": 2, "policy": ("FAIL_TASK", [3])}, 1),
    "every other code then": ({"max_retry_count": 2, "policy": ("FAIL_TASK", [4])}, 3),
    "never without a number": ({"policy": ("RETRY_TASK", [3])}, 1),
}


@pytest.mark.parametrize(("options", "attempts"), RETRIES.values(), ids=RETRIES.keys())
def test_a_failed_task_is_retried(
    batch: batch_v1.BatchServiceClient,
    logging: LoggingServiceV2Client,
    options: dict[str, Any],
    attempts: int,
):
    chosen = dict(options)
    if policy := chosen.pop("policy", None):
        condition = {"exit_codes": policy[1]}
        chosen["lifecycle_policies"] = [{"action": policy[0], "action_condition": condition}]
    job = run(batch, spec("echo try; exit 3", **chosen))
    assert job.status.state.name == "FAILED"
    assert texts(logging, job) == ["try"] * attempts
    events = tasks(batch, job)[0].status.status_events
    assert [event.task_state.name for event in events].count("FAILED") == attempts


@pytest.mark.parametrize("limit", [{"max_run_duration": "0.2s"}, {"timeout": "0.2s"}])
def test_a_task_that_runs_too_long_ends_with_the_reserved_code(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client, limit: dict[str, str]
):
    timeout = {"timeout": limit["timeout"]} if "timeout" in limit else {}
    rest = {key: value for key, value in limit.items() if key != "timeout"}
    job = run(batch, spec(script("echo begun; exec sleep 60", **timeout), **rest))
    assert exit_codes(batch, job) == [50005]
    told = tasks(batch, job)[0].status.status_events[-1].description
    assert told.endswith("due to task runs over the maximum runtime with exit code 50005.")
    assert any("50005" in line for line in texts(logging, job, log="batch_agent_logs"))


RESERVED = {
    "preempted": (50001, "Spot VM preemption"),
    "lost": (50002, "Batch no longer receives VM updates"),
    "rebooted": (50003, "VM is rebooted during task execution"),
    "unresponsive": (50004, "tasks cannot be canceled"),
    "timed_out": (50005, "task runs over the maximum runtime"),
    "recreated": (50006, "VM is recreated during task execution"),
}


@pytest.mark.parametrize(("reason", "code", "words"), [(key, *value) for key, value in RESERVED.items()])
def test_a_machine_that_goes_away_is_told_with_its_reserved_code(
    cloud: LocalCloud, batch: batch_v1.BatchServiceClient, reason: str, code: int, words: str
):
    job = submit(batch, spec("sleep 60"))
    until(batch, job.name, "RUNNING")
    cloud.admin.interrupt(job.uid, 0, reason=reason)
    ended = until(batch, job.name)
    assert ended.status.state.name == "FAILED"
    assert exit_codes(batch, job) == [code]
    told = tasks(batch, job)[0].status.status_events[-1].description
    assert told.endswith(f" due to {words} with exit code {code}.")
    assert told in ended.status.status_events[-1].description


def test_a_task_killed_by_a_signal_ends_with_the_code_a_shell_gives(batch: batch_v1.BatchServiceClient):
    job = run(batch, spec("kill -KILL $$"))
    assert exit_codes(batch, job) == [128 + signal.SIGKILL]


def test_a_command_that_is_not_there_ends_with_127(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec({"container": {"image_uri": "busybox", "commands": ["no-such-command"]}}))
    assert exit_codes(batch, job) == [127]
    assert any("no-such-command" in line for line in texts(logging, job))


def test_tasks_in_order_run_one_at_a_time_by_rising_index(
    batch: batch_v1.BatchServiceClient, logging: LoggingServiceV2Client
):
    job = run(batch, spec("echo $BATCH_TASK_INDEX", group={"task_count": 5, "scheduling_policy": "IN_ORDER"}))
    assert texts(logging, job) == ["0", "1", "2", "3", "4"]
