"""Why pods, and the Job they belong to, failed. Pure; reads the API's own JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.backends.kubernetes import mapping
from airflow_provider_jobs.backends.kubernetes.pods import container_statuses, index_of, main_name
from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import JobHandle

Json = dict[str, Any]
Kind = FailureKind

MAX_DETAILED_FAILURES = 10


@dataclass(frozen=True)
class Reason:
    """What one word of the service means."""

    kind: FailureKind
    message: str
    retryable: bool = True


# Why the service gives a Job up:
# https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/api/batch/v1/types.go
JOB_REASONS: dict[str, Reason] = {
    "BackoffLimitExceeded": Reason(Kind.USER_CODE, "its pods failed more often than backoff_limit allows"),
    "DeadlineExceeded": Reason(Kind.TIMEOUT, "it ran longer than active_deadline_seconds"),
    "FailedIndexes": Reason(Kind.USER_CODE, "some of its indexes failed"),
    "MaxFailedIndexesExceeded": Reason(
        Kind.USER_CODE, "more of its indexes failed than max_failed_indexes allows"
    ),
    # A rule of the user's own says that this failure is final.
    "PodFailurePolicy": Reason(Kind.USER_CODE, "a rule of pod_failure_policy failed it", retryable=False),
}

# Why the kubelet or a controller ended a pod, beside what its containers did:
# https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
# https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/
# https://github.com/kubernetes/kubernetes/tree/master/pkg/kubelet/lifecycle
POD_REASONS: dict[str, Reason] = {
    "DeadlineExceeded": Reason(Kind.TIMEOUT, "it ran longer than its time limit (max_run_seconds)"),
    "Evicted": Reason(Kind.PREEMPTED, "its node was short of something and put it out"),
    "Preempting": Reason(Kind.PREEMPTED, "it gave way to a pod of the system"),
    "Terminated": Reason(Kind.PREEMPTED, "its node was shut down"),
    "Shutdown": Reason(Kind.PREEMPTED, "its node was shut down"),
    "NodeShutdown": Reason(Kind.PREEMPTED, "its node was shutting down when it came"),
    "NodeLost": Reason(Kind.PLATFORM, "its node is no longer heard from"),
    "NodeAffinity": Reason(Kind.PLATFORM, "its node no longer fits what it asks for"),
    "OutOfcpu": Reason(Kind.CAPACITY, "its node had no processors left when it came"),
    "OutOfmemory": Reason(Kind.CAPACITY, "its node had no memory left when it came"),
    "OutOfpods": Reason(Kind.CAPACITY, "its node had no room for a further pod"),
    "UnexpectedAdmissionError": Reason(Kind.PLATFORM, "its node could not take it"),
}

# https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
DISRUPTIONS: dict[str, str] = {
    "PreemptionByScheduler": "a pod of higher priority took its place",
    "DeletionByTaintManager": "its node got a taint that it does not stand",
    "EvictionByEvictionAPI": "somebody drained its node or evicted it",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node put it out or was shut down",
}

# https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kuberuntime and the runtimes' own words
CONTAINER_REASONS: dict[str, Reason] = {
    "OOMKilled": Reason(Kind.OUT_OF_MEMORY, "ran out of memory"),
    "ContainerCannotRun": Reason(Kind.CONFIG, "could not be started", retryable=False),
    "StartError": Reason(Kind.CONFIG, "could not be started", retryable=False),
    "RunContainerError": Reason(Kind.CONFIG, "could not be started", retryable=False),
    "ContainerStatusUnknown": Reason(Kind.PLATFORM, "was lost sight of by its node"),
    "DeadlineExceeded": Reason(Kind.TIMEOUT, "ran longer than its time limit"),
}
_OWN_STORAGE = re.compile(r"exceeds the (?:total )?limit|local ephemeral storage limit", re.IGNORECASE)
_POLICY = re.compile(r"Container (\S+) for pod (?:[^/\s]+/)?(\S+) failed with exit code (\d+)")
_SIGKILL = 137
_GONE = "its pod is gone: its node was drained or lost, or somebody deleted or pre-empted it"


def failures_of(
    job: Json, pods: Sequence[Json], handle: JobHandle, *, is_whole: bool = True
) -> tuple[Failure, ...]:
    """Return the first failures of a Job that failed.

    :param pods: those that failed and are still there
    :param is_whole: whether these are all; not so where they may not be read
    """
    told = mapping.condition(job, "Failed") or {}
    reason, last = str(told.get("reason") or ""), _last_failed_pods(pods)
    unfinished = set(mapping.counts(job, handle.model_copy(update={"indexes": None})).failed_indexes)
    # Where containers are started again in their pod, the service itself deletes the pod at its limit.
    is_gone = is_whole and job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure"
    # The service names the indexes that failed where they fail one by one, and only those.
    failed = mapping.failed_indexes(job) or unfinished & last.keys()
    details = [
        _of_pod(last[index], index, handle, is_final=reason == "PodFailurePolicy")
        if index in last
        else _of_index(index, told, handle, is_gone=is_gone)
        for index in sorted(failed)[:MAX_DETAILED_FAILURES]
    ]
    if details and reason != mapping.DEADLINE_EXCEEDED:
        return tuple(details)
    return (_of_job(told, handle, is_gone=is_gone and reason == "BackoffLimitExceeded"), *details)


def _last_failed_pods(pods: Iterable[Json]) -> dict[int, Json]:
    """Return the failed pod of each index that was made last."""
    last: dict[int, Json] = {}
    for pod in sorted(pods, key=lambda each: str(each["metadata"].get("creationTimestamp"))):
        if _has_failed(pod):
            last[index_of(pod)] = pod
    return last


def _has_failed(pod: Json) -> bool:
    if pod["metadata"].get("deletionTimestamp") and not _disruption(pod):
        return False  # put to an end because the Job had failed elsewhere
    if (pod.get("status") or {}).get("phase") == "Failed":
        return True
    return any(_exit_code(status) for status in container_statuses(pod))


def _of_pod(pod: Json, index: int, handle: JobHandle, *, is_final: bool) -> Failure:
    original = handle.original_index(index)
    subject = f"index {original}" if handle.size > 1 else "it"
    reason, said, code = _why(pod, subject)
    return Failure(
        kind=reason.kind,
        retryable=reason.retryable and not (is_final and reason.kind is Kind.USER_CODE),
        message=reason.message,
        index=original,
        exit_code=code,
        native_reason=said or None,
        console_url=handle.console_url,
    )


def _why(pod: Json, subject: str) -> tuple[Reason, str, int | None]:
    """Return what happened, the service's own words, and the command's exit code where it had its say."""
    status = pod.get("status") or {}
    said = " ".join(filter(None, [status.get("reason"), status.get("message")]))
    told = POD_REASONS.get(str(status.get("reason")))
    if told:
        if _OWN_STORAGE.search(said):
            told = Reason(Kind.USER_CODE, "it wrote more to local storage than it may")
        return Reason(told.kind, f"{subject} failed: {told.message}", told.retryable), said, None
    if disruption := _disruption(pod):
        word = str(disruption.get("reason"))
        meant = DISRUPTIONS.get(word, "the cluster took it away")
        said = ": ".join(filter(None, [word, disruption.get("message")]))
        return Reason(Kind.PREEMPTED, f"{subject} was taken away: {meant}"), said, None
    ended = _ended_badly(pod)
    if ended is None:
        meant = said or "the service gives no reason"
        return Reason(Kind.PLATFORM, f"{subject} failed: {meant}"), said, None
    return _container_reason(ended, subject, main=main_name(pod))


def _disruption(pod: Json) -> Json | None:
    """Return the condition of a pod that the cluster took away."""
    held = (pod.get("status") or {}).get("conditions") or ()
    return next(
        (each for each in held if (each.get("type"), each.get("status")) == ("DisruptionTarget", "True")),
        None,
    )


def _container_reason(status: Json, subject: str, *, main: str) -> tuple[Reason, str, int | None]:
    ended = status["state"]["terminated"]
    code, word = int(ended.get("exitCode") or 0), str(ended.get("reason") or "")
    said = ": ".join(filter(None, [word, ended.get("message")]))
    name = str(status.get("name"))
    who = subject if name == main else f"container {name!r} of {subject if subject != 'it' else 'the job'}"
    told = CONTAINER_REASONS.get(word)
    if told:
        about = f": {ended['message']}" if ended.get("message") else ""
        text = f"{who} {told.message} (exit code {code}){about}"
        own = None if told.kind in (Kind.CONFIG, Kind.PLATFORM) else code
        return Reason(told.kind, text, told.retryable), said, own
    if signal := ended.get("signal"):
        return Reason(Kind.USER_CODE, f"{who} was ended by signal {signal}"), said, code
    if code == _SIGKILL:
        text = f"{who} was killed (exit code 137), most often for want of memory"
        return Reason(Kind.USER_CODE, text), said, code
    return Reason(Kind.USER_CODE, f"{who} exited with code {code}"), said, code


def _ended_badly(pod: Json) -> Json | None:
    """Return the status of the container that failed, the job's own before the others."""
    failed = [status for status in container_statuses(pod) if _exit_code(status)]
    own = [status for status in failed if status.get("name") == main_name(pod)]
    return next(iter([*own, *failed]), None)


