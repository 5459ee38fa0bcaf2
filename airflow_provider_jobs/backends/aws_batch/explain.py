"""Why a job does not run yet, from what the service says about it, its queue and where it would run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_jobs.backends.aws_batch import details, mapping
from airflow_provider_jobs.backends.aws_batch.hook import AwsBatchHook
from airflow_provider_jobs.core.errors import PermanentError
from airflow_provider_jobs.core.explanations import explanation
from airflow_provider_jobs.core.states import JobState

Fields = Mapping[str, Any]

_WAITING = {
    "SUBMITTED": "submitted, and the service has not looked at it yet",
    "PENDING": "pending: it waits for the jobs it depends on",
    "RUNNABLE": "runnable, and no machine has taken it",
    "STARTING": "starting: its image is being pulled and its container started",
}
_NO_NEWS = {"SUBMITTED", "STARTING"}

# Sentences of https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
_TELLING: dict[str, str] = {
    "CAPACITY:": "AWS has no such machines to give now. Allow more instance types or zones in the compute "
    "environment, use less cpu and memory, or another job_queue",
    "COMPUTE_ENVIRONMENT_MAX_RESOURCE": "The job wants more processors than the compute environment may have "
    "at all. Use less cpu, or raise its maxvCpus",
    "JOB_RESOURCE_REQUIREMENT": "No machine of the compute environment is big enough. Use less cpu, memory "
    "or gpu, or allow bigger instance types",
    "SERVICE_ROLE_PERMISSIONS": "The service role of the compute environment lacks a permission. Compare it "
    "with the policy AWSBatchServiceRole",
    "EC2_INSTANCE_CONFIGURATION_UNSUPPORTED": "The instance types of the compute environment do not fit its "
    "zones or its launch template",
    "ACTION_REQUIRED": "The compute environments of the queue are invalid. Describe them, and correct what "
    "their statusReason names",
    "UNDETERMINED": "The job blocks its queue and the service does not know why. Check that the machines "
    "reach ECS, that no quota of EC2 is used up, and that the job fits an instance type",
}


class Explainer:
    """Asks why a job waits. Holds no state."""

    def __init__(self, hook: AwsBatchHook) -> None:
        self._hook = hook

    def explain(self, job: Fields) -> str | None:
        """Return why the job is not running, or ``None`` where it runs, is over, or nothing can be told."""
        if details.is_array(job):
            job = self._child_that_waits(job)
        waits = _WAITING.get(job["status"])
        if waits is None:
            return None
        said = job.get("statusReason")
        advice = _advice(said) if said else None
        reasons = [advice] if advice else []
        reasons += [*self._depended_on(job), *self._of_queue(job)]
        if not said:
            reasons += self._in_line(job)
        if said and not advice:
            # Nothing else tells this reason from another one.
            reasons.append(f"The service's reason is {said!r}")
        return explanation(". ".join([f"The job is {waits}", *reasons]), advice and said) if reasons else None

    def _child_that_waits(self, parent: Fields) -> Fields:
        """Return an array with status and reason of the child that is next to run, where none has begun."""
        summary = details.status_summary(parent)
        if mapping.job_state(parent) is not JobState.QUEUED:
            return {**parent, "status": "STARTING" if "STARTING" in summary else "RUNNING"}
        if "RUNNABLE" not in summary:
            return parent
        page = self._hook.list_jobs_page(array_job_id=parent["jobId"], status="RUNNABLE", page_size=100)
        said = next((child["statusReason"] for child in page.items if child.get("statusReason")), None)
        return {**parent, "status": "RUNNABLE", "statusReason": said}

    def _depended_on(self, job: Fields) -> Iterator[str]:
        """Yield the jobs that it waits for."""
        ids = [each["jobId"] for each in job.get("dependsOn") or () if each.get("jobId")]
        if job["status"] != "PENDING" or not ids:
            return
        others = self._hook.describe_jobs(ids)
        waiting = [f"{each['jobName']} ({each['jobId']}) is {each['status']}" for each in others]
        if waiting:
            yield f"It depends on: {', '.join(waiting)}"

    def _of_queue(self, job: Fields) -> Iterator[str]:
        if job["status"] in _NO_NEWS:
            return
        for queue in _asked(self._hook.describe_job_queues, [job["jobQueue"]]):
            yield from _of_place("Job queue", queue["jobQueueName"], queue)
            names = [each["computeEnvironment"] for each in queue.get("computeEnvironmentOrder") or ()]
            for place in _asked(self._hook.describe_compute_environments, names) if names else ():
                yield from about_environment(place)

    def _in_line(self, job: Fields) -> Iterator[str]:
        """Yield how many jobs will run before it, and what blocks them; the service lists a hundred."""
        if job["status"] != "RUNNABLE":
            return
        try:
            front = self._hook.get_job_queue_snapshot(job["jobQueue"]).get("frontOfQueue") or {}
        except PermanentError:
            return
        ids = [each["jobArn"].rpartition("/")[2] for each in front.get("jobs") or ()]
        ours = next((n for n, each in enumerate(ids) if each.partition(":")[0] == job["jobId"]), None)
        before = len(ids) if ours is None else ours
        if before:
            yield f"Jobs before it in its queue: {before}{'' if ours is not None else ' or more'}"
            yield from self._blocking(ids[0])

    def _blocking(self, job_id: str) -> Iterator[str]:
        """Yield what keeps the job at the head of a queue, and with it all others, from running."""
        for head in _asked(self._hook.describe_jobs, [job_id]):
            if said := head.get("statusReason"):
                yield (
                    f"The first of them, {head['jobName']} ({job_id}), blocks the queue: {said}. Cancel it, "
                    f"or take another job_queue, or help it: {_advice(said) or 'do what the service says'}"
                )


def _advice(said: str) -> str | None:
    """Return what to do about a ``statusReason``, where that is known."""
    return next((advice for word, advice in _TELLING.items() if word in said), None)


def _asked(call: Callable[[list[str]], Iterable[Fields]], names: list[str]) -> list[Fields]:
    """Return the answer; what is not there, or may not be asked for, explains nothing."""
    try:
        return list(call(names))
    except PermanentError:
        return []


def _of_place(kind: str, name: str, place: Fields) -> Iterator[str]:
    """Yield what keeps a queue or a compute environment from running jobs."""
    because = f": {place['statusReason']}" if place.get("statusReason") else ""
    if place.get("state") == "DISABLED":
        yield f"{kind} {name} is DISABLED. Enable it"
    if place.get("status") == "INVALID":
        yield f"{kind} {name} is INVALID{because}. Correct what it names and update it, or take another"


def about_environment(place: Fields) -> Iterator[str]:
    """Yield what keeps a compute environment from running jobs, or more of them."""
    yield from _of_place("Compute environment", place["computeEnvironmentName"], place)
    resources = place.get("computeResources") or {}
    most, wanted = resources.get("maxvCpus"), resources.get("desiredvCpus")
    if most == 0 or (most and wanted is not None and wanted >= most):
        yield (
            f"Compute environment {place['computeEnvironmentName']} has all of its {most} vCPUs in use. "
            "Wait, or raise its maxvCpus"
        )
