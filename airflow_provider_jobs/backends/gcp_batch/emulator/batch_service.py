"""google.cloud.batch.v1.BatchService.

It exists to answer as the service answers; what it knows of the service is in ``names``, ``validation``,
``plans``, ``outcomes`` and ``job_messages``. It must not know how a request arrived.
https://docs.cloud.google.com/batch/docs/reference/rpc/google.cloud.batch.v1
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from google.cloud import batch_v1
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator import names, validation
from airflow_provider_jobs.backends.gcp_batch.emulator.job_messages import (
    JobRecord,
    admitted,
    job_message,
    task_message,
)
from airflow_provider_jobs.backends.gcp_batch.emulator.operations import Change
from airflow_provider_jobs.backends.gcp_batch.emulator.outcomes import TASK_STATES
from airflow_provider_jobs.backends.gcp_batch.emulator.plans import Planner, images
from airflow_provider_jobs.backends.gcp_batch.emulator.request_memory import RequestMemory
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import Job, JobListener, JobSpec, JobState
from airflow_provider_jobs.emulator.ordering import LatestFirst
from airflow_provider_jobs.emulator.protobuf_rpc import masks
from airflow_provider_jobs.google_cloud.emulator import paging
from airflow_provider_jobs.google_cloud.emulator.names import ANY_LOCATION, Place, Projects, not_found
from airflow_provider_jobs.google_cloud.emulator.operations import Operations

DIALECT = "gcp_batch"
_TASK_FILTER = re.compile(r'\s*(?:status\.)?state\s*[=:]\s*"?(\w+)"?\s*', re.IGNORECASE)


class BatchService:
    """The methods of the service over the local cloud's engine."""

    def __init__(
        self,
        cloud: Cloud,
        *,
        projects: Projects,
        operations: Operations,
        listener: JobListener | None = None,
    ) -> None:
        self._cloud = cloud
        self._names = names.BatchNames(projects)
        self._operations = operations
        self._listener = listener
        self._created: RequestMemory[Job] = RequestMemory()
        self._changed: RequestMemory[operations_pb2.Operation] = RequestMemory()
        self._records: dict[str, JobRecord] = {}
        cloud.on_reset(self._forget)

    def _forget(self) -> None:
        self._created.clear()
        self._changed.clear()
        self._records.clear()

    def record_of(self, uid: str) -> JobRecord | None:
        """The job of this uid as it was admitted, also when it has been deleted since."""
        return self._records.get(uid)

    async def create_job(self, request: pb.CreateJobRequest) -> pb.Job:
        place = self._names.place(request.parent)
        validation.check_request_id(request.request_id)
        if (again := self._created.get(request.request_id)) is not None:
            return job_message(again)
        job_id = request.job_id or names.new_job_id()
        names.check_job_id(job_id)
        validation.check_job(request.job, place)
        if self._cloud.jobs.get(DIALECT, place.job(job_id)) is not None:
            raise StatusError("ALREADY_EXISTS", f'Resource "{place.job(job_id)}" already exists')
        record = admitted(
            request.job,
            place=place,
            job_id=job_id,
            uid=names.new_uid(job_id),
            number=self._names.projects.number(place.project),
        )
        self._records[record.message.uid] = record
        job = self._cloud.submit(self._spec(record), data=record)
        self._created.put(request.request_id, job)
        return job_message(job)

    def _spec(self, record: JobRecord) -> JobSpec:
        group = record.message.task_groups[0]
        hosts = Path("/etc/hosts") if group.require_hosts_file else None
        planner = Planner(group, task_count=group.task_count, secrets=self._cloud.secrets, hosts_file=hosts)
        return JobSpec(
            dialect=DIALECT,
            name=record.message.name,
            uid=record.message.uid,
            task_count=group.task_count,
            parallelism=group.parallelism,
            plan=planner.plan,
            retry=planner.retry,
            listener=self._listener,
            keep_logs=record.message.logs_policy.destination == batch_v1.LogsPolicy.Destination.CLOUD_LOGGING,
            images=images(group),
            listed_under=(record.place, Place(record.place.project, ANY_LOCATION)),
        )

    async def get_job(self, request: pb.GetJobRequest) -> pb.Job:
        return job_message(self._job(request.name))

    async def list_jobs(self, request: pb.ListJobsRequest) -> pb.ListJobsResponse:
        place = self._names.place(request.parent, every=True)
        jobs = _in_order(self._cloud.jobs.listed(DIALECT, place), request.order_by)
        page, token = paging.page(
            jobs, size=request.page_size, token=request.page_token, context=(request.parent, request.order_by)
        )
        fields = masks.wanted.get().within("jobs")
        return pb.ListJobsResponse(jobs=[job_message(job, fields) for job in page], next_page_token=token)

    async def delete_job(self, request: pb.DeleteJobRequest) -> operations_pb2.Operation:
        validation.check_request_id(request.request_id)
        if (again := self._changed.get(request.request_id)) is not None:
            return self._operations.get(again.name)
        job = self._job(request.name)
        if job.state is JobState.DELETING:
            raise StatusError("FAILED_PRECONDITION", f'Resource "{job.spec.name}" is being deleted')
        done = self._cloud.remove(job)
        change = Change(job, verb="delete", response=empty_pb2.Empty(), done=done)
        operation = change.start(self._operations)
        self._changed.put(request.request_id, operation)
        return operation

    async def cancel_job(self, request: pb.CancelJobRequest) -> operations_pb2.Operation:
        validation.check_request_id(request.request_id)
        if (again := self._changed.get(request.request_id)) is not None:
            return self._operations.get(again.name)
        job = self._job(request.name)
        if job.ended or job.state is JobState.DELETING:
            raise StatusError(
                "FAILED_PRECONDITION", f'Job "{job.spec.name}" is in a terminal state, cannot cancel'
            )
        done: asyncio.Future[None] = self._cloud.cancel(job)
        change = Change(job, verb="cancel", response=pb.CancelJobResponse(), done=done)
        operation = change.start(self._operations)
        self._changed.put(request.request_id, operation)
        return operation

    async def get_task(self, request: pb.GetTaskRequest) -> pb.Task:
        place, job_id, group, index = self._names.task(request.name)
        job = self._job(place.job(job_id))
        if group != names.GROUP or not index.isdecimal() or int(index) >= len(job.tasks):
            raise not_found(request.name)
        return task_message(job, job.tasks[int(index)])

    async def list_tasks(self, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        place, job_id, group = self._names.group(request.parent)
        job = self._job(place.job(job_id))
        if group != names.GROUP:
            raise not_found(request.parent)
        tasks = job.tasks if job.state is not JobState.QUEUED else []
        if request.filter.strip():
            wanted = _task_state(request.filter)
            tasks = [task for task in tasks if TASK_STATES[task.state].name == wanted]
        page, token = paging.page(
            tasks, size=request.page_size, token=request.page_token, context=(request.parent, request.filter)
        )
        return pb.ListTasksResponse(tasks=[task_message(job, task) for task in page], next_page_token=token)

    def _job(self, name: str) -> Job:
        place, job_id = self._names.job(name)
        job = self._cloud.jobs.get(DIALECT, place.job(job_id))
        if job is None:
            raise not_found(name)
        return job


def _task_state(filter_: str) -> str:
    """The state that a task filter asks for. Raises StatusError for any other kind of filter."""
    match = _TASK_FILTER.fullmatch(filter_)
    known = {state.name for state in TASK_STATES.values()}
    if match is None or match[1].upper() not in known:
        raise validation.invalid("filter", f'"{filter_}" should be of the format State=TaskStatus.State.')
    return match[1].upper()


def _in_order(jobs: Sequence[Job], order_by: str) -> Sequence[Job]:
    """Jobs that come by age; without an order the latest comes first, as in the service's own pages."""
    field, _, direction = order_by.strip().partition(" ")
    if field not in ("", "name", "create_time") or direction not in ("", "desc"):
        raise validation.invalid("order_by", f'"{order_by}" is not supported.')
    if field == "name":
        return sorted(jobs, key=lambda job: job.spec.name, reverse=direction == "desc")
    return jobs if field and not direction else LatestFirst(jobs)
