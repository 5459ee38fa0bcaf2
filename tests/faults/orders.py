"""What a process of the harness is told to do, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Act = Literal["kill", "term", "stop"]
Ending = Literal["deferred", "returned", "raised", "died", "stopped"]


@dataclass(frozen=True)
class Order:
    """One try of a task, run in a process of its own.

    :param run: names the task instance; no two runs of a fault share it
    :param ti_id: Airflow's id of the try
    :param store: the file of its task state store; ``None`` for an Airflow without one
    :param point: the number of the point at which to act
    :param act: what the process sends to itself there: KILL, TERM or STOP
    :param after_seconds: how long to wait before the try begins
    :param is_warming: tell which modules were imported meanwhile
    :param is_survey: tell every point that was passed
    """

    run: str
    ti_id: str
    try_number: int = 1
    store: str | None = None
    point: int | None = None
    act: Act = "kill"
    after_seconds: float = 0.0
    is_warming: bool = False
    is_survey: bool = False


@dataclass(frozen=True)
class Told:
    """How a process ended.

    :param native_id: the job that the deferred task waits for
    :param place: the point at which it acted, ``None`` where it was not reached
    :param places: the points that it passed, where that was asked for
    :param error: what it raised
    :param log: the end of what it printed, where it has not deferred
    :param modules: what was imported, where that was asked for
    """

    ending: Ending
    native_id: str | None = None
    place: str | None = None
    places: tuple[str, ...] = ()
    error: str | None = None
    log: str = ""
    modules: tuple[str, ...] = ()
