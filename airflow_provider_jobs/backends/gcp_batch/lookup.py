"""Many jobs by their handles in few calls, and the failed tasks of those that failed.

The service has no call for a set of names, and documents no filter for its list. So a page of the list,
newest job first, stands against one call per job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from google.cloud.batch_v1 import Job, JobStatus

from airflow_provider_jobs.backends.gcp_batch import mapping
from airflow_provider_jobs.backends.gcp_batch.hook import MAX_PAGE, GcpBatchHook
from airflow_provider_jobs.core.errors import InvalidRequest, NotFound
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.models import JobHandle

T = TypeVar("T")

# A full page is about as much work for service and network as this many single calls. Below it, a list
# cannot win; above it, pages are read for as long as they have cost less than what single calls would,
# so that a region full of other people's jobs costs at most twice the best.
CALLS_PER_PAGE = 10
MAX_DETAILED_FAILURES = 10
_MAX_UIDS = 20_000

# What a request held is not wanted back: with its inputs a job can be a megabyte.
_JOB_FIELDS = ("name", "uid", "status", "createTime", "updateTime")
_GET_FIELDS = ",".join(_JOB_FIELDS)
_LIST_FIELDS = ",".join([*(f"jobs.{name}" for name in _JOB_FIELDS), "nextPageToken"])


class JobLookup:
    """Asks for jobs. Holds no state but the unique ids of jobs seen, which the logs are found by."""

    def __init__(self, hook: GcpBatchHook) -> None:
        self._hook = hook
        self._uids: dict[str, str] = {}
        self._is_masked = True

    def jobs(self, handles: Sequence[JobHandle]) -> dict[str, Job]:
        """Return the jobs that exist, by native id, with status and times and without what they run."""
        found: dict[str, Job] = {}
        for place, group in groupby(sorted(handles, key=_place), key=_place):
            found.update(self._jobs_of_place(place, list(group)))
        return found

    def uid(self, native_id: str) -> str | None:
        """Return the unique id of a job that was seen before."""
        return self._uids.get(native_id)

    def remember(self, native_id: str, job: Job) -> None:
        """Keep the unique id of a job."""
        if len(self._uids) >= _MAX_UIDS:
            self._uids.clear()
        self._uids[native_id] = job.uid

    def failures(self, handle: JobHandle, job: Job) -> tuple[tuple[Failure, ...], tuple[int, ...]]:
        """Return the first failures of a job that failed, and every index that did not succeed."""
        succeeded = mapping.native_count(job, "SUCCEEDED")
        details: list[Failure] = []
        failed: set[int] = set()
        for task in self._hook.list_tasks(handle.native_id, filter="State=FAILED"):
            if len(details) < MAX_DETAILED_FAILURES:
                details.append(mapping.task_failure(task, handle))
            elif not succeeded:
                break
            failed.add(mapping.task_number(task))
        if not succeeded:
            failed = set(range(handle.size))
        elif len(failed) < handle.size - succeeded:
            done = self._hook.list_tasks(handle.native_id, filter="State=SUCCEEDED")
            failed = set(range(handle.size)) - {mapping.task_number(task) for task in done}
        if not details and mapping.native_state(job) == JobStatus.State.FAILED:
            details = [mapping.job_failure(job.status.status_events, handle)]
        return tuple(details), tuple(sorted(map(handle.original_index, failed)))

    def _jobs_of_place(self, place: tuple[str, str], handles: list[JobHandle]) -> dict[str, Job]:
        wanted = {handle.native_id: handle for handle in handles}
        found = self._listed(place, wanted) if len(wanted) >= CALLS_PER_PAGE else {}
        for native_id in wanted.keys() - found.keys():
            # Only this answer says that a job is gone: a list may lag behind.
            if job := self._got(native_id):
                found[native_id] = job
        for native_id, job in found.items():
            self.remember(native_id, job)
        return found

    def _listed(self, place: tuple[str, str], wanted: dict[str, JobHandle]) -> dict[str, Job]:
        project, region = place
        oldest = min(handle.submitted_at for handle in wanted.values())
        size = min(MAX_PAGE, len(wanted) * CALLS_PER_PAGE)
        found: dict[str, Job] = {}
        token, pages = "", 0
        while pages * CALLS_PER_PAGE < len(wanted) - len(found):
            page = self._masked(
                lambda fields, token=token: self._hook.list_jobs_page(  # type: ignore[misc]
                    project,
                    region,
                    page_size=size,
                    page_token=token,
                    order_by="create_time desc",
                    fields=fields,
                ),
                _LIST_FIELDS,
            )
            pages += 1
            # The service may answer with the project's number where it was asked by its id.
            named = ((f"projects/{project}/{job.name.split('/', 2)[2]}", job) for job in page.jobs)
            found.update((name, job) for name, job in named if name in wanted)
            token = page.next_token
            if not token or (page.jobs and mapping.moment(page.jobs[-1].create_time) < oldest):
                break
        return found

    def _got(self, native_id: str) -> Job | None:
        try:
            return self._masked(lambda fields: self._hook.get_job(native_id, fields=fields), _GET_FIELDS)
        except NotFound:
            return None

    def _masked(self, call: Callable[[str | None], T], fields: str) -> T:
        """Ask for some fields only; where the service or a proxy refuses that, never again."""
        if self._is_masked:
            try:
                return call(fields)
            except InvalidRequest:
                self._is_masked = False
        return call(None)


def _place(handle: JobHandle) -> tuple[str, str]:
    """Return project and region."""
    _, project, _, region, *_ = handle.native_id.split("/")
    return project, region


def has_failures(job: Job) -> bool:
    """Return whether failed tasks, or the job's own failure, are to be told."""
    failed = mapping.native_state(job) == JobStatus.State.FAILED
    return failed or (mapping.is_over(job) and mapping.native_count(job, "FAILED") > 0)
