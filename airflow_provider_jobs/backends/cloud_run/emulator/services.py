"""google.cloud.run.v2: Jobs, Executions and Tasks.

It exists to answer as version 2 of the service answers; the work is done in ``control``. It must not know how
a request arrived. https://docs.cloud.google.com/run/docs/reference/rpc/google.cloud.run.v2
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator import names
from airflow_provider_jobs.backends.cloud_run.emulator.control import ControlPlane, check_etag
from airflow_provider_jobs.backends.cloud_run.emulator.execution_messages import (
    execution_message,
    task_message,
)
from airflow_provider_jobs.backends.cloud_run.emulator.job_messages import job_message
from airflow_provider_jobs.backends.cloud_run.emulator.operations import Change, ExecutionRun
from airflow_provider_jobs.backends.cloud_run.emulator.records import JobRecord
from airflow_provider_jobs.backends.cloud_run.emulator.validation import Violation, check_id
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.protobuf_rpc import masks
from airflow_provider_jobs.google_cloud.emulator import paging
from airflow_provider_jobs.google_cloud.emulator.names import Place
from airflow_provider_jobs.google_cloud.emulator.operations import Operations

_TOKEN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Runs:
    """What the three services share: the control plane and the operations."""

    def __init__(self, control: ControlPlane, *, operations: Operations) -> None:
        self.control = control
        self._operations = operations

    def operation(
        self, place: Place, work: Change, *, done: asyncio.Future[None]
    ) -> operations_pb2.Operation:
        return self._operations.start(place, operation_id=str(uuid.uuid4()), work=work, done=done)

    def valid(self, place: Place, resource: Callable[[], Message]) -> operations_pb2.Operation:
        """The operation of a request that was only to be validated."""
        operation = operations_pb2.Operation(name=f"{place.name}/operations/{uuid.uuid4()}", done=True)
        operation.metadata.Pack(resource())
        operation.response.Pack(resource())
        return operation


class JobsService(Runs):
    """The methods of google.cloud.run.v2.Jobs."""

    async def create_job(self, request: pb.CreateJobRequest) -> operations_pb2.Operation:
        place = self.control.names.place(request.parent)
        with _violations("CreateJobRequest"):
            check_id("job_id", request.job_id)
            if request.job.name:
                raise Violation("job.name", "must be empty on CreateJobRequest.")
        return self._create(place, request.job_id, request.job, validate_only=request.validate_only)

    def _create(
        self, place: Place, job_id: str, job: pb.Job, *, validate_only: bool
    ) -> operations_pb2.Operation:
        with _violations("CreateJobRequest", within="job"):
            _check_token(job_id, _token(job))
            record = self.control.create_job(place, job_id, job, validate_only=validate_only)
        if validate_only:
            return self.valid(place, lambda: job_message(record))
        return self._started(record, job)

    async def get_job(self, request: pb.GetJobRequest) -> pb.Job:
        return job_message(self._job(request.name))

    async def list_jobs(self, request: pb.ListJobsRequest) -> pb.ListJobsResponse:
        place = self.control.names.place(request.parent, every=True)
        found = self.control.jobs(place, deleted=request.show_deleted)
        page, token = _page(found, request)
        return pb.ListJobsResponse(jobs=[job_message(record) for record in page], next_page_token=token)

    async def update_job(self, request: pb.UpdateJobRequest) -> operations_pb2.Operation:
        place, job_id = self.control.names.job(request.job.name)
        try:
            record = self.control.job(place, job_id)
        except StatusError:
            if not request.allow_missing:
                raise
            return self._create(place, job_id, request.job, validate_only=request.validate_only)
        with _violations("UpdateJobRequest", within="job"):
            _check_token(job_id, _token(request.job))
            record = self.control.update_job(record, request.job, validate_only=request.validate_only)
        if request.validate_only:
            return self.valid(place, lambda: job_message(record))
        return self._started(record, request.job)

    async def delete_job(self, request: pb.DeleteJobRequest) -> operations_pb2.Operation:
        record = self._job(request.name)
        check_etag(request.etag, record.etag, name=record.name)
        if request.validate_only:
            return self.valid(record.place, lambda: job_message(record))
        done = self.control.delete_job(record)
        return self.operation(record.place, Change(lambda: job_message(record)), done=done)

    async def run_job(self, request: pb.RunJobRequest) -> operations_pb2.Operation:
        record = self._job(request.name)
        check_etag(request.etag, record.etag, name=record.name)
        with _violations("RunJobRequest"):
            job = self.control.run_job(record, request.overrides, validate_only=request.validate_only)
        if request.validate_only:
            return self.valid(record.place, lambda: execution_message(job))
        return self.operation(record.place, ExecutionRun(job), done=job.data.ended)

    def _job(self, name: str) -> JobRecord:
        return self.control.job(*self.control.names.job(name))

    def _started(self, record: JobRecord, requested: pb.Job) -> operations_pb2.Operation:
        """The operation of a change that may bring an execution with it."""
        done: asyncio.Future[None] = asyncio.ensure_future(_soon())
        if token := _token(requested):
            job = self.control.run_token(record, token)
            if job is not None and requested.run_execution_token:
                done = job.data.ended
        return self.operation(record.place, Change(lambda: job_message(record)), done=done)


class ExecutionsService(Runs):
    """The methods of google.cloud.run.v2.Executions."""

    async def get_execution(self, request: pb.GetExecutionRequest) -> pb.Execution:
        return execution_message(self._execution(request.name))

    async def list_executions(self, request: pb.ListExecutionsRequest) -> pb.ListExecutionsResponse:
        parent = self.control.names.executions_of(request.parent)
        found = self.control.listed_executions(parent, deleted=request.show_deleted)
        page, token = _page(found, request)
        fields = masks.wanted.get().within("executions")
        return pb.ListExecutionsResponse(
            executions=[execution_message(job, fields) for job in page], next_page_token=token
        )

    async def delete_execution(self, request: pb.DeleteExecutionRequest) -> operations_pb2.Operation:
        job = self._checked(request)
        if request.validate_only:
            return self.valid(job.data.name.place, lambda: execution_message(job))
        done = self.control.delete_execution(job)
        return self.operation(job.data.name.place, Change(lambda: execution_message(job)), done=done)

    async def cancel_execution(self, request: pb.CancelExecutionRequest) -> operations_pb2.Operation:
        job = self._checked(request)
        if request.validate_only:
            return self.valid(job.data.name.place, lambda: execution_message(job))
        done = self.control.cancel(job)
        return self.operation(job.data.name.place, Change(lambda: execution_message(job)), done=done)

    def _execution(self, name: str) -> Job:
        return self.control.execution(self.control.names.execution(name))

    def _checked(self, request: pb.DeleteExecutionRequest | pb.CancelExecutionRequest) -> Job:
        job = self._execution(request.name)
        if request.etag:
            check_etag(request.etag, execution_message(job).etag, name=request.name)
        return job


class TasksService(Runs):
    """The methods of google.cloud.run.v2.Tasks."""

    async def get_task(self, request: pb.GetTaskRequest) -> pb.Task:
        name, index = self.control.names.task(request.name)
        job = self.control.execution(name)
        if not 0 <= index < len(job.tasks):
            raise names.missing("TASK", request.name.rpartition("/")[2], name.place)
        return task_message(job, job.tasks[index])

    async def list_tasks(self, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        parent = self.control.names.execution(request.parent)
        if names.ANY not in (parent.job_id, parent.execution_id):
            self.control.execution(parent)
        jobs = self.control.executions(parent, deleted=request.show_deleted)
        page, token = _page([(job, task) for job in jobs for task in job.tasks], request)
        return pb.ListTasksResponse(
            tasks=[task_message(job, task) for job, task in page], next_page_token=token
        )


async def unimplemented(request: Message) -> Message:
    """Methods that the local cloud does not have."""
    kind = type(request).DESCRIPTOR.name
    raise StatusError("UNIMPLEMENTED", f"{kind} is not implemented by the local cloud.")


async def _soon() -> None:
    """Reconciliation takes its turn first."""
    await asyncio.sleep(0)


def _page(items: Sequence[Any], request: Any) -> tuple[Any, str]:
    context = (request.parent, str(request.show_deleted))
    return paging.page(items, size=request.page_size, token=request.page_token, context=context)


def _token(job: pb.Job) -> str:
    return job.start_execution_token or job.run_execution_token


def _check_token(job_id: str, token: str) -> None:
    if not token:
        return
    if len(job_id) + len(token) >= names.MAX_NAME_CHARACTERS or not _TOKEN.fullmatch(token):
        field = "start_execution_token or run_execution_token"
        raise Violation(field, "with the job's name it must be fewer than 63 characters of a resource name.")


@contextmanager
def _violations(request: str, *, within: str = "") -> Iterator[None]:
    """A violation as version 2 tells of it: by the path from the request's name on."""
    try:
        yield
    except Violation as violation:
        path = ".".join(part for part in (within, violation.field) if part)
        detail = error_details_pb2.BadRequest()
        detail.field_violations.add(field=f"{request}.{path}", description=violation.why)
        message = f"Violation in {request}.{path}: {violation.why}"
        raise StatusError("INVALID_ARGUMENT", message, details=(detail,)) from None
