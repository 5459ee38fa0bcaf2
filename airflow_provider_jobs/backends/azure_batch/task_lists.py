"""The tasks of submissions, read with as few lists as there can be, and what they add up to.

In a job that many share, a list can be filtered to the tasks of some submissions, as many as an address has
room for. Where more are asked for, all tasks of the job that have not completed are read instead, a thousand
in a call. Those that are missing there have completed, which is news of a few at a time. A big old job has
any number of such tasks of others, so they are looked for by their names, or, where many are missing, among
what has completed since they were submitted. Every list is given up once it has cost what the names would.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import pendulum
from azure.batch.models import BatchTask

from airflow_provider_jobs.backends.azure_batch import mapping
from airflow_provider_jobs.backends.azure_batch.calls import MAX_PAGE
from airflow_provider_jobs.backends.azure_batch.fan_out import at_once
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.backends.azure_batch.mapping import Tally
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.backends.azure_batch.seen import Seen
from airflow_provider_jobs.core.errors import NotFound
from airflow_provider_jobs.core.models import JobHandle

TASK_FIELDS = ("id", "state", "executionInfo", "constraints")
# How long a task may run says something of one that has completed alone.
UNFINISHED_FIELDS = ("id", "state", "executionInfo")
# An address has some thousand characters of room; a clause takes about a hundred of them.
MAX_CLAUSES = 15
# How far the clock of the service may be behind ours.
CLOCKS_DIFFER = pendulum.duration(minutes=10)
_UNFINISHED = "state ne 'completed'"


class TaskLists:
    """Reads lists of tasks.

    :param seen: what was seen of arrays before
    :param whole_up_to: a submission of more tasks is not listed as a whole while it runs
    """

    def __init__(self, hook: AzureBatchHook, seen: Seen, *, whole_up_to: int) -> None:
        self._hook = hook
        self._seen = seen
        self._whole_up_to = whole_up_to

    def listed(
        self,
        job_id: str,
        clauses: Sequence[str | None],
        *,
        fields: Sequence[str] = TASK_FIELDS,
        page_size: int = MAX_PAGE,
    ) -> Iterator[BatchTask]:
        """Yield the tasks of a job for which all clauses hold."""
        given = [clause for clause in clauses if clause]
        together = " and ".join(f"({clause})" for clause in given) if len(given) > 1 else "".join(given)
        return self._hook.list_tasks(job_id, together or None, fields, page_size=page_size)

    def tallies(self, handles: Sequence[JobHandle]) -> list[Tally]:
        """Return what the tasks of every handle add up to, none at all where their one job is gone.

        :param handles: of one job, and no more than an address has room for
        """
        try:
            if handles[0].size > self._whole_up_to:
                return [self._partial_tally(handles[0])]
            return _tallied(self._by_name(handles), handles)
        except NotFound:
            return []

    def add_shared(self, handles: Sequence[JobHandle], found: dict[str, Tally]) -> None:
        """Add what the tasks of submissions in shared jobs add up to, where the job is not gone.

        :param found: by native id; what was told before a call fails is in it
        """
        by_job: dict[str, list[JobHandle]] = defaultdict(list)
        chunks: list[Sequence[JobHandle]] = []
        for handle in handles:
            if handle.size > self._whole_up_to:
                chunks.append([handle])
            else:
                by_job[Place.of(handle.native_id).job_id].append(handle)
        for several in by_job.values():
            if len(several) > MAX_CLAUSES:
                several = self._tell_many(several, found)  # noqa: PLW2901 - what is left of them
            chunks += _chunks(several)

        def add(chunk: Sequence[JobHandle]) -> None:
            found.update(zip((handle.native_id for handle in chunk), self.tallies(chunk), strict=False))

        at_once(add, chunks)

    # Many of one job

    def _tell_many(self, handles: Sequence[JobHandle], found: dict[str, Tally]) -> list[JobHandle]:
        """Add what a few lists tell of many submissions of one job, and return those that are left over."""
        job_id = Place.of(handles[0].native_id).job_id
        try:
            unfinished, is_whole = self._read(job_id, [_UNFINISHED], handles, fields=UNFINISHED_FIELDS)
            left = self._take_unfinished(handles, unfinished, found, is_whole=is_whole)
            if len(left) <= MAX_CLAUSES:
                return left
            since = min(handle.submitted_at for handle in left) - CLOCKS_DIFFER
            completed, _ = self._read(job_id, ["state eq 'completed'", _changed_since(since)], left)
        except NotFound:
            return []
        return self._take_completed(left, [*unfinished, *completed], found)

    def _take_unfinished(
        self,
        handles: Sequence[JobHandle],
        unfinished: Sequence[BatchTask],
        found: dict[str, Tally],
        *,
        is_whole: bool,
    ) -> list[JobHandle]:
        """Take what all unfinished tasks tell; return the handles of which something has completed since."""
        left = []
        for handle, counted in zip(handles, _tallied(unfinished, handles), strict=True):
            seen = self._seen.tally(handle.native_id)
            if counted.unfinished == handle.size:
                found[handle.native_id] = counted
            elif is_whole and seen and counted.unfinished == handle.size - seen.finished:
                found[handle.native_id] = mapping.with_ended(counted, seen)
            else:
                left.append(handle)
        return left

    @staticmethod
    def _take_completed(
        handles: Sequence[JobHandle], tasks: Sequence[BatchTask], found: dict[str, Tally]
    ) -> list[JobHandle]:
        """Take what is told of every task; return the handles of which some tasks were not found."""
        left = []
        for handle, counted in zip(handles, _tallied(tasks, handles), strict=True):
            if counted.unfinished + counted.finished == handle.size:
                found[handle.native_id] = counted
            else:
                left.append(handle)
        return left

    def _read(
        self,
        job_id: str,
        clauses: Sequence[str],
        handles: Sequence[JobHandle],
        *,
        fields: Sequence[str] = TASK_FIELDS,
    ) -> tuple[list[BatchTask], bool]:
        """Return tasks of a job, and whether these are all; no more pages than the names would cost."""
        most = -(-len(handles) // MAX_CLAUSES) + sum(handle.size for handle in handles) // MAX_PAGE
        tasks: list[BatchTask] = []
        pages = self._hook.list_task_pages(job_id, " and ".join(clauses), fields)
        for number, page in enumerate(pages, start=1):
            tasks += page
            if number == most:
                return tasks, False
        return tasks, True

    def _by_name(self, handles: Sequence[JobHandle]) -> list[BatchTask]:
        """Return the tasks of a few submissions of one job."""
        places = [Place.of(handle.native_id) for handle in handles]
        clauses = " or ".join(place.filter for place in places if place.filter)
        return list(self.listed(places[0].job_id, [clauses]))

    # Very many of one submission

    def _partial_tally(self, handle: JobHandle) -> Tally:
        """Return what can be known of very many tasks in two or three calls while some are unfinished."""
        place = Place.of(handle.native_id)
        job_id, ours = place.job_id, place.filter
        counts = None if place.is_shared else self._hook.get_task_counts(job_id).task_counts
        succeeded, failed = (counts.succeeded, counts.failed) if counts else (0, 0)
        running = self._first(job_id, ["state eq 'running'", ours])
        one = running or self._first(job_id, [_UNFINISHED, ours])
        if one is None:
            # Whether all are still there is only known from all.
            return mapping.tally(self.listed(job_id, [ours]), handle)
        # The counts lag behind by minutes; what is listed now is sure.
        rest = handle.size - 1
        seen = mapping.tally([one], handle.model_copy(update={"indexes": (place.index(one.id) or 0,)}))
        return Tally(
            succeeded=min(succeeded, rest),
            failed=min(failed, rest - min(succeeded, rest)),
            running=max(seen.running, counts.running if counts and seen.running else 0),
            starting=seen.starting,
            waiting=seen.waiting,
            unknown=seen.unknown,
            started_at=seen.started_at,
            requeues=seen.requeues,
        )

    def _first(self, job_id: str, clauses: Sequence[str | None]) -> BatchTask | None:
        return next(self.listed(job_id, clauses, page_size=1), None)


def _tallied(tasks: Iterable[BatchTask], handles: Sequence[JobHandle]) -> list[Tally]:
    """Return what the tasks of every handle add up to, in their order; each task is looked at once."""
    if len(handles) == 1:
        return [mapping.tally(tasks, handles[0])]
    by_prefix: dict[str, list[BatchTask]] = defaultdict(list)
    for task in tasks:
        by_prefix[task["id"].rpartition("-")[0]].append(task)
    prefixes = (Place.of(handle.native_id).prefix or "" for handle in handles)
    return [
        mapping.tally(by_prefix.get(prefix, ()), handle)
        for prefix, handle in zip(prefixes, handles, strict=True)
    ]


def _chunks(handles: Sequence[JobHandle]) -> Iterator[Sequence[JobHandle]]:
    for start in range(0, len(handles), MAX_CLAUSES):
        yield handles[start : start + MAX_CLAUSES]


def _changed_since(time: pendulum.DateTime) -> str:
    """Return the clause for what came into its state since then.

    https://learn.microsoft.com/rest/api/batchservice/odata-filters-in-batch#list-tasks
    """
    return f"stateTransitionTime ge DateTime'{time.in_timezone('UTC').strftime('%Y-%m-%dT%H:%M:%SZ')}'"
