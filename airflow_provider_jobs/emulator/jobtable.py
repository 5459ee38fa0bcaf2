"""Which jobs there are: by name, by uid, and under whatever their service lists them.

It exists so that no answer has to look at every job to find those that it tells of. It must not change a
job, nor know what a service lists its jobs under.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator

from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.ordering import Ordered

Place = tuple[str, Hashable]


class JobTable:
    """All jobs of the local cloud, in order of creation, across dialects."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], Job] = {}
        self._by_uid: dict[str, Job] = {}
        self._numbers = itertools.count()
        #: By uid: the job's place in the order of creation, and what it is listed under.
        self._places: dict[str, tuple[int, tuple[Hashable, ...]]] = {}
        self._listed: dict[Place, Ordered[Job]] = {}

    def add(self, job: Job) -> None:
        """Take in a new job. Raises ValueError when its name is taken; dialects check before."""
        key = (job.spec.dialect, job.spec.name)
        if key in self._by_name:
            raise ValueError(f"job {job.spec.name} exists in dialect {job.spec.dialect}")
        self._by_name[key] = job
        self._by_uid[job.spec.uid] = job
        self._places[job.spec.uid] = next(self._numbers), ()
        self.relist(job, job.spec.listed_under)

    def remove(self, job: Job) -> None:
        """Forget a job; the name is free again, the uid stays known nowhere."""
        key = (job.spec.dialect, job.spec.name)
        # Another job may have the name by now.
        if self._by_name.get(key) is job:
            del self._by_name[key]
        self.relist(job, ())
        self._by_uid.pop(job.spec.uid, None)
        self._places.pop(job.spec.uid, None)

    def relist(self, job: Job, under: tuple[Hashable, ...]) -> None:
        """List a job under these from now on, and nowhere else. A job that was removed stays away."""
        if job.spec.uid not in self._places:
            return
        number, before = self._places[job.spec.uid]
        if under == before:
            return
        self._places[job.spec.uid] = number, under
        for gone in set(before) - set(under):
            place = (job.spec.dialect, gone)
            self._listed[place].discard(number)
            if not self._listed[place]:
                del self._listed[place]
        for new in set(under) - set(before):
            self._listed.setdefault((job.spec.dialect, new), Ordered()).add(number, job)

    def listed(self, dialect: str, under: Hashable) -> Ordered[Job]:
        """The jobs that are listed under this, the oldest first. Not to be changed, nor kept."""
        return self._listed.get((dialect, under)) or Ordered()

    def get(self, dialect: str, name: str) -> Job | None:
        return self._by_name.get((dialect, name))

    def by_uid(self, uid: str) -> Job | None:
        return self._by_uid.get(uid)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)
