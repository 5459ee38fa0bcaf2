"""The calls of GCP Batch and of its logs, one method each, with Airflow's Google connection.

Every call has a deadline and is sent once: repeating is the engine's business, or the caller's.
It returns the vendor's own messages and knows nothing of job specs and states.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
from google.api_core.future.polling import DEFAULT_POLLING
from google.api_core.operation import Operation
from google.auth.credentials import Credentials
from google.cloud import batch_v1
from google.cloud.logging_v2.types import ListLogEntriesRequest, LogEntry

from airflow_provider_jobs.backends.gcp_batch import logs
from airflow_provider_jobs.backends.gcp_batch.clients import Clients
from airflow_provider_jobs.backends.gcp_batch.errors import VENDOR_EXCEPTIONS, to_error
from airflow_provider_jobs.core.errors import AccessDenied, InvalidArgument, JobsError, TransientError
from airflow_provider_jobs.core.models import LogLine
from airflow_provider_jobs.hooks.base import Endpoint, known_connection, read_endpoint, translated

DEADLINE_SECONDS = 30.0
MAX_PAGE = 1000
_POLLING = DEFAULT_POLLING.with_delay(initial=0.2, maximum=5.0)


@dataclass(frozen=True)
class JobPage:
    """One page of jobs; an empty token means the last."""

    jobs: Sequence[batch_v1.Job]
    next_token: str


@dataclass(frozen=True)
class EntryPage:
    """One page of log entries; an empty token means the last."""

    entries: Sequence[LogEntry]
    next_token: str


class GcpBatchHook(GoogleBaseHook):
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

    conn_name_attr = "gcp_conn_id"
    default_conn_name = "google_cloud_default"
    conn_type = "gcp_batch"
    hook_name = "Google Cloud Batch"

    def __init__(
        self,
        gcp_conn_id: str = default_conn_name,
        impersonation_chain: str | Sequence[str] | None = None,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        **kwargs: Any,
    ) -> None:
        with known_connection(gcp_conn_id, argument="gcp_conn_id"):
            super().__init__(gcp_conn_id=gcp_conn_id, impersonation_chain=impersonation_chain, **kwargs)
        self.deadline_seconds = deadline_seconds
        self.endpoint = read_endpoint(self._get_field("endpoint"), conn_id=gcp_conn_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(gcp_conn_id={self.gcp_conn_id!r})"

    @cached_property
    def clients(self) -> Clients:
        """The vendor's clients."""
        logging = read_endpoint(self._get_field("logging_endpoint"), conn_id=self.gcp_conn_id)
        return Clients(self._checked_credentials, batch=self.endpoint, logging=logging or self.endpoint)

    @property
    def project_id(self) -> str:
        """The connection's project, or that of its credentials.

        :raises InvalidArgument: neither names one
        """
        project = self._get_field("project")
        if not project and not _is_plain(self.endpoint):
            self._checked_credentials()
            project = self._cached_project_id
        if not project:
            raise InvalidArgument(
                "project_id",
                f"neither the task nor connection {self.gcp_conn_id!r} names a project",
                remedy="Give project_id, or set the project in the connection",
            )
        return str(project)

    def translate(self, error: Exception, *, call: str) -> JobsError:
        """Return our error for an exception of Google's clients."""
        return to_error(error, call=call, endpoint=str(self.endpoint) if self.endpoint else None)

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
        return self.clients.batch.create_job(request, retry=None, timeout=self.deadline_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def get_job(self, name: str, *, fields: str | None = None) -> batch_v1.Job:
        """Return a job by its full name.

        :param fields: which fields to return, ``None`` for all
        :raises NotFound: there is none
        """
        return self.clients.batch.get_job(
            name=name, retry=None, timeout=self.deadline_seconds, metadata=_mask(fields)
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
        token = ""
        while True:
            page = self.list_jobs_page(
                project_id, region, filter=filter, page_size=page_size, order_by=order_by, page_token=token
            )
            yield from page.jobs
            token = page.next_token
            if not token:
                return

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
    ) -> JobPage:
        """Return one page of the jobs of a region, in one call."""
        request = batch_v1.ListJobsRequest(
            parent=self.parent(project_id, region),
            filter=filter or "",
            order_by=order_by or "",
            page_size=page_size,
            page_token=page_token,
        )
        pager = self.clients.batch.list_jobs(
            request, retry=None, timeout=self.deadline_seconds, metadata=_mask(fields)
        )
        answer = next(pager.pages)
        return JobPage(answer.jobs, answer.next_page_token)

    @translated(*VENDOR_EXCEPTIONS)
    def cancel_job(self, name: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Stop a job and keep its record.

        https://cloud.google.com/batch/docs/cancel-job

        :param wait: whether to return only when the job is stopped
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it is still being cancelled after that time
        """
        operation = self.clients.batch.cancel_job(name=name, retry=None, timeout=self.deadline_seconds)
        if wait:
            _finish(operation, f"{name} is still being cancelled", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_job(self, name: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Delete a job; one that runs is stopped first.

        https://cloud.google.com/batch/docs/delete-job

        :param wait: whether to return only when the job is gone
        :param timeout_seconds: how long to wait at most
        :raises TransientError: it is still being deleted after that time
        """
        operation = self.clients.batch.delete_job(name=name, retry=None, timeout=self.deadline_seconds)
        if wait:
            _finish(operation, f"{name} is still being deleted", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def get_task(self, name: str, index: int, group: str = "group0") -> batch_v1.Task:
        """Return one task of a job."""
        task = f"{name}/taskGroups/{group}/tasks/{index}"
        return self.clients.batch.get_task(name=task, retry=None, timeout=self.deadline_seconds)

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
        token = ""
        while True:
            answer = self._list_tasks(
                batch_v1.ListTasksRequest(
                    parent=f"{name}/taskGroups/{group}",
                    filter=filter or "",
                    page_size=page_size,
                    page_token=token,
                )
            )
            yield from answer.tasks
            token = answer.next_page_token
            if not token:
                return

    @translated(*VENDOR_EXCEPTIONS)
    def _list_tasks(self, request: batch_v1.ListTasksRequest) -> batch_v1.ListTasksResponse:
        pager = self.clients.batch.list_tasks(request, retry=None, timeout=self.deadline_seconds)
        return next(pager.pages)

    @translated(*VENDOR_EXCEPTIONS)
    def list_log_entries(
        self, project_id: str, query: str, *, page_size: int = MAX_PAGE, page_token: str = ""
    ) -> EntryPage:
        """Return one page of log entries, oldest first, in one call.

        The service allows 60 of these calls per minute and project:
        https://cloud.google.com/logging/quotas#api-limits
        """
        request = ListLogEntriesRequest(
            resource_names=[f"projects/{project_id}"],
            filter=query,
            order_by="timestamp asc",
            page_size=page_size,
            page_token=page_token,
        )
        pager = self.clients.logging.list_log_entries(request, retry=None, timeout=self.deadline_seconds)
        answer = next(pager.pages)
        return EntryPage(answer.entries, answer.next_page_token)

    def read_logs(self, name: str, index: int | None = None) -> list[LogLine]:
        """Return the log of a job so far, oldest line first.

        :param index: of this task alone, ``None`` for all
        """
        job = self.get_job(name)
        query = logs.job_filter(name, job.uid, index=index)
        lines: list[LogLine] = []
        token = ""
        while True:
            page = self.list_log_entries(logs.project_of(name), query, page_token=token)
            read = (logs.to_line(entry) for entry in page.entries)
            lines.extend(line for line in read if index is None or line.index == index)
            token = page.next_token
            if not token:
                return lines

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

    def parent(self, project_id: str | None, region: str) -> str:
        """Return the name of what holds the jobs of a region."""
        return f"projects/{project_id or self.project_id}/locations/{region}"

    def _checked_credentials(self) -> Credentials:
        """Return the credentials; whatever is wrong with them is said without a word of what they hold."""
        try:
            return self.get_credentials()
        except VENDOR_EXCEPTIONS as error:
            raise self.translate(error, call="credentials") from error
        except (AirflowException, ValueError, OSError) as error:
            raise AccessDenied(
                f"the credentials of connection {self.gcp_conn_id!r} cannot be read ({type(error).__name__})",
                advice="Check its key path, keyfile JSON and impersonation chain",
            ) from error


def _mask(fields: str | None) -> tuple[tuple[str, str], ...]:
    """Return the header that asks for some fields: https://cloud.google.com/apis/docs/system-parameters"""
    return (("x-goog-fieldmask", fields),) if fields else ()


def _finish(operation: Operation, what: str, *, timeout_seconds: float) -> None:
    try:
        operation.result(timeout=timeout_seconds, polling=_POLLING)
    except concurrent.futures.TimeoutError:
        raise TransientError(f"{what} after {timeout_seconds:g} seconds") from None


def _is_plain(endpoint: Endpoint | None) -> bool:
    return endpoint is not None and not endpoint.secure
