"""AWS Batch behind the cut: one method per promise of :class:`airflow_provider_jobs.core.backend.Backend`.

It only joins the hook's calls with the pure modules beside it; it never sleeps, repeats or logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pendulum

from airflow_provider_jobs.backends.aws_batch import definitions, details, mapping, request
from airflow_provider_jobs.backends.aws_batch.explain import Explainer
from airflow_provider_jobs.backends.aws_batch.hook import MAX_DESCRIBED, AwsBatchHook
from airflow_provider_jobs.backends.aws_batch.log_reader import LogReader
from airflow_provider_jobs.backends.aws_batch.options import AwsBatchReach, AwsBatchScope
from airflow_provider_jobs.backends.aws_batch.parts import PartLookup
from airflow_provider_jobs.core import ranges
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import BackendError, InvalidArgument, NotFound
from airflow_provider_jobs.core.identity import STAMP_LABEL, JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.prelude import INDEX_MAP_VARIABLE
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState

Fields = Mapping[str, Any]


class AwsBatchBackend:
    """AWS Batch in one region.

    Makes no call before the first method; the connection is read at once. The handle of a job names the
    region alone, so that jobs of all queues are asked for together.

    :param ref: its scope holds ``job_queue``, without which nothing can be submitted or found, and may
        hold ``region_name`` (the connection's otherwise)
    :raises InvalidArgument: the scope is wrong, or there is no such connection
    """

    # CloudWatch Logs takes about 5 queries per second, account and region, and others may ask too.
    # No document says how soon a job is in ListJobs.
    limits = Limits(
        describe_chunk=MAX_DESCRIBED,
        describe_floor_seconds=1.0,
        logs_floor_seconds=2.0,
        logs_have_budget=True,
        find_lag_seconds=10.0,
    )

    def __init__(self, ref: BackendRef) -> None:
        kind = AwsBatchScope if "job_queue" in ref.scope else AwsBatchReach
        scope = build_model(kind, ref.scope)
        self.ref = ref
        self.hook = AwsBatchHook(ref.conn_id, scope.region_name)
        self._job_queue = scope.job_queue if isinstance(scope, AwsBatchScope) else None
        self._parts = PartLookup(self.hook)
        self._logs = LogReader(self.hook, user=ref.model_dump_json())

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Submit the job; one of the same key that exists is returned as it is.

        The service knows no token and takes any number of jobs of one name, so the job is looked for first.
        Two callers that submit the same key at the same moment are not kept apart here, but by the engine.

        :raises AmbiguousError: sent, and the answer never came
        :raises InvalidArgument: the spec holds what the service would refuse
        """
        submission = request.build(spec, key, job_queue=self._queue)
        if found := self.find(key):
            return found
        job = dict(submission.job)
        if submission.definition is not None:
            job["jobDefinition"] = definitions.ensure(self.hook, submission.definition)
        answer = self.hook.submit_job(**job)
        return self._handle({**job, **answer, **self._known(answer["jobId"])}, indexes=spec.indexes)

    def find(self, key: JobKey) -> JobHandle | None:
        """Return the job of this key in any state, or ``None``; the oldest where there are several."""
        name = request.job_name_of(key)
        ids = [job["jobId"] for job in self.hook.list_jobs(self._queue, name=name)]
        jobs = self.hook.describe_jobs(ids) if ids else []
        ours = [job for job in jobs if (job.get("tags") or {}).get(request.KEY_TAG) == key.digest]
        oldest = min(ours, key=lambda job: (job.get("createdAt") or 0, job["jobId"]), default=None)
        return None if oldest is None else self._handle(oldest, indexes=_index_map(oldest))

    def describe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        """Return one report for every handle, in their order.

        One call for 100 jobs. An array that is over costs more: a list of its failed children where it has
        such, and one call for the first of them.
        """
        jobs = {job["jobId"]: job for job in self.hook.describe_jobs([each.native_id for each in handles])}
        return [self._report(handle, jobs.get(handle.native_id)) for handle in handles]

    def cancel(self, handle: JobHandle, reason: str) -> None:
        """Ask for the end of the job, and of all its children; do not wait for it."""
        try:
            self.hook.terminate_job(handle.native_id, f"{mapping.CANCEL_PREFIX}{reason}")
        except NotFound:
            return

    def delete(self, handle: JobHandle) -> None:
        """Do nothing: the service has no way to delete a job, it drops the record days after the end."""

    def read_logs(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return the next lines of every job: those of its children, containers and nodes."""
        return self._logs.read(cursors)

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the job is not running yet.

        :raises NotFound: it is gone
        """
        return Explainer(self.hook).explain(self.hook.get_job(handle.native_id))

    def _known(self, job_id: str) -> Fields:
        """Return what the service says of a job just submitted, above all when it was created.

        The job exists whatever becomes of this question, and the answer may come too early to know of it.
        """
        try:
            return next(iter(self.hook.describe_jobs([job_id])), {})
        except BackendError:
            return {}

    @property
    def _queue(self) -> str:
        if self._job_queue is None:
            raise InvalidArgument("job_queue", "none is given", remedy="Name the queue to submit to")
        return self._job_queue

    def _handle(self, job: Fields, *, indexes: tuple[int, ...] | None) -> JobHandle:
        url = mapping.console_url(job.get("jobArn") or "")
        return JobHandle(
            ref=self.ref.model_copy(update={"scope": {"region_name": self.hook.region}}),
            native_id=job["jobId"],
            name=job["jobName"],
            size=request.task_count(job),
            indexes=indexes,
            submitted_at=details.moment(job.get("createdAt")) or pendulum.now("UTC"),
            console_url=url,
            logs_url=url,
            stamp=(job.get("tags") or {}).get(STAMP_LABEL, ""),
            cancel_command=mapping.cancel_command(job["jobId"], region=self.hook.region),
        )

    def _report(self, handle: JobHandle, job: Fields | None) -> JobReport:
        if job is None:
            return JobReport(native_id=handle.native_id, found=False)
        ending = self._parts.ending(handle, job)
        state = ending.state or mapping.job_state(job)
        return JobReport(
            native_id=handle.native_id,
            state=state,
            native_state=mapping.word(job),
            detail=None if state is JobState.SUCCEEDED else job.get("statusReason") or None,
            array=mapping.counts(job, handle.size, failed_indexes=ending.failed_indexes),
            failures=ending.failures,
            started_at=ending.started_at,
            ended_at=ending.ended_at,
            cancelling=not mapping.is_over(job) and mapping.is_cancelled(job),
            vcpus=details.given(job, "VCPU") if ending.ended_at else None,
            memory_mib=details.given(job, "MEMORY") if ending.ended_at else None,
            index_seconds=ending.index_seconds,
        )


def _index_map(job: Fields) -> tuple[int, ...] | None:
    """Return the original index of each child of a job that we made, ``None`` where they are the same."""
    return ranges.index_map(details.variable(job, INDEX_MAP_VARIABLE) or "")
