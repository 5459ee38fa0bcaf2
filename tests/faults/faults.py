"""The faults, by the name that the table gives them, and how thoroughly each is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.faults.bench import Bench, retry_of, same_again
from tests.faults.kill_points import killed, killed_and_listed_late, terminated
from tests.faults.lost_answers import DROPPED, ERROR_AFTER_WORK, answer_lost
from tests.faults.subjects import Subject
from tests.faults.tally import Tally
from tests.faults.two_processes import at_once, one_stops


@dataclass(frozen=True)
class Fault:
    """A fault that is tried on every operator.

    :param name: what is done, as a person would say it
    :param tried: does it, so often as the bench says, and counts what came of it
    :param lists_late: the service's lists are to lag meanwhile, which concerns those that know a job by
        them alone
    """

    name: str
    tried: Callable[..., Tally]
    lists_late: bool = False

    def concerns(self, subject: Subject) -> bool:
        """Whether it can be tried on an operator."""
        return subject.is_found_in_lists or not self.lists_late

    def on(self, bench: Bench) -> Tally:
        """Try it on one operator."""
        return self.tried(bench, self.name)


_WITH_AND_WITHOUT_RECORD: dict[str, Callable[..., Tally]] = {
    "worker killed at a point, same try again": partial(killed, then=same_again, sparser=5),
    "two processes run a try, one stops at a point": partial(one_stops, then=same_again, sparser=5),
    "two processes run a try at once": at_once,
    "an answer lost": partial(answer_lost, rule=DROPPED),
    "a 500 after the work was done": partial(answer_lost, rule=ERROR_AFTER_WORK),
}


def _either_way(*, record: bool) -> list[Fault]:
    """Return the faults that are tried with a task state store, and where there is none."""
    ending = "" if record else ", without record"
    retried = partial(killed, then=retry_of, sparser=1 if record else 2)
    tried = _WITH_AND_WITHOUT_RECORD | {"worker killed at a point, then retried": retried}
    return [Fault(f"{name}{ending}", partial(each, record=record)) for name, each in tried.items()]


FAULTS = [
    *_either_way(record=True),
    *_either_way(record=False),
    Fault(
        "worker stops at a point, is retried and goes on",
        partial(one_stops, then=retry_of, record=True, sparser=5),
    ),
    Fault(
        "worker killed at a point, job succeeded meanwhile",
        partial(killed, then=retry_of, record=True, sparser=10, succeeds=True),
    ),
    Fault("SIGTERM at a point", partial(terminated, sparser=5)),
    Fault("worker killed, new job listed 2 s late", killed_and_listed_late, lists_late=True),
]
