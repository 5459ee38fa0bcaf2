"""How objects come, change and go: defaults, validation, admission, finalizers, graceful deletion.

It exists as the one way to write, for requests and for controllers alike. It must not know HTTP.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pendulum

from airflow_provider_jobs.backends.kubernetes.emulator import (
    defaults,
    job_validation,
    names,
    pod_validation,
    statuses,
)
from airflow_provider_jobs.backends.kubernetes.emulator.admission import Admission
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    JOBS,
    NAMESPACES,
    PODS,
    ResourceType,
)
from airflow_provider_jobs.backends.kubernetes.emulator.store import Key, Object, Store
from airflow_provider_jobs.backends.kubernetes.emulator.times import timestamp

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
#: Metadata that only the server writes.
_SYSTEM = (
    "uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip
_ENDED = ("Succeeded", "Failed")


class Objects:
    """Writes to the store. Nothing else does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.admission = Admission(store)

    def get(self, kind: ResourceType, key: Key) -> Object:
        """One object. Raises ApiError (404)."""
        found = self.store.get(kind, key)
        if found is None:
            raise statuses.not_found(kind, key[1])
        return found

    def create(self, kind: ResourceType, body: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Make a new object of what a caller wrote; takes the body over. Raises ApiError."""
        made = _bare(body)
        meta = made["metadata"]
        if "name" not in meta and meta.get("generateName"):
            meta["name"] = defaults.generated_name(meta["generateName"])
        for field in (*_SYSTEM, "resourceVersion"):
            meta.pop(field, None)
        if kind.namespaced:
            self.admission.namespace(kind, meta["namespace"], name=meta.get("name", ""))
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = timestamp()
        self._prepare(kind, made)
        causes = names.meta_causes(meta, label_name=kind is NAMESPACES) + _causes(kind, made)
        if causes:
            raise statuses.refused(kind, meta.get("name", ""), causes=causes)
        self.admission.quota(kind, made)
        if dry_run:
            if self.store.get(kind, (meta.get("namespace", ""), meta["name"])) is not None:
                raise statuses.already_exists(kind, meta["name"])
            return Object(made)
        return self.store.add(kind, Object(made))

    def _prepare(self, kind: ResourceType, made: dict[str, Any]) -> None:
        """Defaults and the fields that a new object begins with."""
        if kind is JOBS:
            made["metadata"]["generation"] = 1
            made.setdefault("spec", {})
            defaults.default_job(made)
            if "name" in made["metadata"]:
                defaults.select_own_pods(made)
            made["status"] = {}
        elif kind is PODS:
            made["metadata"]["generation"] = 1
            made.setdefault("spec", {}).setdefault("containers", [])
            defaults.default_pod(made)
            self.admission.pod(made)
            made["status"] = {"phase": "Pending", "qosClass": _quality(made["spec"])}
        else:
            if "name" in made["metadata"]:
                defaults.default_others(kind.plural, made)
            if kind.plural in ("namespaces", "persistentvolumeclaims", "resourcequotas"):
                made["status"] = {"phase": "Active"} if kind is NAMESPACES else {}

    def update(
        self, kind: ResourceType, old: Object, *, body: Mapping[str, Any], dry_run: bool = False
    ) -> Object:
        """Give an object the state a caller wrote. Status and system fields stay.

        Raises ApiError (409, 422).
        """
        new = _bare(body)
        meta = new["metadata"]
        version = meta.pop("resourceVersion", None)
        if version and version != old.meta.get("resourceVersion"):
            raise statuses.conflict(kind, old.name)
        if meta.get("uid") not in (None, old.uid):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old.uid}"
            raise statuses.conflict(kind, old.name, why=why)
        for field in ("name", "namespace", "generateName", *_SYSTEM):
            if field in old.meta:
                meta[field] = old.meta[field]
            else:
                meta.pop(field, None)
        if "status" in old:
            new["status"] = old["status"]
        self._prepare_update(kind, new)
        causes = names.meta_causes(meta, label_name=kind is NAMESPACES)
        causes += names.meta_update_causes(meta, old.meta)
        if kind is JOBS:
            causes += job_validation.job_update_causes(new, old)
        elif kind is PODS:
            causes += pod_validation.pod_update_causes(new, old)
        if causes:
            raise statuses.refused(kind, old.name, causes=causes)
        if "generation" in meta and new.get("spec") != old.get("spec"):
            meta["generation"] += 1
        meta["resourceVersion"] = old.meta.get("resourceVersion")
        return Object(new) if dry_run else self.write(kind, Object(new))

    def _prepare_update(self, kind: ResourceType, new: dict[str, Any]) -> None:
        if kind is JOBS:
            new.setdefault("spec", {})
            defaults.default_job(new)
        elif kind is PODS:
            defaults.default_pod(new)
        else:
            defaults.default_others(kind.plural, new)

    def update_status(self, kind: ResourceType, old: Object, *, status: Mapping[str, Any]) -> Object:
        """Write a status alone."""
        return self.store.replace(kind, old.with_status(status))

    def write(self, kind: ResourceType, changed: Object) -> Object:
        """Write a state; an object that was only kept by finalizers goes with the last of them."""
        if (
            "deletionTimestamp" in changed.meta
            and not changed.meta.get("finalizers")
            and not changed.meta.get("deletionGracePeriodSeconds")
        ):
            return self.store.remove(kind, changed)
        return self.store.replace(kind, changed)

    def edit(
        self, kind: ResourceType, key: tuple[str, str], *, change: Callable[[Object], Object]
    ) -> Object | None:
        """Apply a change to the present state of an object, if it is still there."""
        found = self.store.get(kind, key)
        return None if found is None else self.write(kind, change(found))

    def delete(
        self, kind: ResourceType, found: Object, *, policy: str = "Background", grace: int | None = None
    ) -> tuple[Object, bool]:
        """Delete an object, or begin to. Returns its state and whether it is gone already.

        :param policy: Background, Foreground or Orphan: what becomes of the objects that it owns
        :param grace: seconds that a pod has to end; None for its own setting
        """
        seconds = _grace(kind, found, wanted=grace)
        finalizers = list(found.meta.get("finalizers", []))
        for name, wanted in ((FOREGROUND, policy == "Foreground"), (ORPHAN, policy == "Orphan")):
            if wanted and name not in finalizers:
                finalizers.append(name)
            elif not wanted and name in finalizers and "deletionTimestamp" not in found.meta:
                finalizers.remove(name)
        known = found.meta.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" in found.meta and known is not None and known <= seconds:
            return found, False
        ends = timestamp(pendulum.now("UTC").add(seconds=seconds))
        marked = found.with_meta(
            deletionTimestamp=ends,
            deletionGracePeriodSeconds=seconds,
            finalizers=finalizers or None,
            generation=found.meta["generation"] + 1 if "generation" in found.meta else None,
        )
        if kind is NAMESPACES:
            return self.store.replace(kind, marked.with_status({"phase": "Terminating"})), False
        if not finalizers and not seconds:
            return self.store.remove(kind, found), True
        return self.store.replace(kind, marked), False


def _bare(body: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
    made["metadata"] = {
        key: value
        for key, value in made.get("metadata", {}).items()
        if key != "managedFields" and value not in ({}, [], "")
    }
    return made


def _causes(kind: ResourceType, made: Mapping[str, Any]) -> list[statuses.Cause]:
    if kind is JOBS:
        return job_validation.job_causes(made) if "name" in made["metadata"] else []
    if kind is PODS:
        return pod_validation.pod_spec_causes(made["spec"], "spec")
    return []


def _grace(kind: ResourceType, found: Object, *, wanted: int | None) -> int:
    if kind is not PODS:
        return 0
    ended = found.get("status", {}).get("phase") in _ENDED
    if ended or not found["spec"].get("nodeName"):
        return 0
    return found["spec"].get("terminationGracePeriodSeconds", 30) if wanted is None else max(0, wanted)


def _quality(spec: Mapping[str, Any]) -> str:
    """The class of a pod's quality of service, from what its containers ask for."""
    every = [container["resources"] for container in defaults.containers(dict(spec))]
    if not any(each.get("requests") or each.get("limits") for each in every):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(each.get("limits", {}))
        and all(each.get("requests", {}).get(name) == each["limits"][name] for name in ("cpu", "memory"))
        for each in every
    )
    return "Guaranteed" if guaranteed else "Burstable"
