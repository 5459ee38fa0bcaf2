"""Jobs and executions, and what can be done with them, whichever version of the API asks.

It exists so that a job created over one version is the same over the other. It takes and keeps messages of
version 2, raises StatusError, and must not know how a request arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pendulum

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator import names, records, validation
from airflow_provider_jobs.backends.cloud_run.emulator.names import ExecutionName, RunNames
from airflow_provider_jobs.backends.cloud_run.emulator.overrides import overridden
from airflow_provider_jobs.backends.cloud_run.emulator.plans import Planner, images
from airflow_provider_jobs.backends.cloud_run.emulator.records import Deletion, ExecutionRecord, JobRecord
from airflow_provider_jobs.backends.cloud_run.emulator.system_log import SystemLog
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import (
    END_STATES,
    TASK_END_STATES,
    Event,
    Job,
    JobSpec,
    JobState,
    Task,
)
from airflow_provider_jobs.emulator.ordering import LatestFirst
from airflow_provider_jobs.google_cloud.emulator.names import ANY_LOCATION, Place

DIALECT = "cloud_run"


class ControlPlane:
    """The jobs of the service, and their executions on the local cloud's engine."""

    def __init__(self, cloud: Cloud, *, run_names: RunNames) -> None:
        self.names = run_names
        self._cloud = cloud
        self._system_log = SystemLog(cloud.logs)
        self._jobs: dict[str, JobRecord] = {}
        self._deleted_jobs: list[JobRecord] = []
        self._deleted_executions: list[Job] = []
        self._records: dict[str, ExecutionRecord] = {}
        cloud.on_reset(self._forget)

    def _forget(self) -> None:
        self._jobs.clear()
        self._deleted_jobs.clear()
        self._deleted_executions.clear()
        self._records.clear()

    def records(self) -> dict[str, ExecutionRecord]:
        """Every execution since the start by its uid, also when it has been deleted since."""
        return self._records

    # Jobs

    def create_job(self, place: Place, job_id: str, requested: pb.Job, *, validate_only: bool) -> JobRecord:
        """Create a job. Raises Violation, and StatusError when it exists."""
        validation.check_job(requested)
        if place.job(job_id) in self._jobs:
            raise StatusError("ALREADY_EXISTS", f"Resource '{job_id}' already exists.")
        record = records.new_job(
            requested, place=place, job_id=job_id, number=self.names.projects.number(place.project)
        )
        if not validate_only:
            self._jobs[record.name] = record
            self._reconcile(record)
        return record

    def update_job(self, record: JobRecord, requested: pb.Job, *, validate_only: bool) -> JobRecord:
        """Replace what a caller may set in a job. Raises Violation, and StatusError for another etag."""
        validation.check_job(requested)
        check_etag(requested.etag, record.etag, name=record.name)
        number = self.names.projects.number(record.place.project)
        after = records.changed(record.message, requested, number=number)
        if validate_only:
            return JobRecord(after, record.place, record.job_id)
        record.message = after
        self._reconcile(record)
        return record

    def _reconcile(self, record: JobRecord) -> None:
        """Bring the job into its desired state, a little later."""

        def reach() -> None:
            record.observed_generation = record.message.generation

        asyncio.get_running_loop().call_soon(reach)

    def job(self, place: Place, job_id: str) -> JobRecord:
        """The job. Raises StatusError when there is none."""
        record = self._jobs.get(place.job(job_id))
        if record is None:
            raise names.missing("JOB", job_id, place)
        return record

    def jobs(self, place: Place, *, deleted: bool = False) -> list[JobRecord]:
        """The jobs of a place by name; with the deleted ones if asked for."""
        found = [*self._jobs.values(), *(self._deleted_jobs if deleted else ())]
        own = [record for record in found if place.covers(record.place) and not _is_over(record.deletion)]
        return sorted(own, key=lambda record: record.name)

    def delete_job(self, record: JobRecord) -> asyncio.Future[None]:
        """Delete a job and its executions; the future is done when all are gone."""
        del self._jobs[record.name]
        record.deletion = Deletion(pendulum.now("UTC"))
        self._deleted_jobs.append(record)
        of_job = ExecutionName(record.place, record.job_id, names.ANY)
        removals = [self.delete_execution(job) for job in self.executions(of_job)]
        return asyncio.ensure_future(_all(removals))

    # Executions

    def run_job(self, record: JobRecord, overrides: pb.Overrides, *, validate_only: bool = False) -> Job:
        """Create an execution of a job. Raises Violation for overrides that do not fit the job."""
        template = record.message.template
        validation.check_overrides(overrides, template.template.containers)
        execution_id = self._free_id(record)
        return self._execute(
            record, overridden(template, overrides), execution_id=execution_id, validate_only=validate_only
        )

    def _free_id(self, record: JobRecord) -> str:
        """An id that no execution of the job has: of ten thousand random ones two are often the same."""
        while True:
            execution_id = names.new_execution_id(record.job_id)
            name = ExecutionName(record.place, record.job_id, execution_id).name
            if self._cloud.jobs.get(DIALECT, name) is None:
                return execution_id

    def run_token(self, record: JobRecord, token: str) -> Job | None:
        """Create the execution that a token names, once; None when it has been created before."""
        if token in record.tokens:
            return None
        record.tokens.add(token)
        return self._execute(record, record.message.template, execution_id=f"{record.job_id}-{token}")

    def _execute(
        self,
        record: JobRecord,
        template: pb.ExecutionTemplate,
        *,
        execution_id: str,
        validate_only: bool = False,
    ) -> Job:
        name = ExecutionName(record.place, record.job_id, execution_id)
        if self._cloud.jobs.get(DIALECT, name.name) is not None:
            raise StatusError("ALREADY_EXISTS", f"Resource '{execution_id}' already exists.")
        execution = records.new_execution(record, template, name=name)
        spec = self._spec(execution)
        if validate_only:
            return Job(spec, data=execution)
        self._records[spec.uid] = execution
        job = self._cloud.submit(spec, data=execution)
        record.latest = job
        record.execution_count += 1
        return job

    def _spec(self, record: ExecutionRecord) -> JobSpec:
        planner = Planner(record, secrets=self._cloud.secrets)
        message = record.message
        return JobSpec(
            dialect=DIALECT,
            name=message.name,
            uid=message.uid,
            task_count=message.task_count,
            parallelism=message.parallelism,
            plan=planner.plan,
            retry=planner.retry,
            listener=_Listener(self._system_log),
            images=images(message.template),
            listed_under=_lists_of(record.name),
        )

    def execution(self, name: ExecutionName) -> Job:
        """The execution. Raises StatusError when there is none."""
        job = self._cloud.jobs.get(DIALECT, name.name)
        if job is None:
            raise names.missing("EXECUTION", name.execution_id, name.place)
        return job

    def executions(self, parent: ExecutionName, *, deleted: bool = False) -> list[Job]:
        """The executions under a parent, the latest first; with the deleted ones if asked for."""
        living = self._living(parent)
        if not deleted:
            return list(LatestFirst(living))
        gone = [
            job
            for job in self._deleted_executions
            if parent.covers(job.data.name) and not _is_over(job.data.deletion)
        ]
        own = {job.spec.uid: job for job in (*gone, *living)}
        return sorted(own.values(), key=lambda job: job.created_at, reverse=True)

    def _living(self, parent: ExecutionName) -> Sequence[Job]:
        """The executions under a parent that are not gone, the oldest first."""
        if names.ANY not in (parent.place.location, parent.job_id, parent.execution_id):
            job = self._cloud.jobs.get(DIALECT, parent.name)
            return [] if job is None else [job]
        return self._cloud.jobs.listed(DIALECT, parent)

    def listed_executions(self, parent: ExecutionName, *, deleted: bool = False) -> Sequence[Job]:
        """The executions that a list of the service shows by now. By its name each is found at once."""
        if not deleted:
            return self._cloud.listings.latest_first(self._living(parent))
        found = self.executions(parent, deleted=deleted)
        return [job for job in found if self._cloud.listings.show(job)]

    def cancel(self, job: Job) -> asyncio.Future[None]:
        """Stop an execution; the future is done when it has ended. Raises StatusError when it has already."""
        if job.ended or job.state is JobState.DELETING:
            execution_id = job.data.name.execution_id
            raise StatusError(
                "FAILED_PRECONDITION",
                f"Execution '{execution_id}' cannot be cancelled because it is not running.",
            )
        return self._cloud.cancel(job)

    def delete_execution(self, job: Job) -> asyncio.Future[None]:
        """Stop an execution if need be and delete it; the future is done when it is gone."""
        if job.data.deletion is None:
            job.data.deletion = Deletion(pendulum.now("UTC"))
            self._deleted_executions.append(job)
        return self._cloud.remove(job)


