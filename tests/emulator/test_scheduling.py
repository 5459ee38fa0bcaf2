from __future__ import annotations

import asyncio
import os
import time

import pytest

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    AttemptEnd,
    AttemptPlan,
    AttemptRefused,
    EndReason,
    Event,
    Job,
    JobState,
    Task,
    TaskState,
)
from airflow_provider_jobs.emulator.progress import ProgressRule, Stage
from tests.emulator.engine import barrier, ended, job, lines, run, script, until


class Diary:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def job_changed(self, job: Job, event: Event) -> None:
        self.seen.append(event.after.value)

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        self.seen.append(f"{task.index} {event.after.value}")


def test_a_job_goes_through_every_state_in_order_and_the_listener_hears_of_each():
    async def work(cloud: Cloud) -> None:
        diary = Diary()
        done = await ended(cloud.submit(job(script("echo $INDEX"), listener=diary)))
        assert diary.seen == ["scheduled", "0 assigned", "0 running", "running", "0 succeeded", "succeeded"]
        assert done.counts == {TaskState.SUCCEEDED: 1}
        times = [event.at for event in done.events]
        assert times == sorted(times)
        assert done.run_duration().total_seconds() > 0
        assert lines(cloud, done) == ["0"]

    run(work)


def test_one_failed_task_fails_the_job_and_the_others_still_run():
    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(script("exit $INDEX"), tasks=3, parallelism=1)))
        assert done.state is JobState.FAILED
        assert [task.state for task in done.tasks] == [
            TaskState.SUCCEEDED,
            TaskState.FAILED,
            TaskState.FAILED,
        ]
        assert [task.end.exit_code for task in done.tasks if task.end] == [0, 1, 2]
        assert done.first_failure is not None
        assert done.first_failure[0].index == 1

    run(work)


def test_no_more_tasks_run_at_once_than_the_job_allows():
    async def work(cloud: Cloud) -> None:
        done = cloud.submit(job(script("sleep 0.2"), tasks=12, parallelism=3))
        most = 0
        while not done.ended:
            most = max(most, done.counts[TaskState.RUNNING])
            assert sum(done.counts.values()) == 12
            await asyncio.sleep(0.005)
        assert most == 3
        assert done.state is JobState.SUCCEEDED

    run(work)


def test_no_more_processes_run_at_once_than_the_machine_allows():
    async def work(cloud: Cloud) -> None:
        done = [cloud.submit(job(script("sleep 0.2"), tasks=4)) for _ in range(3)]
        most = 0
        while not all(each.ended for each in done):
            most = max(most, sum(each.counts[TaskState.RUNNING] for each in done))
            await asyncio.sleep(0.005)
        assert most == 2

    run(work, max_processes=2)


def test_a_failed_attempt_is_repeated_as_often_as_the_dialect_says():
    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(script('echo "try $ATTEMPT"; [ $ATTEMPT = 2 ]'), retries=2)))
        assert done.state is JobState.SUCCEEDED
        assert lines(cloud, done) == ["try 0", "try 1", "try 2"]
        states = [event.after for event in done.tasks[0].events]
        assert states.count(TaskState.FAILED) == 2
        assert states.count(TaskState.PENDING) == 2
        gave_up = await ended(cloud.submit(job(script("exit 9"), retries=1)))
        assert gave_up.state is JobState.FAILED
        assert gave_up.tasks[0].attempt == 1

    run(work)


def test_an_attempt_that_cannot_be_planned_fails_with_the_dialect_s_code():
    def refuse(index: int, attempt: int) -> AttemptPlan:
        raise AttemptRefused("no such secret", exit_code=44)

    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(plan=refuse)))
        assert done.state is JobState.FAILED
        assert done.tasks[0].end == AttemptEnd(EndReason.REFUSED, 44, "no such secret")

    run(work)


def test_a_plan_that_breaks_ends_the_job_instead_of_leaving_it_for_ever():
    def broken(index: int, attempt: int) -> AttemptPlan:
        raise RuntimeError("broken")

    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(plan=broken, tasks=2)))
        assert done.state is JobState.FAILED
        assert {task.end.reason for task in done.tasks if task.end} == {EndReason.LOST}

    run(work)


STEPS = {
    "the first failure stops what follows": ((script("exit 3"), script("echo no")), [], 3),
    "a failure that is ignored does not": (
        (script("exit 3", ignore_failure=True), script("echo yes")),
        ["yes"],
        0,
    ),
    "a step that always runs runs after a failure": (
        (script("exit 3"), script("echo cleanup", always_run=True), script("echo no")),
        ["cleanup"],
        3,
    ),
    "of several failures the first is told": ((script("exit 3"), script("exit 4", always_run=True)), [], 3),
    "a background step is ended after the last one and does not count": (
        (script("while :; do sleep 1; done", background=True), script("echo done")),
        ["done"],
        0,
    ),
    "a background step that fails by itself fails the task": (
        (script("exit 5", background=True), script("sleep 1")),
        [],
        5,
    ),
    "a step over its own time fails and cleaning up still happens": (
        (script("sleep 30", time_limit_seconds=0.1), script("echo cleanup", always_run=True)),
        ["cleanup"],
        None,
    ),
}


@pytest.mark.parametrize(("steps", "said", "code"), STEPS.values(), ids=STEPS.keys())
def test_steps_run_in_order_and(steps, said, code):  # type: ignore[no-untyped-def]
    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(*steps)))
        assert lines(cloud, done) == said
        end = done.tasks[0].end
        assert end is not None
        if code is None:
            assert end.reason is EndReason.TIMED_OUT
        else:
            assert (end.reason, end.exit_code) == (EndReason.EXITED, code)

    run(work)


