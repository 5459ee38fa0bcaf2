"""DescribeJobs, ListJobs, CancelJob, TerminateJob and the two that do so for many.

It exists to answer these as Batch does. It must not make jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from airflow_provider_jobs.backends.aws_batch.emulator import paging
from airflow_provider_jobs.backends.aws_batch.emulator.descriptions import Describer
from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused, rejected
from airflow_provider_jobs.backends.aws_batch.emulator.lifecycle import Lifecycle
from airflow_provider_jobs.backends.aws_batch.emulator.names import split_id
from airflow_provider_jobs.backends.aws_batch.emulator.queues_api import find_queue
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind, Stop
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import World
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.listing import Listings

MAX_DESCRIBED = 100
MAX_STOPPED = 50
MAX_REASON = 1024
#: "When --job-status is used, Batch returns up to 1000 values. When --filters is used, up to 100 values."
_PAGE, _FILTERED_PAGE = 1000, 100


class Child(NamedTuple):
    """A child of an array, or a node."""

    record: JobRecord
    number: int


Entry = Job | Child


class Jobs:
    """Reads and stops jobs."""

    def __init__(self, *, describer: Describer, lifecycle: Lifecycle, listings: Listings) -> None:
        self._describer = describer
        self._lifecycle = lifecycle
        self._listings = listings

    async def describe(self, world: World, asked: Parameters) -> dict[str, Any]:
        """Up to 100 jobs; ids that are not known are left out."""
        # No document says that this is consistent, and right after a submission it has been seen to answer
        # with no job (https://github.com/Netflix/metaflow/pull/543). Here it is exact.
        wanted = asked["jobs"]
        if len(wanted) > MAX_DESCRIBED:
            raise refused(f"Maximum number of jobs supported is  {MAX_DESCRIBED}")
        shown = []
        for reference in dict.fromkeys(wanted):
            job_id = world.place.short(reference, "job")
            record = world.job(job_id) if job_id else None
            if job_id is not None and record is not None:
                shown.append(self._describer.detail(record, record.index_in(job_id)))
        return {"jobs": shown}

    async def list_jobs(self, world: World, asked: Parameters) -> dict[str, Any]:
        """Jobs of a queue, children of an array or nodes of a job; the latest first, RUNNING unless told."""
        filters = asked.get("filters", [])
        if len(filters) > 1:
            raise refused("Only one filter can be used at a time")
        wanted = asked.get("jobStatus", "RUNNING")
        if filters:
            wanted = asked.get("jobStatus") if filters[0].get("name") == "SHARE_IDENTIFIER" else None
        found = self._entries(world, asked, wanted)
        if filters:
            matches = _matcher(filters[0])
            found = [entry for entry in found if matches(_record_of(entry))]
        most = _FILTERED_PAGE if filters else _PAGE
        size = min(asked.get("maxResults") or most, most)
        context = {key: asked[key] for key in sorted(asked) if key not in ("nextToken", "maxResults")}
        page, token = paging.page(found, size=size, token=asked.get("nextToken"), context=context)
        shown = [self._summary(entry, filtered=bool(filters)) for entry in page]
        return {"jobSummaryList": shown, "nextToken": token}

    def _summary(self, entry: Entry, *, filtered: bool) -> dict[str, Any]:
        index = None if isinstance(entry, Job) else entry.number
        return self._describer.summary(_record_of(entry), index, filtered=filtered)

    def _entries(self, world: World, asked: Parameters, status: str | None) -> Sequence[Entry]:
        given = [name for name in ("jobQueue", "arrayJobId", "multiNodeJobId") if name in asked]
        if len(given) != 1:
            raise refused("Exactly one of jobQueue, arrayJobId, multiNodeJobId must be provided")
        if given == ["jobQueue"]:
            queue = find_queue(world, asked["jobQueue"])
            if queue is None:
                raise rejected(f"JobQueue {asked['jobQueue']} not found.")
            return self._listings.latest_first(
                world.listed(queue, status=status or "", name=_exact_name(asked))
            )
        job_id = asked[given[0]]
        kind = Kind.ARRAY if given == ["arrayJobId"] else Kind.NODES
        record = world.job(job_id)
        if record is None or split_id(job_id)[1] is not None or record.kind is not kind:
            return []
        tasks = record.job.tasks
        return [Child(record, task.index) for task in tasks if status in (None, record.status_of(task))]

    async def cancel(self, world: World, asked: Parameters) -> dict[str, Any]:
        self._stop(world, asked["jobId"], asked["reason"], terminated=False)
        return {}

    async def terminate(self, world: World, asked: Parameters) -> dict[str, Any]:
        self._stop(world, asked["jobId"], asked["reason"], terminated=True)
        return {}

    async def cancel_many(self, world: World, asked: Parameters) -> dict[str, Any]:
        return self._stop_many(world, asked, terminated=False)

    async def terminate_many(self, world: World, asked: Parameters) -> dict[str, Any]:
        return self._stop_many(world, asked, terminated=True)

    def _stop_many(self, world: World, asked: Parameters, *, terminated: bool) -> dict[str, Any]:
        if len(asked["jobs"]) > MAX_STOPPED:
            raise refused(f"Maximum number of jobs supported is  {MAX_STOPPED}")
        for job_id in asked["jobs"]:
            self._stop(world, job_id, asked["reason"], terminated=terminated)
        return {"successful": asked["jobs"], "errors": []}

    def _stop(self, world: World, reference: str, reason: str, *, terminated: bool) -> None:
        """Stop a job as far as it can be; one that has ended, or is not known, is fine."""
        if len(reason) > MAX_REASON:
            raise refused(f"Reason must have at most {MAX_REASON} characters")
        job_id = world.place.short(reference, "job")
        record = world.job(job_id) if job_id else None
        if job_id is not None and record is not None:
            self._lifecycle.stop(record, record.index_in(job_id), Stop(reason, terminated))


def _record_of(entry: Entry) -> JobRecord:
    record: JobRecord = entry.data if isinstance(entry, Job) else entry.record
    return record


def _exact_name(asked: Parameters) -> str:
    """The one name that a filter asks for; empty where it does not."""
    for each in asked.get("filters", ()):
        values = each.get("values", [])
        if each.get("name") == "JOB_NAME" and len(values) == 1 and not values[0].endswith("*"):
            return str(values[0])
    return ""


def _matcher(chosen: dict[str, Any]) -> Callable[[JobRecord], bool]:
    """What a filter asks of a job. Raises StatusError for a filter that there is not."""
    name, values = chosen.get("name"), chosen.get("values", [])
    if len(values) != 1:
        raise refused("A filter must have exactly one value")
    (value,) = values
    if name == "JOB_NAME":
        return lambda record: _like(record.name.lower(), value.lower())
    if name == "JOB_DEFINITION":
        if value.startswith("arn:"):
            return lambda record: record.definition.arn == value
        return lambda record: _like(record.definition.name, value)
    if name == "SHARE_IDENTIFIER":
        return lambda record: record.share == value
    if name in ("BEFORE_CREATED_AT", "AFTER_CREATED_AT"):
        if not value.isdecimal():
            raise refused(f"{name} must be a number of milliseconds")
        bound = int(value)
        if name == "BEFORE_CREATED_AT":
            return lambda record: record.detail["createdAt"] < bound
        return lambda record: record.detail["createdAt"] > bound
    raise refused("Filter name is not valid")


def _like(text: str, pattern: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
