"""Trouble of a service is not trouble of a job: no wait ends for it, and the service is asked ever less."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_jobs.core.errors import (
    AmbiguousError,
    CredentialsExpired,
    JobsError,
    ThrottledError,
    UnavailableError,
)
from airflow_provider_jobs.core.models import JobOutcome
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.pacing import Pacing
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.poller import EXPIRED_SECONDS
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.contract.fake import FakeBackend
from tests.engine.clockwork import STEADY, Heard, Inline, groups_on, new_fake, now, run, submitted

OUTAGE_SECONDS = 600.0
LONGEST_INTERVAL_SECONDS = Pacing().ceiling_seconds

TROUBLE = [
    pytest.param(UnavailableError("503"), id="503"),
    pytest.param(ThrottledError("429"), id="429"),
    pytest.param(ThrottledError("429", retry_after_seconds=20), id="429 with Retry-After"),
    pytest.param(AmbiguousError("connection reset"), id="reset"),
    pytest.param(UnavailableError("name or service not known"), id="DNS"),
    pytest.param(CredentialsExpired("the token has expired"), id="expired credentials"),
]


def strike(fake: FakeBackend, error: JobsError, *, seconds: float) -> None:
    """Let every call fail until so many seconds have passed."""

    def raise_until_then(method: str) -> None:
        if asyncio.get_running_loop().time() < seconds:
            fake.calls[method] += 1
            raise error

    fake.before = raise_until_then


def follow(
    fake: FakeBackend, heard: Heard, error: JobsError, *, seconds: float = OUTAGE_SECONDS
) -> tuple[JobOutcome, float]:
    """Wait for a job through an outage; return how it ended, and when."""

    async def main() -> tuple[JobOutcome, float]:
        handle = submitted(fake)
        fake.play(handle, JobState.SUCCEEDED)
        strike(fake, error, seconds=seconds)
        outcome = await wait_for_job(WaitPlan(handle=handle, log_indexes="none"), groups_on(fake), heard)
        return outcome, asyncio.get_running_loop().time()

    return run(main())


@pytest.mark.parametrize("error", TROUBLE)
def test_ten_minutes_of_trouble_fail_no_task(error: JobsError) -> None:
    outcome, _ = follow(new_fake(), Heard(), error)
    assert outcome.state is JobState.SUCCEEDED


@pytest.mark.parametrize("error", TROUBLE)
def test_the_service_is_asked_rarely_in_an_outage_and_soon_after_it(error: JobsError) -> None:
    fake = new_fake(late_logs_seconds=0, quiet_logs_seconds=0)
    _, ended = follow(fake, Heard(), error)
    assert fake.calls["describe"] <= OUTAGE_SECONDS / 20 + 6
    assert ended <= OUTAGE_SECONDS + LONGEST_INTERVAL_SECONDS


def test_the_tasks_log_tells_of_an_outage_once_and_of_its_end() -> None:
    heard = Heard()
    follow(new_fake(), heard, UnavailableError("503"))
    assert [told for told in heard.warnings if "503" in told] == [
        "The service cannot be asked now, which says nothing about the job: 503"
    ]
    assert heard.notes.count("The service answers again") == 1


def test_credentials_that_stay_expired_end_the_wait_in_the_end() -> None:
    outcome, ended = follow(
        new_fake(), Heard(), CredentialsExpired("the token has expired"), seconds=10 * EXPIRED_SECONDS
    )
    assert "can no longer be followed" in outcome.failures[0].message
    assert EXPIRED_SECONDS <= ended <= EXPIRED_SECONDS + 10 * LONGEST_INTERVAL_SECONDS


def test_renewed_credentials_are_read_from_the_connection() -> None:
    expired, renewed = new_fake(), new_fake()
    expired.refuse("describe", CredentialsExpired("the token has expired"), times=1000)

    async def main() -> JobOutcome:
        handle = submitted(renewed)
        opened = iter([expired])
        groups = PollGroups(lambda ref: next(opened, renewed), now=now, pacing=STEADY, executor=Inline())
        return await wait_for_job(WaitPlan(handle=handle), groups, Heard())

    assert run(main()).state is JobState.SUCCEEDED
