"""A job is waited for: it ends as it ended, with its log, whatever the service's trouble."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pendulum
import pytest

from airflow_provider_jobs.core.errors import (
    AccessDenied,
    NotFound,
    UnavailableError,
)
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.models import JobOutcome, LogCursor, LogPage
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.poller import PERMANENT_TRIES
from airflow_provider_jobs.engine.verdict import is_success, with_failure
from airflow_provider_jobs.engine.waiting import wait_for_job
from airflow_provider_jobs.engine.watch import LOST_GRACE_SECONDS
from tests.contract.fake import FakeBackend
from tests.engine.clockwork import START, Heard, groups_on, new_fake, now, run, submitted

RUNNING, SUCCEEDED, QUEUED = JobState.RUNNING, JobState.SUCCEEDED, JobState.QUEUED


def follow(
    fake: FakeBackend, heard: Heard | None = None, *, spec: dict[str, Any] | None = None, **plan: Any
) -> JobOutcome:
    handle = submitted(fake, **(spec or {}))

    async def main() -> JobOutcome:
        return await wait_for_job(WaitPlan(handle=handle, **plan), groups_on(fake), heard or Heard())

    return run(main())


def fake_spec(*, exit_codes: dict[int, int] | None = None, **script: Any) -> dict[str, Any]:
    codes = {str(index): code for index, code in (exit_codes or {}).items()}
    return {"options": {"fake": {**script, "exit_codes": codes}}}


def test_a_job_that_succeeds_is_a_success_with_its_lines_and_outputs() -> None:
    heard = Heard()
    spec = fake_spec(lines=["hello", '::airflow::{"outputs": {"rows": 3}}'])
    outcome = follow(new_fake(), heard, spec=spec)
    assert outcome.state is SUCCEEDED
    assert is_success(outcome)
    assert next(line.message for line in heard.lines) == "hello"
    assert outcome.result() == {"rows": 3}


def test_an_array_reports_outputs_by_index() -> None:
    spec = fake_spec(lines=['::airflow::{"outputs": {"n": 1}}']) | {"array_size": 3}
    outcome = follow(new_fake(), spec=spec)
    assert outcome.result() == {"0": {"n": 1}, "1": {"n": 1}, "2": {"n": 1}}
    assert outcome.summary().array.model_dump() == {
        "size": 3,
        "succeeded": 3,
        "failed": 0,
        "failed_indexes": "",
    }


def test_a_failed_index_stands_in_the_outcome_with_its_exit_code_and_last_lines() -> None:
    spec = fake_spec(lines=[f"line {n}" for n in range(30)], exit_codes={5: 3}) | {"array_size": 8}
    outcome = follow(new_fake(), spec=spec, log_tail=2)
    assert not is_success(outcome)
    failure = with_failure(outcome).failures[0]
    assert (failure.kind, failure.index, failure.exit_code) == (FailureKind.USER_CODE, 5, 3)
    assert failure.log_tail == ("line 28", "line 29")
    assert outcome.summary().array.failed_indexes == "5"
    assert outcome.summary().indexes_by_state == {SUCCEEDED: "0-4,6-7", JobState.FAILED: "5"}


def test_lines_that_come_after_the_end_are_waited_for() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> JobOutcome:
        handle = submitted(fake)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        for second in range(12):
            await asyncio.sleep(1)
            if second in (3, 7):
                fake.write(handle, f"late {second}")
        return await waiting

    assert run(main()).state is SUCCEEDED
    assert [line.message for line in heard.lines] == ["late 3", "late 7"]


def test_a_service_that_says_that_there_is_more_is_waited_for_too() -> None:
    fake, heard = new_fake(), Heard()
    read, pages = fake.read_logs, itertools.count()

    def slowly(cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
        """Bring lines only with the tenth page; each before it says that there is more."""
        if next(pages) < 9:
            return [LogPage(native_id=cursor.handle.native_id, more=True) for cursor in cursors]
        return read(cursors)

    fake.read_logs = slowly  # type: ignore[method-assign]

    async def main() -> JobOutcome:
        handle = submitted(fake)
        fake.write(handle, "the last line")
        return await wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard)

    assert run(main()).state is SUCCEEDED
    assert [line.message for line in heard.lines] == ["the last line"]


def test_two_that_wait_for_one_job_hear_every_line_once_each() -> None:
    fake, both = new_fake(), (Heard(), Heard())
    plan = WaitPlan(handle=submitted(fake, **fake_spec(lines=["one", "two", "three"])))

    async def main() -> None:
        groups = groups_on(fake)
        await asyncio.gather(*(wait_for_job(plan, groups, heard) for heard in both))

    run(main())
    assert [[line.message for line in heard.lines] for heard in both] == [["one", "two", "three"]] * 2


def test_a_log_that_never_goes_quiet_is_waited_for_only_within_the_bound() -> None:
    fake = new_fake(late_logs_seconds=20)

    async def main() -> float:
        handle = submitted(fake)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), Heard()))
        while not waiting.done():
            fake.write(handle, "more")
            await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert 20 <= run(main()) <= 40


def test_a_permission_that_stays_revoked_ends_the_wait_after_a_bounded_number_of_tries() -> None:
    fake = new_fake()
    fake.refuse("describe", AccessDenied("no batch.jobs.get", native_code="PERMISSION_DENIED"), times=1_000)
    outcome = follow(fake)
    assert fake.calls["describe"] == PERMANENT_TRIES
    assert outcome.failures[0].kind is FailureKind.CONFIG
    assert "batch.jobs.get" in outcome.failures[0].message
    assert not is_success(outcome)


def test_a_permission_that_comes_back_in_time_costs_nothing() -> None:
    fake = new_fake()
    fake.refuse("describe", AccessDenied("denied"), times=PERMANENT_TRIES - 1)
    assert follow(fake).state is SUCCEEDED


def test_a_job_deleted_behind_our_back_is_lost_after_a_grace_time() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> tuple[JobOutcome, float]:
        handle = submitted(fake)
        fake.play(handle, RUNNING)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        await asyncio.sleep(5)
        fake.forget(handle)
        return await waiting, asyncio.get_running_loop().time()

    outcome, ended = run(main())
    assert outcome.state is JobState.LOST
    assert outcome.failures[0].kind is FailureKind.LOST
    assert LOST_GRACE_SECONDS <= ended - 5 <= LOST_GRACE_SECONDS + 10


def test_a_job_that_reappears_within_the_grace_time_is_not_lost() -> None:
    fake = new_fake()

    async def main() -> JobOutcome:
        handle = submitted(fake)
        job = fake.jobs.pop(handle.native_id)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), Heard()))
        await asyncio.sleep(LOST_GRACE_SECONDS / 2)
        fake.jobs[handle.native_id] = job
        return await waiting

    assert run(main()).state is SUCCEEDED


def test_an_unknown_word_of_the_service_keeps_the_last_state_and_is_told_once() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> JobOutcome:
        handle = submitted(fake)
        fake.move(handle, None)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), heard))
        await asyncio.sleep(20)
        assert not waiting.done()
        fake.play(handle, RUNNING, SUCCEEDED)
        return await waiting

    assert run(main()).state is SUCCEEDED
    assert len([note for note in heard.notes if "NEVER_HEARD" in note]) == 1


def test_states_are_told_once_and_never_go_back() -> None:
    heard = Heard()
    states = [QUEUED, RUNNING, QUEUED, RUNNING, RUNNING, SUCCEEDED]
    follow(new_fake(), heard, spec=fake_spec(states=states))
    told = [note.split(" is ")[1] for note in heard.notes if " is " in note]
    assert told == ["QUEUED", "RUNNING", "SUCCEEDED"]


def test_execution_timeout_cancels_the_job_and_says_so() -> None:
    fake, heard = new_fake(), Heard()
    outcome = follow(fake, heard, spec=fake_spec(states=[RUNNING]), execution_deadline=START.add(seconds=60))
    assert [reason for _, reason in fake.cancelled] == ["execution_timeout"]
    assert outcome.state is JobState.CANCELLED
    failed = with_failure(outcome)
    assert failed.failures[0].kind is FailureKind.TIMEOUT
    assert not is_success(outcome)


def test_after_a_deadline_the_last_lines_are_read_at_once_and_not_at_the_jobs_next_turn() -> None:
    fake, heard = new_fake(quiet_logs_seconds=0, late_logs_seconds=300), Heard()

    async def main() -> float:
        handle = submitted(fake)
        fake.play(handle, RUNNING)
        fake.write(handle, "the last line")
        plan = WaitPlan(handle=handle, poll_seconds=200, execution_deadline=START.add(seconds=60))
        await wait_for_job(plan, groups_on(fake), heard)
        return asyncio.get_running_loop().time()

    assert run(main()) <= 70
    assert [line.message for line in heard.lines] == ["the last line"]


def test_a_cancel_is_asked_again_until_the_service_has_taken_it() -> None:
    fake = new_fake()
    fake.refuse("cancel", UnavailableError("503"), times=3)
    outcome = follow(fake, spec=fake_spec(states=[RUNNING]), execution_deadline=START.add(seconds=60))
    assert fake.calls["cancel"] == 4
    assert outcome.state is JobState.CANCELLED


def test_a_cancel_that_is_never_confirmed_is_told_with_the_console_link() -> None:
    fake, heard = new_fake(), Heard()
    fake.refuse("cancel", UnavailableError("503"), times=1_000)
    follow(fake, heard, spec=fake_spec(states=[RUNNING]), execution_deadline=START.add(seconds=60))
    assert any("may still be running" in told and "https://console" in told for told in heard.warnings)


def test_on_kill_leave_keeps_the_job_running_past_its_deadline() -> None:
    fake = new_fake()
    outcome = follow(
        fake, spec=fake_spec(states=[RUNNING]), execution_deadline=START.add(seconds=60), on_kill="leave"
    )
    assert fake.cancelled == []
    assert "may still be running" in with_failure(outcome).failures[0].message


def test_a_job_that_is_left_running_is_not_waited_for_any_longer() -> None:
    fake, deadline = new_fake(), START.add(seconds=60)

    async def main() -> pendulum.DateTime:
        handle = submitted(fake, **fake_spec(states=[RUNNING], lines=["x"]))
        plan = WaitPlan(handle=handle, execution_deadline=deadline, on_kill="leave")
        await wait_for_job(plan, groups_on(fake), Heard())
        return now()

    assert run(main()) == deadline


def test_queue_timeout_gives_up_on_a_job_that_does_not_start_and_says_why() -> None:
    fake = new_fake()

    async def main() -> JobOutcome:
        handle = submitted(fake)
        fake.move(handle, QUEUED)
        fake.job(handle).reason = "quota CPUS is used up"
        plan = WaitPlan(handle=handle, queue_deadline=START.add(minutes=5))
        return await wait_for_job(plan, groups_on(fake), Heard())

    outcome = run(main())
    failure = with_failure(outcome).failures[0]
    assert outcome.cancelled_for == "queue_timeout"
    assert "quota CPUS is used up" in failure.message
    assert outcome.state is JobState.CANCELLED


def test_a_job_that_started_is_not_touched_by_queue_timeout() -> None:
    fake = new_fake()
    states = [RUNNING] * 60 + [SUCCEEDED]
    outcome = follow(fake, spec=fake_spec(states=states), queue_deadline=START.add(seconds=10))
    assert outcome.state is SUCCEEDED
    assert fake.cancelled == []


@pytest.mark.parametrize(
    ("delete_after", "exit_codes", "is_deleted"),
    [
        ("never", {}, False),
        ("success", {}, True),
        ("success", {0: 1}, False),
        ("always", {0: 1}, True),
        ("always", {}, True),
    ],
)
def test_the_remote_record_is_deleted_as_delete_after_says(
    delete_after: str, exit_codes: dict[int, int], is_deleted: bool
) -> None:
    fake = new_fake()
    follow(fake, spec=fake_spec(exit_codes=exit_codes), delete_after=delete_after)
    assert (fake.jobs == {}) is is_deleted


def test_trouble_with_logs_neither_fails_nor_delays_the_job_beyond_the_bound() -> None:
    fake, heard = new_fake(), Heard()
    fake.refuse("read_logs", UnavailableError("logging is down"), times=1_000)
    assert follow(fake, heard).state is SUCCEEDED
    assert [told for told in heard.warnings if "logging is down" in told]


def test_without_leave_to_read_logs_the_task_ends_at_once() -> None:
    fake, heard = new_fake(), Heard()
    fake.refuse("read_logs", AccessDenied("no logging.logEntries.list"), times=1_000)
    assert follow(fake, heard).state is SUCCEEDED
    assert fake.calls["read_logs"] <= 2


def test_only_chosen_indexes_are_shown() -> None:
    heard = Heard()
    spec = fake_spec(lines=["x"]) | {"array_size": 4}
    follow(new_fake(), heard, spec=spec, log_indexes=(1, 3))
    assert {line.index for line in heard.lines} == {1, 3}


def test_failed_indexes_are_shown_at_the_end() -> None:
    heard = Heard()
    spec = fake_spec(lines=["x"], exit_codes={2: 1}) | {"array_size": 4}
    follow(new_fake(), heard, spec=spec, log_indexes="failed")
    assert heard.lines == []
    assert "[2] x" in heard.notes


def test_who_stops_waiting_cancels_nothing() -> None:
    fake = new_fake()

    async def main() -> None:
        handle = submitted(fake)
        fake.play(handle, RUNNING)
        waiting = asyncio.ensure_future(wait_for_job(WaitPlan(handle=handle), groups_on(fake), Heard()))
        await asyncio.sleep(10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main())
    assert fake.cancelled == []


def test_a_permanent_refusal_that_is_no_permission_is_told_with_its_reason() -> None:
    fake = new_fake()
    fake.refuse("describe", NotFound("no such region: mars"), times=1_000)
    outcome = follow(fake)
    assert "no such region: mars" in outcome.failures[0].message
    assert outcome.failures[0].kind is FailureKind.PLATFORM
