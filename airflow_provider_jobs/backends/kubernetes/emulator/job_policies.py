"""What a job's policies say about its pods: failed or not, counted or not, enough or not.

It exists as pure functions of a job and its pods. It must not write.
https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pendulum

from airflow_provider_jobs.backends.kubernetes.emulator import indexes
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import parsed

TRACKING = "batch.kubernetes.io/job-tracking"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
BACK_OFF_SECONDS, MAX_BACK_OFF_SECONDS = 10.0, 600.0

Json = Mapping[str, Any]


def is_tracked(pod: Object) -> bool:
    """Not counted yet."""
    return TRACKING in pod.meta.get("finalizers", [])


def phase(pod: Object) -> str:
    return pod.get("status", {}).get("phase", "")


def has_ended(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    return not has_ended(pod) and "deletionTimestamp" not in pod.meta


def is_terminating(pod: Object) -> bool:
    return not has_ended(pod) and "deletionTimestamp" in pod.meta


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def is_failed(pod: Object, job: Object) -> bool:
    """Failed, or as good as failed: being deleted without ever having ended."""
    if phase(pod) == "Failed":
        return True
    if job["spec"]["podReplacementPolicy"] == "Failed":
        return False
    return is_terminating(pod)


def is_indexed(job: Object) -> bool:
    return job["spec"]["completionMode"] == "Indexed"


def index_of(pod: Object) -> int:
    """The completion index of a pod, -1 where it has none."""
    return int(pod.meta.get("annotations", {}).get(COMPLETION_INDEX, -1))


def failures_of(pod: Object) -> int:
    """How often the pod's index had failed before it."""
    return int(pod.meta.get("annotations", {}).get(FAILURES, 0))


def ignored_of(pod: Object) -> int:
    return int(pod.meta.get("annotations", {}).get(IGNORED, 0))


def finished_at(pod: Object) -> pendulum.DateTime:
    """When a pod ended: its last container's end, else when its deletion was asked for."""
    states = [each.get("state", {}) for each in pod.get("status", {}).get("containerStatuses", [])]
    if states and all("terminated" in state for state in states):
        return parsed(max(state["terminated"]["finishedAt"] for state in states))
    if "deletionTimestamp" in pod.meta:
        grace = pod.meta.get("deletionGracePeriodSeconds", 0)
        return parsed(pod.meta["deletionTimestamp"]).subtract(seconds=grace)
    return parsed(pod.meta["creationTimestamp"])


def back_off_seconds(failures: int) -> float:
    """How long a replacement waits after so many failures in a row."""
    if failures <= 0:
        return 0.0
    return min(BACK_OFF_SECONDS * 2.0 ** min(failures - 1, 30), MAX_BACK_OFF_SECONDS)


class Match(NamedTuple):
    """What a pod failure policy says of a failed pod. ``action`` is empty where no rule matches."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        return self.action != "Ignore"


def match_failure(job: Object, pod: Object) -> Match:
    """The first rule of the job's pod failure policy that the pod meets."""
    shown = f"{pod.namespace}/{pod.name}"
    for number, rule in enumerate(job["spec"].get("podFailurePolicy", {}).get("rules", [])):
        action = rule["action"]
        if "onExitCodes" in rule:
            for name, code in _exit_codes(pod, rule["onExitCodes"]):
                told = f"Container {name} for pod {shown} failed with exit code {code}"
                return Match(action, f"{told} matching {action} rule at index {number}")
        for pattern in rule.get("onPodConditions", []):
            if _has_condition(pod, pattern):
                told = f"Pod {shown} has condition {pattern['type']}"
                return Match(action, f"{told} matching {action} rule at index {number}")
    return Match()


def _exit_codes(pod: Object, rule: Json) -> Iterator[tuple[str, int]]:
    status = pod.get("status", {})
    for each in (*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])):
        if rule.get("containerName") not in (None, each["name"]):
            continue
        code = each.get("state", {}).get("terminated", {}).get("exitCode", 0)
        if code and (code in rule["values"]) is (rule["operator"] == "In"):
            yield each["name"], code


def _has_condition(pod: Object, pattern: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == pattern["type"] and each["status"] == pattern["status"] for each in conditions)


def is_index_failed(pod: Object, job: Object) -> bool:
    """The failure of this pod is the last that its index may have."""
    match = match_failure(job, pod)
    if match.action == "FailIndex":
        return True
    return match.counts and failures_of(pod) >= job["spec"]["backoffLimitPerIndex"]


def has_enough_restarts(job: Object, pods: list[Object]) -> bool:
    """With restarts in place: containers were restarted as often as pods may fail."""
    if job["spec"]["template"]["spec"]["restartPolicy"] != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        if phase(pod) in ("Pending", "Running"):
            status = pod["status"]
            every = (*status.get("containerStatuses", []), *status.get("initContainerStatuses", []))
            restarts += sum(each["restartCount"] for each in every)
    limit = job["spec"]["backoffLimit"]
    return restarts >= limit if limit else restarts > 0


def match_success(job: Object, succeeded: set[int]) -> str:
    """What a success policy says once it is met; nothing before."""
    completions = job["spec"]["completions"]
    for number, rule in enumerate(job["spec"].get("successPolicy", {}).get("rules", [])):
        wanted, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        among = indexes.parse(wanted, below=completions) if wanted is not None else set(range(completions))
        met = succeeded & among
        if len(met) >= (len(among) if count is None else count):
            return f"Matched rules at index {number}"
    return ""
