"""A job whose machine was taken away is followed by another within the same try."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_jobs.core.states import JobState
from tests.contract.fake import FakeBackend
from tests.engine.test_submission import FIRST, RETRY, Store, running, store, submit

__all__ = ["store"]


class TestPreemptions:
    def test_a_try_submits_another_job_after_a_preemption(self, store: Store | None) -> None:
        fake = FakeBackend()
        claim = replace(FIRST, jobs_per_try=3)
        first = submit(fake, store, claim)
        fake.move(first.handle, JobState.FAILED)
        if store:
            store.end()
        again = replace(claim, resubmission=1)
        second, twice = submit(fake, store, again), submit(fake, store, again)
        assert second.handle.name != first.handle.name
        assert twice.handle == second.handle
        assert second.attempt == 2

    def test_a_retry_takes_over_the_job_that_came_after_a_preemption(self, store: Store | None) -> None:
        fake = FakeBackend()
        claim = replace(FIRST, jobs_per_try=3)
        fake.move(submit(fake, store, claim).handle, JobState.FAILED)
        if store:
            store.end()
        second = submit(fake, store, replace(claim, resubmission=1))
        running(fake, second)
        assert submit(fake, store, replace(RETRY, jobs_per_try=3)).handle == second.handle
