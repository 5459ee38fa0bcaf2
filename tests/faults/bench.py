"""One operator under fault: its processes, its service, and names for its runs."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_jobs.emulator.process import Admin
from tests.faults.orders import Order, Told
from tests.faults.runs import Run, Stage
from tests.faults.subjects import Subject
from tests.faults.tally import Tally
from tests.faults.witness import CloudJob, Witness
from tests.faults.zygotes import Session

#: From a try to the one that comes after it.
Successor = Callable[[Order], Order]
# Jobs of runs that are named so do not start; the others do.
HELD = "held"
FREE = "free"
T = TypeVar("T")
_RUN_NUMBERS = itertools.count(1)


@dataclass
class Bench:
    """Where the faults of one operator are tried.

    :param every: of the distinct points of the submit path, every so many-th is struck
    :param directory: for task state stores
    """

    subject: Subject
    session: Session
    stage: Stage
    witness: Witness
    admin: Admin
    directory: Path
    every: int = 1
    _surveys: dict[bool, Sequence[str]] = field(default_factory=dict)
    _submission: tuple[bool, int] | None = None

    def warm(self) -> None:
        """Spend the time that a first run costs."""
        order = self.first_try()
        self._checked(self.session.warm(order))
        self.witness.forget(order.run)

    def tally(self, fault: str) -> Tally:
        """Return an empty tally of a fault on this operator."""
        return Tally(fault, self.subject.name)

    def first_try(self, *, record: bool = True, is_held: bool | None = None, **values: Any) -> Order:
        """Return the first try of a task instance that nobody has run yet.

        :param record: whether its Airflow has a task state store
        :param is_held: whether its job is not to start; as the operator bears it where not given
        :param values: further ones of the order
        """
        if is_held is None:
            is_held = not self.subject.ends_before_a_retry
        run = f"{HELD if is_held else FREE}-{next(_RUN_NUMBERS)}"
        store = str(self.directory / run) if record else None
        return Order(run, ti_id=str(uuid.uuid4()), store=store, **values)

    def jobs(self, run: str) -> list[CloudJob]:
        """Return the jobs of a run."""
        return self.witness.jobs(run)

    def places(self, *, record: bool) -> Sequence[str]:
        """Return all points of the submit path, in their order, as a run without a fault passes them."""
        if record not in self._surveys:
            order = self.first_try(record=record, is_survey=True)
            self._surveys[record] = self._checked(self.run(order)).places
            self.witness.forget(order.run)
        return self._surveys[record]

    def run(self, order: Order) -> Told:
        """Run one try to its end, with nothing beside it."""
        ended: list[Told] = []

        def alone() -> Run:
            ended.extend((yield (order,)))

        self.stage.play([alone()])
        return ended[0]

    def _checked(self, told: Told) -> Told:
        if told.ending != "deferred":
            raise RuntimeError(f"{self.subject.name} {told.ending} without a fault: {told.error}\n{told.log}")
        return told

    def points(self, *, record: bool, sparser: int = 1) -> Sequence[int]:
        """Return the numbers of the points to strike.

        Every line, call and return counts twice: where it is first passed, and where it is last.

        :param sparser: strike so many times fewer than ``every`` says
        """
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for number, place in enumerate(self.places(record=record), start=1):
            first.setdefault(place, number)
            last[place] = number
        return self.some(sorted({*first.values(), *last.values()}), sparser=sparser)

    def some(self, things: Sequence[T], *, sparser: float = 1) -> Sequence[T]:
        """Return so many of the things as ``every`` says, evenly spread; at least one."""
        step = min(max(1, round(self.every * sparser)), len(things))
        return things[step // 2 :: step] if things else things

    def submission_point(self, *, record: bool) -> int:
        """Return the number of the first point at which the job is there."""
        if self._submission is None:
            self._submission = (record, self._search_submission(record=record))
        searched, number = self._submission
        if searched == record:
            return number
        # With a record and without, the place is the same, and about as far from the beginning.
        place, places = self.places(record=searched)[number - 1], self.places(record=record)
        same = [each for each, passed in enumerate(places, start=1) if passed == place]
        return min(same, key=lambda each: abs(each - number))

    def _search_submission(self, *, record: bool) -> int:
        before, after = 1, len(self.places(record=record))
        while after - before > 1:
            middle = (before + after) // 2
            order = self.first_try(record=record, point=middle)
            self.run(order)
            before, after = (before, middle) if self.jobs(order.run) else (middle, after)
            self.witness.forget(order.run)
        return after


def retry_of(order: Order) -> Order:
    """Return what Airflow runs after a try whose worker has died: the next, with an id of its own."""
    return Order(order.run, ti_id=str(uuid.uuid4()), try_number=order.try_number + 1, store=order.store)


def same_again(order: Order) -> Order:
    """Return the same try once more, as a second scheduler would begin it."""
    return Order(order.run, ti_id=order.ti_id, try_number=order.try_number, store=order.store)
