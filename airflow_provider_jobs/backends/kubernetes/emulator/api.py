"""The verbs: get, list, watch, create, update, patch, delete, deletecollection.

It exists to turn a call into work on objects and the result into an answer. What is specific to a kind lies
elsewhere. https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fastapi import Request, Response

from airflow_provider_jobs.backends.kubernetes.emulator import answers, patches, statuses
from airflow_provider_jobs.backends.kubernetes.emulator.events import as_new_event
from airflow_provider_jobs.backends.kubernetes.emulator.objects import Objects
from airflow_provider_jobs.backends.kubernetes.emulator.podlogs import PodLogs
from airflow_provider_jobs.backends.kubernetes.emulator.requests import Call, body_of
from airflow_provider_jobs.backends.kubernetes.emulator.resources import (
    EVENTS,
    JOBS,
    NEW_EVENTS,
    PODS,
    ResourceType,
)
from airflow_provider_jobs.backends.kubernetes.emulator.reviews import Reviews
from airflow_provider_jobs.backends.kubernetes.emulator.schemas import Schemas, strict_error
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object
from airflow_provider_jobs.backends.kubernetes.emulator.watching import Lists

_ORPHAN_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove "
    "them or set propagationPolicy=Orphan to suppress this warning"
)
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": patches.json_patch,
    "application/merge-patch+json": patches.merge,
    "application/strategic-merge-patch+json": patches.strategic,
    "application/apply-patch+yaml": patches.strategic,
}
_POLICIES = ("Background", "Foreground", "Orphan")

Disrupt = Callable[[Object], None]


class Api:
    """Answers calls for objects."""

    def __init__(
        self, objects: Objects, *, schemas: Schemas, logs: PodLogs, reviews: Reviews, evict: Disrupt
    ) -> None:
        self._objects = objects
        self._schemas = schemas
        self._logs = logs
        self._reviews = reviews
        self._evict = evict
        self._lists = Lists(objects.store, as_new_event=as_new_event)
        self._verbs: dict[str, Callable[[Call, Any], Awaitable[Response]]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def answer(self, call: Call, request: Request) -> Response:
        """Do what a call asks. Raises ApiError."""
        self._check_verb(call)
        await self._schemas.loaded()
        reading = call.verb in ("get", "list", "watch")
        body = None if reading else await body_of(request, content_type=call.content_type)
        if call.query.get("dryRun", "All") != "All":
            cause = statuses.unsupported("dryRun", call.query["dryRun"], allowed=["All"])
            options = "DeleteOptions" if call.verb.startswith("delete") else f"{call.verb.title()}Options"
            raise statuses.ApiError(
                "Invalid", f'{options}.meta.k8s.io "" is invalid: {cause.field}: {cause.message}', details={}
            )
        return await self._verbs[call.verb](call, body)

    def _check_verb(self, call: Call) -> None:
        allowed: tuple[str, ...] = call.kind.verbs
        if call.subresource:
            known = {name: verbs for name, _, verbs in call.kind.subresources}
            if call.subresource not in known:
                raise statuses.page_not_found()
            allowed = known[call.subresource]
        needs_namespace = call.kind.namespaced and not call.namespace
        if call.verb not in allowed or (needs_namespace and call.verb not in ("list", "watch")):
            raise statuses.ApiError(
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
                details={},
            )

    async def _get(self, call: Call, _body: Any) -> Response:
        if call.subresource == "log":
            return await self._logs.answer(call)
        return answers.one(call, self._shown(call.kind, self._found(call)))

    def _found(self, call: Call) -> Object:
        kind = EVENTS if call.kind is NEW_EVENTS else call.kind
        return self._objects.get(kind, (call.namespace, call.name))

    def _shown(self, kind: ResourceType, found: Object) -> Object:
        return as_new_event(found) if kind is NEW_EVENTS else found

    async def _list(self, call: Call, _body: Any) -> Response:
        return self._lists.list(call)

    async def _watch(self, call: Call, _body: Any) -> Response:
        return self._lists.watch(call)

    async def _create(self, call: Call, body: Any) -> Response:
        if call.kind.group.startswith("auth"):
            return self._reviews.answer(call, body)
        if call.subresource == "eviction":
            return self._evicted(call)
        made, warnings = self._decoded(call, body)
        made.setdefault("metadata", {})
        if call.name:
            raise statuses.page_not_found()
        self._place(call, made)
        kind = EVENTS if call.kind is NEW_EVENTS else call.kind
        created = self._objects.create(kind, made, dry_run=call.dry_run)
        return answers.one(call, self._shown(call.kind, created), status=201, warnings=warnings)

    def _decoded(self, call: Call, body: Any) -> tuple[dict[str, Any], list[str]]:
        """The body as an object of the kind, and warnings about what it should not have."""
        if body is None:
            raise statuses.bad_request("EOF")
        kind = call.kind
        said = (body.get("kind"), body.get("apiVersion")) if isinstance(body, dict) else (None, None)
        if said[0] not in (None, kind.kind) or said[1] not in (None, kind.api_version):
            raise statuses.bad_request(
                f'{said[0]} in version "{said[1]}" cannot be handled as a {kind.kind}: no kind "{said[0]}" '
                f'is registered for version "{said[1]}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
            )
        made, unknown = self._schemas.decode(body, kind=kind)
        checking = call.query.get("fieldValidation") or "Warn"
        if unknown and checking == "Strict":
            raise strict_error(kind, unknown)
        warnings = [f'unknown field "{path}"' for path in unknown] if checking == "Warn" else []
        return made, warnings

    def _place(self, call: Call, made: dict[str, Any]) -> None:
        """Put an object where its path says. Raises ApiError (400) when it says otherwise itself."""
        meta = made["metadata"]
        if not call.kind.namespaced:
            meta.pop("namespace", None)
        elif meta.setdefault("namespace", call.namespace) != call.namespace:
            raise statuses.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if call.name and meta.setdefault("name", call.name) != call.name:
            raise statuses.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
            )

    async def _update(self, call: Call, body: Any) -> Response:
        made, warnings = self._decoded(call, body)
        made.setdefault("metadata", {})
        self._place(call, made)
        changed = self._changed(call, self._found(call), made=made)
        return answers.one(call, changed, warnings=warnings)

    async def _patch(self, call: Call, body: Any) -> Response:
        patch = _PATCHES.get(call.content_type)
        if patch is None:
            raise statuses.ApiError(
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: "
                f"{', '.join(_PATCHES)}",
            )
        if not isinstance(body, dict) and patch is not patches.json_patch:
            raise statuses.bad_request("error decoding patch: the body is no object")
        applying = call.content_type == "application/apply-patch+yaml"
        if applying and not call.query.get("fieldManager"):
            cause = statuses.required("fieldManager", "is required for apply patch")
            raise statuses.ApiError(
                "Invalid",
                f'PatchOptions.meta.k8s.io "" is invalid: {cause.field}: {cause.message}',
                details={},
            )
        if applying and self._objects.store.get(call.kind, (call.namespace, call.name)) is None:
            meta = {**body.get("metadata", {}), "name": call.name}
            return await self._create(replace(call, name=""), {**body, "metadata": meta})
        found = self._found(call)
        head = {"kind": call.kind.kind, "apiVersion": call.kind.api_version}
        patched = patch({**head, **copy.deepcopy(found)}, body)
        made, warnings = self._decoded(call, patched)
        self._place(call, made)
        return answers.one(call, self._changed(call, found, made=made), warnings=warnings)

    def _changed(self, call: Call, found: Object, *, made: dict[str, Any]) -> Object:
        """Write a new state, of the status alone where the path says so."""
        kind = EVENTS if call.kind is NEW_EVENTS else call.kind
        if call.subresource == "status":
            status = found.with_status(made.get("status", {}))
            return status if call.dry_run else self._objects.write(kind, status)
        return self._objects.update(kind, found, body=made, dry_run=call.dry_run)

    async def _delete(self, call: Call, body: Any) -> Response:
        policy, grace, warnings = self._options(call, body)
        try:
            found = self._found(call)
        except statuses.ApiError as error:
            return answers.failure(error, warnings=warnings)
        self._check_preconditions(call, found, body=body)
        if call.dry_run:
            return _deleted(call, found)
        left, gone = self._objects.delete(
            EVENTS if call.kind is NEW_EVENTS else call.kind, found, policy=policy, grace=grace
        )
        # A pod is answered with itself even where it is gone at once.
        if gone and call.kind is not PODS:
            return _deleted(call, found, warnings=warnings)
        return answers.one(call, left, warnings=warnings)

    def _options(self, call: Call, body: Any) -> tuple[str, int | None, list[str]]:
        """What becomes of dependents, how long a pod has, and what the server warns of."""
        options = body if isinstance(body, dict) else {}
        policy = options.get("propagationPolicy") or call.query.get("propagationPolicy")
        orphans = options.get(
            "orphanDependents", call.flag("orphanDependents") if "orphanDependents" in call.query else None
        )
        if policy is None and orphans is not None:
            policy = "Orphan" if orphans else "Background"
        grace = options.get("gracePeriodSeconds")
        grace = call.number("gracePeriodSeconds") if grace is None else grace
        if policy is not None and policy not in _POLICIES:
            cause = statuses.invalid(
                "propagationPolicy", policy, detail="must be one of Foreground, Background or Orphan"
            )
            raise statuses.ApiError(
                "Invalid",
                f'DeleteOptions.meta.k8s.io "" is invalid: {cause.field}: {cause.message}',
                details={},
            )
        if policy is None and call.kind is JOBS:
            return "Orphan", grace, [_ORPHAN_WARNING]
        return policy or "Background", grace, []

    def _check_preconditions(self, call: Call, found: Object, *, body: Any) -> None:
        wanted = (body.get("preconditions") or {}) if isinstance(body, dict) else {}
        for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if wanted.get(field) not in (None, found.meta.get(field)):
                why = (
                    f"Precondition failed: {word} in precondition: {wanted[field]}, "
                    f"{word} in object meta: {found.meta.get(field)}"
                )
                raise statuses.conflict(call.kind, found.name, why=why)

    async def _delete_collection(self, call: Call, body: Any) -> Response:
        policy, grace, warnings = self._options(call, body)
        listed = self._lists.select(call)
        kind = EVENTS if call.kind is NEW_EVENTS else call.kind
        if not call.dry_run:
            for each in listed:
                self._objects.delete(kind, each, policy=policy, grace=grace)
        meta = {"resourceVersion": str(self._objects.store.version)}
        text = answers.list_text(call.kind, listed, meta=meta)
        return answers.plain(text, warnings=warnings)

    def _evicted(self, call: Call) -> Response:
        found = self._found(call)
        if not call.dry_run:
            self._evict(found)
        return answers.plain(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201},
            status=201,
        )


def _deleted(call: Call, found: Object, *, warnings: list[str] | None = None) -> Response:
    """The Status that says an object is gone."""
    details = {"name": found.name, "kind": call.kind.plural, "uid": found.uid}
    if call.kind.group:
        details["group"] = call.kind.group
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return answers.plain(body, warnings=warnings or ())
