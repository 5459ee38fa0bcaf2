"""Cloud Run Jobs behind the cut, :class:`airflow_provider_jobs.core.backend.Backend`.

What the engine calls a job is an execution here; what Cloud Run calls a job is where executions are made
from. It only joins the hook's calls with the pure modules beside it; it never repeats or logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import starmap
from typing import NamedTuple

from google.cloud.run_v2 import Condition, Execution, Job

from airflow_provider_jobs.backends.cloud_run import mapping, request
from airflow_provider_jobs.backends.cloud_run.explain import explain
from airflow_provider_jobs.backends.cloud_run.hook import CloudRunHook
from airflow_provider_jobs.backends.cloud_run.logs import ExecutionLogs
from airflow_provider_jobs.backends.cloud_run.lookup import LIST_LAG_SECONDS, ExecutionLookup
from airflow_provider_jobs.backends.cloud_run.options import CloudRunReach
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.backend import Limits
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    TransientError,
)
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport, LogCursor, LogPage
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.google_cloud.listing import with_project
from airflow_provider_jobs.google_cloud.log_entries import MOST_POSITIONS
from airflow_provider_jobs.google_cloud.log_reader import LogReader
from airflow_provider_jobs.google_cloud.messages import moment

# How long the service may take to make or change a job before the submission is tried again.
SETTLE_SECONDS = 25.0


class _Ready(NamedTuple):
    """A job that can be run; with an etag and the mark of its version, in that version alone."""

    name: str
    etag: str = ""
    version: str | None = None


def _ready(name: str, job: Job) -> _Ready:
    return _Ready(name, job.etag, job.labels[request.SPEC_LABEL])


class CloudRunBackend:
    """Cloud Run Jobs in one project.

    Makes no call before the first method; the connection is read at once.

    :param ref: its scope holds ``region`` where something is submitted or found, and may hold
        ``project_id`` (the connection's otherwise), ``job_name`` and ``impersonation_chain``, service
        accounts separated by commas
    :raises InvalidArgument: the scope is wrong, or there is no such connection
    """

    # Cloud Logging takes 60 queries per minute and project, and others may ask too.
    # No document says how soon an execution is in a list.
    # One pass over a list serves all that are asked for at once, so it is as many as can be.
    limits = Limits(
        describe_chunk=10_000,
        describe_floor_seconds=1.0,
        logs_chunk=MOST_POSITIONS,
        logs_floor_seconds=2.0,
        logs_have_budget=True,
        find_lag_seconds=LIST_LAG_SECONDS,
    )

    def __init__(self, ref: BackendRef) -> None:
        self._scope = build_model(CloudRunReach, ref.scope)
        self.ref = ref
        self.hook = CloudRunHook(ref.conn_id, self._scope.chain)
        self._lookup = ExecutionLookup(self.hook)
        self._logs = LogReader(self.hook, ExecutionLogs(), user=ref.model_dump_json())

    def submit(self, spec: JobSpec, key: JobKey) -> JobHandle:
        """Run the job, made or changed first where an image is given; an execution of the key is returned.

        Executions are named by the service and carry the key in a variable, so one is looked for first.
        The job is run under its etag: between two DAG runs that want it different, each gets its own, and
        the later one is told to try again.

        :raises AlreadyExists: a job of this name exists that this provider did not make
        :raises AmbiguousError: sent, and the answer never came
        :raises InvalidArgument: the spec holds what the service would refuse
        :raises TransientError: somebody else changes the job at the same time, or deletes it
        """
        overrides = request.build_overrides(spec, key)
        wanted = request.build_job(spec, key) if spec.image else None
        if wanted is None and self._scope.job_name is None:
            raise InvalidArgument(
                "image", "nothing says what to run", remedy="Give job_name, or image and what to run in it"
            )
        name = self._job_name(key)
        execution = self._lookup.of_key(name, key)
        if execution is None:
            ready = _Ready(name) if wanted is None else self._ready(name, wanted)
            execution = self._run(ready, overrides)
        return self._handle(execution)

    def find(self, key: JobKey) -> JobHandle | None:
        """Return the execution of this key in any state, or ``None``.

        It is looked for among the last 1,000 executions of its job, which are all that the service keeps.
        """
        execution = self._lookup.of_key(self._job_name(key), key)
        return None if execution is None else self._handle(execution)

    def describe(self, handles: Sequence[JobHandle]) -> Iterator[JobReport]:
        """Yield one report for every handle, each as it is taken; of thousands, a page's lie in memory.

        Up to nine executions are asked for one by one, more with pages of a list, which hold a thousand each:
        of their job's, of which the service keeps no more than that, where they are at least a hundred of
        it, of the region's otherwise. One that has failed costs at least one call more, for its tasks. Where
        a call is refused, the next describe goes on from there.
        """
        return starmap(self._report, self._lookup.executions(handles))

    def cancel(self, handle: JobHandle, reason: str) -> None:  # noqa: ARG002 - the promise's name
        """Ask for the cancel and do not wait for it. The service takes no reason."""
        self._ask(self.hook.cancel_execution, handle)

    def delete(self, handle: JobHandle) -> None:
        """Ask for the deletion of the execution and do not wait for it. The job stays, for the next run."""
        self._ask(self.hook.delete_execution, handle)

    def read_logs(self, cursors: Sequence[LogCursor]) -> list[LogPage]:
        """Return the next lines of every execution: its containers' own, and errors of the service."""
        return self._logs.read(cursors)

    def explain(self, handle: JobHandle) -> str | None:
        """Return why the execution is not running yet.

        :raises NotFound: it is gone
        """
        return explain(self.hook.get_execution(handle.native_id))

    @cached_property
    def _project(self) -> str:
        return self._scope.project_id or self.hook.project_id

    def _job_name(self, key: JobKey) -> str:
        """Return the full name of the job that a task's executions are made from."""
        if self._scope.region is None:
            raise InvalidArgument("region", "it is not given", remedy="Give it")
        job_id = self._scope.job_name or request.job_id(key)
        return f"{self.hook.parent(self._project, self._scope.region)}/jobs/{job_id}"

    # The job

    def _ready(self, name: str, wanted: Job) -> _Ready:
        """Return the job as it is wanted: as it stands there, changed, or made."""
        try:
            job = self.hook.get_job(name)
        except NotFound:
            return _ready(name, self._make(name, wanted))
        if not request.is_ours(job):
            raise AlreadyExists(
                f"{name} exists and was not made by this provider",
                advice="Leave image out to run it as it is, or give another job_name",
            )
        condition = job.terminal_condition.state
        if job.reconciling or job.delete_time or condition == Condition.State.CONDITION_RECONCILING:
            raise TransientError(
                f"{name} is being made, changed or deleted", advice="Submit again", call="get_job"
            )
        if request.is_same(job, wanted) and condition != Condition.State.CONDITION_FAILED:
            return _ready(name, job)
        changed = Job(wanted)
        changed.name, changed.etag = name, job.etag
        return _ready(name, self.hook.update_job(changed, timeout_seconds=SETTLE_SECONDS))

    def _make(self, name: str, wanted: Job) -> Job:
        assert self._scope.region is not None
        job_id = name.rpartition("/")[2]
        try:
            return self.hook.create_job(
                self._project, self._scope.region, job_id, wanted, timeout_seconds=SETTLE_SECONDS
            )
        except AlreadyExists as error:
            raise TransientError(
                f"{name} was made at the same time", advice="Submit again", call="create_job"
            ) from error

    def _run(self, ready: _Ready, overrides: request.Overrides) -> Execution:
        try:
            execution = self.hook.run_job(ready.name, overrides, etag=ready.etag)
        except NotFound as error:
            if ready.version is None:
                raise
            raise TransientError(
                f"{ready.name} was there and is gone", advice="Submit again", call="run_job"
            ) from error
        # The etag guards the version where the service checks it; it is not said that it always does.
        version = execution.labels.get(request.SPEC_LABEL, ready.version)
        if ready.version is not None and version != ready.version:
            self.hook.delete_execution(with_project(execution.name, self._project), wait=False)
            raise TransientError(
                f"{ready.name} was changed at the same time", advice="Submit again", call="run_job"
            )
        return execution

    # Its executions

    def _handle(self, execution: Execution) -> JobHandle:
        name = with_project(execution.name, self._project)
        # Neither region nor job: executions of all regions are waited for, and their logs read, together.
        chain = self._scope.impersonation_chain
        scope = {"project_id": self._project, **({"impersonation_chain": chain} if chain else {})}
        return JobHandle(
            ref=self.ref.model_copy(update={"scope": scope}),
            native_id=name,
            name=name.rpartition("/")[2],
            size=execution.task_count or 1,
            indexes=request.index_map(execution),
            submitted_at=moment(execution.create_time),
            console_url=mapping.console_url(name),
            logs_url=mapping.console_url(name, tab="logs"),
            stamp=request.stamp_of(execution),
            cancel_command=mapping.cancel_command(name),
        )

    def _report(self, handle: JobHandle, execution: mapping.Execution | None) -> JobReport:
        if execution is None:
            return JobReport(native_id=handle.native_id, found=False)
        state = mapping.job_state(execution)
        has_failed = state is JobState.FAILED
        failures, failed_indexes = self._lookup.failures(handle, execution) if has_failed else ((), ())
        return JobReport(
            native_id=handle.native_id,
            state=state,
            native_state=mapping.word(execution),
            detail=mapping.detail(execution),
            array=mapping.counts(execution, handle.size, failed_indexes=failed_indexes),
            failures=failures,
            started_at=moment(execution.start_time) if execution.HasField("start_time") else None,
            ended_at=moment(execution.completion_time) if execution.HasField("completion_time") else None,
            cancelling=mapping.is_cancelling(execution),
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
        """Return whether it is over, gone, or on its way there, so that nothing is left to ask for."""
        (_, execution) = next(self._lookup.executions([handle]))
        return execution is None or mapping.is_over(execution) or mapping.is_cancelling(execution)
