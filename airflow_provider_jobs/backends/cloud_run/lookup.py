"""Many executions by their handles in few calls, the one of a key, and the tasks that failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import pendulum
from google.cloud.run_v2 import Execution, Task

from airflow_provider_jobs.backends.cloud_run import mapping, request
from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.core.errors import NotFound
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.google_cloud.hook import MAX_PAGE
from airflow_provider_jobs.google_cloud.listing import Calls, Listing, Masked
from airflow_provider_jobs.google_cloud.messages import bare, bare_items, moment
from airflow_provider_jobs.google_cloud.paging import Page, all_pages

MAX_DETAILED_FAILURES = 10
# The service keeps the last 1,000 executions of a job: https://cloud.google.com/run/docs/execute/jobs
MAX_SEARCHED = 1000
# What is listed late is no later than this: no document says how late it can be.
LIST_LAG_SECONDS = 10.0
# A page of a list of which only the newest are of interest.
FEW = 100
# From so many executions of one job on, its list is read, and not that of the region.
OWN_LIST = 100

# What was asked for is not wanted back: its variables can be as many as a thousand.
_FIELDS = (
    "name",
    "createTime",
    "startTime",
    "completionTime",
    "conditions",
    "taskCount",
    "runningCount",
    "succeededCount",
    "failedCount",
    "cancelledCount",
)
_SEARCH_FIELDS = ("name", "createTime", "deleteTime", "taskCount", "template.containers.env")
_TASK_FIELDS = ("name", "index", "conditions", "lastAttemptResult")


class ExecutionLookup:
    """Asks for executions."""

    def __init__(self, hook: CloudRunHook) -> None:
        self._hook = hook
        self._masked = Masked()
        self._absent_until: dict[str, pendulum.DateTime] = {}
        self._listing: Listing[mapping.Execution] = Listing(
            Calls(
                get=lambda name, fields: bare(hook.get_execution(name, fields=fields)),
                page=self._page,
                get_fields=",".join(_FIELDS),
                page_fields=_of_page("executions", _FIELDS),
            ),
            self._masked,
        )

    def executions(
        self, handles: Sequence[JobHandle]
    ) -> Iterator[tuple[JobHandle, mapping.Execution | None]]:
        """Yield every handle with its execution, ``None`` for one that is gone; each as it comes.

        Executions are protobuf's own messages, with conditions, counts and times.
        """
        by_id = {handle.native_id: handle for handle in handles}
        for parent, wanted in _by_list(handles).items():
            for native_id, execution in self._listing.find(parent, wanted):
                yield by_id[native_id], execution

    def of_key(self, job_name: str, key: JobKey) -> Execution | None:
        """Return the execution of a job that was made under a key, or ``None``.

        One that is being deleted is none. Of several the one that came first counts. A key that was looked
        for before, and not found, is looked for among what came after: the list begins with the newest.
        https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs.executions/list

        :param job_name: the full name of the job; one that does not exist has no executions
        """
        since = self._absent_until.get(key.digest)
        size = MAX_PAGE if since is None else FEW
        found: list[Execution] = []
        token, looked_at, newest = "", 0, since
        while True:
            try:
                page = self._search_page(job_name, token, size)
            except NotFound:
                return None
            if page.items and not token:
                newest = moment(page.items[0].create_time)
            found += (each for each in page.items if request.is_of(each, key) and not each.delete_time)
            looked_at += len(page.items)
            token = page.next_token
            is_past = since and page.items and moment(page.items[-1].create_time) < since
            if not token or is_past or looked_at >= MAX_SEARCHED:
                break
        if newest and not found:
            self._note_absent(key, newest)
        return min(found, key=lambda each: moment(each.create_time), default=None)

    def failures(
        self, handle: JobHandle, execution: Execution
    ) -> tuple[tuple[Failure, ...], tuple[int, ...]]:
        """Return the first failures of an execution that failed, and every index that did not succeed."""
        details: list[Failure] = []
        missing = set(range(handle.size))
        for task in all_pages(lambda token: self._task_page(handle.native_id, token)):
            if mapping.has_succeeded(task):
                missing.discard(task.index)
            elif mapping.has_failed(task) and len(details) < MAX_DETAILED_FAILURES:
                details.append(mapping.task_failure(task, handle))
        if not details:
            details = [mapping.job_failure(execution, handle)]
        ordered = sorted(details, key=lambda failure: -1 if failure.index is None else failure.index)
        return tuple(ordered), tuple(sorted(map(handle.original_index, missing)))

    def _page(self, parent: str, size: int, token: str, fields: str | None) -> Page[mapping.Execution]:
        page = self._hook.list_executions_page(parent, page_size=size, page_token=token, fields=fields)
        return Page(bare_items(page.items), page.next_token)

    def _note_absent(self, key: JobKey, newest: pendulum.DateTime) -> None:
        """Remember that none of a key was among those that were listed, of which this was the newest."""
        if len(self._absent_until) >= MAX_SEARCHED:
            self._absent_until.clear()
        self._absent_until[key.digest] = newest.subtract(seconds=LIST_LAG_SECONDS)

    def _search_page(self, job_name: str, token: str, size: int) -> Page[Execution]:
        return self._masked.ask(
            lambda fields: self._hook.list_executions_page(
                job_name, page_size=size, page_token=token, fields=fields
            ),
            _of_page("executions", _SEARCH_FIELDS),
        )

    def _task_page(self, name: str, token: str) -> Page[Task]:
        return self._masked.ask(
            lambda fields: self._hook.list_tasks_page(name, page_token=token, fields=fields),
            _of_page("tasks", _TASK_FIELDS),
        )


def _by_list(handles: Sequence[JobHandle]) -> dict[str, dict[str, pendulum.DateTime]]:
    """Return what is to be asked for by the name of whose list it is in: a job, or all jobs of a region.

    Where all of a region are of one job, or many are, that job's own list is shorter.
    """
    by_job: dict[str, dict[str, pendulum.DateTime]] = defaultdict(dict)
    for handle in handles:
        by_job[handle.native_id.partition("/executions/")[0]][handle.native_id] = handle.submitted_at
    jobs_of = Counter(map(_region_of, by_job))
    found: dict[str, dict[str, pendulum.DateTime]] = defaultdict(dict)
    for job, wanted in by_job.items():
        is_own = len(wanted) >= OWN_LIST or jobs_of[_region_of(job)] == 1
        found[job if is_own else f"{_region_of(job)}/jobs/-"].update(wanted)
    return found


def _of_page(name: str, fields: Sequence[str]) -> str:
    return ",".join([*(f"{name}.{field}" for field in fields), "nextPageToken"])


def _region_of(name: str) -> str:
    """Return the name of the project's region."""
    return name.partition("/jobs/")[0]
