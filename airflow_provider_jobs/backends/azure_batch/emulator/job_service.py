"""The methods on jobs.

https://learn.microsoft.com/rest/api/batchservice/job. It must not know how a request arrived.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.azure_batch.emulator import job_bodies
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.errors import invalid_property, refusal
from airflow_provider_jobs.backends.azure_batch.emulator.job_life import JobLife
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import CLOSED, BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.messages import (
    Answer,
    Call,
    changed,
    check_conditions,
    listing,
    version_headers,
)
from airflow_provider_jobs.backends.azure_batch.emulator.odata import select
from airflow_provider_jobs.backends.azure_batch.emulator.pool_service import check_pool


class JobService:
    """Jobs over the account."""

    def __init__(self, account: Account, life: JobLife) -> None:
        self._account = account
        self._life = life

    async def create_job(self, call: Call) -> Answer:
        body = call.body(job_bodies.JobBody)
        _check(body)
        if body.id.lower() in self._account.jobs:
            raise refusal("JobExists")
        job = self._life.add(body)
        # The service names the first run of a job here, whatever the job's id is.
        place = f"{call.endpoint}/jobs/job-1"
        return Answer(201, headers={**version_headers(job), "DataServiceId": place, "Location": place})

    async def get_job(self, call: Call) -> Answer:
        job = self._account.job(call["jobId"])
        check_conditions(call, job)
        told = job.wire(call.endpoint)
        names = call.query.get("$select")
        body = select(told, names) if names else told
        return Answer(body=body, headers=version_headers(job), metadata="jobs/@Element")

    async def list_jobs(self, call: Call) -> Answer:
        find = self._account.jobs.find
        return listing(call, find, lambda job, names: job.wire(call.endpoint, names), metadata="jobs")

    async def update_job(self, call: Call) -> Answer:
        """PATCH: what is left out stays."""
        return self._change(call, call.body(job_bodies.JobPatch))

    async def replace_job(self, call: Call) -> Answer:
        """PUT: what is left out goes back to its default."""
        return self._change(call, call.body(job_bodies.JobReplacement))

    def _change(self, call: Call, body: job_bodies.JobPatch) -> Answer:
        job = self._open(call)
        if body.pool_info is not None and body.pool_info.pool_id is not None:
            if body.pool_info.pool_id.lower() != job.pool_id.lower() and job.state != "disabled":
                reason = "The pool of a job can be changed while the job is disabled."
                raise refusal("OperationInvalidForCurrentState", Reason=reason)
            job.pool_id = body.pool_info.pool_id
        everything = isinstance(body, job_bodies.JobReplacement)
        for name in type(body).model_fields:
            value = getattr(body, name)
            if value is not None or (everything and name in ("metadata", "network_configuration")):
                setattr(job.body, name, value)
        job.touch()
        self._life.reconsider(job)
        return changed(job, call)

    async def delete_job(self, call: Call) -> Answer:
        job = self._account.job(call["jobId"])
        check_conditions(call, job)
        if job.state == "deleting":
            raise refusal("JobBeingDeleted")
        self._life.delete(job)
        return Answer(202)

    async def terminate_job(self, call: Call) -> Answer:
        job = self._open(call)
        body = call.body(job_bodies.JobTerminate)
        self._life.terminate(job, body.terminate_reason or "UserTerminate")
        return changed(job, call, status=202)

    async def disable_job(self, call: Call) -> Answer:
        job = self._open(call)
        body = call.body(job_bodies.JobDisable)
        if job.state in ("disabling", "disabled"):
            raise refusal("JobDisabled")
        self._life.disable(job, option=body.disable_tasks)
        return changed(job, call, status=202)

    async def enable_job(self, call: Call) -> Answer:
        job = self._open(call)
        if job.state == "disabling":
            raise refusal("OperationInvalidForCurrentState", Reason="The job is being disabled.")
        self._life.enable(job)
        return changed(job, call, status=202)

    async def get_task_counts(self, call: Call) -> Answer:
        job = self._account.job(call["jobId"])
        return Answer(body=job.task_counts(), metadata="taskcountsresult/@Element")

    async def list_preparation_and_release(self, call: Call) -> Answer:
        job = self._account.job(call["jobId"])
        if job.body.job_preparation_task is None:
            raise refusal("JobPreparationTaskNotSpecified")
        releases = {release.node.id: release for release in job.releases}
        told = []
        for prepared in job.preparations:
            node = prepared.node
            entry = {
                "poolId": node.pool.body.id,
                "nodeId": node.id,
                "nodeUrl": f"{call.endpoint}{node.path}",
                "jobPreparationTaskExecutionInfo": prepared.wire(retries=True),
            }
            if (release := releases.get(node.id)) is not None:
                entry["jobReleaseTaskExecutionInfo"] = release.wire(retries=False)
            told.append(entry)
        return Answer(body={"value": told}, metadata="jobpreparationandreleasetaskstatuslist")

    def _open(self, call: Call) -> BatchJob:
        """The job, unless a condition does not hold or it takes no changes any more."""
        job = self._account.job(call["jobId"])
        check_conditions(call, job)
        if (code := CLOSED.get(job.state)) is not None:
            raise refusal(code)
        return job


def _check(body: job_bodies.JobBody) -> None:
    """Raise StatusError for what no job can be."""
    if body.job_release_task is not None and body.job_preparation_task is None:
        raise invalid_property(
            "jobReleaseTask", body.job_release_task.id, "A job release task needs a job preparation task."
        )
    if body.max_parallel_tasks == 0:
        raise invalid_property("maxParallelTasks", 0, "must be -1 or greater than 0")
    auto = body.pool_info.auto_pool_specification
    if auto is not None:
        check_pool(auto.pool)
