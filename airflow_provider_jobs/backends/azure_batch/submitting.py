"""One submission in several requests, so that a process that dies between them leaves nothing half done.

A job of its own is created first, with what is to become of it in its metadata, then its tasks are added, and
at last it is told to end when they have. Until that last request it does not count as submitted: it is not
found, and submitting again adds what is missing. In a shared job the tasks themselves tell how many they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from azure.batch.models import BatchJob

from airflow_provider_jobs.backends.azure_batch.failures import job_failure, word
from airflow_provider_jobs.backends.azure_batch.fan_out import at_once
from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.backends.azure_batch.places import Facts, Place, task_map
from airflow_provider_jobs.backends.azure_batch.request import Json, Submission
from airflow_provider_jobs.core.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    InvalidRequest,
    NoCapacity,
    NotFound,
    TransientError,
)
from airflow_provider_jobs.core.failures import FailureKind
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle

_ENDS_ITSELF = {"onAllTasksComplete": "terminatejob"}
_JOB_FIELDS = ("id", "state", "metadata", "onAllTasksComplete", "poolInfo", "executionInfo")


class Submitting:
    """Creates jobs and adds tasks, and finds what was submitted. Holds no state.

    :param ref: what handles are reached by
    :param console_url: where a person sees the account, if that is known
    """

    def __init__(self, hook: AzureBatchHook, ref: BackendRef, *, console_url: str | None) -> None:
        self._hook = hook
        self._ref = ref
        self._console_url = console_url

    def submit(self, submission: Submission) -> JobHandle:
        """Send what of a submission is not there yet, and return its handle.

        :raises TransientError: something of this id is on its way out, or was left half done by other
            arguments and is removed; submitting again later does
        """
        # All of it is written before anything is sent, so that what is refused leaves nothing behind.
        tasks = dict(zip(submission.indexes, submission.tasks(), strict=True))
        if submission.place.is_shared:
            return self._submit_shared(submission, tasks)
        return self._submit_own(submission, tasks)

    def find(self, place: Place, key: JobKey) -> JobHandle | None:
        """Return the handle of what was submitted under a key as a whole, or ``None``.

        :raises AlreadyExists: what is there was not made for this key
        """
        if place.is_shared:
            present = self._present(place)
            facts = self._facts_of_tasks(place, present or (), key.digest)
            if facts is None or len(present or ()) < facts.tasks:
                return None
            return self._handle(place, facts, present or ())
        job = self._job(place)
        if job is None or word(job.state) == "deleting":
            return None
        facts = self._facts_of_job(job, place, key.digest)
        if not _is_whole(job):
            return None
        return self._handle(place, facts, self._present(place) or ())

    # A job of its own

    def _submit_own(self, submission: Submission, tasks: dict[int, Json]) -> JobHandle:
        place = submission.place
        try:
            self._create_job(submission)
        except AlreadyExists:
            return self._resume_own(submission, tasks)
        self._add(place, list(tasks.values()))
        return self._handle(place, submission.facts, submission.indexes)

    def _resume_own(self, submission: Submission, tasks: dict[int, Json]) -> JobHandle:
        place = submission.place
        job = self._job(place)
        if job is None or word(job.state) == "deleting":
            raise _in_the_way(place, "is being deleted")
        facts = self._facts_of_job(job, place, submission.facts.key)
        if not _is_whole(job) and facts.spec != submission.facts.spec:
            self._hook.delete_job(place.job_id, wait=False)
            raise _in_the_way(place, "was half submitted with other arguments, and is deleted")
        present = self._present(place) or ()
        if not _is_whole(job):
            self._add(place, [task for index, task in tasks.items() if index not in present])
            present = submission.indexes
        return self._handle(place, facts, present)

    def _add(self, place: Place, tasks: Sequence[Json]) -> None:
        """Add the tasks; a job of their own then ends with them."""
        try:
            self._hook.add_tasks(place.job_id, tasks)
            if not place.is_shared:
                self._hook.update_job(place.job_id, _ENDS_ITSELF)
        except Conflict as error:
            self._accept(place, error)

    def _accept(self, place: Place, error: Conflict) -> None:
        """Do nothing where a job of its own has ended meanwhile: how it ended is told as with any other.

        :raises NoCapacity: the service has ended it since it can have no pool
        """
        job = self._job(place)
        if job is None or place.is_shared or not _is_whole(job):
            raise error
        if (failure := job_failure(job)) is not None:
            kind = NoCapacity if failure.kind is FailureKind.CAPACITY else InvalidRequest
            raise kind(failure.message, call="create_job") from error

    # A job that others share

    def _submit_shared(self, submission: Submission, tasks: dict[int, Json]) -> JobHandle:
        place = submission.place
        present = self._present(place)
        if present is None:
            self._create_shared(submission)
            present = ()
        facts = self._facts_of_tasks(place, present, submission.facts.key)
        if facts is not None and len(present) < facts.tasks and facts.spec != submission.facts.spec:
            at_once(lambda index: self._delete_task(place, index), present)
            raise _in_the_way(place, "was half submitted with other arguments, and its tasks are deleted")
        if facts is None or len(present) < facts.tasks:
            self._check_pool(submission)
            self._add(place, [task for index, task in tasks.items() if index not in present])
            present = submission.indexes
        return self._handle(place, facts or submission.facts, present)

    def _create_shared(self, submission: Submission) -> None:
        job_id = submission.place.job_id
        if not submission.can_create_job:
            raise InvalidArgument(
                "job_id",
                f"there is no job {job_id}, and nothing says which pool a new one would use",
                remedy="Give pool_id too, or create the job",
            )
        try:
            self._create_job(submission)
        except AlreadyExists:
            return  # another task has just made it

    def _check_pool(self, submission: Submission) -> None:
        """Refuse to add tasks to a job that runs on another pool than was asked for."""
        wanted = submission.options.pool_id
        job = self._job(submission.place) if wanted is not None else None
        pool = job.pool_info.pool_id if job is not None and job.pool_info is not None else None
        if pool is not None and wanted is not None and pool.lower() != wanted.lower():
            raise InvalidArgument(
                "pool_id",
                f"job {submission.place.job_id} exists and runs on pool {pool}, not on {wanted}",
                remedy="Give another job_id, or the pool that the job has",
            )

    def _delete_task(self, place: Place, index: int) -> None:
        try:
            self._hook.delete_task(place.job_id, place.task_id(index))
        except NotFound:
            return

    # What is there

    def _create_job(self, submission: Submission) -> None:
        try:
            self._hook.create_job(submission.job())
        except Conflict as error:
            if error.native_code == "JobBeingDeleted":
                raise _in_the_way(submission.place, "is being deleted") from error
            raise

    def _job(self, place: Place) -> BatchJob | None:
        try:
            return self._hook.get_job(place.job_id, _JOB_FIELDS)
        except NotFound:
            return None

    def _present(self, place: Place) -> tuple[int, ...] | None:
        """Return the indexes whose tasks are there, ``None`` where there is no job."""
        try:
            listed = list(self._hook.list_tasks(place.job_id, place.filter, ("id",)))
        except NotFound:
            return None
        return tuple(sorted(index for task in listed if (index := place.index(task.id)) is not None))

    def _facts_of_job(self, job: BatchJob, place: Place, key: str) -> Facts:
        facts = Facts.read({item.name: item.value for item in job.metadata or ()})
        if facts is None or facts.key != key:
            raise _foreign(place)
        return facts

    def _facts_of_tasks(self, place: Place, present: Sequence[int], key: str) -> Facts | None:
        """Return what the first task says of its submission, ``None`` where there is no task."""
        if not present:
            return None
        task = self._hook.get_task(place.job_id, place.task_id(present[0]), ("id", "environmentSettings"))
        facts = Facts.read({item.name: item.value or "" for item in task.environment_settings or ()})
        if facts is None or facts.key != key:
            raise _foreign(place)
        return facts

    def _handle(self, place: Place, facts: Facts, indexes: Sequence[int]) -> JobHandle:
        return JobHandle(
            ref=self._ref,
            native_id=place.native_id,
            name=place.name,
            size=facts.tasks,
            indexes=task_map(indexes) if len(indexes) == facts.tasks else None,
            submitted_at=facts.submitted_at,
            console_url=self._console_url,
            stamp=facts.stamp,
            cancel_command=place.cancel_command(self._hook.account.url),
        )


def _is_whole(job: BatchJob) -> bool:
    """Return whether a job of its own was submitted to the end, or takes no more tasks."""
    return word(job.all_tasks_complete_mode) == "terminatejob" or word(job.state) in (
        "terminating",
        "completed",
    )


def _in_the_way(place: Place, what: str) -> TransientError:
    return TransientError(f"{place.name} {what}", advice="Submit again", call="submit")


def _foreign(place: Place) -> AlreadyExists:
    return AlreadyExists(
        f"{place.native_id} exists and was not made for this task",
        advice="Delete it, or set [airflow_provider_jobs] deployment to a name of this Airflow's own",
    )
