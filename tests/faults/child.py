"""What a forked process does: run the real submit path of one operator, and act on itself at one point.

It must not return to the code that forked it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tests.faults.orders import Order, Told
from tests.faults.points import Points
from tests.faults.subjects import Subject
from tests.faults.task import FileStore, TaskInstance, make_context

# A process that hangs is ended by the kernel, whatever it waits for.
PATIENCE_SECONDS = 90
_SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}


def run(subject: Subject, order: Order, *, told: IO[bytes], log: IO[bytes]) -> None:
    """Run one try of a task to its end, or to the point at which it is struck; then end the process.

    :param told: takes what there is to tell, the place of the act first
    :param log: takes all that is printed
    """
    # In a process group of its own the kernel ends it when its parent dies, even where it has stopped itself.
    os.setpgid(0, 0)
    signal.alarm(PATIENCE_SECONDS)
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    ending = Told("raised", error="the try has not begun")
    try:
        ending = _run(subject, order, tell=lambda part: _write(told, part))
    except BaseException as error:  # noqa: BLE001 - told, whatever it is
        ending = Told("raised", error=f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        _write(told, dataclasses.asdict(ending))
        os._exit(0)


def _run(subject: Subject, order: Order, *, tell: Callable[[dict[str, Any]], None]) -> Told:
    from airflow.sdk.exceptions import TaskDeferred

    before = set(sys.modules) if order.is_warming else set()
    operator = subject.make_operator(order.run)
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())  # as Airflow's task runner does
    ti = TaskInstance(order.run, order.ti_id, order.try_number)
    context = make_context(ti, operator, FileStore(Path(order.store)) if order.store else None)

    def act(place: str) -> None:
        tell({"place": place})
        os.kill(os.getpid(), _SIGNALS[order.act])

    places: list[str] | None = [] if order.is_survey else None
    points = Points(subject.roots(), at=order.point, act=act, passed=places)
    time.sleep(order.after_seconds)
    native_id = None
    try:
        with points.watched():
            operator.execute(context)
    except TaskDeferred as deferred:
        native_id = subject.waits_for(operator, deferred.trigger)
    modules = tuple(sorted(set(sys.modules) - before)) if order.is_warming else ()
    ending = "returned" if native_id is None else "deferred"
    return Told(ending, native_id, places=tuple(places or ()), modules=modules)  # type: ignore[arg-type]


def _write(told: IO[bytes], part: dict[str, Any]) -> None:
    """Tell something at once: the next line may be the last thing that this process does."""
    known = {name: value for name, value in part.items() if value is not None}
    os.write(told.fileno(), json.dumps(known).encode() + b"\n")
