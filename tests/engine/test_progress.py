"""What a job says of its progress reaches who listens, as the progress of the whole job."""

from __future__ import annotations

import pendulum
import pytest

from airflow_provider_jobs.core.models import JobOutcome, LogLine
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.story import JobStory
from airflow_provider_jobs.engine.waiting import wait_for_job
from tests.engine.clockwork import Heard, groups_on, new_fake, run, submitted
from tests.engine.test_waiting import QUEUED, SUCCEEDED, fake_spec


def says(index: int, text: str) -> LogLine:
    return LogLine(timestamp=pendulum.datetime(2030, 1, 1), message=f"::airflow::{text}", index=index)


def heard_of(size: int, *lines: LogLine) -> Heard:
    heard = Heard()
    JobStory(heard, "none", size=size).take(lines)
    return heard


def test_an_index_that_has_not_reported_counts_as_not_begun() -> None:
    heard = heard_of(4, says(1, '{"progress": 0.5}'), says(2, '{"progress": 1.0, "message": "done"}'))
    last = heard.progresses[-1]
    assert (last.fraction, last.reported) == (0.375, 2)
    assert (last.index, last.index_fraction, last.message) == (2, 1.0, "done")


def test_an_index_that_reports_again_counts_once() -> None:
    steps = [says(0, f'{{"progress": {step / 10}}}') for step in range(11)]
    heard = heard_of(2, *steps)
    assert [round(each.fraction or 0, 3) for each in heard.progresses] == [step / 20 for step in range(11)]
    assert heard.progresses[-1].reported == 1


@pytest.mark.parametrize("size", [1, 7])
def test_many_small_steps_never_leave_the_range(size: int) -> None:
    steps = [
        says(index, f'{{"progress": {part}}}')
        for _ in range(50)
        for index in range(size)
        for part in (0.1, 0.7, 1.0, 0.0, 1.0)
    ]
    assert all(0 <= (each.fraction or 0) <= 1 for each in heard_of(size, *steps).progresses)


def test_why_a_job_waits_is_told_until_it_has_started() -> None:
    fake, heard = new_fake(), Heard()

    async def main() -> JobOutcome:
        handle = submitted(fake, **fake_spec())
        fake.play(handle, *[QUEUED] * 60, SUCCEEDED)
        fake.job(handle).reason = "quota CPUS is used up"
        plan = WaitPlan(handle=handle, explain_after_seconds=30)
        return await wait_for_job(plan, groups_on(fake), heard)

    assert run(main()).state is SUCCEEDED
    assert [each.waits_for for each in heard.progresses] == ["quota CPUS is used up", None]
