"""The Jobs of a namespace as a watch has told of them, cut down to what a report needs.

It exists so that ten thousand waiting jobs fit a process: a Job is a few kilobytes, what a report needs of it
some hundred bytes. It must not ask the service.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from typing import Any

from airflow_provider_jobs.backends.kubernetes import mapping

Json = dict[str, Any]

# Jobs that are over are asked for once more, soon after their end; nobody may wait for some of them at all.
MOST_OVER = 1_000

_METADATA = ("name", "uid", "creationTimestamp", "deletionTimestamp")
_STATUS = (
    "active",
    "completedIndexes",
    "completionTime",
    "failed",
    "failedIndexes",
    "ready",
    "startTime",
    "succeeded",
    "terminating",
)
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")


class JobCache:
    """Jobs by their name. May be used from several threads at once.

    :param most_over: how many Jobs that are over are kept, those that ended last
    """

    def __init__(self, *, most_over: int = MOST_OVER) -> None:
        self._most_over = most_over
        self._lock = threading.Lock()
        self._open: dict[str, bytes] = {}
        self._over: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._over)

    def get(self, name: str) -> Json | None:
        """Return what is needed of a Job, ``None`` where nothing is known of it."""
        with self._lock:
            held = self._open.get(name) or self._over.get(name)
        return json.loads(held) if held else None

    def put(self, job: Json, *, is_listed: bool = False) -> bool:
        """Take in the state of a Job, and return whether a report of it may be another now.

        :param is_listed: whether it comes from a list, which brings all that ended long ago: of Jobs that are
            over only those are kept that were known before their end
        """
        name, is_over = job["metadata"]["name"], mapping.is_over(job)
        held = trimmed(job)
        with self._lock:
            before = self._open.pop(name, None) or self._over.pop(name, None)
            if not is_over:
                self._open[name] = held
            elif before or not is_listed:
                self._over[name] = held
                if len(self._over) > self._most_over:
                    del self._over[next(iter(self._over))]
        return before != held

    def remove(self, name: str) -> None:
        """Forget a Job."""
        with self._lock:
            self._open.pop(name, None)
            self._over.pop(name, None)

    def keep(self, names: Collection[str]) -> list[str]:
        """Forget all Jobs but these, and return whose were forgotten."""
        with self._lock:
            gone = [name for held in (self._open, self._over) for name in held if name not in names]
            for name in gone:
                self._open.pop(name, None)
                self._over.pop(name, None)
        return gone

    def clear(self) -> None:
        """Forget all Jobs."""
        self.keep(())


def trimmed(job: Json) -> bytes:
    """Return what the report of a Job needs, as JSON; the same bytes where a report would be the same."""
    metadata, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    reason = (metadata.get("annotations") or {}).get(mapping.CANCELLED_ANNOTATION)
    kept: Json = {
        "metadata": {
            **_some(metadata, _METADATA),
            **({} if reason is None else {"annotations": {mapping.CANCELLED_ANNOTATION: reason}}),
        },
        "spec": {**_some(spec, ("completionMode", "suspend")), "template": {"spec": _pod(spec)}},
        "status": {
            **_some(status, _STATUS),
            "conditions": [
                {name: each[name] for name in _CONDITION if name in each}
                for each in status.get("conditions") or ()
                if each.get("status") == "True"
            ],
        },
    }
    return json.dumps(kept, separators=(",", ":"), sort_keys=True).encode()


def _pod(spec: Json) -> Json:
    """Return what is asked of the pod's template: how it is repeated, and whether readiness is probed."""
    pod = spec["template"]["spec"]
    probed = any(
        each.get("readinessProbe") for each in (*pod["containers"], *(pod.get("initContainers") or ()))
    )
    return {**_some(pod, ("restartPolicy",)), "containers": [{"readinessProbe": True}] if probed else []}


def _some(found: Json, names: Collection[str]) -> Json:
    return {name: found[name] for name in names if found.get(name)}
