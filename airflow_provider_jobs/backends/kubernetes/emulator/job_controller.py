"""Looks at jobs when something about them has changed or a time has come.

It exists to call ``job_sync`` often enough and not too often: changes that come together are looked at
together, as the real controller does once a second. It also lets go of pods whose job is gone, and deletes
finished jobs when their time to live is over.
"""

from __future__ import annotations

import asyncio
import logging

from airflow_provider_jobs.backends.kubernetes.emulator import job_pods
from airflow_provider_jobs.backends.kubernetes.emulator import job_policies as policies
from airflow_provider_jobs.backends.kubernetes.emulator.events import Recorder
from airflow_provider_jobs.backends.kubernetes.emulator.job_judgement import Memory, is_finished
from airflow_provider_jobs.backends.kubernetes.emulator.job_sync import JobSync
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.resources import JOBS, PODS
from airflow_provider_jobs.backends.kubernetes.emulator.settings import ClusterSettings
from airflow_provider_jobs.backends.kubernetes.emulator.store import Change, Key, Object
from airflow_provider_jobs.emulator.cloud import Cloud

log = logging.getLogger(__name__)

#: Changes within this time are looked at together.
_TOGETHER_SECONDS = 0.01


class JobController:
    """Watches jobs and their pods."""

    def __init__(
        self, cloud: Cloud, objects: Objects, *, recorder: Recorder, settings: ClusterSettings
    ) -> None:
        self._cloud = cloud
        self._objects = objects
        self._recorder = recorder
        self._settings = settings
        self._jobs: dict[str, Key] = {}
        self._pods: dict[str, set[Key]] = {}
        self._memory: dict[str, Memory] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._due: dict[str, None] = {}
        #: Pods that no job owns any more and that still wait to be counted.
        self._orphans: dict[Key, None] = {}
        self._working = False
        objects.store.listen(self._changed)

    def clear(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for held in (self._jobs, self._pods, self._memory, self._timers, self._due, self._orphans):
            held.clear()

    def _changed(self, change: Change) -> None:
        if change.kind is JOBS:
            uid = change.after.uid
            if change.type == "DELETED":
                self._jobs.pop(uid, None)
            else:
                self._jobs[uid] = change.after.key
            self._look(uid)
        elif change.kind is PODS and not (uid := owner(change.after)):
            if policies.is_tracked(change.after):
                self._soon()
                self._orphans[change.after.key] = None
        elif change.kind is PODS:
            keys = self._pods.setdefault(uid, set())
            if change.type == "DELETED":
                keys.discard(change.after.key)
            else:
                keys.add(change.after.key)
            self._look(uid)

    def _look(self, uid: str) -> None:
        self._due[uid] = None
        self._soon()

    def _soon(self) -> None:
        if not self._working:
            self._working = True
            asyncio.get_running_loop().call_later(_TOGETHER_SECONDS, self._work)

    def _work(self) -> None:
        self._working = False
        due, self._due = self._due, {}
        orphans, self._orphans = self._orphans, {}
        if self._cloud.ending:
            return
        for key in orphans:
            self._objects.edit(PODS, key, change=job_pods.untracked)
        for uid in due:
            try:
                self._sync(uid)
            except Exception:
                # One job must not stop the others; a test or a person finds this in the server's output.
                log.exception("the controller failed on job %s", self._jobs.get(uid, uid))

    def _sync(self, uid: str) -> None:
        pods = self._pods_of(uid)
        key = self._jobs.get(uid)
        job = self._objects.store.get(JOBS, key) if key else None
        if job is None or job.uid != uid:
            self._let_go(uid, pods)
            return
        if is_finished(job):
            self._expire(job)
            for pod in pods:
                if policies.is_tracked(pod):
                    self._objects.edit(PODS, pod.key, change=job_pods.untracked)
            return
        sync = JobSync(
            job, pods, self._memory.setdefault(uid, Memory()), self._objects, self._recorder,
            self._settings.backoff_scale,
        )  # fmt: skip
        sync.run()
        if sync.again_in:
            self._look_in(uid, min(sync.again_in))

    def _pods_of(self, uid: str) -> list[Object]:
        store = self._objects.store
        found = (store.get(PODS, key) for key in sorted(self._pods.get(uid, ())))
        return [pod for pod in found if pod is not None and owner(pod) == uid]

    def _look_in(self, uid: str, seconds: float) -> None:
        if uid in self._timers:
            self._timers[uid].cancel()
        self._timers[uid] = asyncio.get_running_loop().call_later(seconds, self._look, uid)

    def _let_go(self, uid: str, pods: list[Object]) -> None:
        """The job is gone: nothing counts its pods any more."""
        for pod in pods:
            if policies.is_tracked(pod):
                self._objects.edit(PODS, pod.key, change=job_pods.untracked)
        self._memory.pop(uid, None)
        if timer := self._timers.pop(uid, None):
            timer.cancel()
        if not self._pods.get(uid):
            self._pods.pop(uid, None)

    def _expire(self, job: Object) -> None:
        """Delete a finished job when its time to live is over."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None or "deletionTimestamp" in job.meta:
            return
        memory = self._memory.setdefault(job.uid, Memory())
        loop = asyncio.get_running_loop()
        if memory.expires_at is None:
            memory.expires_at = loop.time() + seconds
        if loop.time() < memory.expires_at:
            self._look_in(job.uid, memory.expires_at - loop.time())
            return
        self._objects.delete(JOBS, job, policy="Foreground")


def owner(found: Object) -> str:
    """The uid of the job that controls a pod, nothing where none does."""
    for each in found.meta.get("ownerReferences", []):
        if each.get("controller") and each["kind"] == JOBS.kind:
            return each["uid"]
    return ""
