"""Faults of two schedulers: two processes run a task instance at the same time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from tests.faults.bench import Bench, Successor, same_again
from tests.faults.orders import Order, Told
from tests.faults.runs import Resume, Run
from tests.faults.tally import Tally, why_lost

_SEED = 4
_RUNS = 240
_WITHIN_SECONDS = 0.04
_PAIRS_AT_ONCE = 4
_BEFORE, _AFTER = 60, 20


def at_once(bench: Bench, fault: str, *, record: bool) -> Tally:
    """Let two processes run the same try, one some milliseconds after the other."""
    tally = bench.tally(fault)
    chance = random.Random(_SEED)

    def run(after_seconds: float) -> Run:
        first = bench.first_try(record=record)
        both = yield first, replace(same_again(first), after_seconds=after_seconds)
        _judge(bench, tally, first, both, place=None)

    pauses = bench.some([chance.uniform(0, _WITHIN_SECONDS) for _ in range(_RUNS)])
    bench.stage.play((run(seconds) for seconds in pauses), at_once=_PAIRS_AT_ONCE)
    return tally


def one_stops(bench: Bench, fault: str, *, then: Successor, record: bool, sparser: int) -> Tally:
    """Let one process stop at a point while another runs from its beginning to its end, then let it go on.

    The other runs the same try, or the next, as after a worker that was given up and is not dead; who is
    given up has nothing to wait for.

    Around the submission, where it matters most, the points are close to each other.
    """
    tally = bench.tally(fault)
    submission = bench.submission_point(record=record)
    near = bench.some(range(max(1, submission - _BEFORE), submission + _AFTER), sparser=0.5)

    def run(point: int) -> Run:
        first = bench.first_try(record=record, point=point, act="stop")
        (stopped,) = yield (first,)
        successor = then(first)
        (second,) = yield (successor,)
        told = stopped
        if stopped.ending == "stopped":
            (told,) = yield (Resume(first),)
        is_given_up = successor.try_number > first.try_number
        waiting = (second,) if is_given_up else (told, second)
        _judge(bench, tally, first, waiting, place=stopped.place)

    points = {*near, *bench.points(record=record, sparser=sparser)}
    bench.stage.play(run(point) for point in sorted(points))
    return tally


def _judge(bench: Bench, tally: Tally, order: Order, waiting: Sequence[Told], *, place: str | None) -> None:
    """Count a run: one job is active, and all that wait do so for it.

    A job that was cancelled before it had begun is no duplicate where the service names jobs itself, since
    there two that submit at one moment cannot but make two.
    """
    jobs = bench.jobs(order.run)
    twins = sum(not job.is_active for job in jobs) if bench.subject.is_found_in_lists else 0
    waited_for = {told.native_id for told in waiting}
    lost = [reason for told in waiting for reason in why_lost(told, jobs, size=bench.subject.size)]
    if not lost and len(waited_for) > 1:
        lost = [f"the two wait for different jobs: {sorted(map(str, waited_for))}"]
    tally.twins += twins
    tally.count(
        place,
        duplicates=max(0, len(jobs) - 1 - twins),
        orphans=sum(job.is_active and job.native_id not in waited_for for job in jobs),
        lost=lost,
    )
    bench.witness.forget(order.run)
