"""Many jobs by their handles in few calls, and the failed tasks of those that failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from google.cloud.batch_v1 import JobStatus

from airflow_provider_jobs.backends.gcp_batch import mapping
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.backends.gcp_batch.mapping import Job
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.google_cloud.listing import Calls, Listing
from airflow_provider_jobs.google_cloud.messages import bare, bare_items
from airflow_provider_jobs.google_cloud.paging import Page

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
        self._listing: Listing[Job] = Listing(
            Calls(
                get=lambda name, fields: bare(hook.get_job(name, fields=fields)),
                page=self._page,
                get_fields=_GET_FIELDS,
                page_fields=_LIST_FIELDS,
            )
        )

    def jobs(self, handles: Sequence[JobHandle]) -> Iterator[tuple[JobHandle, Job | None]]:
        """Yield every handle with its job, ``None`` for one that is gone; each as it comes.

        Jobs are protobuf's own messages, with status and times and without what they run.
        """
        for parent, group in groupby(sorted(handles, key=_parent), key=_parent):
            by_id = {handle.native_id: handle for handle in group}
            wanted = {native_id: handle.submitted_at for native_id, handle in by_id.items()}
            for native_id, job in self._listing.find(parent, wanted):
                handle = by_id[native_id]
                if job is not None:
                    self.remember(handle.native_id, job)
                yield handle, job

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

    def _page(self, parent: str, size: int, token: str, fields: str | None) -> Page[Job]:
        _, project, _, region = parent.split("/")
        page = self._hook.list_jobs_page(
            project, region, page_size=size, page_token=token, order_by="create_time desc", fields=fields
        )
        return Page(bare_items(page.items), page.next_token)


def _parent(handle: JobHandle) -> str:
    """Return the name of the project's region."""
    return handle.native_id.partition("/jobs/")[0]


def has_failures(job: Job) -> bool:
    """Return whether failed tasks, or the job's own failure, are to be told."""
    failed = mapping.native_state(job) == JobStatus.State.FAILED
    return failed or (mapping.is_over(job) and mapping.native_count(job, "FAILED") > 0)
