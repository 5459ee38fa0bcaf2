"""Many submissions by their handles in few calls.

The service lists the tasks of one job, a thousand in a call, and has no call for tasks of several jobs. So
submissions that share a job are read together, and of jobs of their own the tasks are read as rarely as can
be: the jobs that have not ended are one list, whatever their number, since the service allows an account only
some hundreds of them, and a job that runs leaves that list when its tasks have ended.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from azure.batch.models import BatchJob, BatchTask

from airflow_provider_jobs.backends.azure_batch import mapping
from airflow_provider_jobs.backends.azure_batch.calls import MAX_PAGE
from airflow_provider_jobs.backends.azure_batch.fan_out import answers, at_once
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.backends.azure_batch.mapping import Tally
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.backends.azure_batch.seen import Seen
from airflow_provider_jobs.backends.azure_batch.task_lists import TaskLists
from airflow_provider_jobs.core.errors import JobsError, NotFound
from airflow_provider_jobs.core.models import JobHandle, JobReport
from airflow_provider_jobs.core.states import JobState

JOB_FIELDS = ("id", "state", "executionInfo")
# From so many jobs on, the list of those that have not ended is asked for before any job alone.
JOBS_PER_LIST = 4
# How many jobs of their own are looked at again in any case, those first that were not for longest.
LOOKS = 8
# A job that has not started is looked at in every so manieth describe at least.
ROUNDS = 4
# Thousands are active at once, and the vendor's model of one weighs kilobytes.
_ACTIVE = BatchJob({"state": "active"})


class TaskLookup:
    """Asks for tasks and jobs.

    Holds what was seen last of jobs that have not ended, up to a bound. Lost, it is seen again.

    :param whole_up_to: a submission of more tasks is not listed as a whole while it runs
    """

    def __init__(self, hook: AzureBatchHook, *, whole_up_to: int = MAX_PAGE) -> None:
        self._hook = hook
        self._whole_up_to = whole_up_to
        self._seen = Seen()
        self._lists = TaskLists(hook, self._seen, whole_up_to=whole_up_to)

    def reports(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        """Yield one report for every handle, each when it is made; the order is that of the calls."""
        yield from self._of_own([handle for handle in handles if not _is_shared(handle)])
        yield from self._of_shared([handle for handle in handles if _is_shared(handle)])

    def unfinished_task(self, handle: JobHandle) -> BatchTask | None:
        """Return one task of a handle that has not completed, with what it asks of a node."""
        place = Place.of(handle.native_id)
        clauses = ["state ne 'completed'", place.filter]
        fields = ("id", "requiredSlots", "dependsOn")
        return next(self._lists.listed(place.job_id, clauses, fields=fields, page_size=1), None)

    def task_ids(self, handle: JobHandle, *, finished_too: bool) -> list[str]:
        """Return the ids of the tasks of a handle.

        :param finished_too: also of those that have completed
        :raises NotFound: the job is gone
        """
        place = Place.of(handle.native_id)
        clauses = [None if finished_too else "state ne 'completed'", place.filter]
        listed = self._lists.listed(place.job_id, clauses, fields=("id",))
        return [task.id for task in listed if place.index(task.id) is not None]

    # Jobs of their own

    def _of_own(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        """Yield the reports of jobs of their own."""
        jobs = self._unended({each.native_id for each in handles}) if len(handles) >= JOBS_PER_LIST else {}
        active = [each for each in handles if mapping.job_word(jobs.get(each.native_id)) == "active"]
        left = {handle.native_id: handle for handle in handles}
        due = {handle.native_id for handle in self._due(active)}
        for handle in active:
            seen = self._seen.tally(handle.native_id)
            if seen is not None and handle.native_id not in due:
                del left[handle.native_id]
                yield mapping.report(handle, seen, jobs[handle.native_id])
        yield from answers(lambda handle: self._look(handle, jobs.get(handle.native_id)), list(left.values()))

    def _due(self, active: Sequence[JobHandle]) -> list[JobHandle]:
        """Return those of the active jobs whose tasks are to be looked at now.

        Only tasks tell that a job has started. That it has ended, the list of jobs tells; how far it is in
        between is looked at as there is time.
        """
        seen = {handle.native_id: self._seen.tally(handle.native_id) for handle in active}
        unknown = [handle for handle in active if seen[handle.native_id] is None]
        known = [(handle, before) for handle in active if (before := seen[handle.native_id]) is not None]
        running = [handle for handle, before in known if before.has_started]
        waiting = [handle for handle, before in known if not before.has_started]
        share = max(LOOKS, -(-len(waiting) // ROUNDS))
        return [*unknown, *self._seen.longest_ago(waiting, share), *self._seen.longest_ago(running, LOOKS)]

    def _look(self, handle: JobHandle, job: BatchJob | None) -> JobReport:
        """Return the report of a job by its tasks, and by itself where these do not tell.

        :param job: where it was listed before
        """
        counted = next(iter(self._lists.tallies([handle])), None)
        if counted is None:
            self._seen.forget(handle.native_id)
            return JobReport(native_id=handle.native_id, found=False)
        if mapping.needs_job(handle, counted):
            # Where nothing is left to wait for, the job has changed since it was listed.
            job = job if job is not None and counted.unfinished else self._job(handle.native_id)
            if job is None:
                self._seen.forget(handle.native_id)
                return JobReport(native_id=handle.native_id, found=False)
        return self._report(handle, counted, job)

    # Jobs that others share

    def _of_shared(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        """Yield the reports of submissions in shared jobs; where a call fails, first those that are known."""
        tallies: dict[str, Tally] = {}
        refused: JobsError | None = None
        try:
            self._lists.add_shared(handles, tallies)
        except JobsError as error:
            refused = error
        left: list[JobHandle] = []
        for handle in handles:
            counted = tallies.get(handle.native_id)
            if counted is not None and not mapping.needs_job(handle, counted):
                yield self._report(handle, counted, None)
            else:
                left.append(handle)
        if refused is not None:
            raise refused
        jobs = self._jobs({Place.of(each.native_id).job_id for each in left if each.native_id in tallies})
        for handle in left:
            counted, job = tallies.get(handle.native_id), jobs.get(Place.of(handle.native_id).job_id)
            if counted is None or job is None:
                yield JobReport(native_id=handle.native_id, found=False)
            else:
                yield self._report(handle, counted, job)

    # Both

    def _report(self, handle: JobHandle, counted: Tally, job: BatchJob | None) -> JobReport:
        told = mapping.report(handle, counted, job)
        # The job is read after its tasks, and may have ended in between.
        is_stale = counted.unsuccessful is None or counted.finished < handle.size
        if is_stale and told.state in (JobState.CANCELLED, JobState.FAILED):
            # Only now is it worth a list of all tasks: what has not succeeded must run again.
            place = Place.of(handle.native_id)
            counted = mapping.tally(self._lists.listed(place.job_id, [place.filter]), handle)
            told = mapping.report(handle, counted, job)
        has_ended = told.state is not None and told.state.is_terminal
        # Of one task of a shared job the list tells all there is.
        if told.found and not has_ended and (handle.size > 1 or not _is_shared(handle)):
            self._seen.keep(handle.native_id, counted)
        else:
            self._seen.forget(handle.native_id)
        return told

    def _unended(self, job_ids: Container[str]) -> dict[str, BatchJob]:
        """Return those of the jobs that have not ended, by id; of one that is active no more than that."""
        listed = self._hook.list_jobs("state ne 'completed'", JOB_FIELDS)
        return {
            job["id"]: _ACTIVE if mapping.job_word(job) == "active" else job
            for job in listed
            if job["id"] in job_ids
        }

    def _jobs(self, job_ids: set[str]) -> dict[str, BatchJob | None]:
        """Return the jobs of these ids, ``None`` for those that are gone."""
        found: dict[str, BatchJob | None] = {}
        if len(job_ids) >= JOBS_PER_LIST:
            found.update(self._unended(job_ids))
        left = sorted(job_ids - found.keys())
        found.update(zip(left, at_once(self._job, left), strict=True))
        return found

    def _job(self, job_id: str) -> BatchJob | None:
        try:
            return self._hook.get_job(job_id, JOB_FIELDS)
        except NotFound:
            return None


def _is_shared(handle: JobHandle) -> bool:
    return "/" in handle.native_id
