"""What a Job's status means: states, counts and times. Pure; reads the API's own JSON.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#JobStatus
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.request import is_indexed
from airflow_provider_jobs.core.models import ArrayCounts, JobHandle
from airflow_provider_jobs.core.moments import in_utc
from airflow_provider_jobs.core.ranges import parse_indexes
from airflow_provider_jobs.core.states import JobState

Json = dict[str, Any]

# Written by our cancel; its value is the reason.
CANCELLED_ANNOTATION = "airflow-provider-jobs/cancelled"
DEADLINE_EXCEEDED = "DeadlineExceeded"

# What each condition of a Job says of it, the first that is true counts:
# https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/api/batch/v1/types.go
# A Job that has met its criteria, or its failure, waits only for the last of its pods to end.
CONDITIONS: dict[str, JobState] = {
    "Complete": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "FailureTarget": JobState.RUNNING,
    "SuccessCriteriaMet": JobState.RUNNING,
    "Suspended": JobState.QUEUED,
}
_OVER = ("Complete", "Failed")
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"([\d.]+(?:[eE][+-]?\d+)?)(m|k|[KMGTPE]i|[MGTPE])?")
_SUFFIXES: dict[str | None, float] = {
    None: 1.0,
    "m": 1e-3,
    "k": 1e3,
    **{letter: 1e3 ** (power + 2) for power, letter in enumerate("MGTPE")},
    **{f"{letter}i": 1024.0 ** (power + 1) for power, letter in enumerate("KMGTPE")},
}
MIB = 1024.0**2


def condition(job: Json, *kinds: str) -> Json | None:
    """Return the first condition of these kinds that is true."""
    found = {
        each.get("type"): each
        for each in _status(job).get("conditions") or ()
        if each.get("status") == "True"
    }
    return next((found[kind] for kind in kinds if kind in found), None)


def is_over(job: Json) -> bool:
    """Return whether nothing of the Job runs any more, nor will."""
    return condition(job, *_OVER) is not None or _is_stopped(job)


def is_leaving(job: Json) -> bool:
    """Return whether a cancel or a deletion of the Job is under way."""
    return not is_over(job) and (bool(job["metadata"].get("deletionTimestamp")) or _is_cancelled(job))


def has_failed(job: Json) -> bool:
    """Return whether the Job has ended badly without anybody's cancel."""
    return job_state(job) is JobState.FAILED


def job_state(job: Json) -> JobState:
    """Return our state.

    A Job on its way out may never have run: SUBMITTED, the least of all states, leaves the last one standing.
    """
    if _is_stopped(job):
        return JobState.CANCELLED
    if is_leaving(job):
        return JobState.SUBMITTED
    told = condition(job, *CONDITIONS)
    if told:
        return CONDITIONS[told["type"]]
    if has_run(job):
        return JobState.RUNNING
    return JobState.STARTING if _status(job).get("active") else JobState.QUEUED


def word(job: Json) -> str:
    """Return the service's own word: the condition that counts, or what its pods are."""
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    told = condition(job, *CONDITIONS)
    return str(told["type"]) if told else ("Active" if _status(job).get("active") else "Created")


def detail(job: Json) -> str | None:
    """Return the service's last word on why the Job is in this state."""
    cancelled = _cancelled_for(job)
    if cancelled is not None:
        return f"cancelled: {cancelled}"
    told = condition(job, *CONDITIONS)
    return (told.get("message") or told.get("reason")) if told else None


def has_run(job: Json) -> bool:
    """Return whether a pod of the Job is known to have run."""
    status = _status(job)
    if any(
        status.get(name) for name in ("ready", "succeeded", "failed", "completedIndexes", "failedIndexes")
    ):
        return True
    # A pod that runs and is not ready, since a probe says so, is not counted by the service.
    return bool(status.get("active")) and _has_probes(job)


def moment(text: str) -> pendulum.DateTime:
    """Return a time of the API in UTC."""
    return in_utc(datetime.fromisoformat(text.replace("Z", "+00:00")))


def created_at(job: Json) -> pendulum.DateTime:
    """Return when the Job was created."""
    return moment(job["metadata"]["creationTimestamp"])


def ended_at(job: Json) -> pendulum.DateTime | None:
    """Return when the Job ended."""
    if completed := _status(job).get("completionTime"):
        return moment(completed)
    told = condition(job, *_OVER, *(("Suspended",) if _is_stopped(job) else ()))
    stamp = told.get("lastTransitionTime") if told else None
    return moment(stamp) if stamp else None


def counts(job: Json, handle: JobHandle) -> ArrayCounts:
    """Return how far the indexes are.

    Once the Job has failed, every index that did not succeed counts as failed, so that what is missing is
    what must run again.
    """
    size, state = handle.size, job_state(job)
    done = set(completed_indexes(job))
    if not is_indexed(job) and state is JobState.SUCCEEDED:
        done = set(range(size))
    failed = set(range(size)) - done if state is JobState.FAILED else failed_indexes(job) - done
    return ArrayCounts(
        size=size,
        succeeded=min(len(done), size),
        failed=len(failed),
        running=min(int(_status(job).get("ready") or 0), size),
        failed_indexes=tuple(sorted(map(handle.original_index, failed))),
    )


def completed_indexes(job: Json) -> set[int]:
    """Return the indexes that have succeeded, as the service numbers them."""
    return _indexes(_status(job).get("completedIndexes"))


def failed_indexes(job: Json) -> set[int]:
    """Return the indexes that have failed for good; known only of Jobs with a back-off per index."""
    return _indexes(_status(job).get("failedIndexes"))


def _indexes(text: str | None) -> set[int]:
    return set(parse_indexes(text or ""))


def _status(job: Json) -> Json:
    return job.get("status") or {}


def _cancelled_for(job: Json) -> str | None:
    return (job["metadata"].get("annotations") or {}).get(CANCELLED_ANNOTATION)


def _is_cancelled(job: Json) -> bool:
    return _cancelled_for(job) is not None


def _is_stopped(job: Json) -> bool:
    """Return whether our cancel is done: see :meth:`KubernetesJobHook.stop_job` for how it is asked for."""
    if not _is_cancelled(job):
        return False
    if told := condition(job, *_OVER):
        return told["type"] == "Failed" and told.get("reason") == DEADLINE_EXCEEDED
    status = _status(job)
    is_idle = not status.get("active") and not status.get("terminating")
    return bool(job["spec"].get("suspend")) and condition(job, "Suspended") is not None and is_idle


def _has_probes(job: Json) -> bool:
    pod = job["spec"]["template"]["spec"]
    containers: Iterable[Json] = (*pod["containers"], *(pod.get("initContainers") or ()))
    return any(each.get("readinessProbe") for each in containers)


def given(job: Json, kind: str, *, unit: float = 1.0) -> float | None:
    """Return how much the containers of one pod have of a kind, ``None`` where one of them says nothing.

    What a container asks for counts, and its limit where it asks for nothing, as the scheduler sees it.

    :param kind: ``cpu`` or ``memory``
    :param unit: what it is told in
    """
    total = 0.0
    for container in job["spec"]["template"]["spec"]["containers"]:
        told = container.get("resources") or {}
        asked = (told.get("requests") or {}).get(kind) or (told.get("limits") or {}).get(kind)
        match = _QUANTITY.fullmatch(str(asked))
        if not match:
            return None
        total += float(match[1]) * _SUFFIXES[match[2]]
    return total / unit