def _exit_code(status: Json) -> int:
    return int(((status.get("state") or {}).get("terminated") or {}).get("exitCode") or 0)


def _of_index(index: int, told: Json, handle: JobHandle, *, is_gone: bool) -> Failure:
    """Return the failure of an index that has no failed pod.

    A pod that fails stays. One that is gone was deleted while it ran, which is what drains, pre-emptions
    and lost nodes do.

    :param is_gone: whether there is none, or it only was not seen
    """
    original = handle.original_index(index)
    return Failure(
        kind=Kind.PREEMPTED if is_gone else Kind.USER_CODE,
        retryable=True,
        message=f"index {original} failed; {_GONE if is_gone else 'its pod was not read'}",
        index=original,
        native_reason=told.get("message") or told.get("reason"),
        console_url=handle.console_url,
    )


def _of_job(told: Json, handle: JobHandle, *, is_gone: bool) -> Failure:
    word, message = str(told.get("reason") or ""), str(told.get("message") or "")
    reason = JOB_REASONS.get(word, Reason(Kind.PLATFORM, message or word or "the service gives no reason"))
    if is_gone:
        reason = Reason(Kind.PREEMPTED, _GONE)
    elif "DisruptionTarget" in message:
        reason = Reason(
            Kind.PREEMPTED, "its pod was taken away, which a rule of pod_failure_policy fails it for"
        )
    by_policy = _POLICY.search(message)
    return Failure(
        kind=reason.kind,
        retryable=reason.retryable,
        message=f"the job failed: {reason.message}",
        exit_code=int(by_policy[3]) if by_policy else None,
        native_reason=": ".join(filter(None, [word, message])) or None,
        console_url=handle.console_url,
    )
