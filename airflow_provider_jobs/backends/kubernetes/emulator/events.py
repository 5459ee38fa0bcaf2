"""Events: what controllers and the node report about objects, with repetitions counted.

It exists so that a job of a thousand pods leaves a readable trail, as on a cluster. It must not decide what
is worth reporting. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import uuid
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.emulator.resources import EVENTS, NAMESPACES, ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object, Store
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp

JOB_CONTROLLER, SCHEDULER, KUBELET = "job-controller", "default-scheduler", "kubelet"
_COMBINED = "(combined from similar events): "
#: From the eleventh event on that differs from others of its object in its message alone, they become one.
_SIMILAR = 10
_KEPT = 20_000


class Recorder:
    """Writes events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._similar: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {}
        self._all: list[tuple[str, str]] = []

    def clear(self) -> None:
        self._similar.clear()
        self._all.clear()

    def normal(self, kind: ResourceType, about: Object, *, reason: str, message: str, **origin: str) -> None:
        self._record(kind, about, type_="Normal", reason=reason, message=message, **origin)

    def warning(self, kind: ResourceType, about: Object, *, reason: str, message: str, **origin: str) -> None:
        self._record(kind, about, type_="Warning", reason=reason, message=message, **origin)

    def _record(
        self,
        kind: ResourceType,
        about: Object,
        *,
        type_: str,
        reason: str,
        message: str,
        source: str = JOB_CONTROLLER,
        host: str = "",
        field: str = "",
    ) -> None:
        if self._store.get(NAMESPACES, ("", about.namespace or "default")) is None:
            return
        known = self._similar.setdefault((about.uid, source, type_, reason, field), {})
        if message not in known and len(known) >= _SIMILAR:
            message, told = _COMBINED, _COMBINED + message
        else:
            told = message
        key = known.get(message)
        before = self._store.get(EVENTS, key) if key else None
        if before is not None:
            again = {"count": before["count"] + 1, "lastTimestamp": timestamp(), "message": told}
            self._store.replace(EVENTS, Object({**before, **again}))
            return
        made = _event(kind, about, type_=type_, reason=reason, message=told)
        made["source"] = {"component": source, **({"host": host} if host else {})}
        made["reportingComponent"], made["reportingInstance"] = source, host
        if field:
            made["involvedObject"]["fieldPath"] = field
        stored = self._store.add(EVENTS, Object(made))
        known[message] = stored.key
        self._all.append(stored.key)
        self._forget_old()

    def _forget_old(self) -> None:
        """A cluster keeps events for an hour; here the latest are kept."""
        if len(self._all) <= _KEPT + 1000:
            return
        old, self._all = self._all[:1000], self._all[1000:]
        for key in old:
            found = self._store.get(EVENTS, key)
            if found is not None:
                self._store.remove(EVENTS, found)


def _event(kind: ResourceType, about: Object, *, type_: str, reason: str, message: str) -> dict[str, Any]:
    now = pendulum.now("UTC")
    namespace = about.namespace or "default"
    stamp = int(now.timestamp() * 1e9) + uuid.uuid4().int % 1000
    return {
        "metadata": {
            "name": f"{about.name}.{stamp:x}",
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": timestamp(now),
        },
        "involvedObject": {
            "kind": kind.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "apiVersion": kind.api_version,
            "resourceVersion": about.meta.get("resourceVersion", ""),
        },
        "reason": reason,
        "message": message,
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
        "type": type_,
        "eventTime": None,
    }


def as_new_event(found: Object) -> Object:
    """A core event in the words of events.k8s.io."""
    names = {
        "involvedObject": "regarding",
        "message": "note",
        "source": "deprecatedSource",
        "firstTimestamp": "deprecatedFirstTimestamp",
        "lastTimestamp": "deprecatedLastTimestamp",
        "count": "deprecatedCount",
        "reportingComponent": "reportingController",
    }
    return Object({names.get(key, key): value for key, value in found.items()})
