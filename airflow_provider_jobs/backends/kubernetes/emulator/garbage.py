"""What goes with what: objects whose owner is gone, deletions that wait for dependents, namespaces.

It exists for propagation policies. It must not decide what is deleted first-hand.
https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator.objects import FOREGROUND, ORPHAN, Objects
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    NAMESPACES,
    SERVED,
    ResourceType,
)
from airflow_provider_jobs.backends.kubernetes.emulator.store import Change, Object
from airflow_provider_jobs.emulator.cloud import Cloud


class GarbageCollector:
    """Follows deletions."""

    def __init__(self, cloud: Cloud, objects: Objects) -> None:
        self._cloud = cloud
        self._objects = objects
        self._owned: dict[str, dict[tuple[ResourceType, str, str], None]] = {}
        self._waiting: dict[str, tuple[ResourceType, tuple[str, str]]] = {}
        self._due: dict[tuple[str, Any], None] = {}
        objects.store.listen(self._changed)

    def clear(self) -> None:
        self._owned.clear()
        self._waiting.clear()
        self._due.clear()

    def _changed(self, change: Change) -> None:
        found = change.after
        place = (change.kind, found.namespace, found.name)
        for uid in _owners(change.before) if change.before else ():
            self._owned.get(uid, {}).pop(place, None)
        if change.type == "DELETED":
            self._gone(change.kind, found)
            return
        for uid in _owners(found):
            self._owned.setdefault(uid, {})[place] = None
        if "deletionTimestamp" not in found.meta:
            return
        if change.kind is NAMESPACES:
            self._soon("namespace", found.name)
        elif {FOREGROUND, ORPHAN} & set(found.meta.get("finalizers", [])):
            self._waiting[found.uid] = (change.kind, found.key)
            self._soon("deleting", self._waiting[found.uid])

    def _gone(self, kind: ResourceType, found: Object) -> None:
        """An object is gone: its dependents follow, and those that waited for it go on."""
        self._waiting.pop(found.uid, None)
        if self._owned.get(found.uid):
            self._soon("gone", found.uid)
        for uid in _owners(found):
            if uid in self._waiting:
                self._soon("deleting", self._waiting[uid])
        if kind.namespaced:
            self._soon("namespace", found.namespace)

    def _soon(self, what: str, which: Any) -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self._work)
        self._due[what, which] = None

    def _work(self) -> None:
        due, self._due = self._due, {}
        if self._cloud.ending:
            return
        for what, which in due:
            if what == "gone":
                self._delete_dependents(which)
            elif what == "deleting":
                self._advance(*which)
            else:
                self._empty(which)

    def _dependents(self, uid: str) -> Iterator[tuple[ResourceType, Object]]:
        for kind, namespace, name in list(self._owned.get(uid, {})):
            found = self._objects.store.get(kind, (namespace, name))
            if found is not None:
                yield kind, found

    def _delete_dependents(self, uid: str) -> None:
        for kind, found in self._dependents(uid):
            if "deletionTimestamp" not in found.meta:
                self._objects.delete(kind, found)
        if not self._owned.get(uid):
            self._owned.pop(uid, None)

    def _advance(self, kind: ResourceType, key: tuple[str, str]) -> None:
        """An object waits for its dependents to go, or to be let go."""
        owner = self._objects.store.get(kind, key)
        if owner is None or "deletionTimestamp" not in owner.meta:
            return
        finalizers = owner.meta.get("finalizers", [])
        if ORPHAN in finalizers:
            for dependent, found in self._dependents(owner.uid):
                left = [each for each in found.meta["ownerReferences"] if each["uid"] != owner.uid]
                self._objects.write(dependent, found.with_meta(ownerReferences=left or None))
            self._drop(kind, owner, finalizer=ORPHAN)
        elif FOREGROUND in finalizers:
            self._delete_dependents(owner.uid)
            if not self._owned.get(owner.uid):
                self._drop(kind, owner, finalizer=FOREGROUND)

    def _drop(self, kind: ResourceType, owner: Object, *, finalizer: str) -> None:
        def without(found: Object) -> Object:
            left = [each for each in found.meta.get("finalizers", []) if each != finalizer]
            return found.with_meta(finalizers=left or None)

        self._objects.edit(kind, owner.key, change=without)

    def _empty(self, name: str) -> None:
        """Delete what a namespace holds, then the namespace."""
        found = self._objects.store.get(NAMESPACES, ("", name))
        if found is None or "deletionTimestamp" not in found.meta:
            return
        for kind in SERVED:
            if not kind.namespaced:
                continue
            for each in self._objects.store.all(kind, name):
                if "deletionTimestamp" not in each.meta:
                    self._objects.delete(kind, each)
        still_there = any(self._objects.store.all(kind, name) for kind in SERVED if kind.namespaced)
        if not still_there:
            self._objects.store.remove(NAMESPACES, found)


def _owners(found: Object) -> list[str]:
    return [each["uid"] for each in found.meta.get("ownerReferences", [])]
