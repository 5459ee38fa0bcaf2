"""Many Jobs by their handles in few calls, with what only their pods tell: when they ran and why they failed.

A Job is one read; many of them are one list, since their label is a selector. Pods are read once a Job is
known to have run, and once more when it has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class JobLookup:
    """Asks for Jobs and their pods. Holds no state but when the Jobs began to run, which does not change."""

    def __init__(self, hook: KubernetesJobHook) -> None:
        self._hook = hook
        self._pods = PodLists(hook)
        self._started: dict[str, DateTime] = {}

    def jobs(self, handles: Sequence[JobHandle]) -> dict[str, Json]:
        """Return the Jobs that exist, by native id."""
        found: dict[str, Json] = {}
        if len(handles) > FEW:
            by_name = {handle.name: handle.native_id for handle in handles}
            for start in range(0, len(handles), MAX_SELECTED):
                label = selector(handles[start : start + MAX_SELECTED])
                for job in all_items(self._hook.list_jobs_page, label_selector=label):
                    if job["metadata"]["name"] in by_name:
                        found[by_name[job["metadata"]["name"]]] = job
        for handle in handles:
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
        if len(self._started) >= _MAX_KNOWN:
            self._started.clear()
        ran = [handle for handle in handles if (job := jobs.get(handle.native_id)) and mapping.has_run(job)]
        unknown = [handle for handle in ran if _uid(jobs[handle.native_id]) not in self._started]
        listed = self._some_pods(unknown, NOT_PENDING)
        for handle in unknown:
            job = jobs[handle.native_id]
            began = started_at(listed[handle.native_id].pods) if handle.native_id in listed else None
            taken_up = (job.get("status") or {}).get("startTime")
            if began is None and taken_up and (not listed or mapping.is_over(job)):
                began = mapping.moment(taken_up)
            if began is not None:
                self._started[_uid(job)] = began
        found = {handle.native_id: self._started.get(_uid(jobs[handle.native_id])) for handle in ran}
        return {native_id: began for native_id, began in found.items() if began}

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
