"""Faults of the service: it does what it is asked for, and the answer to one call never arrives."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase as fnmatch
from typing import Any

from tests.faults.bench import Bench
from tests.faults.runs import Run
from tests.faults.tally import Tally, why_lost

DROPPED: Mapping[str, Any] = {"drop_answer": "reset"}
ERROR_AFTER_WORK: Mapping[str, Any] = {"error": {"code": 500}, "after_work": True}


def answer_lost(bench: Bench, fault: str, *, rule: Mapping[str, Any], record: bool) -> Tally:
    """Spoil the answer to one call of the submit path, each of its calls in turn.

    :param rule: how, as a fault rule of the local cloud
    """
    tally = bench.tally(fault)

    def run(number: int) -> Run:
        order = bench.first_try(record=record)
        fault_id = bench.admin.add_fault(method=bench.subject.calls, skip=number, times=1, **rule)
        (told,) = yield (order,)
        bench.admin.call("DELETE", f"/faults/{fault_id}")
        jobs = bench.jobs(order.run)
        tally.count(
            None,
            duplicates=max(0, len(jobs) - 1),
            orphans=sum(job.is_active and job.native_id != told.native_id for job in jobs),
            false_failures=[
                f"call {number + 1} without its answer: {why}"
                for why in why_lost(told, jobs, size=bench.subject.size)
            ],
        )
        bench.witness.forget(order.run)

    # There are so few calls that they are spared only where little else is done.
    numbers = bench.some(range(_calls_of_a_run(bench, record=record)), sparser=0.02)
    # A rule strikes whoever calls: one run at a time.
    bench.stage.play((run(number) for number in numbers), at_once=1)
    return tally


def _calls_of_a_run(bench: Bench, *, record: bool) -> int:
    order = bench.first_try(record=record)
    before = _calls(bench)
    bench.run(order)
    calls = _calls(bench) - before
    bench.witness.forget(order.run)
    return calls


def _calls(bench: Bench) -> int:
    counters = bench.admin.counters()
    return sum(counted["calls"] for name, counted in counters.items() if fnmatch(name, bench.subject.calls))
