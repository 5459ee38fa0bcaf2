"""Kills the processes of a real Airflow under load at random moments, and counts what became of the jobs."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from tests.faults.chaos_load import Deployment, Load, LoadRun, deployment
from tests.faults.rows import Row
from tests.postgres import temporary_database

Victim = Literal["worker", "triggerer", "scheduler"]
FROM_TRIGGERER = 2
VICTIMS: tuple[Victim, ...] = ("worker", "triggerer", "scheduler")

# That the dead are noticed within seconds: by default it takes Airflow minutes.
SETTINGS = {
    "scheduler": {
        "scheduler_heartbeat_sec": 2,
        "scheduler_health_check_threshold": 10,
        "orphaned_tasks_check_interval": 5,
        "task_instance_heartbeat_timeout": 20,
        "task_instance_heartbeat_timeout_detection_interval": 3,
    },
    "triggerer": {"job_heartbeat_sec": 1, "triggerer_health_check_threshold": 6},
}
# Seconds to the next kill: what was started again has time to take its work up.
_PAUSES: dict[Victim, tuple[float, float]] = {
    "worker": (1.0, 5.0),
    "triggerer": (12.0, 20.0),
    "scheduler": (12.0, 20.0),
}
# How often each is killed in a round of all. A deployment has many workers.
_SHARES: dict[Victim, int] = {"worker": 3, "triggerer": 1, "scheduler": 1}


class Killer:
    """Kills one process after another for a while.

    Which and when follows from the seed, and from what is running.
    """

    def __init__(
        self, airflow: LocalAirflow, victims: Sequence[Victim], *, seed: int, for_seconds: float
    ) -> None:
        self._airflow = airflow
        self._victims = [victim for victim in victims for _ in range(_SHARES[victim])]
        self._random = random.Random(seed)
        self._bag: list[Victim] = []
        self._next_at = time.monotonic()
        self._last_at = time.monotonic() + for_seconds
        self._victim = self._choose()
        self.kills: Counter[Victim] = Counter()

    def strike_if_due(self) -> None:
        """Kill the next victim if its time has come and there is one."""
        if self._next_at <= time.monotonic() < self._last_at and self._kill(self._victim):
            self.kills[self._victim] += 1
            self._next_at = time.monotonic() + self._random.uniform(*_PAUSES[self._victim])
            self._victim = self._choose()

    def _choose(self) -> Victim:
        if not self._bag:
            self._bag = self._random.sample(self._victims, len(self._victims))
        return self._bag.pop()

    def _kill(self, victim: Victim) -> bool:
        if victim == "worker":
            return self._kill_worker()
        self._airflow.kill_component(victim)
        self._airflow.start_component(victim)
        return True

    def _kill_worker(self) -> bool:
        """Kill a worker with its task, the task alone, or the worker alone, whose task runs on unheard."""
        tasks = self._airflow.running_tasks()
        if not tasks:
            return False
        task = self._random.choice(tasks)
        for pid in self._random.choice(((task.worker, task.runner), (task.runner,), (task.worker,))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True


def run(
    *,
    count: int = 12,
    seed: int = 1,
    strike_seconds: float = 90.0,
    told: Callable[[str], None] = print,
) -> list[Row]:
    """Start a real Airflow and kill its workers, its triggerer, its scheduler, then all three, under load.

    Needs PostgreSQL, see :func:`tests.postgres.temporary_database`.

    :param count: tasks on each of the five services that a worker begins, for each kind of victim; two more
        begin in the triggerer
    :param seed: what the choice of victims and moments follows from
    :param strike_seconds: how long the kills of a kind go on, unless all tasks have ended before
    :param told: is given a sentence for each kind
    """
    rounds: list[Sequence[Victim]] = [[victim] for victim in VICTIMS]
    with temporary_database() as database, deployment(database, SETTINGS) as place:
        return [
            row
            for number, victims in enumerate([*rounds, VICTIMS])
            for row in strike(
                place, victims, count=count, seed=seed + number, strike_seconds=strike_seconds, told=told
            )
        ]


def strike(
    place: Deployment,
    victims: Sequence[Victim],
    *,
    count: int,
    seed: int,
    strike_seconds: float,
    end_seconds: float = 600.0,
    told: Callable[[str], None] = print,
) -> list[Row]:
    """Run the load once while its victims are killed, and count.

    :param end_seconds: how long the tasks may take to end after the kills; those that do not are lost
    """
    what = Load(
        "faults_load", count, from_triggerer=FROM_TRIGGERER, lines=6, fail_first=tuple(range(1, count, 5))
    )
    load = LoadRun(place, what)
    killer = Killer(place.airflow, victims, seed=seed, for_seconds=strike_seconds)
    load.follow(killer.strike_if_due, within_seconds=strike_seconds + end_seconds)
    fault = f"{', '.join(victims)} killed at random"
    kills = ", ".join(f"{victim} {times} times" for victim, times in killer.kills.items())
    told(f"{fault}: {load.seconds:.0f} s, {kills or 'no kill'}")
    return load.rows(fault)
