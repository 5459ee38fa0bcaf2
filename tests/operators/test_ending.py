"""From when on a worker may be woken for a task that another one has deferred."""

from __future__ import annotations

import pendulum
import pytest

from airflow_provider_jobs.operators.ending import wakes_from

BEGAN = pendulum.datetime(2030, 1, 1)


@pytest.mark.parametrize(
    ("worker_seconds", "interval_seconds", "held_seconds"),
    [(1, 5, 8), (12, 5, 17), (600, 5, 35), (1, 20, 21)],
    ids=["idle", "busy", "waited for the service", "heartbeats are rare"],
)
def test_no_worker_is_woken_before_the_scheduler_can_know_that_the_first_one_has_ended(
    monkeypatch: pytest.MonkeyPatch, worker_seconds: int, interval_seconds: int, held_seconds: int
) -> None:
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", str(interval_seconds))
    deferred = BEGAN.add(seconds=worker_seconds)
    assert wakes_from(BEGAN, deferred) == deferred.add(seconds=held_seconds)
