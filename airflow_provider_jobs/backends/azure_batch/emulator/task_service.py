"""The methods on tasks.

https://learn.microsoft.com/rest/api/batchservice/task. It must not know how a request arrived.
"""

from __future__ import annotations

from typing import Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator import task_bodies
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.errors import (
    error_body,
    invalid_property,
    refusal,
    status_and_code,
)
from airflow_provider_jobs.backends.azure_batch.emulator.job_life import JobLife
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import CLOSED, BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.messages import (
    Answer,
    Call,
    changed,
    check_conditions,
    checked,
    listing,
    version_headers,
)
from airflow_provider_jobs.backends.azure_batch.emulator.odata import select
from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task
from airflow_provider_jobs.backends.azure_batch.emulator.wire import timestamp
from airflow_provider_jobs.emulator.calls import StatusError

LARGEST_COLLECTION = 100
LARGEST_BODY_BYTES = 1024 * 1024


class TaskService:
    """Tasks over the account."""

    def __init__(self, account: Account, life: JobLife) -> None:
        self._account = account
        self._life = life

    async def create_task(self, call: Call) -> Answer:
        job = self._account.job(call["jobId"])
        _check_size(call)
        task = self._add(job, call.body(task_bodies.TaskBody))
        place = f"{call.endpoint}{task.path}"
        return Answer(201, headers={**version_headers(task), "DataServiceId": place, "Location": place})

    async def create_task_collection(self, call: Call) -> Answer:
        job = self._account.job(call["jobId"])
        _check_size(call)
        values = call.body(task_bodies.TaskCollection).value
        if len(values) > LARGEST_COLLECTION:
            reason = f"The collection has more than {LARGEST_COLLECTION} tasks."
            raise invalid_property("value", len(values), reason)
        _check_takes_tasks(job)
        told = [self._add_one(call, job, each) for each in values]
        return Answer(body={"value": told}, metadata="taskaddresult")

    def _add_one(self, call: Call, job: BatchJob, values: dict[str, Any]) -> dict[str, Any]:
        """One task of a collection; what is wrong with it is told in its result."""
        try:
            task = self._add(job, checked(task_bodies.TaskBody, values))
        except StatusError as error:
            time = timestamp(pendulum.now("UTC"))
            return {
                "status": "ServerError" if status_and_code(error)[0] >= 500 else "ClientError",
                "taskId": str(values.get("id", "")),
                "error": error_body(error, request_id=call.headers["request-id"], time=time),
            }
        return {
            "status": "Success",
            "taskId": task.body.id,
            "eTag": task.etag,
            "lastModified": timestamp(task.modified_at),
            "location": f"{call.endpoint}{task.path}",
        }

    def _add(self, job: BatchJob, body: task_bodies.TaskBody) -> Task:
        _check_takes_tasks(job)
        _check(job, body)
        if body.id.lower() in job.tasks:
            raise refusal("TaskExists")
        return self._life.add_task(job, body)

    async def get_task(self, call: Call) -> Answer:
        task = self._task(call)
        told = task.wire(call.endpoint)
        names = call.query.get("$select")
        body = select(told, names) if names else told
        return Answer(body=body, headers=version_headers(task), metadata="tasks/@Element")

    async def list_tasks(self, call: Call) -> Answer:
        find = self._account.job(call["jobId"]).tasks.find
        return listing(call, find, lambda task, names: task.wire(call.endpoint, names), metadata="tasks")

    async def list_subtasks(self, call: Call) -> Answer:
        self._task(call)
        return Answer(body={"value": []}, metadata="subtasks")

    async def replace_task(self, call: Call) -> Answer:
        """PUT: the constraints alone can be changed."""
        task, body = self._task(call), call.body(task_bodies.TaskReplacement)
        if task.state == "completed":
            raise refusal("TaskCompleted")
        task.body.constraints = body.constraints
        task.touch()
        return changed(task, call)

    async def delete_task(self, call: Call) -> Answer:
        self._life.tasks.delete(self._task(call))
        return Answer()

    async def terminate_task(self, call: Call) -> Answer:
        task = self._task(call)
        if task.state == "completed":
            raise refusal("TaskCompleted")
        task.touch()
        self._life.tasks.terminate(task)
        return changed(task, call, status=204)

    async def reactivate_task(self, call: Call) -> Answer:
        task = self._task(call)
        if (code := CLOSED.get(task.job.state)) is not None:
            raise refusal(code)
        if task.state != "completed":
            raise refusal("TaskNotCompleted")
        if task.outcome.succeeded:
            raise refusal("TaskSucceeded")
        self._life.tasks.reactivate(task)
        return Answer(204, headers=version_headers(task))

    def _task(self, call: Call) -> Task:
        task = self._account.task(call["jobId"], call["taskId"])
        check_conditions(call, task)
        return task


def _check_size(call: Call) -> None:
    if len(call.content) > LARGEST_BODY_BYTES:
        raise refusal("RequestBodyTooLarge", MaxLimit=str(LARGEST_BODY_BYTES))


def _check_takes_tasks(job: BatchJob) -> None:
    if (code := CLOSED.get(job.state)) is not None:
        raise refusal(code)


def _check(job: BatchJob, body: task_bodies.TaskBody) -> None:
    """Raise StatusError for what cannot be a task of this job."""
    preparation, release = job.body.job_preparation_task, job.body.job_release_task
    if preparation is not None and preparation.id.lower() == body.id.lower():
        raise refusal("TaskIdSameAsJobPreparationTask")
    if release is not None and release.id.lower() == body.id.lower():
        raise refusal("TaskIdSameAsJobReleaseTask")
    if body.depends_on is not None and not job.body.uses_task_dependencies:
        raise refusal("TaskDependenciesNotSpecifiedOnJob")
    if body.exit_conditions is not None and job.body.on_task_failure == "noaction":
        for options in body.exit_conditions.options():
            if options.job_action is not None:
                reason = "jobAction cannot be specified when the job's onTaskFailure is noaction."
                raise invalid_property("jobAction", options.job_action, reason)