class _Listener:
    """Writes the system's log lines, and notes the end of an execution."""

    def __init__(self, system_log: SystemLog) -> None:
        self._system_log = system_log

    def job_changed(self, job: Job, event: Event) -> None:
        if event.after in END_STATES:
            _note_end(job)

    def task_changed(self, job: Job, task: Task, event: Event) -> None:
        self._system_log.task_changed(job, task, event)
        if job.state is JobState.DELETING and TASK_END_STATES.issuperset(job.counts):
            _note_end(job)


def _lists_of(name: ExecutionName) -> tuple[ExecutionName, ...]:
    """The parents of all lists that have the execution, but for its own name."""
    places = (name.place, Place(name.place.project, ANY_LOCATION))
    of_jobs = [
        ExecutionName(place, job_id, names.ANY) for place in places for job_id in (name.job_id, names.ANY)
    ]
    by_id = [ExecutionName(place, names.ANY, name.execution_id) for place in places]
    return (*of_jobs, *by_id)


def _note_end(job: Job) -> None:
    if not job.data.ended.done():
        job.data.ended.set_result(None)


def check_etag(given: str, present: str, *, name: str) -> None:
    """Raises StatusError when the caller speaks of another version of the resource."""
    if given and given != present:
        resource = name.rpartition("/")[2]
        versions = f"version '{given}' was specified but current version is '{present}'."
        raise StatusError("ABORTED", f"Conflict for resource '{resource}': {versions}")


def _is_over(deletion: Deletion | None) -> bool:
    return deletion is not None and pendulum.now("UTC") > deletion.expires


async def _all(futures: list[asyncio.Future[None]]) -> None:
    await asyncio.gather(*futures)
