"""Every account and region there is: each a world of its own that knows nothing of the others.

It exists because one port serves them all. A world comes into being, furnished, when it is first named. It
must not answer requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_jobs.backends.aws_batch.emulator.names import Place, split_id
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind
from airflow_provider_jobs.backends.aws_batch.emulator.resources import Shelf, furnished
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller
from airflow_provider_jobs.emulator.jobs import JobTable

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
        if record is None or self._forgotten(record):
            return None
        wrong_form = job_id != base and (record.separator not in job_id or record.kind is Kind.SINGLE)
        return None if wrong_form or not (index is None or 0 <= index < record.size) else record

    def jobs(self) -> list[JobRecord]:
        """All jobs, oldest first."""
        for record in [record for record in self.records.values() if self._forgotten(record)]:
            del self.records[record.job_id]
        return list(self.records.values())

    def _forgotten(self, record: JobRecord) -> bool:
        return self.table.by_uid(record.job_id) is not record.job


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
