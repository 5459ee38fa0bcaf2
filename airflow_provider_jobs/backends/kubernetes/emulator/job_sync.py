"""One look at a job and its pods, and what follows: pods made or deleted, ends counted, conditions set.

It exists to do in one synchronous step what the Job controller does per sync, in the same order, so that
every state a client can see is one that a cluster shows. It must not wait; what has to wait is handed back.
https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.emulator import indexes, job_pods
from airflow_provider_jobs.backends.kubernetes.emulator import job_policies as policies
from airflow_provider_jobs.backends.kubernetes.emulator.events import Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.job_judgement import (
    Judgement,
    Memory,
    condition,
    new_condition,
)
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.resources import JOBS, PODS
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import ApiError
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp

#: At most so many pods are made at one time, so that others get their turn.
BATCH = 100
_RETRY_SECONDS = 1.0

Json = dict[str, Any]


@dataclass
class JobSync:
    """One sync. ``again_in`` collects after how many seconds to look again."""

    job: Object
    pods: list[Object]
    memory: Memory
    objects: Objects
    recorder: Recorder
    backoff_scale: float
    again_in: list[float] = field(default_factory=list)
    status: Json = field(init=False)
    seen: Judgement = field(init=False)

    def run(self) -> None:
        """Look, act, write."""
        self.status = dict(self.job.get("status", {}))
        if "startTime" not in self.status and not self.job["spec"]["suspend"]:
            self._start()
        self.status["terminating"] = sum(map(policies.is_terminating, self.pods))
        self.seen = Judgement(self.job, self.pods, self.memory, self.status)
        if self.seen.look_in is not None:
            self.again_in.append(self.seen.look_in)
        active = [pod for pod in self.pods if policies.is_active(pod)]
        if self.seen.finished is None:
            active = self._manage(active)
        else:
            self._delete(active)
            active = []
        self.status["ready"] = sum(map(policies.is_ready, active))
        self._set("active", len(active))
        self._track()
        self._finish()

    def _start(self) -> None:
        self.memory.active_since = pendulum.now("UTC")
        self.status["startTime"] = timestamp(self.memory.active_since)

    def _set(self, name: str, value: int) -> None:
        """Numbers of zero are left out."""
        if value:
            self.status[name] = value
        else:
            self.status.pop(name, None)

    def _delete(self, pods: list[Object], *, counted: bool = True) -> None:
        """Delete active pods. Those that are not ``counted`` are no failures."""
        for pod in pods:
            if not counted:
                self.objects.edit(PODS, pod.key, change=job_pods.untracked)
            found = self.objects.store.get(PODS, pod.key)
            if found is not None:
                self.objects.delete(PODS, found)
            self.recorder.normal(
                JOBS, self.job, reason="SuccessfulDelete", message=f"Deleted pod: {pod.name}"
            )
        self.status["terminating"] += len(pods)

    def _manage(self, active: list[Object]) -> list[Object]:
        """As many pods as there should be; the end, if there is nothing left to do."""
        spec, deleted = self.job["spec"], "deletionTimestamp" in self.job.meta
        if not deleted and spec["suspend"]:
            self._delete(active, counted=False)
            active = []
        elif not deleted:
            active = self._fill(active)
        wanted, succeeded = spec.get("completions"), self.seen.succeeded
        over = succeeded > 0 if wanted is None else succeeded >= wanted
        if over and not active:
            self.seen.finished = new_condition(
                "SuccessCriteriaMet",
                "CompletionsReached",
                message="Reached expected number of succeeded pods",
            )
        elif not deleted:
            self._note_suspension()
        return active

    def _note_suspension(self) -> None:
        known = self.status.get("conditions", [])
        before = next((each["status"] for each in known if each["type"] == "Suspended"), "False")
        suspended = self.job["spec"]["suspend"]
        if before == str(suspended):
            return
        reason, told = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
        others = [each for each in known if each["type"] != "Suspended"]
        made = new_condition("Suspended", reason, message=told, status=str(suspended))
        self.status["conditions"] = [*others, made]
        if suspended:
            self.status.pop("startTime", None)
            self.memory.active_since = None
        else:
            self._start()
        self.recorder.normal(JOBS, self.job, reason=reason.removeprefix("Job"), message=told)

    def _fill(self, active: list[Object]) -> list[Object]:
        """Delete pods that are too many, or make those that are missing."""
        spec = self.job["spec"]
        if spec.get("completions") is None:
            wanted = len(active) if self.seen.succeeded else spec["parallelism"]
        else:
            wanted = max(0, min(spec["completions"] - self.seen.succeeded, spec["parallelism"]))
        if len(active) > wanted:
            active = job_pods.by_progress(active)
            surplus = len(active) - wanted
            self._delete(active[:surplus], counted=False)
            return active[surplus:]
        waiting = self.status["terminating"] if spec["podReplacementPolicy"] == "Failed" else 0
        missing = wanted - waiting - len(active)
        return [*active, *self._create(missing)] if missing > 0 else active

    def _create(self, count: int) -> list[Object]:
        indexed = policies.is_indexed(self.job)
        plans: list[int | None] = list(self._next_indexes(count)) if indexed else [None] * count
        if not indexed and not self._rested():
            return []
        if len(plans) > BATCH:
            self.again_in.append(0)
        made: list[Object] = []
        for index in plans[:BATCH]:
            after = None if index is None else self.seen.kept.get(index)
            try:
                pod = self.objects.create(PODS, job_pods.pod_of(self.job, index, after=after))
            except ApiError as error:
                self.recorder.warning(
                    JOBS, self.job, reason="FailedCreate", message=f"Error creating: {error.message}"
                )
                self.again_in.append(_RETRY_SECONDS)
                break
            self.recorder.normal(
                JOBS, self.job, reason="SuccessfulCreate", message=f"Created pod: {pod.name}"
            )
            made.append(pod)
        return made

    def _rested(self) -> bool:
        """Whether the back-off after the last failure is over."""
        memory = self.memory
        if memory.last_failure is None:
            return True
        return self._over(policies.back_off_seconds(memory.failures_in_a_row), memory.last_failure)

    def _over(self, seconds: float, since: pendulum.DateTime) -> bool:
        left = seconds * self.backoff_scale - (pendulum.now("UTC") - since).total_seconds()
        if left > 0:
            self.again_in.append(left)
        return left <= 0

    def _next_indexes(self, count: int) -> list[int]:
        """The lowest indexes that nobody works on, whose back-off is over."""
        if "backoffLimitPerIndex" not in self.job["spec"] and not self._rested():
            return []
        seen = self.seen
        taken = {policies.index_of(pod) for pod in self.pods if policies.is_active(pod)}
        if self.job["spec"]["podReplacementPolicy"] == "Failed":
            taken |= {policies.index_of(pod) for pod in self.pods if policies.is_terminating(pod)}
        taken |= seen.completed_indexes | (seen.failed_indexes or set())
        found: list[int] = []
        for index in range(self.job["spec"]["completions"]):
            if len(found) == count:
                break
            if index not in taken and self._may_be_replaced(seen.kept.get(index)):
                found.append(index)
        return found

    def _may_be_replaced(self, last: Object | None) -> bool:
        """Whether the back-off of an index is over. None: it has not failed."""
        if last is None:
            return True
        failures = policies.failures_of(last) + policies.ignored_of(last) + 1
        return self._over(policies.back_off_seconds(failures), policies.finished_at(last))

    def _track(self) -> None:
        """Count what has ended, and let go of the pods that are counted."""
        seen = self.seen
        counted = [pod for pod in self.pods if policies.is_tracked(pod) and self._may_let_go(pod)]
        ended_well = [pod for pod in counted if policies.phase(pod) == "Succeeded"]
        lost = [
            pod
            for pod in counted
            if policies.phase(pod) != "Succeeded"
            and (seen.failing or policies.is_failed(pod, self.job))
            and policies.match_failure(self.job, pod).counts
        ]
        won = [] if policies.is_indexed(self.job) else ended_well
        if policies.is_indexed(self.job):
            self._set_indexes()
        if seen.finished is not None and condition(self.status, seen.finished["type"]) is None:
            self.status["conditions"] = [*self.status.get("conditions", []), seen.finished]
        uncounted = {"succeeded": [pod.uid for pod in won], "failed": [pod.uid for pod in lost]}
        self.status["uncountedTerminatedPods"] = {key: uids for key, uids in uncounted.items() if uids}
        self._write()
        for pod in counted:
            self.objects.edit(PODS, pod.key, change=job_pods.untracked)
        if won or lost:
            self.status["uncountedTerminatedPods"] = {}
            self._set("failed", self.status.get("failed", 0) + len(lost))
            self._set("succeeded", self.status.get("succeeded", 0) + len(won))
            self._write()

    def _may_let_go(self, pod: Object) -> bool:
        if "deletionTimestamp" in self.job.meta or self.seen.finished is not None:
            return True
        if policies.phase(pod) == "Succeeded":
            return True
        if not policies.is_failed(pod, self.job):
            return False
        kept = self.seen.kept.get(policies.index_of(pod))
        return kept is None or kept.uid != pod.uid

    def _set_indexes(self) -> None:
        self._set("succeeded", len(self.seen.completed_indexes))
        if text := indexes.written(self.seen.completed_indexes):
            self.status["completedIndexes"] = text
        if self.seen.failed_indexes is not None:
            self.status["failedIndexes"] = indexes.written(self.seen.failed_indexes)

    def _finish(self) -> None:
        """The last condition, once no pod is on its way out."""
        finished = self.seen.finished
        if finished is None or self.status["terminating"]:
            return
        reason, message = finished["reason"], finished["message"]
        last = new_condition("Failed" if self.seen.failing else "Complete", reason, message=message)
        self.status["conditions"] = [*self.status["conditions"], last]
        if not self.seen.failing:
            self.status["completionTime"] = last["lastTransitionTime"]
        self._write()
        if self.seen.failing:
            self.recorder.warning(JOBS, self.job, reason=reason, message=message)
        else:
            self.recorder.normal(JOBS, self.job, reason="Completed", message="Job completed")

    def _write(self) -> None:
        """Store the status; the same status again changes nothing."""
        status = dict(self.status)
        self.objects.edit(
            JOBS, self.job.key, change=lambda found: _with_status(found, self.job.uid, status=status)
        )


def _with_status(found: Object, uid: str, *, status: Json) -> Object:
    return found.with_status(status) if found.uid == uid else found
