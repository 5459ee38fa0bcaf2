"""Jobs as the API server tells of them by itself: a list, then a watch from where the list ended, and so on.

It exists so that jobs that wait cost no calls. It must not sleep, and goes on by itself only where the
service ended a watch in good order or had forgotten where it was; trouble ends it, and it can be begun again.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from airflow_provider_jobs.backends.kubernetes import mapping
from airflow_provider_jobs.backends.kubernetes.changes import ChangeStream
from airflow_provider_jobs.backends.kubernetes.errors import ResourceVersionExpired
from airflow_provider_jobs.backends.kubernetes.hook import KubernetesJobHook
from airflow_provider_jobs.backends.kubernetes.job_cache import JobCache
from airflow_provider_jobs.backends.kubernetes.request import KEY_LABEL
from airflow_provider_jobs.core.errors import AccessDenied, TransientError, UnavailableError
from airflow_provider_jobs.core.models import JobHandle

Json = dict[str, Any]

# A connection whose other end is gone is as silent as one where nothing happens. Only when the watch should
# have ended can they be told apart, so that time is short; the service sends a bookmark just before it, so
# that the next goes on from there: staging/src/k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go
WATCH_SECONDS = 60
_LATE_SECONDS = 15.0
# What a watch has missed, for whatever reason, is found by a list.
RESYNC_SECONDS = 600.0


class JobInformer:
    """Watches the Jobs of the hook's namespace that carry our label, and knows them meanwhile.

    :param watch_seconds: how long one watch request lasts
    :param resync_seconds: how often all Jobs are listed again all the same
    """

    def __init__(
        self,
        hook: KubernetesJobHook,
        *,
        watch_seconds: int = WATCH_SECONDS,
        resync_seconds: float = RESYNC_SECONDS,
    ) -> None:
        self._hook = hook
        self._watch_seconds = watch_seconds
        self._resync_seconds = resync_seconds
        self.cache = JobCache()
        self._lock = threading.Lock()
        self._turn: object | None = None
        self._stream: ChangeStream | None = None
        # These three are written by the thread that watches alone.
        self._version = ""
        self._listed_at = 0.0
        self._heard_at: float | None = None

    def known(self, handles: Sequence[JobHandle]) -> dict[str, Json]:
        """Return the Jobs of which the watch tells, by native id; none where it is not heard of any more.

        A Job has the fields that a report needs, and no others.
        """
        heard_at = self._heard_at
        if heard_at is None or time.monotonic() - heard_at > self._watch_seconds + _LATE_SECONDS:
            return {}
        found = {handle.native_id: (handle, self.cache.get(handle.name)) for handle in handles}
        return {
            native_id: job
            for native_id, (handle, job) in found.items()
            # The watch may not have heard yet that a Job was deleted and another of its name was made.
            if job and mapping.created_at(job) == handle.submitted_at
        }

    def watch(self) -> Iterator[list[str]]:
        """Yield the native ids of Jobs that may have changed, in bunches.

        A bunch may be empty, so that now and then whoever reads this can look whether it is still wanted.
        Ends when it is stopped, and when the service ends watches sooner than it was asked to. A further
        call goes on where this one has ended.

        :raises AccessDenied: Jobs may not be watched, or not be listed
        :raises TransientError: the connection broke off, or was silent for too long
        """
        turn = object()
        with self._lock:
            self._turn = turn
        return self._watch(turn)

    def stop(self) -> None:
        """End the watch from another thread. Idempotent."""
        with self._lock:
            self._turn = None
            if self._stream:
                self._stream.end()

    def _watch(self, turn: object) -> Iterator[list[str]]:
        try:
            yield from self._lists_and_watches(turn)
        except AccessDenied:
            self._version = ""
            self.cache.clear()
            raise
        except TransientError:
            if self._turn is turn:
                raise
        finally:
            if self._turn is turn or self._turn is None:
                self._heard_at = None

    def _lists_and_watches(self, turn: object) -> Iterator[list[str]]:
        while self._turn is turn:
            is_listed = self._is_list_due()
            if is_listed:
                yield from self._list(turn)
            if self._turn is not turn:
                return
            began_at = time.monotonic()
            try:
                is_told = yield from self._follow(turn)
            except ResourceVersionExpired:
                self._version, self._heard_at = "", None
                if is_listed:
                    raise  # to list once more would not help
                continue
            is_early = time.monotonic() - began_at < self._watch_seconds / 2
            if is_early and not is_told and not self._is_list_due():
                return

    def _is_list_due(self) -> bool:
        return not self._version or time.monotonic() - self._listed_at >= self._resync_seconds

    def _list(self, turn: object) -> Iterator[list[str]]:
        """Take in all Jobs, a page at a time; those that are not among them are forgotten at the end."""
        names: set[str] = set()
        token = ""
        while True:
            page = self._hook.list_jobs_page(label_selector=KEY_LABEL, page_token=token)
            if self._turn is not turn:
                return
            names.update(job["metadata"]["name"] for job in page.items)
            changed = [job["metadata"]["name"] for job in page.items if self.cache.put(job, is_listed=True)]
            if changed:
                yield self._native_ids(changed)
            token = page.next_token
            if not token:
                break
        gone = self.cache.keep(names)
        self._version = page.resource_version
        self._listed_at = self._heard_at = time.monotonic()
        if gone:
            yield self._native_ids(gone)

    def _follow(self, turn: object) -> Generator[list[str], None, bool]:
        """Take in changes until the service ends the watch; return whether there was any word of it."""
        try:
            stream = self._hook.watch_jobs_json(
                timeout_seconds=self._watch_seconds,
                label_selector=KEY_LABEL,
                resource_version=self._version,
                allow_watch_bookmarks=True,
            )
        except UnavailableError:
            # A server that comes back from a backup would silently wait for a version that it had before.
            self._version = ""
            raise
        is_told = False
        try:
            with self._lock:
                if self._turn is not turn:
                    return is_told
                self._stream = stream
            self._heard_at = time.monotonic()
            yield []
            for change, job in stream:
                if self._turn is not turn:
                    break
                is_told = True
                self._heard_at = time.monotonic()
                if self._take(change, job):
                    yield self._native_ids([job["metadata"]["name"]])
        finally:
            with self._lock:
                if self._stream is stream:
                    self._stream = None
            stream.close()
        return is_told

    def _take(self, change: str, job: Json) -> bool:
        """Take in one change, and return whether a report of the Job may be another now."""
        self._version = job["metadata"]["resourceVersion"]
        if change == "DELETED":
            # It may have lost our label alone: whether it is gone, the service is asked.
            self.cache.remove(job["metadata"]["name"])
            return True
        return change in ("ADDED", "MODIFIED") and self.cache.put(job)

    def _native_ids(self, names: Sequence[str]) -> list[str]:
        return [f"{self._hook.namespace}/{name}" for name in names]
