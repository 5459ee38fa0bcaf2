"""Runs of a fault, side by side: each says what to start next and is sent what came of it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

from tests.faults.orders import Order, Told
from tests.faults.zygotes import Session

# Many a run waits for what its service may not show yet; others can go on meanwhile.
AT_ONCE = 8


@dataclass(frozen=True)
class Resume:
    """Let the process of an order that has stopped itself go on, and wait for it."""

    order: Order


#: Yields processes to run side by side, and is sent what they told when each has ended or stopped itself.
Run = Generator[tuple["Order | Resume", ...], tuple[Told, ...], None]


@dataclass
class _Step:
    """The processes that a run waits for now."""

    run: Run
    asked: tuple[Order | Resume, ...]
    told: dict[Order, Told] = field(default_factory=dict)

    @property
    def answer(self) -> tuple[Told, ...] | None:
        """What all of them told, once they have."""
        orders = [each.order if isinstance(each, Resume) else each for each in self.asked]
        return tuple(self.told[order] for order in orders) if len(self.told) == len(orders) else None


class Stage:
    """Drives runs with the processes of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: dict[int, tuple[_Step, Order]] = {}
        self._stopped: dict[Order, int] = {}

    def play(self, runs: Iterable[Run], *, at_once: int = AT_ONCE) -> None:
        """Bring all runs to their end.

        :param at_once: how many may be under way at one time
        """
        to_come = iter(runs)
        under_way = 0
        while True:
            while under_way < at_once and (run := next(to_come, None)) is not None:
                under_way += self._go_on(run, None)
            if not under_way:
                return
            pid, told = self._session.wait()
            if pid not in self._waiting:
                raise RuntimeError(f"process {pid}, which had stopped, {told.ending} of {told.error}")
            step, order = self._waiting.pop(pid)
            step.told[order] = told
            if told.ending == "stopped":
                self._stopped[order] = pid
            if step.answer is not None:
                under_way -= not self._go_on(step.run, step.answer)

    def _go_on(self, run: Run, answer: tuple[Told, ...] | None) -> bool:
        """Send a run what it waited for and start what it asks for next; ``False`` where it has ended."""
        try:
            asked = run.send(answer) if answer is not None else next(run)
        except StopIteration:
            return False
        step = _Step(run, asked)
        for each in asked:
            if isinstance(each, Resume):
                order, pid = each.order, self._stopped.pop(each.order)
                self._session.resume(pid)
            else:
                order, pid = each, self._session.start(each)
            self._waiting[pid] = (step, order)
        return True
