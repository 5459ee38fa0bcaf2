"""How tasks run and end, seen through the vendor's client."""

from __future__ import annotations

import datetime as dt

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import (
    add_job,
    add_pool,
    refused,
    run,
    shell,
    task,
    text_of,
    until_job,
    until_task,
)

#: Fails where it has not run before.
FAIL_ONCE = "cd $AZ_BATCH_NODE_SHARED_DIR; test -e ran || { touch ran; exit 1; }"


def failure(found: models.BatchTask) -> tuple[str, str, dict[str, str]]:
    """Category, code and details of why a task has failed."""
    info = found.execution_info.failure_info
    return info.category, info.code, {each.name: each.value for each in info.details or []}


def uid(cloud: LocalCloud, name: str) -> str:
    return next(job["uid"] for job in cloud.admin.jobs() if job["name"] == name)


def test_a_task_that_succeeds_tells_when_and_where_it_ran(batch: BatchClient):
    add_job(batch)
    done = run(batch, "true")
    info, node = done.execution_info, done.node_info
    assert (done.previous_state, info.exit_code, info.result) == ("running", 0, "success")
    assert info.failure_info is None
    assert done.creation_time <= info.start_time <= info.end_time <= done.state_transition_time
    assert (info.retry_count, info.requeue_count) == (0, 0)
    assert node.pool_id == "default"
    assert node.affinity_id == f"TVM:{node.node_id}"
    assert node.task_root_directory == "workitems/job/job-1/t"
    assert batch.get_node("default", node.node_id).total_tasks_succeeded == 1


def test_an_exit_code_that_is_not_zero_is_the_users_failure(batch: BatchClient):
    add_job(batch)
    done = run(batch, shell("exit 3"))
    assert (done.execution_info.exit_code, done.execution_info.result) == (3, "failure")
    assert failure(done) == (
        "UserError",
        "FailureExitCode",
        {
            "Message": "The task process exited with an unexpected exit code",
            "AdditionalErrorCode": "FailureExitCode",
        },
    )


def test_a_signal_is_told_as_a_shell_tells_it(batch: BatchClient):
    add_job(batch)
    assert run(batch, shell("kill -9 $$")).execution_info.exit_code == 137


def test_a_command_line_is_not_run_by_a_shell(batch: BatchClient):
    add_job(batch)
    run(batch, """echo $AZ_BATCH_TASK_ID "two words" 'a;b' > out""")
    assert text_of(batch) == b"$AZ_BATCH_TASK_ID two words a;b > out\n"


def test_a_program_that_is_not_there_is_told_apart_from_a_shells_127(batch: BatchClient):
    add_job(batch)
    done = run(batch, "no-such-program --now")
    assert done.execution_info.exit_code is None
    assert failure(done)[:2] == ("UserError", "CommandProgramNotFound")
    assert text_of(batch) == text_of(batch, "stderr.txt") == b""
    assert run(batch, shell("no-such-program"), "u").execution_info.exit_code == 127


def test_the_wall_clock_limit_ends_a_task(batch: BatchClient):
    add_job(batch)
    limit = models.BatchTaskConstraints(max_wall_clock_time=dt.timedelta(seconds=0.2), max_task_retry_count=2)
    done = run(batch, shell("while :; do :; done"), constraints=limit)
    category, code, details = failure(done)
    assert (category, code) == ("UserError", "TaskEnded")
    assert details["Message"] == "The maximum execution time configured on the task was exceeded"
    assert done.execution_info.retry_count == 0


def test_a_failed_command_is_retried_from_an_empty_directory(batch: BatchClient):
    text = f"echo try; ls; touch left; {FAIL_ONCE}"
    add_pool(batch, "one", 1)
    add_job(batch, "single", pool="one")
    batch.create_task(
        "single", task("t", shell(text), constraints=models.BatchTaskConstraints(max_task_retry_count=3))
    )
    done = until_task(batch, job_id="single")
    assert (done.execution_info.result, done.execution_info.retry_count) == ("success", 1)
    assert done.execution_info.last_retry_time is not None
    assert b"".join(batch.download_task_file("single", "t", "stdout.txt")) == b"try\n"


