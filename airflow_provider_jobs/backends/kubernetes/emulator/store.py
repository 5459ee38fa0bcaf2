"""Every object of the cluster, and the numbered history of changes that watches read.

It exists so that lists, watches and controllers see one order of events. Objects are never changed in place:
a change is a new object, so a snapshot is a list of references and an answer can be kept as text. It must
not know what a kind means.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from airflow_provider_jobs.backends.kubernetes.emulator.resources import ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import already_exists, expired
from airflow_provider_jobs.emulator.ordering import Ordered

#: So many changes can be looked back upon; a real server forgets by time (etcd compacts every 5 minutes).
HISTORY = 20_000
_SNAPSHOTS = 64

Key = tuple[str, str]
#: Something that a selector can ask for: a label and its value, or the name of what an event is about.
Mark = tuple[str, str]
ABOUT = "involvedObject.name"


class Object(dict[str, Any]):
    """An object as JSON, without apiVersion and kind. Not to be changed once stored."""

    __slots__ = ("_text",)
    _text: bytes

    @property
    def meta(self) -> dict[str, Any]:
        return self["metadata"]

    @property
    def name(self) -> str:
        return self["metadata"]["name"]

    @property
    def namespace(self) -> str:
        return self["metadata"].get("namespace", "")

    @property
    def uid(self) -> str:
        return self["metadata"]["uid"]

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    @property
    def marks(self) -> Iterator[Mark]:
        """What it can be found by."""
        yield from (self["metadata"].get("labels") or {}).items()
        if name := self.get("involvedObject", {}).get("name"):
            yield ABOUT, name

    @property
    def text(self) -> bytes:
        """The object as JSON, made once."""
        made: bytes | None = getattr(self, "_text", None)
        if made is None:
            made = self._text = json.dumps(self, separators=(",", ":"), ensure_ascii=False).encode()
        return made

    def full_text(self, kind: ResourceType) -> bytes:
        """With kind and apiVersion, as an object that stands alone."""
        head = f'{{"kind":"{kind.kind}","apiVersion":"{kind.api_version}",'
        return head.encode() + self.text[1:]

    def with_meta(self, **values: Any) -> Object:
        """A copy with other metadata; a value of None removes the field."""
        meta = {**self.meta, **values}
        return Object({**self, "metadata": {key: value for key, value in meta.items() if value is not None}})

    def with_status(self, status: Mapping[str, Any]) -> Object:
        return Object({**self, "status": status})


class _Objects:
    """The objects of one kind in the order of their keys, and where those with a mark are."""

    def __init__(self) -> None:
        self.by_key: Ordered[Object] = Ordered()
        self.marked: dict[Mark, set[Key]] = defaultdict(set)
        self._by_key: dict[Key, Object] = {}

    def get(self, key: Key) -> Object | None:
        return self._by_key.get(key)

    def put(self, made: Object) -> None:
        self.drop(made.key)
        self.by_key.add(made.key, made)
        self._by_key[made.key] = made
        for mark in made.marks:
            self.marked[mark].add(made.key)

    def drop(self, key: Key) -> Object | None:
        gone = self._by_key.pop(key, None)
        if gone is not None:
            self.by_key.discard(key)
            for mark in gone.marks:
                self.marked[mark].discard(key)
                if not self.marked[mark]:
                    del self.marked[mark]
        return gone


class Change(NamedTuple):
    """One change. ``before`` is None for an added object, ``after`` is the last state of a deleted one."""

    version: int
    kind: ResourceType
    type: str
    after: Object
    before: Object | None


Listener = Callable[[Change], None]


class Store:
    """All objects. Lives on the event loop's thread."""

    def __init__(self) -> None:
        self._objects: dict[ResourceType, _Objects] = defaultdict(_Objects)
        self._history: list[Change] = []
        self._listeners: list[Listener] = []
        self._waiting: set[asyncio.Event] = set()
        self._snapshots: dict[int, list[Object]] = {}
        self.version = 1
        self._oldest = 1

    def listen(self, listener: Listener) -> None:
        """Have every change told at once. The listener must not write; it may note what to do next."""
        self._listeners.append(listener)

    def get(self, kind: ResourceType, key: Key) -> Object | None:
        """The object of a namespace (empty for kinds without) and a name."""
        return self._objects[kind].get(key)

    def all(self, kind: ResourceType, namespace: str = "") -> list[Object]:
        """Objects by key; of every namespace when none is named."""
        found = self._objects[kind].by_key
        return list(found.between((namespace, ""), (f"{namespace}\0", ""))) if namespace else found[:]

    def marked(self, kind: ResourceType, marks: Collection[Mark], namespace: str = "") -> list[Object]:
        """Objects that have any of these marks, by key."""
        objects = self._objects[kind]
        keys = {key for mark in marks for key in objects.marked.get(mark, ())}
        found = (objects.get(key) for key in sorted(keys) if not namespace or key[0] == namespace)
        return [each for each in found if each is not None]

    def count(self, kind: ResourceType, marks: Collection[Mark]) -> int:
        """How many objects have one of these marks, at most."""
        return sum(len(self._objects[kind].marked.get(mark, ())) for mark in marks)

    def each(self, kind: ResourceType) -> Iterator[Object]:
        """Objects by key, without copying. Nothing may come or go while it is read."""
        return iter(self._objects[kind].by_key)

    def add(self, kind: ResourceType, made: Object) -> Object:
        """Take in a new object. Raises ApiError (409) when its name is taken."""
        if self.get(kind, made.key) is not None:
            raise already_exists(kind, made.name)
        return self._write(kind, made, before=None)

    def replace(self, kind: ResourceType, changed: Object) -> Object:
        """Write a new state of an object that exists; the same state again changes nothing."""
        before = self._objects[kind].get(changed.key)
        assert before is not None
        return self._write(kind, changed, before=before) if changed != before else before

    def remove(self, kind: ResourceType, gone: Object) -> Object:
        """Forget an object. Its last state carries the version of the removal."""
        before = self._objects[kind].drop(gone.key)
        version = self._next()
        last = gone.with_meta(resourceVersion=str(version))
        self._tell(Change(version, kind, "DELETED", last, before))
        return last

    def clear(self) -> None:
        """Forget everything; versions go on, so that nobody takes the new world for the old one."""
        self._objects.clear()
        self.version += 1
        self.compact()

    def compact(self) -> None:
        """Forget the past: older resource versions and continue tokens are gone from now on."""
        self._history.clear()
        self._snapshots.clear()
        self._oldest = self.version
        self._wake()

    def since(self, version: int) -> list[Change]:
        """The changes after a version. Raises ApiError (410) when they are no longer known."""
        if version < self._oldest:
            raise expired(f"too old resource version: {version} ({self._oldest})")
        return self._history[version - self._oldest :]

    def keep_snapshot(self, listed: list[Object]) -> int:
        """Keep a list for the pages to come; returns the version that names it."""
        self._snapshots[self.version] = listed
        while len(self._snapshots) > _SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        return self.version

    def snapshot(self, version: int) -> list[Object] | None:
        return self._snapshots.get(version)

    async def changed(self, version: int) -> None:
        """Return as soon as there is something newer than a version."""
        if self.version > version:
            return
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)

    def _write(self, kind: ResourceType, changed: Object, *, before: Object | None) -> Object:
        version = self._next()
        stored = changed.with_meta(resourceVersion=str(version))
        self._objects[kind].put(stored)
        self._tell(Change(version, kind, "MODIFIED" if before else "ADDED", stored, before))
        return stored

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _tell(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > 2 * HISTORY:
            del self._history[:HISTORY]
            self._oldest += HISTORY
        for listener in self._listeners:
            listener(change)
        self._wake()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()
