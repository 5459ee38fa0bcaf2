"""Many submissions by their handles in few calls.

The service lists the tasks of one job, a thousand in a call, and has no call for tasks of several jobs. So
submissions that share a job are read together, and each job of its own costs one call. Tasks alone do not
tell that a job was ended before they ran; the jobs that are active are one list more, whatever their number,
since the service allows an account only some hundreds of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from azure.batch.models import BatchJob, BatchTask

from airflow_provider_jobs.backends.azure_batch import mapping
from airflow_provider_jobs.backends.azure_batch.calls import MAX_PAGE
from airflow_provider_jobs.backends.azure_batch.fan_out import at_once
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.backends.azure_batch.mapping import Tally
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.core.errors import NotFound
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.states import JobState

TASK_FIELDS = ("id", "state", "executionInfo", "constraints")
JOB_FIELDS = ("id", "state", "executionInfo")
# From so many jobs on, the list of active jobs is asked for before any job alone.
JOBS_PER_LIST = 4
# An address has some thousand characters of room; a clause takes about a hundred of them.
MAX_CLAUSES = 15


class TaskLookup:
    """Asks for tasks and jobs. Holds no state.

    :param whole_up_to: a submission of more tasks is not listed as a whole while it runs
    """

    def __init__(self, hook: AzureBatchHook, *, whole_up_to: int = MAX_PAGE) -> None:
        self._hook = hook
        self._whole_up_to = whole_up_to

    def reports(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        """Return one report for every handle, in their order."""
        tallies = self._tallies(handles)
        wanted = [
            handle
            for handle in handles
            if (counted := tallies.get(handle.native_id)) and mapping.needs_job(handle, counted)
        ]
        jobs = self._jobs({Place.of(handle.native_id).job_id for handle in wanted})
        return [self._report(handle, tallies.get(handle.native_id), jobs) for handle in handles]

    def unfinished_task(self, handle: JobHandle) -> BatchTask | None:
        """Return one task of a handle that has not completed, with what it asks of a node."""
        place = Place.of(handle.native_id)
        clauses = ["state ne 'completed'", place.filter]
        return next(
            self._listed(place.job_id, clauses, fields=("id", "requiredSlots", "dependsOn"), page_size=1),
            None,
        )

    def task_ids(self, handle: JobHandle, *, finished_too: bool) -> list[str]:
        """Return the ids of the tasks of a handle.

        :param finished_too: also of those that have completed
        :raises NotFound: the job is gone
        """
        place = Place.of(handle.native_id)
        clauses = [None if finished_too else "state ne 'completed'", place.filter]
        listed = self._listed(place.job_id, clauses, fields=("id",))
        return [task.id for task in listed if place.index(task.id) is not None]

    def _report(
        self, handle: JobHandle, counted: Tally | None, jobs: dict[str, BatchJob | None]
    ) -> JobReport:
        job_id = Place.of(handle.native_id).job_id
        if counted is None or jobs.get(job_id, ...) is None:
            return JobReport(native_id=handle.native_id, found=False)
        job = jobs.get(job_id)
        told = mapping.report(handle, counted, job)
        is_partial = handle.size > self._whole_up_to and counted.unsuccessful is None
        # The job is read after its tasks, and may have ended in between.
        is_stale = counted.finished < handle.size
        if (is_partial or is_stale) and told.state in (JobState.CANCELLED, JobState.FAILED):
            # Only now is it worth a list of all tasks: what has not succeeded must run again.
            whole = mapping.tally(self._listed(job_id, [Place.of(handle.native_id).filter]), handle)
            return mapping.report(handle, whole, job)
        return told

    # Tasks

    def _tallies(self, handles: Sequence[JobHandle]) -> dict[str, Tally]:
        """Return what the tasks of every submission add up to whose job is not gone."""
        groups = list(self._groups(handles))
        found: dict[str, Tally] = {}
        for group, tallies in zip(groups, at_once(self._group_tallies, groups), strict=True):
            found.update(zip((handle.native_id for handle in group), tallies, strict=False))
        return found

    def _groups(self, handles: Iterable[JobHandle]) -> Iterator[list[JobHandle]]:
        """Yield the handles that are read with one list together."""
        shared: dict[str, list[JobHandle]] = defaultdict(list)
        for handle in dict.fromkeys(handles):
            place = Place.of(handle.native_id)
            if place.is_shared and handle.size <= self._whole_up_to:
                shared[place.job_id].append(handle)
            else:
                yield [handle]
        for several in shared.values():
            for start in range(0, len(several), MAX_CLAUSES):
                yield several[start : start + MAX_CLAUSES]

    def _group_tallies(self, group: Sequence[JobHandle]) -> list[Tally]:
        """Return one tally for every handle of a group, none at all where their job is gone."""
        places = [Place.of(handle.native_id) for handle in group]
        try:
            if group[0].size > self._whole_up_to:
                return [self._partial_tally(group[0])]
            clauses = " or ".join(place.filter for place in places if place.filter)
            tasks = list(self._listed(places[0].job_id, [clauses]))
        except NotFound:
            return []
        return [mapping.tally(tasks, handle) for handle in group]

    def _partial_tally(self, handle: JobHandle) -> Tally:
        """Return what can be known of very many tasks in two or three calls while some are unfinished."""
        place = Place.of(handle.native_id)
        job_id, ours = place.job_id, place.filter
        counts = None if place.is_shared else self._hook.get_task_counts(job_id).task_counts
        succeeded, failed = (counts.succeeded, counts.failed) if counts else (0, 0)
        running = self._first(job_id, ["state eq 'running'", ours])
        one = running or self._first(job_id, ["state ne 'completed'", ours])
        if one is None:
            # Whether all are still there is only known from all.
            return mapping.tally(self._listed(job_id, [ours]), handle)
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
        return next(self._listed(job_id, clauses, page_size=1), None)

    def _listed(
        self,
        job_id: str,
        clauses: Sequence[str | None],
        *,
        fields: Sequence[str] = TASK_FIELDS,
        page_size: int = MAX_PAGE,
    ) -> Iterator[BatchTask]:
        given = [clause for clause in clauses if clause]
        together = " and ".join(f"({clause})" for clause in given) if len(given) > 1 else "".join(given)
        return self._hook.list_tasks(job_id, together or None, fields, page_size=page_size)

    # Jobs

    def _jobs(self, job_ids: set[str]) -> dict[str, BatchJob | None]:
        """Return the jobs of these ids, ``None`` for those that are gone."""
        found: dict[str, BatchJob | None] = {}
        if len(job_ids) >= JOBS_PER_LIST:
            active = self._hook.list_jobs("state eq 'active'", JOB_FIELDS)
            found.update((job.id, job) for job in active if job.id in job_ids)
        left = sorted(job_ids - found.keys())
        found.update(zip(left, at_once(self._job, left), strict=True))
        return found

    def _job(self, job_id: str) -> BatchJob | None:
        try:
            return self._hook.get_job(job_id, JOB_FIELDS)
        except NotFound:
            return None