def test_retries_end_at_the_tasks_limit_or_else_at_the_jobs(batch: BatchClient):
    add_job(batch, constraints=models.BatchJobConstraints(max_task_retry_count=1))
    by_job = run(batch, "false")
    by_task = run(batch, "false", "u", constraints=models.BatchTaskConstraints(max_task_retry_count=2))
    never = run(batch, "false", "v", constraints=models.BatchTaskConstraints(max_task_retry_count=0))
    assert [done.execution_info.retry_count for done in (by_job, by_task, never)] == [1, 2, 0]


def test_a_preempted_node_requeues_its_task_and_nobody_sees_a_failure(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 60"))
    until_task(batch, state="running")
    cloud.admin.interrupt(uid(cloud, "jobs/job/tasks/t"), 0, reason="preempted")
    while not (found := batch.get_task("job", "t")).execution_info.requeue_count:
        continue
    assert found.execution_info.failure_info is None
    assert until_task(batch, state="running").execution_info.last_requeue_time is not None


def test_a_task_that_runs_out_of_memory_is_killed_and_retried_like_any_other(
    batch: BatchClient, cloud: LocalCloud
):
    add_job(batch, constraints=models.BatchJobConstraints(max_task_retry_count=1))
    batch.create_task("job", task("t", "sleep 600"))
    for retries in (0, 1):
        while (found := batch.get_task("job", "t")).state != "running" or (
            found.execution_info.retry_count != retries
        ):
            continue
        cloud.admin.interrupt(uid(cloud, "jobs/job/tasks/t"), 0, reason="out_of_memory")
    done = until_task(batch)
    assert (done.execution_info.exit_code, failure(done)[1]) == (137, "FailureExitCode")


def test_a_terminated_task_is_completed_and_failed(batch: BatchClient):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 60"))
    until_task(batch, state="running")
    batch.terminate_task("job", "t")
    done = until_task(batch)
    assert (done.execution_info.result, done.execution_info.exit_code) == ("failure", 137)
    assert failure(done)[:2] == ("UserError", "TaskEnded")
    assert done.execution_info.failure_info.message == "Task Was Ended by User Request"
    with pytest.raises(HttpResponseError) as error:
        batch.terminate_task("job", "t")
    assert refused(error) == (409, "TaskCompleted")


def test_a_terminated_task_that_never_ran_has_neither_a_start_nor_a_node(batch: BatchClient):
    add_job(batch, pool="missing")
    batch.create_task("job", task("t"))
    batch.terminate_task("job", "t")
    done = batch.get_task("job", "t")
    assert (done.state, done.execution_info.result) == ("completed", "failure")
    assert (done.execution_info.start_time, done.execution_info.exit_code, done.node_info) == (
        None,
        None,
        None,
    )


def test_a_failed_task_can_run_again_and_a_successful_one_cannot(batch: BatchClient):
    add_pool(batch, "flaky", 1)
    add_job(batch, "again", pool="flaky")
    batch.create_task("again", task("t", shell(FAIL_ONCE)))
    assert until_task(batch, job_id="again").execution_info.result == "failure"
    batch.reactivate_task("again", "t")
    while (found := batch.get_task("again", "t")).execution_info.result != "success":
        continue
    with pytest.raises(HttpResponseError) as error:
        batch.reactivate_task("again", found.id)
    assert refused(error) == (409, "TaskSucceeded")


def test_a_task_that_has_not_completed_cannot_be_reactivated(batch: BatchClient):
    add_job(batch, pool="missing")
    batch.create_task("job", task("t"))
    with pytest.raises(HttpResponseError) as error:
        batch.reactivate_task("job", "t")
    assert refused(error) == (409, "TaskNotCompleted")


def test_a_deleted_task_is_gone_at_once_and_its_process_ends(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    batch.create_task("job", task("t", shell("exec sleep 600")))
    until_task(batch, state="running")
    batch.delete_task("job", "t")
    with pytest.raises(HttpResponseError) as error:
        batch.get_task("job", "t")
    assert refused(error) == (404, "TaskNotFound")
    while cloud.admin.jobs():
        continue
    assert run(batch, "true").execution_info.result == "success"


def test_a_task_removed_behind_the_services_back_is_gone(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 600"))
    until_task(batch, state="running")
    cloud.admin.remove(uid(cloud, "jobs/job/tasks/t"))
    assert list(batch.list_tasks("job")) == []
    assert batch.get_job_task_counts("job").task_counts.running == 0


def test_rules_of_the_admin_api_hold_a_task_in_each_of_its_states(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    rules = [
        cloud.admin.hold(stage, job="jobs/job/tasks/*") for stage in ("scheduled", "running", "finished")
    ]
    batch.create_task("job", task("t"))
    assert batch.get_task("job", "t").state == "active"
    cloud.admin.release(rules[0])
    until_task(batch, state="preparing")
    cloud.admin.release(rules[1])
    until_task(batch, state="running")
    cloud.admin.release(rules[2])
    assert until_task(batch).execution_info.result == "success"


def test_the_variables_are_those_of_the_service(batch: BatchClient, cloud: LocalCloud):
    settings = [
        models.EnvironmentSetting(name="COMMON", value="job"),
        models.EnvironmentSetting(name="MINE", value="j"),
    ]
    add_job(batch, common_environment_settings=settings)
    own = [models.EnvironmentSetting(name="MINE", value="task"), models.EnvironmentSetting(name="EMPTY")]
    packages = [models.BatchApplicationPackageReference(application_id="my-app.x", version="1.2")]
    done = run(batch, "env", environment_settings=own, application_package_references=packages)
    found = dict(line.split("=", 1) for line in text_of(batch).decode().splitlines())
    root, here = found["AZ_BATCH_NODE_ROOT_DIR"], found["AZ_BATCH_TASK_DIR"]
    assert here == f"{root}/{done.node_info.task_root_directory}"
    assert found == {
        "AZ_BATCH_ACCOUNT_NAME": cloud.connections["azure_batch_default"]["login"],
        "AZ_BATCH_ACCOUNT_URL": f"{cloud.http}/",
        "AZ_BATCH_APP_PACKAGE_my_app_x_1_2": f"{root}/applications/my-app.x/1.2",
        "AZ_BATCH_CERTIFICATES_DIR": f"{here}/certs",
        "AZ_BATCH_JOB_ID": "job",
        "AZ_BATCH_NODE_ID": done.node_info.node_id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true",
        "AZ_BATCH_NODE_MOUNTS_DIR": f"{root}/fsmounts",
        "AZ_BATCH_NODE_ROOT_DIR": root,
        "AZ_BATCH_NODE_SHARED_DIR": f"{root}/shared",
        "AZ_BATCH_NODE_STARTUP_DIR": f"{root}/startup",
        "AZ_BATCH_NODE_STARTUP_WORKING_DIR": f"{root}/startup/wd",
        "AZ_BATCH_POOL_ID": "default",
        "AZ_BATCH_TASK_DIR": here,
        "AZ_BATCH_TASK_ID": "t",
        "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES": "1000000",
        "AZ_BATCH_TASK_WORKING_DIR": f"{here}/wd",
        "COMMON": "job",
        "EMPTY": "",
        "HOME": f"{here}/wd",
        "LANG": "C.UTF-8",
        "MINE": "task",
        "PATH": found["PATH"],
    }


def test_a_container_is_recorded_and_its_command_runs_here(batch: BatchClient, cloud: LocalCloud):
    add_job(batch)
    settings = models.BatchTaskContainerSettings(
        image_name="busybox:1.36",
        registry=models.ContainerRegistryReference(username="u", password="s3cret", registry_server="r"),
    )
    done = run(batch, "true", container_settings=settings)
    assert (done.execution_info.container_info.state, done.execution_info.result) == ("exited", "success")
    assert done.container_settings.image_name == "busybox:1.36"
    assert done.container_settings.registry.password is None
    assert [job["images"] for job in cloud.admin.jobs()] == [["busybox:1.36"]]


def test_a_pool_without_containers_fails_a_task_with_one(batch: BatchClient):
    add_pool(batch, "plain")
    add_job(batch, pool="plain")
    done = run(batch, "true", container_settings=models.BatchTaskContainerSettings(image_name="busybox"))
    assert failure(done)[:2] == ("UserError", "ContainerPoolNotSupported")
    assert done.execution_info.exit_code is None


def test_an_image_with_a_name_that_cannot_be_fails_the_task(batch: BatchClient):
    add_job(batch)
    done = run(batch, "true", container_settings=models.BatchTaskContainerSettings(image_name="No Such!"))
    assert failure(done)[:2] == ("UserError", "ContainerInvalidImage")
    good = "registry.example.com:5000/team/tool_1:v1.2@sha256:" + "a" * 64
    done = run(batch, "true", "u", container_settings=models.BatchTaskContainerSettings(image_name=good))
    assert done.execution_info.result == "success"


def test_a_task_can_be_made_again_while_the_old_one_still_ends(batch: BatchClient, cloud: LocalCloud):
    add_pool(batch, "one")
    add_job(batch, pool="one")
    stubborn = "trap : TERM; echo old > here; while :; do sleep 0.05; done"
    batch.create_task("job", task("t", shell(stubborn)))
    until_task(batch, state="running")
    batch.delete_task("job", "t")
    batch.create_task("job", task("t", shell("ls; echo new > here; sleep 0.6; cat here")))
    assert until_task(batch).execution_info.result == "success"
    assert text_of(batch) == b"new\n"
    assert [job["name"] for job in cloud.admin.jobs()] == ["jobs/job/tasks/t"]


def test_a_reset_leaves_nothing_that_runs_or_comes_back(batch: BatchClient, cloud: LocalCloud):
    add_pool(batch, "one")
    add_job(batch, pool="one", constraints=models.BatchJobConstraints(max_task_retry_count=-1))
    batch.create_tasks("job", [task(str(number), shell("exec sleep 600")) for number in range(5)])
    while not any(each.state == "running" for each in batch.list_tasks("job")):
        continue
    cloud.admin.reset()
    assert list(batch.list_jobs()) == []
    add_job(batch)
    run(batch, "true")
    assert [job["name"] for job in cloud.admin.jobs()] == ["jobs/job/tasks/t"]


@pytest.mark.parametrize(
    ("command", "expected"), [("true", None), (shell("exit 4"), "TaskFailed"), (shell("exit 9"), None)]
)
def test_exit_conditions_say_what_becomes_of_the_job(batch: BatchClient, command: str, expected: str | None):
    add_job(batch, task_failure_mode="performexitoptionsjobaction")
    spare = models.ExitOptions(job_action="none")
    conditions = models.ExitConditions(
        exit_codes=[models.ExitCodeMapping(code=9, exit_options=spare)],
        exit_code_ranges=[
            models.ExitCodeRangeMapping(
                start=4, end=5, exit_options=models.ExitOptions(job_action="terminate")
            )
        ],
    )
    run(batch, command, exit_conditions=conditions)
    if expected:
        assert until_job(batch).execution_info.termination_reason == expected
    assert (batch.get_job("job").state == "active") is (expected is None)


def test_a_failure_without_conditions_terminates_a_job_that_acts_on_failures(batch: BatchClient):
    add_job(batch, task_failure_mode="performexitoptionsjobaction")
    run(batch, "no-such-program")
    assert until_job(batch).execution_info.termination_reason == "TaskFailed"


def test_exit_conditions_can_disable_the_job(batch: BatchClient):
    add_job(batch, task_failure_mode="performexitoptionsjobaction")
    conditions = models.ExitConditions(pre_processing_error=models.ExitOptions(job_action="disable"))
    run(batch, "no-such-program", exit_conditions=conditions)
    until_job(batch, state="disabled")


def test_job_actions_are_refused_where_the_job_does_not_act_on_failures(batch: BatchClient):
    add_job(batch)
    conditions = models.ExitConditions(default=models.ExitOptions(job_action="none"))
    with pytest.raises(HttpResponseError) as error:
        batch.create_task("job", task("t", exit_conditions=conditions))
    assert refused(error) == (400, "InvalidPropertyValue")


def test_a_multi_instance_task_runs_its_coordination_first_and_is_the_primary(batch: BatchClient):
    add_job(batch)
    several = models.MultiInstanceSettings(
        number_of_instances=2, coordination_command_line="touch coordinated"
    )
    done = run(batch, shell("ls; echo $AZ_BATCH_IS_CURRENT_NODE_MASTER"), multi_instance_settings=several)
    assert done.execution_info.result == "success"
    assert text_of(batch) == b"coordinated\ntrue\n"
    assert list(batch.list_subtasks("job", "t")) == []


def test_the_constraints_of_a_task_can_be_changed_before_it_ends(batch: BatchClient):
    add_job(batch, pool="missing")
    batch.create_task("job", task("t"))
    found = batch.get_task("job", "t")
    found.constraints = models.BatchTaskConstraints(max_task_retry_count=4)
    batch.replace_task("job", "t", found)
    assert batch.get_task("job", "t").constraints.max_task_retry_count == 4
    batch.terminate_task("job", "t")
    with pytest.raises(HttpResponseError) as error:
        batch.replace_task("job", "t", found)
    assert refused(error) == (409, "TaskCompleted")
