"""Faults of one task instance: its worker is struck at a point of the submit path, and Airflow goes on."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.bench import Bench, Successor, retry_of
from tests.faults.orders import Order
from tests.faults.runs import Run
from tests.faults.tally import Tally, why_lost

_BEFORE, _AFTER, _FARTHEST = 10, 80, 20
_LATE_POINTS = 80
# So few that every retry begins before its service lists the job.
_LATE_AT_ONCE = 4


def killed(
    bench: Bench, fault: str, *, then: Successor, record: bool, sparser: int, succeeds: bool = False
) -> Tally:
    """Kill the worker at a point; then the next try comes, or the same one again.

    :param succeeds: whether the job, if there is one, succeeds in between
    """
    tally = bench.tally(fault)
    is_held = not (succeeds or bench.subject.ends_before_a_retry)
    near = _around_the_submission(bench, record=record, sparser=sparser)
    points = {*near, *bench.points(record=record, sparser=sparser)}
    orders = (bench.first_try(record=record, is_held=is_held, point=point) for point in sorted(points))
    bench.stage.play(_kill(bench, tally, order, then=then, is_held=is_held) for order in orders)
    return tally


def killed_and_listed_late(bench: Bench, fault: str) -> Tally:
    """Kill the worker around its submission; the next try comes before the job is in the service's lists."""
    tally = bench.tally(fault)
    orders = (bench.first_try(point=point) for point in _after_the_submission(bench))
    runs = (_kill(bench, tally, order, then=retry_of, is_held=True) for order in orders)
    bench.stage.play(runs, at_once=_LATE_AT_ONCE)
    return tally


def terminated(bench: Bench, fault: str, *, sparser: int) -> Tally:
    """Send SIGTERM to the worker at a point: its task was ended by a user, and nothing is to run on."""
    tally = bench.tally(fault)

    def run(point: int) -> Run:
        order = bench.first_try(is_held=True, point=point, act="term")
        (told,) = yield (order,)
        jobs = bench.jobs(order.run)
        tally.count(
            told.place,
            duplicates=max(0, len(jobs) - 1),
            orphans=sum(job.is_active for job in jobs),
            lost=[f"it died of {told.error}\n{told.log}"] if told.ending == "died" else (),
        )
        bench.witness.forget(order.run)

    bench.stage.play(run(point) for point in bench.points(record=True, sparser=sparser))
    return tally


def _kill(bench: Bench, tally: Tally, order: Order, *, then: Successor, is_held: bool) -> Run:
    """Let a try strike itself, and the one that comes after it run to its end; count.

    :param is_held: whether its job does not start; it has ended before the next try begins otherwise
    """
    (died,) = yield (order,)
    left = bench.jobs(order.run) if is_held else bench.witness.jobs_at_rest(order.run)
    (successor,) = yield (then(order),)
    jobs = bench.jobs(order.run)
    created = {job.identity for job in (*left, *jobs)}
    tally.count(
        died.place,
        duplicates=max(0, len(created) - 1),
        orphans=sum(job.is_active and job.native_id != successor.native_id for job in jobs),
        lost=why_lost(successor, jobs, size=bench.subject.size),
    )
    bench.witness.forget(order.run)


def _around_the_submission(bench: Bench, *, record: bool, sparser: int) -> Sequence[int]:
    """Return points where it matters most: from shortly before the job is there to some time after."""
    first = bench.submission_point(record=record)
    return range(max(1, first - _BEFORE), first + _AFTER, min(bench.every, _FARTHEST) * sparser)


def _after_the_submission(bench: Bench) -> list[int]:
    """Return points from shortly before the job is there to the end, close to each other at the beginning."""
    first, last = bench.submission_point(record=True), len(bench.places(record=True))
    near = range(first - 2, first + _LATE_POINTS // 2 - 2)
    far = range(near.stop, last, max(1, (last - near.stop) // (_LATE_POINTS // 2)))
    return [*bench.some(near), *bench.some(far)]