def test_when_the_task_s_own_time_is_over_nothing_more_runs_not_even_cleaning_up():
    async def work(cloud: Cloud) -> None:
        steps = (script("echo begun; sleep 30"), script("echo no", always_run=True))
        done = await ended(cloud.submit(job(*steps, time_limit_seconds=1)))
        assert lines(cloud, done) == ["begun"]
        assert done.tasks[0].end == AttemptEnd(EndReason.TIMED_OUT)

    run(work)


def test_a_barrier_lets_nobody_pass_before_all_have_come_even_with_few_processes():
    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(script("echo before"), barrier(), script("echo after"), tasks=5)))
        assert done.state is JobState.SUCCEEDED
        assert lines(cloud, done) == ["before"] * 5 + ["after"] * 5

    run(work, max_processes=2)


def test_cancelling_ends_what_runs_and_begins_nothing_new():
    async def work(cloud: Cloud) -> None:
        running = cloud.submit(job(script("echo $$; exec sleep 60"), tasks=4, parallelism=2))
        await until(lambda: len(lines(cloud, running)) == 2)
        await cloud.cancel(running)
        assert running.state is JobState.CANCELLED
        assert [event.after for event in running.events][-2:] == [JobState.CANCELLING, JobState.CANCELLED]
        assert sorted(task.state.value for task in running.tasks) == ["failed"] * 2 + ["unexecuted"] * 2
        for pid in lines(cloud, running):
            with pytest.raises(ProcessLookupError):
                os.kill(int(pid), 0)
        await cloud.cancel(running)
        assert running.state is JobState.CANCELLED

    run(work)


@pytest.mark.parametrize("stage", [Stage.SCHEDULED, Stage.ASSIGNED, Stage.RUNNING])
def test_a_job_that_waits_can_be_cancelled(stage: Stage):
    async def work(cloud: Cloud) -> None:
        cloud.progress.rules.add(ProgressRule(stage=stage))
        waiting = cloud.submit(job(script("true"), tasks=2, parallelism=1))
        await asyncio.sleep(0.05)
        await cloud.cancel(waiting)
        assert waiting.state is JobState.CANCELLED
        assert {task.state for task in waiting.tasks} == {TaskState.UNEXECUTED}

    run(work)


def test_removing_a_running_job_ends_it_and_its_name_is_free_again():
    async def work(cloud: Cloud) -> None:
        spec = job(script("sleep 60"))
        running = cloud.submit(spec)
        await until(lambda: running.state is JobState.RUNNING)
        with pytest.raises(ValueError, match="exists"):
            cloud.submit(spec)
        await cloud.remove(running)
        assert cloud.jobs.get("test", spec.name) is None
        await cloud.remove(cloud.submit(spec))

    run(work)


def test_a_machine_that_goes_away_ends_the_attempt_and_a_retry_follows():
    async def work(cloud: Cloud) -> None:
        running = cloud.submit(job(script("[ $ATTEMPT = 1 ] || sleep 60"), retries=1))
        await until(lambda: running.counts[TaskState.RUNNING] == 1)
        assert cloud.interrupt(running, 0, reason=EndReason.PREEMPTED)
        await ended(running)
        assert running.state is JobState.SUCCEEDED
        ends = [event.end.reason for event in running.tasks[0].events if event.end]
        assert ends == [EndReason.PREEMPTED, EndReason.EXITED]
        assert not cloud.interrupt(running, 0, reason=EndReason.PREEMPTED)

    run(work)


def test_an_interruption_between_two_steps_is_not_a_success():
    async def work(cloud: Cloud) -> None:
        running = cloud.submit(job(script("echo one"), script("echo two; sleep 60")))
        await until(lambda: lines(cloud, running) != [])
        assert cloud.interrupt(running, 0, reason=EndReason.LOST)
        await ended(running)
        assert running.tasks[0].end == AttemptEnd(EndReason.LOST)

    run(work)


def test_a_daemon_that_keeps_the_streams_open_does_not_keep_the_task(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("airflow_provider_jobs.emulator.attempts.DRAIN_SECONDS", 0.2)

    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(script("setsid sleep 60 & echo begun"))))
        assert done.state is JobState.SUCCEEDED
        assert lines(cloud, done) == ["begun"]

    run(work)


COMMANDS = {
    "a script with a shebang runs through it": ("#!/usr/bin/env python3\nprint(1 + 1)\n", ["2"], 0),
    "a command that is not there gives the shell's code": ("no-such-command", [], 127),
    "a signal is told as a negative code": ("kill -9 $$", [], -9),
}


@pytest.mark.parametrize(("text", "said", "code"), COMMANDS.values(), ids=COMMANDS.keys())
def test_scripts(text: str, said: list[str], code: int):
    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(script(text))))
        assert lines(cloud, done) == said
        assert done.tasks[0].end is not None
        assert done.tasks[0].end.exit_code == code

    run(work)


def test_a_command_sees_nothing_of_the_server_s_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "leak")

    async def work(cloud: Cloud) -> None:
        done = await ended(cloud.submit(job(script("/usr/bin/env"))))
        names = {line.partition("=")[0] for line in lines(cloud, done)}
        assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME", "LANG", "INDEX", "ATTEMPT"}

    run(work)


def test_ten_thousand_jobs_that_only_sleep_need_no_process_and_little_time():
    async def work(cloud: Cloud) -> None:
        began = time.monotonic()
        jobs = [cloud.submit(job(script("sleep 0.5"), keep_logs=False)) for _ in range(10_000)]
        submitted = time.monotonic() - began
        for each in jobs:
            await ended(each)
        assert {each.state for each in jobs} == {JobState.SUCCEEDED}
        assert submitted < 15
        assert time.monotonic() - began < 45

    run(work, simulate_sleep=True)
