"""The calls of Azure Batch, one method each, with Airflow's Azure Batch connection.

Every call has a deadline and is sent once: repeating is the engine's business, or the caller's. The one
exception is the adding of tasks, where those that the service failed to add are sent again at once.
It returns the vendor's own models and knows nothing of job specs and states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pendulum
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.backends.azure_batch.calls import (
    MAX_PAGE,
    as_model,
    finish,
    listed,
    moment,
    segment,
)
from airflow_provider_jobs.backends.azure_batch.clients import POLLING_SECONDS
from airflow_provider_jobs.backends.azure_batch.errors import (
    VENDOR_EXCEPTIONS,
    is_servers_fault,
    refused_tasks,
)
from airflow_provider_jobs.backends.azure_batch.pool_calls import PoolCalls
from airflow_provider_jobs.backends.azure_batch.task_chunks import split_tasks
from airflow_provider_jobs.core.errors import JobsError, TransientError
from airflow_provider_jobs.hooks.base import translated

# How often tasks that the service failed to add are sent again within one call.
ADD_ROUNDS = 3


@dataclass(frozen=True)
class FilePart:
    """A part of a file of a task.

    :param modified: when the file was last changed, to the second
    """

    content: bytes
    modified: pendulum.DateTime | None


class AzureBatchHook(PoolCalls):
    """Talks to Azure Batch with a connection of type ``azure_batch``, one account each.

    Login and password are the account's name and key, and ``account_url`` of the extra is its address.
    Without them Entra ID is used as the official hook does: the default credential of the machine, with
    ``managed_identity_client_id`` and ``workload_identity_tenant_id``. With ``tenant_id`` in the extra, login
    and password are a client and its secret. ``subscription_id`` and ``resource_group`` make links to the
    portal. ``http://`` is taken for addresses of this machine, as a local cloud has.

    Every method raises errors of :mod:`airflow_provider_jobs.core.errors`. May be used from several threads.

    :param azure_batch_conn_id: the connection
    :param timeout_seconds: how long connecting, and each wait for data, may last
    """

    # Jobs

    @translated(*VENDOR_EXCEPTIONS)
    def create_job(self, job: models.BatchJobCreateOptions | Mapping[str, Any]) -> None:
        """Create a job.

        https://learn.microsoft.com/rest/api/batchservice/jobs/create-job

        :param job: the vendor's model, or the service's JSON
        :raises AlreadyExists: there is a job of this id
        :raises AmbiguousError: it was sent and no answer came
        :raises NoCapacity: the account's quota of active jobs is used up
        """
        self.connection.create_job(as_model(models.BatchJobCreateOptions, job))

    @translated(*VENDOR_EXCEPTIONS)
    def get_job(self, job_id: str, select: Sequence[str] | None = None) -> models.BatchJob:
        """Return a job.

        :raises NotFound: there is none
        """
        return self.connection.get_job(job_id, select=listed(select))

    def list_jobs(
        self,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        select: Sequence[str] | None = None,
    ) -> Iterator[models.BatchJob]:
        """Yield the account's jobs, page after page as they are asked for."""
        return self._pages("list_jobs", filter=filter, select=listed(select), max_results=MAX_PAGE)

    @translated(*VENDOR_EXCEPTIONS)
    def update_job(self, job_id: str, changes: models.BatchJobUpdateOptions | Mapping[str, Any]) -> None:
        """Change what is given of a job and leave the rest."""
        self.connection.update_job(job_id, as_model(models.BatchJobUpdateOptions, changes))

    @translated(*VENDOR_EXCEPTIONS)
    def terminate_job(
        self, job_id: str, reason: str = "UserTerminate", wait: bool = True, *, timeout_seconds: float = 600
    ) -> None:
        """End a job: its tasks that run are stopped, those that wait never run.

        :param reason: kept as the job's terminate reason
        :param wait: whether to return only when it has ended
        :raises Conflict: it has ended already
        :raises TransientError: it is still ending after that time
        """
        options: Any = {"terminateReason": reason}
        if not wait:
            self._send("POST", f"/jobs/{segment(job_id)}/terminate", json=options)
            return
        poller = self.connection.begin_terminate_job(job_id, options, polling_interval=POLLING_SECONDS)
        finish(poller, f"job {job_id} is still ending", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_job(self, job_id: str, wait: bool = True, *, timeout_seconds: float = 600) -> None:
        """Delete a job with its tasks and their files; one that runs is stopped.

        :param wait: whether to return only when it is gone
        :raises TransientError: it is still being deleted after that time
        """
        if not wait:
            self._send("DELETE", f"/jobs/{segment(job_id)}")
            return
        poller = self.connection.begin_delete_job(job_id, polling_interval=POLLING_SECONDS)
        finish(poller, f"job {job_id} is still being deleted", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def get_task_counts(self, job_id: str) -> models.BatchTaskCountsResult:
        """Return how many tasks of a job are in each state; the service says that this may lag behind."""
        return self.connection.get_job_task_counts(job_id)

    # Tasks

    @translated(*VENDOR_EXCEPTIONS)
    def create_task(self, job_id: str, task: models.BatchTaskCreateOptions | Mapping[str, Any]) -> None:
        """Add one task to a job.

        https://learn.microsoft.com/rest/api/batchservice/tasks/create-task

        :raises AlreadyExists: the job has a task of this id
        """
        self.connection.create_task(job_id, as_model(models.BatchTaskCreateOptions, task))

    @translated(*VENDOR_EXCEPTIONS)
    def add_tasks(
        self, job_id: str, tasks: Iterable[models.BatchTaskCreateOptions | Mapping[str, Any]]
    ) -> None:
        """Add tasks to a job, at most 100 and one megabyte in a request, in their order.

        Of a request that the service did in part, those tasks are sent again that failed by its own fault. A
        task that is there already is fine.
        https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection

        :raises InvalidRequest: a task is refused; those before it may have been added
        :raises TransientError: the service failed to add some, again and again
        :raises AmbiguousError: a request was sent and no answer came
        """
        for chunk in split_tasks(as_model(models.BatchTaskCreateOptions, task) for task in tasks):
            self._add_chunk(job_id, chunk)

    def _add_chunk(self, job_id: str, chunk: Sequence[models.BatchTaskCreateOptions]) -> None:
        left = list(chunk)
        for tries in range(1, ADD_ROUNDS + 1):
            answer = self.connection.create_task_collection(job_id, models.BatchTaskGroup(task_values=left))
            results = answer.result_values or []
            error = refused_tasks(results, call="add_tasks")
            if error is None:
                return
            if tries == ADD_ROUNDS or not isinstance(error, TransientError):
                raise error
            failed = {result.task_id for result in results if is_servers_fault(result)}
            left = [task for task in left if task.id in failed]

    @translated(*VENDOR_EXCEPTIONS)
    def get_task(self, job_id: str, task_id: str, select: Sequence[str] | None = None) -> models.BatchTask:
        """Return one task of a job.

        :raises NotFound: there is none
        """
        return self.connection.get_task(job_id, task_id, select=listed(select))

    def list_tasks(
        self,
        job_id: str,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        select: Sequence[str] | None = None,
        *,
        page_size: int = MAX_PAGE,
    ) -> Iterator[models.BatchTask]:
        """Yield the tasks of a job, page after page as they are asked for.

        :param filter: ``state eq 'running'`` and the like
        :raises NotFound: there is no such job
        """
        return self._pages("list_tasks", job_id, filter=filter, select=listed(select), max_results=page_size)

    def list_task_pages(
        self,
        job_id: str,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        select: Sequence[str] | None = None,
    ) -> Iterator[list[models.BatchTask]]:
        """Yield the tasks of a job page by page; the service may fill a page only in part.

        :raises NotFound: there is no such job
        """
        return self._lists("list_tasks", job_id, filter=filter, select=listed(select), max_results=MAX_PAGE)

    @translated(*VENDOR_EXCEPTIONS)
    def terminate_task(self, job_id: str, task_id: str) -> None:
        """End a task: it completes as a failure.

        :raises Conflict: it has completed already
        """
        self.connection.terminate_task(job_id, task_id)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_task(self, job_id: str, task_id: str) -> None:
        """Delete a task with its files; one that runs is stopped."""
        self.connection.delete_task(job_id, task_id)

    # Files

    def list_task_files(
        self,
        job_id: str,
        task_id: str,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        *,
        recursive: bool = False,
    ) -> Iterator[models.BatchNodeFile]:
        """Yield the files of a task on its node.

        :param filter: ``startswith(name,'std')`` and the like
        :raises NotFound: there is no such task, or its files are gone
        :raises Conflict: it has no files yet, or none any more
        """
        return self._pages(
            "list_task_files", job_id, task_id, filter=filter, recursive=recursive, max_results=MAX_PAGE
        )

    @translated(*VENDOR_EXCEPTIONS)
    def read_task_file(
        self, job_id: str, task_id: str, path: str, *, start: int = 0, length: int | None = None
    ) -> FilePart:
        """Return a part of a file of a task, and nothing where the file ends before it.

        The vendor's ``download_task_file`` takes an answer of 200 alone, and a range may be
        answered with 206.
        https://learn.microsoft.com/rest/api/batchservice/tasks/get-task-file

        :param path: ``stdout.txt``, ``wd/out.csv`` and the like
        :param length: how many bytes at most, ``None`` for all to the end
        :raises NotFound: there is no such file
        """
        end = "" if length is None else str(start + length - 1)
        headers = {"ocp-range": f"bytes={start}-{end}"} if start or end else {}
        address = f"/jobs/{segment(job_id)}/tasks/{segment(task_id)}/files/{segment(path)}"
        try:
            answer = self._send("GET", address, headers=headers)
        except HttpResponseError as error:
            if error.status_code == 416:
                return FilePart(b"", None)
            raise
        return FilePart(answer.content, moment(answer.headers.get("Last-Modified")))

    def read_logs(self, job_id: str, task_id: str, path: str = "stdout.txt") -> str:
        """Return what a task has written so far.

        :param path: ``stdout.txt`` or ``stderr.txt``
        """
        return self.read_task_file(job_id, task_id, path).content.decode(errors="replace")

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the account's jobs can be listed, and what was found."""
        try:
            next(self.list_jobs(select=["id"]), None)
        except JobsError as error:
            return False, str(error)
        return True, f"Jobs of {self.account_url} can be listed"
