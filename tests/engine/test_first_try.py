"""The very first try submits with no look before, where Airflow keeps a record; and what can come of that."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.core.errors import InvalidRequest
from airflow_provider_jobs.engine.submission import Submission
from tests.contract.fake import FakeBackend
from tests.engine.test_submission import FIRST, RETRY, RUN_AGAIN, Store, running, submit


def test_the_first_try_is_one_call_where_there_is_a_record() -> None:
    fake = FakeBackend()
    calls: list[str] = []
    fake.before = calls.append
    submit(fake, Store())
    assert calls == ["submit"]


def test_what_died_before_its_record_is_followed_by_the_next_try() -> None:
    fake, store = FakeBackend(), Store()
    running(fake, submit(fake, store))
    store.record = None
    assert submit(fake, store, RETRY).adopted
    assert len(fake.jobs) == 1


def test_what_died_beside_a_job_of_a_deleted_run_is_not_taken_for_that_job() -> None:
    fake, store = FakeBackend(), Store()
    running(fake, submit(fake, Store(), RUN_AGAIN))
    store.announce(FIRST.owner)
    submission = submit(fake, store, RETRY)
    assert (submission.adopted, submission.attempt) == (False, 2)
    assert len(fake.cancelled) == 1


def test_a_first_try_that_stood_still_until_it_was_tried_again_changes_nothing() -> None:
    fake, store = FakeBackend(), Store()
    retried: list[Submission] = []

    def meanwhile(method: str) -> None:
        if method == "submit" and not retried:
            fake.before = lambda method: None
            retried.append(submit(fake, store, RETRY))

    fake.before = meanwhile
    assert submit(fake, store).handle == retried[0].handle
    assert store.record
    assert store.record.handle == retried[0].handle
    assert (len(fake.jobs), fake.cancelled) == (1, [])


def test_a_first_try_that_is_refused_leaves_a_record_to_count_its_failure_in() -> None:
    fake, store = FakeBackend(), Store()
    fake.refuse("submit", InvalidRequest("no such image"))
    with pytest.raises(InvalidRequest):
        submit(fake, store)
    assert store.record
    assert store.record.phase == "intent"
