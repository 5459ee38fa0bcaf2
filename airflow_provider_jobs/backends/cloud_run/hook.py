"""The calls of Cloud Run Jobs and of their logs, one method each, with Airflow's Google connection.

Every call has a deadline and is sent once: repeating is the engine's business, or the caller's.
It returns the vendor's own messages and knows nothing of job specs and states.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pendulum
from google.cloud import run_v2
from google.longrunning import operations_pb2

from airflow_provider_jobs.backends.cloud_run import logs
from airflow_provider_jobs.backends.cloud_run.errors import RUN
from airflow_provider_jobs.backends.cloud_run.request import is_ours
from airflow_provider_jobs.core.errors import AmbiguousError, JobsError
from airflow_provider_jobs.core.models import LogLine
from airflow_provider_jobs.google_cloud.errors import VENDOR_EXCEPTIONS
from airflow_provider_jobs.google_cloud.hook import MAX_PAGE, GoogleCloudHook, field_mask, finish
from airflow_provider_jobs.google_cloud.log_entries import project_of
from airflow_provider_jobs.google_cloud.messages import moment
from airflow_provider_jobs.google_cloud.paging import Page, all_pages
from airflow_provider_jobs.hooks.base import translated

Overrides = run_v2.RunJobRequest.Overrides
_ANY_REGION = "us-central1"


class CloudRunHook(GoogleCloudHook):
    """Talks to Cloud Run Jobs with a connection of type ``google_cloud_platform`` or ``cloud_run``.

    Credentials are Airflow's own for Google: default credentials, a key file, a key as JSON, and an
    impersonation chain. Two fields of the connection's extra are added: ``endpoint`` is where Cloud Run
    and Cloud Logging are reached instead of their public addresses, ``http://`` for plain text without
    credentials; ``logging_endpoint`` is that of Cloud Logging alone, where it differs.

    Names are full: ``projects/p/locations/europe-west1/jobs/j``, and ``/executions/e`` behind it.
    Every method raises errors of :mod:`airflow_provider_jobs.core.errors`. May be used from several threads.

    :param gcp_conn_id: the connection
    :param impersonation_chain: the service account to act as, or the chain that leads to it
    :param deadline_seconds: how long one call may last
    """

    service = RUN
    conn_type = "cloud_run"
    hook_name = "Google Cloud Run Jobs"

    @property
    def jobs(self) -> run_v2.JobsClient:
        """The vendor's client of jobs."""
        return self.clients.of(run_v2.JobsClient)

    @property
    def executions(self) -> run_v2.ExecutionsClient:
        """The vendor's client of executions."""
        return self.clients.of(run_v2.ExecutionsClient)

    @property
    def tasks(self) -> run_v2.TasksClient:
        """The vendor's client of tasks."""
        return self.clients.of(run_v2.TasksClient)

    # Jobs

    @translated(*VENDOR_EXCEPTIONS)
    def create_job(
        self,
        project_id: str | None,
        region: str,
        job_id: str,
        job: run_v2.Job | dict[str, Any],
        *,
        timeout_seconds: float = 600,
    ) -> run_v2.Job:
        """Create a job and return it once the service has made it.

        https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/create

        :param project_id: the connection's where it is ``None``
        :param timeout_seconds: how long to wait at most
        :raises AlreadyExists: there is a job of this id
        :raises AmbiguousError: it was sent and no answer came
        :raises TransientError: it is still being made after that time
        """
        request = run_v2.CreateJobRequest(parent=self.parent(project_id, region), job_id=job_id, job=job)
        operation = self.jobs.create_job(request, retry=None, timeout=self.deadline_seconds)
        made = finish(operation, f"job {job_id} is still being made", timeout_seconds=timeout_seconds)
        return run_v2.Job(made)

    @translated(*VENDOR_EXCEPTIONS)
    def get_job(self, name: str) -> run_v2.Job:
        """Return a job by its full name.

        :raises NotFound: there is none
        """
        return self.jobs.get_job(name=name, retry=None, timeout=self.deadline_seconds)

    def list_jobs(
        self, project_id: str | None, region: str, page_size: int = MAX_PAGE
    ) -> Iterator[run_v2.Job]:
        """Yield all jobs of a region, page after page as they are asked for."""
        parent = self.parent(project_id, region)
        return all_pages(lambda token: self._list_jobs(parent, page_size, token))

    @translated(*VENDOR_EXCEPTIONS)
    def _list_jobs(self, parent: str, page_size: int, token: str) -> Page[run_v2.Job]:
        request = run_v2.ListJobsRequest(parent=parent, page_size=page_size, page_token=token)
        pager = self.jobs.list_jobs(request, retry=None, timeout=self.deadline_seconds)
        answer = next(pager.pages)
        return Page(answer.jobs, answer.next_page_token)

    @translated(*VENDOR_EXCEPTIONS)
    def update_job(
        self,
        job: run_v2.Job | dict[str, Any],
        *,
        allow_missing: bool = False,
        timeout_seconds: float = 600,
    ) -> run_v2.Job:
        """Put this job in the place of that of its name, and return it once the service has done so.

        https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/patch

        :param job: a whole job; with ``etag``, only that very version of it is changed
        :param allow_missing: create it where it does not exist
        :param timeout_seconds: how long to wait at most
        :raises NotFound: there is none
        :raises TransientError: it has changed since, or is still being changed after that time
        """
        request = run_v2.UpdateJobRequest(job=job, allow_missing=allow_missing)
        operation = self.jobs.update_job(request, retry=None, timeout=self.deadline_seconds)
        what = f"job {request.job.name} is still being changed"
        return run_v2.Job(finish(operation, what, timeout_seconds=timeout_seconds))

    @translated(*VENDOR_EXCEPTIONS)
    def delete_job(
        self, name: str, wait: bool = True, *, etag: str = "", timeout_seconds: float = 600
    ) -> None:
        """Delete a job with all its executions.

        :param wait: whether to return only when it is gone
        :param etag: delete that very version of it alone
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it has changed since, or is still being deleted after that time
        """
        request = run_v2.DeleteJobRequest(name=name, etag=etag)
        operation = self.jobs.delete_job(request, retry=None, timeout=self.deadline_seconds)
        if wait:
            finish(operation, f"{name} is still being deleted", timeout_seconds=timeout_seconds)

    def delete_unused_jobs(
        self, project_id: str | None, region: str, *, unused_for: timedelta = timedelta(days=30)
    ) -> list[str]:
        """Delete the jobs that this provider has made and nobody has run or changed for long.

        A job that is run, or changed, meanwhile stays. Returns the names of those that were deleted.
        """
        before = pendulum.now("UTC") - unused_for
        deleted = []
        for job in self.list_jobs(project_id, region):
            if is_ours(job) and _last_used(job) < before and not self._runs(job.name):
                self.delete_job(job.name, wait=False, etag=job.etag)
                deleted.append(job.name)
        return deleted

    def _runs(self, name: str) -> bool:
        return any(not execution.completion_time for execution in self.list_executions(name))

    # Executions

    @translated(*VENDOR_EXCEPTIONS)
    def run_job(
        self, name: str, overrides: Overrides | dict[str, Any] | None = None, *, etag: str = ""
    ) -> run_v2.Execution:
        """Start an execution of a job and return it; its end is not waited for.

        https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run

        :param overrides: what this execution has instead of its job's own
        :param etag: run that very version of the job alone
        :raises NotFound: there is no such job
        :raises AmbiguousError: it was sent and no answer came; there may be an execution or not
        :raises TransientError: the job has changed since
        """
        request = run_v2.RunJobRequest(name=name, overrides=overrides, etag=etag)
        operation = self.jobs.run_job(request, retry=None, timeout=self.deadline_seconds)
        execution = run_v2.Execution(operation.metadata)
        if not execution.name:
            raise AmbiguousError("the answer names no execution", call="run_job")
        return execution

    @translated(*VENDOR_EXCEPTIONS)
    def get_execution(self, name: str, *, fields: str | None = None) -> run_v2.Execution:
        """Return an execution by its full name.

        :param fields: which fields to return, ``None`` for all
        :raises NotFound: there is none
        """
        return self.executions.get_execution(
            name=name, retry=None, timeout=self.deadline_seconds, metadata=field_mask(fields)
        )

    def list_executions(self, job_name: str, page_size: int = MAX_PAGE) -> Iterator[run_v2.Execution]:
        """Yield the executions of a job, page after page as they are asked for.

        :param job_name: its full name; with ``-`` in the place of the short name, all jobs of the region
        """
        return all_pages(
            lambda token: self.list_executions_page(job_name, page_size=page_size, page_token=token)
        )

    @translated(*VENDOR_EXCEPTIONS)
    def list_executions_page(
        self, job_name: str, *, page_size: int = MAX_PAGE, page_token: str = "", fields: str | None = None
    ) -> Page[run_v2.Execution]:
        """Return one page of the executions of a job, in one call."""
        request = run_v2.ListExecutionsRequest(parent=job_name, page_size=page_size, page_token=page_token)
        pager = self.executions.list_executions(
            request, retry=None, timeout=self.deadline_seconds, metadata=field_mask(fields)
        )
        answer = next(pager.pages)
        return Page(answer.executions, answer.next_page_token)

    @translated(*VENDOR_EXCEPTIONS)
    def cancel_execution(self, name: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Stop an execution and keep its record.

        :param wait: whether to return only when it is stopped
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it is still being cancelled after that time
        """
        operation = self.executions.cancel_execution(name=name, retry=None, timeout=self.deadline_seconds)
        if wait:
            finish(operation, f"{name} is still being cancelled", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_execution(self, name: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Delete an execution.

        :param wait: whether to return only when it is gone
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it is still being deleted after that time
        """
        operation = self.executions.delete_execution(name=name, retry=None, timeout=self.deadline_seconds)
        if wait:
            finish(operation, f"{name} is still being deleted", timeout_seconds=timeout_seconds)

    # Tasks

    @translated(*VENDOR_EXCEPTIONS)
    def get_task(self, name: str) -> run_v2.Task:
        """Return one task of an execution by its full name.

        :raises NotFound: there is none
        """
        return self.tasks.get_task(name=name, retry=None, timeout=self.deadline_seconds)

    def list_tasks(self, execution_name: str, page_size: int = MAX_PAGE) -> Iterator[run_v2.Task]:
        """Yield the tasks of an execution, page after page as they are asked for."""
        return all_pages(
            lambda token: self.list_tasks_page(execution_name, page_size=page_size, page_token=token)
        )

    @translated(*VENDOR_EXCEPTIONS)
    def list_tasks_page(
        self,
        execution_name: str,
        *,
        page_size: int = MAX_PAGE,
        page_token: str = "",
        fields: str | None = None,
    ) -> Page[run_v2.Task]:
        """Return one page of the tasks of an execution, in one call."""
        request = run_v2.ListTasksRequest(parent=execution_name, page_size=page_size, page_token=page_token)
        pager = self.tasks.list_tasks(
            request, retry=None, timeout=self.deadline_seconds, metadata=field_mask(fields)
        )
        answer = next(pager.pages)
        return Page(answer.tasks, answer.next_page_token)

    # Operations

    @translated(*VENDOR_EXCEPTIONS)
    def get_operation(self, name: str) -> operations_pb2.Operation:
        """Return a long-running operation by its full name."""
        request = operations_pb2.GetOperationRequest(name=name)
        return self.jobs.get_operation(request, retry=None, timeout=self.deadline_seconds)

    def list_operations(
        self,
        project_id: str | None,
        region: str,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        page_size: int = 100,
    ) -> Iterator[operations_pb2.Operation]:
        """Yield the long-running operations of a region, page after page as they are asked for."""
        parent = self.parent(project_id, region)
        return all_pages(lambda token: self._list_operations(parent, filter or "", page_size, token))

    @translated(*VENDOR_EXCEPTIONS)
    def _list_operations(
        self, parent: str, filter_: str, page_size: int, token: str
    ) -> Page[operations_pb2.Operation]:
        request = operations_pb2.ListOperationsRequest(
            name=parent, filter=filter_, page_size=page_size, page_token=token
        )
        answer = self.jobs.list_operations(request, retry=None, timeout=self.deadline_seconds)
        return Page(answer.operations, answer.next_page_token)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_operation(self, name: str) -> None:
        """Forget a long-running operation; what it does goes on."""
        request = operations_pb2.DeleteOperationRequest(name=name)
        self.jobs.delete_operation(request, retry=None, timeout=self.deadline_seconds)

    # Logs

    def read_logs(self, name: str, index: int | None = None) -> list[LogLine]:
        """Return the log of an execution so far, oldest line first.

        :param index: of this task alone, ``None`` for all
        """
        query = logs.execution_filter(name, index=index)
        return [logs.to_line(entry) for entry in self.log_entries(project_of(name), query)]

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the jobs of the connection's project can be listed, and what was found.

        The service lists the jobs of one region only, so one is asked that every project has.
        """
        try:
            project = self.project_id
            self._list_jobs(self.parent(project, _ANY_REGION), 1, "")
        except JobsError as error:
            return False, str(error)
        return True, f"Jobs of project {project} can be listed"


def _last_used(job: run_v2.Job) -> pendulum.DateTime:
    last_run = job.latest_created_execution.create_time
    return max(moment(stamp) for stamp in (job.create_time, job.update_time, last_run) if stamp)
