"""GCP Batch behind the cut: one method per promise of :class:`airflow_provider_jobs.core.backend.Backend`.

It only joins the hook's calls with the pure modules beside it; it never sleeps, repeats or logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import starmap

from google.cloud.batch_v1 import Job

from airflow_provider_jobs.backends.gcp_batch import mapping, request
from airflow_provider_jobs.backends.gcp_batch.explain import explain
from airflow_provider_jobs.backends.gcp_batch.hook import GcpBatchHook
from airflow_provider_jobs.backends.gcp_batch.log_source import BatchLogs
from airflow_provider_jobs.backends.gcp_batch.lookup import JobLookup, has_failures
from airflow_provider_jobs.backends.gcp_batch.options import GcpBatchScope
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    Conflict,
    InvalidRequest,
    NotFound,
    TransientError,
)
from airflow_provider_jobs.core.identity import STAMP_LABEL, JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.google_cloud.log_entries import MOST_POSITIONS
from airflow_provider_jobs.google_cloud.log_reader import LogReader
from airflow_provider_jobs.google_cloud.messages import moment


class GcpBatchBackend:
    """GCP Batch in one project and region.

    Makes no call before the first method; the connection is read at once.

    :param ref: its scope holds ``region``, and may hold ``project_id`` (the connection's otherwise) and
        ``impersonation_chain``, service accounts separated by commas
    :raises InvalidArgument: the scope is wrong, or there is no such connection
    """

    # Cloud Logging takes 60 queries per minute and project, and others may ask too.
    # One pass over the list of a region serves all that are asked for at once, so it is as many as can be.
    limits = Limits(
        describe_chunk=10_000,
        describe_floor_seconds=1.0,
        logs_chunk=MOST_POSITIONS,
        logs_floor_seconds=2.0,
        logs_have_budget=True,
    )

    def __init__(self, ref: BackendRef) -> None:
        scope = build_model(GcpBatchScope, ref.scope)
        self.ref = ref
        self.hook = GcpBatchHook(ref.conn_id, scope.chain)
        self._region = scope.region
        self._project_id = scope.project_id
        self._lookup = JobLookup(self.hook)
        self._logs = LogReader(self.hook, BatchLogs(self._lookup), user=ref.model_dump_json())

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Create the job; one of the same key that exists is returned as it is.

        The name alone makes this idempotent. A request id is not sent: for 60 minutes the service would
        answer it with the first job even where that was deleted since, and nothing would run.

        :raises AlreadyExists: a job of this id exists that is not this key's
        :raises AmbiguousError: sent, and the answer never came
        :raises InvalidArgument: the spec holds what the service would refuse
        """
        job_id = request.job_id(key)
        try:
            job = self.hook.create_job(self._project, self._region, job_id, request.build_job(spec, key))
        except AlreadyExists:
            job = self._existing(job_id)
        return self._handle(job, key)

    def find(self, key: JobKey) -> JobHandle | None:
        """Return the job of this key in any state, or ``None``.

        :raises AlreadyExists: a job of its id exists that is not this key's
        """
        try:
            job = self.hook.get_job(self._name(request.job_id(key)))
        except NotFound:
            return None
        return self._handle(job, key)

    def describe(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        """Yield one report for every handle, each as it is taken; of thousands, a page's lie in memory.

        Up to nine jobs are asked for one by one, more with pages of the region's list, which hold a thousand
        jobs each, the newest first, whoever's they are: one call for a thousand jobs where nobody else makes
        any. At worst the calls are twice as many as the jobs. A job that has failed costs at least one call
        more, for its failed tasks. Where a call is refused, the next describe goes on from there.
        """
        return starmap(self._report, self._lookup.jobs(handles))

    def cancel(self, handle: JobHandle, reason: str) -> None:  # noqa: ARG002 - the promise's name
        """Ask for the cancel and do not wait for it. The service takes no reason."""
        self._ask(self.hook.cancel_job, handle)

    def delete(self, handle: JobHandle) -> None:
        """Ask for the deletion and do not wait for it."""
        self._ask(self.hook.delete_job, handle)

    def read_logs(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return the next lines of every job: those of its tasks, and errors of the service's own agent."""
        return self._logs.read(cursors)

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the job is not running yet.

        :raises NotFound: it is gone
        """
        return explain(self.hook.get_job(handle.native_id))

    @cached_property
    def _project(self) -> str:
        return self._project_id or self.hook.project_id

    def _existing(self, job_id: str) -> Job:
        try:
            return self.hook.get_job(self._name(job_id))
        except NotFound as error:
            raise TransientError(
                f"a job {job_id} stood in the way and is gone", advice="Submit again", call="create_job"
            ) from error

    def _name(self, job_id: str) -> str:
        return f"{self.hook.parent(self._project, self._region)}/jobs/{job_id}"

    def _handle(self, job: Job, key: JobKey) -> JobHandle:
        """Return the handle of a job that must be this key's."""
        job_id = request.job_id(key)
        name = self._name(job_id)
        if job.labels.get(request.KEY_LABEL) != key.digest:
            raise AlreadyExists(
                f"{name} exists and was not made for this task",
                advice="Delete it, or set [airflow_provider_jobs] deployment to a name of this Airflow's own",
            )
        self._lookup.remember(name, job)
        scope = {**self.ref.scope, "project_id": self._project}
        return JobHandle(
            ref=self.ref.model_copy(update={"scope": scope}),
            native_id=name,
            name=job_id,
            size=request.task_count(job),
            indexes=request.index_map(job),
            submitted_at=moment(job.create_time),
            console_url=mapping.console_url(name),
            logs_url=mapping.console_url(name, tab="logs"),
            stamp=job.labels.get(STAMP_LABEL, ""),
            cancel_command=f"gcloud batch jobs cancel {name}",
        )

    def _report(self, handle: JobHandle, job: mapping.Job | None) -> JobReport:
        if job is None:
            return JobReport(native_id=handle.native_id, found=False)
        failures, failed_indexes = self._lookup.failures(handle, job) if has_failures(job) else ((), ())
        is_over = mapping.is_over(job)
        ended_at = mapping.changed_at(job, "SUCCEEDED", "FAILED", "CANCELLED") if is_over else None
        return JobReport(
            native_id=handle.native_id,
            state=mapping.job_state(job),
            native_state=mapping.word(job),
            detail=mapping.detail(job),
            array=mapping.counts(job, handle.size, failed_indexes=failed_indexes),
            failures=failures,
            started_at=mapping.changed_at(job, "RUNNING"),
            ended_at=ended_at or (moment(job.update_time) if is_over else None),
            cancelling=mapping.native_state(job) in mapping.CANCELLING,
        )

    def _ask(self, end: Callable[..., None], handle: JobHandle) -> None:
        """Ask for an end without waiting for it; what is gone or over need not end."""
        try:
            end(handle.native_id, wait=False)
        except NotFound:
            return
        except (Conflict, InvalidRequest):
            if not self._is_leaving(handle):
                raise

    def _is_leaving(self, handle: JobHandle) -> bool:
        """Return whether the job is over, gone, or on its way there, so that nothing is left to ask for."""
        (_, job) = next(self._lookup.jobs([handle]))
        return job is None or mapping.is_over(job) or mapping.native_state(job) in mapping.CANCELLING
