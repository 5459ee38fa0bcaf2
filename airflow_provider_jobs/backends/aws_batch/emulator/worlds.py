"""Every account and region there is: each a world of its own that knows nothing of the others.

It exists because one port serves them all. A world comes into being, furnished, when it is first named. It
must not answer requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_jobs.backends.aws_batch.emulator.names import Place, split_id
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind
from airflow_provider_jobs.backends.aws_batch.emulator.resources import JobQueue, Shelf, furnished
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.jobtable import JobTable

DIALECT = "aws_batch"


@dataclass(eq=False)
class World:
    """What one account has in one region. Jobs by their id, oldest first."""

    place: Place
    shelf: Shelf
    table: JobTable
    records: dict[str, JobRecord] = field(default_factory=dict)

    def job(self, job_id: str) -> JobRecord | None:
        """The job that an id names, or that it names a child of; None when there is none (any more)."""
        base, index = split_id(job_id)
        record = self.records.get(base)
        if record is None or self.table.by_uid(base) is not record.job:
            self.records.pop(base, None)
            return None
        wrong_form = job_id != base and (record.separator not in job_id or record.kind is Kind.SINGLE)
        return None if wrong_form or not (index is None or 0 <= index < record.size) else record

    def listed(self, queue: JobQueue, *, status: str = "", name: str = "") -> Sequence[Job]:
        """The jobs of a queue, the oldest first: all, those of a status, or those of a name in any case."""
        return self.table.listed(DIALECT, (queue, status, name.lower()))

    def relist(self, record: JobRecord) -> None:
        """Have the job in the lists of its present status; to be called whenever that may have changed."""
        self.table.relist(record.job, lists_of(record, record.status))


def lists_of(record: JobRecord, status: str) -> tuple[tuple[JobQueue, str, str], ...]:
    """What a job of this status is listed under."""
    queue = record.queue
    return (queue, "", ""), (queue, status, ""), (queue, "", record.name.lower())


class Worlds:
    """Worlds by account and region."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._worlds: dict[Place, World] = {}

    def of(self, caller: Caller) -> World:
        return self.at(Place.of(caller))

    def at(self, place: Place) -> World:
        """The world of this place, made when it is named for the first time."""
        if place not in self._worlds:
            self._worlds[place] = World(place, furnished(place.arn), self._table)
        return self._worlds[place]

    def all(self) -> list[World]:
        return list(self._worlds.values())

    def clear(self) -> None:
        self._worlds.clear()
