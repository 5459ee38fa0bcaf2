"""What a job's pods mean for it: how many won and lost, which indexes are done, whether it is to end.

It exists as the reading half of a sync. It must not write; the back-off that it remembers is the only thing
it changes. https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.emulator import indexes, job_pods
from airflow_provider_jobs.backends.kubernetes.emulator import job_policies as policies
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp

Json = dict[str, Any]


@dataclass
class Memory:
    """What the controller remembers of a job between two looks."""

    failures_in_a_row: int = 0
    last_failure: pendulum.DateTime | None = None
    active_since: pendulum.DateTime | None = None
    #: On the event loop's clock.
    expires_at: float | None = None


def condition(status: Json, type_: str) -> Json | None:
    """A condition that holds."""
    found = (each for each in status.get("conditions", []) if each["type"] == type_)
    return next((each for each in found if each["status"] == "True"), None)


def new_condition(type_: str, reason: str, *, message: str, status: str = "True") -> Json:
    """A condition that holds, or no longer holds, from now on."""
    now = timestamp()
    return {
        "type": type_,
        "status": status,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def is_finished(job: Object) -> bool:
    status = job.get("status", {})
    return condition(status, "Complete") is not None or condition(status, "Failed") is not None


@dataclass
class Judgement:
    """What was found. ``finished`` is the condition with which the job begins to end.

    ``kept`` are failed pods that wait for their replacement, by index; ``look_in`` is after how many seconds
    the judgement would be another by time alone.
    """

    job: Object
    pods: list[Object]
    memory: Memory
    status: Json
    finished: Json | None = None
    succeeded: int = 0
    failed: int = 0
    completed_indexes: set[int] = field(default_factory=set)
    failed_indexes: set[int] | None = None
    kept: dict[int, Object] = field(default_factory=dict)
    look_in: float | None = None

    def __post_init__(self) -> None:
        tracked = [pod for pod in self.pods if policies.is_tracked(pod)]
        lost = [pod for pod in tracked if policies.is_failed(pod, self.job)]
        self._count([pod for pod in tracked if policies.phase(pod) == "Succeeded"], lost)
        self.finished = condition(self.status, "SuccessCriteriaMet") or condition(
            self.status, "FailureTarget"
        )
        if self.finished is None:
            self._judge(lost)
        if policies.is_indexed(self.job):
            self._judge_indexes(lost)

    @property
    def failing(self) -> bool:
        return self.finished is not None and self.finished["type"] == "FailureTarget"

    def _count(self, won: list[Object], lost: list[Object]) -> None:
        """What has ended since the last look, and what it does to the back-off."""
        self.succeeded = self.status.get("succeeded", 0) + len(won)
        counted = [pod for pod in lost if policies.match_failure(self.job, pod).counts]
        self.failed = self.status.get("failed", 0) + len(counted)
        last_success = max((policies.finished_at(pod) for pod in won), default=None)
        if last_success is not None:
            self.memory.failures_in_a_row, self.memory.last_failure = 0, None
        for pod in lost:
            at = policies.finished_at(pod)
            if last_success is None or at > last_success:
                self.memory.failures_in_a_row += 1
                self.memory.last_failure = max(at, self.memory.last_failure or at)

    def _fail(self, reason: str, message: str) -> None:
        self.finished = new_condition("FailureTarget", reason, message=message)

    def _judge(self, lost: list[Object]) -> None:
        """Whether the job is to end, whatever its indexes say."""
        matches = (policies.match_failure(self.job, pod) for pod in lost)
        match = next((match for match in matches if match.action == "FailJob"), None)
        left = self._time_left()
        if match is not None:
            self._fail("PodFailurePolicy", match.message)
        elif self.failed > self.job["spec"]["backoffLimit"] or policies.has_enough_restarts(
            self.job, self.pods
        ):
            self._fail("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        elif left is not None and left <= 0:
            self._fail("DeadlineExceeded", "Job was active longer than specified deadline")
        else:
            self.look_in = left

    def _time_left(self) -> float | None:
        """Seconds until the job's deadline; None without one."""
        limit = self.job["spec"].get("activeDeadlineSeconds")
        since = self.memory.active_since
        if limit is None or since is None or self.job["spec"]["suspend"]:
            return None
        return limit - (pendulum.now("UTC") - since).total_seconds()

    def _judge_indexes(self, lost: list[Object]) -> None:
        spec, completions = self.job["spec"], self.job["spec"]["completions"]
        won = {policies.index_of(pod) for pod in self.pods if policies.phase(pod) == "Succeeded"}
        known = indexes.parse(self.status.get("completedIndexes"), below=completions)
        self.completed_indexes = known | {index for index in won if 0 <= index < completions}
        self.succeeded = len(self.completed_indexes)
        if "backoffLimitPerIndex" in spec:
            self._judge_failed_indexes(lost, completions)
        if self.finished is None and (told := policies.match_success(self.job, self.completed_indexes)):
            self.finished = new_condition("SuccessCriteriaMet", "SuccessPolicy", message=told)

    def _judge_failed_indexes(self, lost: list[Object], completions: int) -> None:
        failed = indexes.parse(self.status.get("failedIndexes"), below=completions)
        for pod in lost:
            index = policies.index_of(pod)
            if 0 <= index < completions and policies.is_index_failed(pod, self.job):
                failed.add(index)
        self.failed_indexes = failed
        limit = self.job["spec"].get("maxFailedIndexes")
        if self.finished is None and limit is not None and len(failed) > limit:
            self._fail(
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            )
        elif self.finished is None and failed and len(failed | self.completed_indexes) >= completions:
            self._fail("FailedIndexes", "Job has failed indexes")
        self.kept = job_pods.last_failed(lost, self.pods, settled=failed | self.completed_indexes)
