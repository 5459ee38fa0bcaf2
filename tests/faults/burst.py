"""Many jobs that end the moment they begin: none of their tasks may be taken for lost by the scheduler."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.chaos_load import BACKENDS, Deployment, Load, LoadRun, deployment
from tests.faults.rows import Row
from tests.postgres import temporary_database

FAULT = "jobs that end at once"


def run(*, count: int = 300, told: Callable[[str], None] = print) -> list[Row]:
    """Start a real Airflow and let so many jobs end at once. Needs PostgreSQL.

    :param count: of all jobs, a multiple of five
    :param told: is given one sentence, with the time that it took
    """
    with temporary_database() as database, deployment(database) as place:
        return burst(place, count=count, told=told)


def burst(
    place: Deployment, *, count: int, end_seconds: float = 900.0, told: Callable[[str], None] = print
) -> list[Row]:
    """Run the jobs, spread over the five services, and count; workers submit them, and their tasks defer.

    :param end_seconds: how long it may take; tasks that have not ended then are lost
    """
    load = LoadRun(place, Load("faults_burst", count // len(BACKENDS)))
    load.follow(within_seconds=end_seconds)
    told(f"{FAULT}: {count} tasks, {load.seconds:.0f} s")
    return load.rows(FAULT)
