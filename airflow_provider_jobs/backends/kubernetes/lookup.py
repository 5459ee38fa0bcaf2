"""Many Jobs by their handles in few calls, with what only their pods tell: when they ran and why they failed.

A Job is one read; many of them are one list, since their label is a selector; those that a watch tells of are
none. Pods are read once a Job is known to have run, and once more when it has failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes import mapping
from airflow_provider_jobs.backends.kubernetes.connection import all_items
from airflow_provider_jobs.backends.kubernetes.failures import failures_of
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.pod_lists import (
    FAILED,
    MAX_SELECTED,
    NOT_PENDING,
    Listed,
    PodLists,
    selector,
)
from airflow_provider_jobs.backends.kubernetes.pods import started_at
from airflow_provider_jobs.core.errors import AccessDenied, NotFound
from airflow_provider_jobs.core.failures import Failure
from airflow_provider_jobs.core.models import JobHandle

Json = dict[str, Any]
DateTime = pendulum.DateTime

# A list makes the API server look through all Jobs of the namespace; below so many, reads cost it less.
FEW = 3
_MAX_KNOWN = 20_000
_COUNTS = ("ready", "succeeded", "failed", "completedIndexes", "failedIndexes")
_LOOK_AGAIN_SECONDS = 30.0


class JobLookup:
    """Asks for Jobs and their pods, where no watch tells of them.

    Holds no state but when the Jobs began to run, which does not change.

    :param known: returns the Jobs that need not be asked for, by native id
    """

    def __init__(
        self, hook: KubernetesJobHook, known: Callable[[Sequence[JobHandle]], dict[str, Json]]
    ) -> None:
        self._hook = hook
        self._known = known
        self._pods = PodLists(hook)
        self._started: dict[str, DateTime] = {}
        self._without_pods: dict[str, str] = {}

    def jobs(self, handles: Sequence[JobHandle]) -> dict[str, Json]:
        """Return the Jobs that exist, by native id."""
        found = self._known(handles)
        asked = [handle for handle in handles if handle.native_id not in found]
        if len(asked) > FEW:
            by_name = {handle.name: handle.native_id for handle in asked}
            for start in range(0, len(asked), MAX_SELECTED):
                label = selector(asked[start : start + MAX_SELECTED])
                for job in all_items(self._hook.list_jobs_page, label_selector=label):
                    if job["metadata"]["name"] in by_name:
                        found[by_name[job["metadata"]["name"]]] = job
        for handle in asked:
            # Only this answer says that a Job is gone: somebody may have taken its label off.
            if handle.native_id not in found and (single := self.job(handle)):
                found[handle.native_id] = single
        return found

    def job(self, handle: JobHandle) -> Json | None:
        """Return one Job, ``None`` where there is none."""
        try:
            return self._hook.get_job_json(handle.name)
        except NotFound:
            return None

    def started(self, handles: Sequence[JobHandle], jobs: dict[str, Json]) -> dict[str, DateTime]:
        """Return when Jobs began to run, by native id: the start of the first of their containers.

        The Job itself tells only when the service took it up, which stands in where its pods cannot be read.
        """
        for remembered in (self._started, self._without_pods):
            if len(remembered) >= _MAX_KNOWN:
                remembered.clear()
        ran = [handle for handle in handles if (job := jobs.get(handle.native_id)) and mapping.has_run(job)]
        self._ask_for_starts([handle for handle in ran if self._is_asked_for(jobs[handle.native_id])], jobs)
        found = {handle.native_id: self._started.get(_uid(jobs[handle.native_id])) for handle in ran}
        return {native_id: began for native_id, began in found.items() if began}

    def _is_asked_for(self, job: Json) -> bool:
        """Return whether the pods of a Job may tell when it began, which they did not before."""
        return _uid(job) not in self._started and self._without_pods.get(_uid(job)) != _progress(job)

    def _ask_for_starts(self, handles: Sequence[JobHandle], jobs: dict[str, Json]) -> None:
        listed = self._some_pods(handles, NOT_PENDING)
        for handle in handles:
            job, pods = jobs[handle.native_id], listed.get(handle.native_id)
            began = started_at(pods.pods) if pods else None
            taken_up = (job.get("status") or {}).get("startTime")
            if began is None and taken_up and (not listed or mapping.is_over(job)):
                began = mapping.moment(taken_up)
            if began is not None:
                self._started[_uid(job)] = began
                self._without_pods.pop(_uid(job), None)
            elif pods and pods.is_whole:
                # They are gone, or none has begun: nothing else is to be seen before the Job goes on.
                self._without_pods[_uid(job)] = _progress(job)

    def failures(self, handle: JobHandle, job: Json) -> tuple[Failure, ...]:
        """Return the first failures of a Job that failed."""
        listed = self._some_pods([handle], FAILED).get(handle.native_id, Listed([], is_whole=False))
        return failures_of(job, listed.pods, handle, is_whole=listed.is_whole)

    def _some_pods(self, handles: Sequence[JobHandle], phase: str) -> dict[str, Listed]:
        """Return pods by their job; none where they may not be read, which not everybody may."""
        found: dict[str, Listed] = {}
        try:
            for start in range(0, len(handles), MAX_SELECTED):
                found.update(self._pods.some(handles[start : start + MAX_SELECTED], phase))
        except AccessDenied:
            return {}
        return found


def _uid(job: Json) -> str:
    return str(job["metadata"].get("uid"))


def _progress(job: Json) -> str:
    """Return what is another once there may be something new to see of a Job's pods."""
    status = job.get("status") or {}
    counted = [str(status.get(name) or "") for name in _COUNTS]
    if not any(counted):
        # A pod with a probe begins without being counted: only time tells.
        return str(time.monotonic() // _LOOK_AGAIN_SECONDS)
    return " ".join([*counted, str(status.get("active") or ""), str(status.get("completionTime") or "")])
