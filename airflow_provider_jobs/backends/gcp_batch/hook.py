"""The calls of GCP Batch and of its logs, one method each, with Airflow's Google connection.

Every call has a deadline and is sent once: repeating is the engine's business, or the caller's.
It returns the vendor's own messages and knows nothing of job specs and states.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch import logs
from airflow_provider_jobs.backends.gcp_batch.errors import BATCH
from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.models import LogLine
from airflow_provider_jobs.google_cloud.errors import VENDOR_EXCEPTIONS
from airflow_provider_jobs.google_cloud.hook import MAX_PAGE, GoogleCloudHook, field_mask, finish
from airflow_provider_jobs.google_cloud.log_entries import project_of
from airflow_provider_jobs.google_cloud.paging import Page, all_pages
from airflow_provider_jobs.hooks.base import translated


class GcpBatchHook(GoogleCloudHook):
    """Talks to GCP Batch with a connection of type ``google_cloud_platform`` or ``gcp_batch``.

    Credentials are Airflow's own for Google: default credentials, a key file, a key as JSON, and an
    impersonation chain. Two fields of the connection's extra are added: ``endpoint`` is where GCP Batch
    and Cloud Logging are reached instead of their public addresses, ``http://`` for plain text without
    credentials; ``logging_endpoint`` is that of Cloud Logging alone, where it differs.

    Every method raises errors of :mod:`airflow_provider_jobs.core.errors`. May be used from several threads.

    :param gcp_conn_id: the connection
    :param impersonation_chain: the service account to act as, or the chain that leads to it
    :param deadline_seconds: how long one call may last
    """

    service = BATCH
    conn_type = "gcp_batch"
    hook_name = "Google Cloud Batch"

    @property
    def client(self) -> batch_v1.BatchServiceClient:
        """The vendor's client of GCP Batch."""
        return self.clients.of(batch_v1.BatchServiceClient)

    @translated(*VENDOR_EXCEPTIONS)
    def create_job(
        self,
        project_id: str | None,
        region: str,
        job_id: str,
        job: batch_v1.Job | dict[str, Any],
        request_id: str | None = None,
    ) -> batch_v1.Job:
        """Create a job and return it as the service keeps it.

        https://cloud.google.com/batch/docs/reference/rest/v1/projects.locations.jobs/create

        :param project_id: the connection's where it is ``None``
        :param request_id: a UUID; under it the service takes a repeated request as the first, for 60 minutes
        :raises AlreadyExists: there is a job of this id
        :raises AmbiguousError: it was sent and no answer came
        """
        request = batch_v1.CreateJobRequest(
            parent=self.parent(project_id, region), job_id=job_id, job=job, request_id=request_id or ""
        )
        return self.client.create_job(request, retry=None, timeout=self.deadline_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def get_job(self, name: str, *, fields: str | None = None) -> batch_v1.Job:
        """Return a job by its full name.

        :param fields: which fields to return, ``None`` for all
        :raises NotFound: there is none
        """
        return self.client.get_job(
            name=name, retry=None, timeout=self.deadline_seconds, metadata=field_mask(fields)
        )

    def list_jobs(
        self,
        project_id: str | None,
        region: str,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        page_size: int = MAX_PAGE,
        *,
        order_by: str | None = None,
    ) -> Iterator[batch_v1.Job]:
        """Yield all jobs of a region, page after page as they are asked for.

        :param filter: passed on; the service documents no syntax for it
        :param order_by: ``name`` or ``create_time``, with `` desc`` for the other way round
        """
        return all_pages(
            lambda token: self.list_jobs_page(
                project_id, region, filter=filter, page_size=page_size, order_by=order_by, page_token=token
            )
        )

    @translated(*VENDOR_EXCEPTIONS)
    def list_jobs_page(
        self,
        project_id: str | None,
        region: str,
        *,
        page_token: str = "",
        page_size: int = MAX_PAGE,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        order_by: str | None = None,
        fields: str | None = None,
    ) -> Page[batch_v1.Job]:
        """Return one page of the jobs of a region, in one call."""
        request = batch_v1.ListJobsRequest(
            parent=self.parent(project_id, region),
            filter=filter or "",
            order_by=order_by or "",
            page_size=page_size,
            page_token=page_token,
        )
        pager = self.client.list_jobs(
            request, retry=None, timeout=self.deadline_seconds, metadata=field_mask(fields)
        )
        answer = next(pager.pages)
        return Page(answer.jobs, answer.next_page_token)

    @translated(*VENDOR_EXCEPTIONS)
    def cancel_job(self, name: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Stop a job and keep its record.

        https://cloud.google.com/batch/docs/cancel-job

        :param wait: whether to return only when the job is stopped
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it is still being cancelled after that time
        """
        operation = self.client.cancel_job(name=name, retry=None, timeout=self.deadline_seconds)
        if wait:
            finish(operation, f"{name} is still being cancelled", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_job(self, name: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Delete a job; one that runs is stopped first.

        https://cloud.google.com/batch/docs/delete-job

        :param wait: whether to return only when the job is gone
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it is still being deleted after that time
        """
        operation = self.client.delete_job(name=name, retry=None, timeout=self.deadline_seconds)
        if wait:
            finish(operation, f"{name} is still being deleted", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def get_task(self, name: str, index: int, group: str = "group0") -> batch_v1.Task:
        """Return one task of a job."""
        task = f"{name}/taskGroups/{group}/tasks/{index}"
        return self.client.get_task(name=task, retry=None, timeout=self.deadline_seconds)

    def list_tasks(
        self,
        name: str,
        group: str = "group0",
        filter: str | None = None,  # noqa: A002 - the vendor's name
        page_size: int = MAX_PAGE,
    ) -> Iterator[batch_v1.Task]:
        """Yield the tasks of a job, page after page as they are asked for.

        :param filter: ``State=FAILED`` and the like
        """
        parent = f"{name}/taskGroups/{group}"
        return all_pages(lambda token: self._list_tasks(parent, filter or "", page_size, token))

    @translated(*VENDOR_EXCEPTIONS)
    def _list_tasks(self, parent: str, filter_: str, page_size: int, token: str) -> Page[batch_v1.Task]:
        request = batch_v1.ListTasksRequest(
            parent=parent, filter=filter_, page_size=page_size, page_token=token
        )
        pager = self.client.list_tasks(request, retry=None, timeout=self.deadline_seconds)
        answer = next(pager.pages)
        return Page(answer.tasks, answer.next_page_token)

    def read_logs(self, name: str, index: int | None = None) -> list[LogLine]:
        """Return the log of a job so far, oldest line first.

        :param index: of this task alone, ``None`` for all
        """
        job = self.get_job(name)
        entries = self.log_entries(project_of(name), logs.job_filter(name, job.uid, index=index))
        lines = [logs.to_line(entry) for entry in entries]
        return [line for line in lines if index is None or line.index == index]

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the jobs of the connection's project can be listed, and what was found.

        Asks for all regions at once with ``-`` in the place of one.
        """
        try:
            project = self.project_id
            self.list_jobs_page(project, "-", page_size=1)
        except JobsError as error:
            return False, str(error)
        return True, f"Jobs of project {project} can be listed"
