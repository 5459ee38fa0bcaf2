"""A cancel is asked for until it is taken, and looked after until it is done, from anywhere."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from airflow_provider_jobs.core.errors import AccessDenied, AmbiguousError, UnavailableError
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine import cancelling
from airflow_provider_jobs.engine.calls import BackendCalls
from airflow_provider_jobs.engine.cancelling import CancelNotConfirmed
from tests.engine.clockwork import Inline, new_fake, run, submitted

cancel_job_now = partial(cancelling.cancel_job_now, look_seconds=0.01)


def test_a_cancel_ends_the_job() -> None:
    fake = new_fake()
    report = cancel_job_now(lambda ref: fake, submitted(fake), "why")
    assert report.state is JobState.CANCELLED
    assert [reason for _, reason in fake.cancelled] == ["why"]


def test_a_job_that_is_gone_needs_no_cancel() -> None:
    fake = new_fake()
    handle = submitted(fake)
    fake.forget(handle)
    assert cancel_job_now(lambda ref: fake, handle, "why").found is False


@pytest.mark.parametrize("error", [UnavailableError("503"), AmbiguousError("connection reset")])
def test_a_cancel_that_meets_trouble_is_sent_again(error: Exception) -> None:
    fake = new_fake()
    fake.refuse("cancel", error)
    assert cancel_job_now(lambda ref: fake, submitted(fake), "why").state is JobState.CANCELLED
    assert fake.calls["cancel"] == 2


def test_a_cancel_that_is_refused_is_told_at_once() -> None:
    fake = new_fake()
    fake.refuse("cancel", AccessDenied("no batch.jobs.cancel"), times=100)
    with pytest.raises(CancelNotConfirmed, match=r"may still be running.*no batch.jobs.cancel"):
        cancel_job_now(lambda ref: fake, submitted(fake), "why")
    assert fake.calls["cancel"] == 1


def test_a_cancel_can_be_asked_for_while_a_loop_runs_in_the_same_thread() -> None:
    fake = new_fake()

    async def main() -> JobState | None:
        return cancel_job_now(lambda ref: fake, submitted(fake), "why").state

    assert asyncio.run(main()) is JobState.CANCELLED


def test_a_cancel_that_shows_nothing_is_asked_for_again() -> None:
    fake = new_fake()

    async def main() -> JobState | None:
        handle = submitted(fake)

        def forget_the_first(method: str) -> None:
            if method == "describe" and len(fake.cancelled) == 1:
                fake.play(handle, JobState.RUNNING)
                fake.job(handle).cancelling = False

        fake.before = forget_the_first
        calls = BackendCalls(handle.ref, lambda ref: fake, executor=Inline())
        return (await cancelling.cancel_job(calls, handle, "why")).state

    assert run(main()) is JobState.CANCELLED
    assert len(fake.cancelled) == 2


def test_a_cancel_that_is_not_confirmed_in_time_is_told_with_what_a_person_can_type() -> None:
    fake = new_fake()
    fake.refuse("cancel", UnavailableError("503"), times=100_000)

    async def main() -> None:
        handle = submitted(fake)
        calls = BackendCalls(handle.ref, lambda ref: fake, executor=Inline())
        await cancelling.cancel_job(calls, handle, "why")

    with pytest.raises(CancelNotConfirmed, match=r"503.*Stop it by hand: cloud stop p/d-t-"):
        run(main())
