"""What is remembered from try to try, and what a clear forgets."""

from __future__ import annotations

from airflow_provider_jobs.core.failures import FailureKind
from tests.contract.fake import FakeBackend
from tests.engine.test_submission import CLEARED, RETRY, Store, submit


def test_failures_are_counted_by_kind_until_the_task_is_cleared() -> None:
    fake, store = FakeBackend(), Store()
    submit(fake, store)
    assert store.record
    store.save(store.record.counting(FailureKind.PLATFORM).counting(FailureKind.PLATFORM))
    submit(fake, store, RETRY)
    assert store.record.failures == {FailureKind.PLATFORM: 2}
    submit(fake, store, CLEARED)
    assert store.record.failures == {}
