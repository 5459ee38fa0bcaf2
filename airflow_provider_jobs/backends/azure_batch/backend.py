"""Azure Batch behind the cut: one method per promise of :class:`airflow_provider_jobs.core.backend.Backend`.

It only joins the hook's calls with the modules beside it; it never sleeps, repeats or logs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import pendulum

from airflow_provider_jobs.backends.azure_batch.explain import explain_job, explain_pool, explain_task
from airflow_provider_jobs.backends.azure_batch.failures import word
from airflow_provider_jobs.backends.azure_batch.fan_out import at_once
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.backends.azure_batch.log_reader import LogReader
from airflow_provider_jobs.backends.azure_batch.lookup import TaskLookup
from airflow_provider_jobs.backends.azure_batch.options import AzureBatchScope
from airflow_provider_jobs.backends.azure_batch.places import Place
from airflow_provider_jobs.backends.azure_batch.request import build_submission
from airflow_provider_jobs.backends.azure_batch.submitting import Submitting
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import Conflict, NotFound
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState


class AzureBatchBackend:
    """One Batch account.

    Makes no call before the first method; the connection is read at once.

    :param ref: its scope may hold ``job_id``, the job to which tasks are added; handles have none, so that
        one poll group serves all pools and jobs of an account
    :raises InvalidArgument: the scope is wrong, or there is no such connection
    """

    # The service publishes no rate; every task in a log costs calls of its own, so reads keep a distance.
    # One list of an account's jobs, and of a shared job's tasks, serves all that are asked for at once.
    limits = Limits(
        describe_chunk=10_000,
        describe_floor_seconds=2.0,
        logs_floor_seconds=2.0,
        late_logs_seconds=60.0,
        quiet_logs_seconds=3.0,
    )

    def __init__(self, ref: BackendRef) -> None:
        scope = build_model(AzureBatchScope, ref.scope)
        self.ref = ref
        self.hook = AzureBatchHook(ref.conn_id)
        self._job_id = scope.job_id
        self._lookup = TaskLookup(self.hook)
        self._logs = LogReader(self.hook)
        handle_ref = ref.model_copy(update={"scope": {}})
        self._submitting = Submitting(self.hook, handle_ref, console_url=self.hook.account.portal_url)

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Create the job, or find the one that is there, and add the tasks that it does not have.

        Idempotent, also where an earlier submission of this key was broken off half way: ids follow from the
        key, so that nothing is added twice.

        :raises AlreadyExists: a job of this id exists that is not this key's
        :raises AmbiguousError: sent, and the answer never came
        :raises InvalidArgument: the spec holds what the service would refuse
        :raises NoCapacity: a quota of the account is used up
        """
        return self._submitting.submit(
            build_submission(spec, key, job_id=self._job_id, submitted_at=pendulum.now("UTC"))
        )

    def find(self, key: JobKey) -> JobHandle | None:
        """Return the submission of this key in any state, or ``None``.

        One that was broken off half way is none: submitting again completes it.

        :raises AlreadyExists: what has its id was not made for this key
        """
        return self._submitting.find(Place.for_key(key, self._job_id), key)

    def describe(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        """Yield one report for every handle, each when it is made.

        Jobs of their own cost one call for all that have not ended, and one for each whose tasks are looked
        at: those that were never seen before or have ended, a quarter of those that have not started, and
        eight more. What is told of the others is what was seen of them last; that they have not ended is
        known. Up to three jobs are all looked at.

        Submissions in a shared job cost one call for it, and one for up to 15 of them, or for a thousand
        tasks that have not completed; then one for up to 15 of which a task has completed since the last
        look, or for a thousand tasks that have. At worst that is twice one call for each 15.
        """
        return self._lookup.reports(handles)

    def cancel(self, handle: JobHandle, reason: str) -> None:
        """Ask for the end of the job, or of every task of a shared job, and do not wait for it."""
        place = Place.of(handle.native_id)
        if place.is_shared:
            self._each_task(handle, self.hook.terminate_task)
            return
        try:
            self.hook.terminate_job(place.job_id, reason, wait=False)
        except NotFound:
            return
        except Conflict:
            if not self._is_leaving(place):
                raise

    def delete(self, handle: JobHandle) -> None:
        """Ask for the deletion of the job, or of the tasks of a shared job, which itself is left alone."""
        place = Place.of(handle.native_id)
        if place.is_shared:
            self._each_task(handle, self.hook.delete_task, finished_too=True)
            return
        try:
            self.hook.delete_job(place.job_id, wait=False)
        except NotFound:
            return
        except Conflict:
            if not self._is_leaving(place):
                raise

    def read_logs(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return the next lines of every task: what it wrote to ``stdout.txt`` and ``stderr.txt``."""
        return self._logs.read(cursors)

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the tasks do not run yet, by what the service says of job, pool and nodes.

        :raises NotFound: the job is gone
        """
        (report,) = self._lookup.reports([handle])
        if report.state not in (JobState.QUEUED, JobState.STARTING):
            return None
        job = self.hook.get_job(Place.of(handle.native_id).job_id)
        if told := explain_job(job):
            return told
        if report.state is JobState.STARTING:
            return (
                "A node runs the job's preparation task. See how far it is: "
                f"az batch job prep-release-status list --job-id {job.id}"
            )
        made = job.execution_info.pool_id if job.execution_info else None
        pool_id = made or (job.pool_info.pool_id if job.pool_info else None)
        if pool_id is None:
            return "The pool of the job is not created yet. Wait; the service makes it with the job"
        try:
            pool = self.hook.get_pool(pool_id)
            nodes = list(self.hook.list_nodes(pool_id))
        except NotFound:
            return f"There is no pool {pool_id}. Create it, or give another pool_id"
        task = self._lookup.unfinished_task(handle)
        return (explain_task(task, pool) if task is not None else None) or explain_pool(pool, nodes)

    def _each_task(
        self, handle: JobHandle, call: Callable[[str, str], None], *, finished_too: bool = False
    ) -> None:
        """Call for every task of a submission; gone and finished is fine."""
        job_id = Place.of(handle.native_id).job_id

        def call_for(task_id: str) -> None:
            with contextlib.suppress(NotFound, Conflict):
                call(job_id, task_id)

        with contextlib.suppress(NotFound):
            at_once(call_for, self._lookup.task_ids(handle, finished_too=finished_too))

    def _is_leaving(self, place: Place) -> bool:
        """Return whether the job has ended, is gone, or on its way there, so that nothing is to be asked."""
        try:
            job = self.hook.get_job(place.job_id, ("id", "state"))
        except NotFound:
            return True
        return word(job.state) in ("terminating", "completed", "deleting")
