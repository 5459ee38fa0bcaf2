"""Attempts whose directory and output are files of the dialect's own, and that prepare before they begin."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    AttemptPlan,
    AttemptRefused,
    EndReason,
    JobSpec,
    JobState,
    OutputFiles,
    TaskState,
)
from tests.emulator.engine import ended, job, lines, run, script, until


def planned(text: str, **plan: Any) -> JobSpec:
    """A job of one command with this plan."""
    made = AttemptPlan([script(text)], **plan)
    return job(plan=lambda *_: made)


def test_the_directory_is_made_and_stays_when_the_job_is_gone(tmp_path: Path):
    async def work(cloud: Cloud) -> None:
        directory = tmp_path / "a" / "b"
        done = await ended(cloud.submit(planned("pwd > here", directory=directory)))
        await cloud.remove(done)
        assert (directory / "here").read_text() == f"{directory}\n"

    run(work)


def test_the_output_is_in_the_files_byte_for_byte_and_in_no_line(tmp_path: Path):
    async def work(cloud: Cloud) -> None:
        files = OutputFiles(tmp_path / "logs" / "out", tmp_path / "logs" / "err")
        text = r"printf 'a\r\nb\000\377'; printf oh >&2"
        done = await ended(cloud.submit(planned(text, output_files=files)))
        assert files.stdout.read_bytes() == b"a\r\nb\x00\xff"
        assert files.stderr.read_bytes() == b"oh"
        assert lines(cloud, done) == []

    run(work)


def test_bytes_come_late_in_their_order_when_lines_do(tmp_path: Path):
    async def work(cloud: Cloud) -> None:
        cloud.logs.delay_seconds = 1.5
        files = OutputFiles(tmp_path / "out", tmp_path / "err")
        await ended(cloud.submit(planned("echo one; echo two", output_files=files)))
        assert files.stdout.read_bytes() == b""
        cloud.logs.delay_seconds = 0
        await until(lambda: files.stdout.read_bytes() == b"one\ntwo\n")

    run(work)


def test_an_attempt_prepares_while_it_runs_and_before_its_first_step(tmp_path: Path):
    async def work(cloud: Cloud) -> None:
        go = asyncio.Event()

        async def prepare() -> None:
            await go.wait()
            (tmp_path / "ready").touch()

        made = cloud.submit(planned("test -e ready", directory=tmp_path, prepare=prepare))
        await until(lambda: made.state is JobState.RUNNING)
        go.set()
        assert (await ended(made)).state is JobState.SUCCEEDED

    run(work)


def test_a_preparation_that_refuses_fails_the_attempt_without_its_command(tmp_path: Path):
    async def work(cloud: Cloud) -> None:
        async def prepare() -> None:
            raise AttemptRefused("no such file", exit_code=7)

        done = await ended(cloud.submit(planned("touch ran", directory=tmp_path, prepare=prepare)))
        (task,) = done.tasks
        assert task.state is TaskState.FAILED
        assert task.end is not None
        assert (task.end.reason, task.end.exit_code, task.end.message) == (
            EndReason.REFUSED,
            7,
            "no such file",
        )
        assert not (tmp_path / "ran").exists()

    run(work)


def test_a_preparation_ends_with_the_time_of_the_attempt_and_with_the_job():
    async def work(cloud: Cloud) -> None:
        async def prepare() -> None:
            await asyncio.Event().wait()

        late = await ended(cloud.submit(planned("true", prepare=prepare, time_limit_seconds=0.1)))
        assert late.tasks[0].end is not None
        assert late.tasks[0].end.reason is EndReason.TIMED_OUT
        stuck = cloud.submit(planned("true", prepare=prepare))
        await until(lambda: stuck.state is JobState.RUNNING)
        await cloud.cancel(stuck)
        assert stuck.state is JobState.CANCELLED

    run(work)


def test_a_job_that_is_going_away_does_not_take_the_name_of_its_successor_along():
    async def work(cloud: Cloud) -> None:
        first = cloud.submit(job(script("trap : TERM; sleep 60")))
        await until(lambda: first.state is JobState.RUNNING)
        removed = cloud.remove(first)
        cloud.jobs.remove(first)
        second = cloud.submit(replace(job(script("true")), name=first.spec.name))
        await removed
        assert cloud.jobs.get("test", first.spec.name) is second

    run(work)
