"""Commands of one attempt that run side by side."""

from __future__ import annotations

import functools
from typing import Any

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import After, AttemptEnd, AttemptPlan, EndReason, Job, Step
from tests.emulator.engine import ended, job, lines, run, script, until


def _run(*steps: Step, **plan: Any) -> tuple[AttemptEnd, list[str]]:
    """Run steps together as the only attempt of a job; how it ended, and its lines."""

    async def work(cloud: Cloud) -> tuple[AttemptEnd, list[str]]:
        made = AttemptPlan(steps, together=True, **plan)
        done: Job = await ended(cloud.submit(job(plan=lambda index, attempt: made)))
        end = done.tasks[0].end
        assert end is not None
        return end, lines(cloud, done)

    return run(work)


def _reasons(end: AttemptEnd) -> list[EndReason | None]:
    return [step.reason if step else None for step in end.steps]


def test_steps_run_at_the_same_time_and_all_of_them_to_their_end():
    meet = "touch {own}; until [ -e {other} ]; do sleep 0.01; done; echo {own}"
    first, second = meet.format(own="a", other="b"), meet.format(own="b", other="a")
    end, said = _run(script(first), script(second))
    assert end.succeeded
    assert sorted(said) == ["a", "b"]


def test_every_step_tells_how_it_ended():
    end, _ = _run(script("exit 3"), script("exit 0"))
    assert (end.reason, end.exit_code) == (EndReason.EXITED, 3)
    assert [step.exit_code for step in end.steps if step] == [3, 0]


def test_a_failure_that_is_ignored_does_not_count():
    end, _ = _run(script("exit 3", ignore_failure=True), script("exit 0"))
    assert end.succeeded


def test_the_end_of_an_essential_step_ends_the_others():
    end, _ = _run(script("exit 4", essential=True), script("sleep 600"))
    assert (end.reason, end.exit_code) == (EndReason.EXITED, 4)
    assert _reasons(end) == [EndReason.EXITED, EndReason.CANCELLED]


def test_a_success_of_an_essential_step_ends_the_others_too():
    end, _ = _run(script("exit 0", essential=True), script("sleep 600", ignore_failure=True))
    assert end.succeeded


def test_a_step_in_the_background_is_stopped_when_the_others_have_ended_and_has_not_failed():
    end, _ = _run(script("sleep 600", background=True), script("exit 0"), script("exit 0"))
    assert end.succeeded
    assert _reasons(end) == [EndReason.CANCELLED, EndReason.EXITED, EndReason.EXITED]


def test_a_step_in_the_background_that_fails_by_itself_counts():
    end, _ = _run(script("exit 3", background=True), script("sleep 0.3"))
    assert (end.reason, end.exit_code) == (EndReason.EXITED, 3)


def test_a_step_waits_until_another_has_succeeded():
    later = script("echo later", after={1: After.SUCCEEDED})
    end, said = _run(later, script("sleep 0.05; echo earlier"))
    assert end.succeeded
    assert said == ["earlier", "later"]


def test_a_step_whose_condition_cannot_be_met_never_begins_and_fails():
    end, said = _run(script("exit 1", ignore_failure=True), script("echo no", after={0: After.SUCCEEDED}))
    assert _reasons(end) == [EndReason.EXITED, EndReason.REFUSED]
    assert not end.succeeded
    assert said == []


def test_a_step_may_wait_for_an_end_however_it_was():
    end, said = _run(script("exit 1", ignore_failure=True), script("echo yes", after={0: After.ENDED}))
    assert end.succeeded
    assert said == ["yes"]


def test_time_that_is_over_ends_all_of_them():
    end, _ = _run(script("sleep 600"), script("sleep 600"), time_limit_seconds=0.1)
    assert end.reason is EndReason.TIMED_OUT
    assert len(end.steps) == 2


def test_an_interrupt_ends_all_of_them_also_those_that_wait():
    async def work(cloud: Cloud) -> AttemptEnd:
        steps = [script("echo up; sleep 600"), script("echo no", after={0: After.ENDED})]
        plan = functools.partial(_plan, steps)
        submitted = cloud.submit(job(plan=plan))
        await until(lambda: bool(lines(cloud, submitted)))
        assert cloud.interrupt(submitted, 0, reason=EndReason.PREEMPTED)
        done: Job = await ended(submitted)
        end = done.tasks[0].end
        assert end is not None
        return end

    end = run(work)
    assert end.reason is EndReason.PREEMPTED
    assert _reasons(end)[1] is None


def _plan(steps: list[Step], index: int, attempt: int) -> AttemptPlan:
    return AttemptPlan(steps, together=True)
