"""A budget of calls holds to its rate, and nobody who asks is passed over."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_provider_jobs.core.budget import PATIENCE_SECONDS, CallBudget


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_within_a_minute_go_out_the_rate_and_the_burst_and_no_more(clock: Clock) -> None:
    budget = CallBudget(0.5, burst=4, clock=clock)
    made = 0
    for _ in range(600):
        made += budget.take("a")
        clock.seconds += 0.1
    assert 30 + 4 - 1 <= made <= 30 + 4


def test_what_nobody_takes_is_kept_up_to_the_burst(clock: Clock) -> None:
    budget = CallBudget(1.0, burst=3, clock=clock)
    clock.seconds += 3600
    assert [budget.take("a") for _ in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize("periods", [(2.0, 2.0), (0.1, 2.0), (2.0, 2.0, 0.5)])
def test_those_who_ask_at_unlike_moments_are_served_alike(clock: Clock, periods: tuple[float, ...]) -> None:
    budget = CallBudget(0.4, burst=4, clock=clock)
    served: Counter[int] = Counter()
    due = {user: 0.3 * user for user in range(len(periods))}
    for tick in range(20_000):
        clock.seconds = 100.0 + tick / 10
        for user, period in enumerate(periods):
            if due[user] <= tick / 10:
                served[user] += budget.take(str(user))
                due[user] += period
    assert max(served.values()) - min(served.values()) <= 4
    assert sum(served.values()) >= 0.99 * 0.4 * 2_000


def test_who_wants_many_calls_at_once_leaves_those_for_others_who_wait(clock: Clock) -> None:
    budget = CallBudget(1.0, burst=3, clock=clock)
    assert [budget.take("greedy") for _ in range(3)] == [True] * 3
    assert not budget.take("modest")
    clock.seconds += 2
    assert [budget.take("greedy") for _ in range(3)] == [True, False, False]
    assert budget.take("modest")


def test_nothing_is_kept_for_one_who_does_not_come_again(clock: Clock) -> None:
    budget = CallBudget(0.1, burst=1, clock=clock)
    assert budget.take("a")
    assert not budget.take("gone")
    clock.seconds += PATIENCE_SECONDS
    assert budget.take("a")
