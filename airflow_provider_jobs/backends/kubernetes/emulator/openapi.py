"""The documents that describe the API to clients: OpenAPI v3.

They exist for ``kubectl explain`` and for clients that look which options a server takes. They are made from
the official client's models, for the kinds that are served. Version 2 is not served; clients do without.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any

from fastapi import Request, Response

from airflow_provider_jobs.backends.kubernetes.emulator import answers, discovery
from airflow_provider_jobs.backends.kubernetes.emulator.patches import MERGE_KEYS, MERGED_SETS
from airflow_provider_jobs.backends.kubernetes.emulator.resources import GROUPS, SERVED, ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.schemas import Field, Schemas, models_of
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import page_not_found

_META = {
    "ObjectMeta", "OwnerReference", "ManagedFieldsEntry", "LabelSelector", "LabelSelectorRequirement",
    "Condition", "ListMeta",
}  # fmt: skip
_PACKAGES = {
    "io.k8s.api.batch.v1": ("Job", "PodFailurePolicy", "SuccessPolicy", "UncountedTerminatedPods"),
    "io.k8s.api.authorization.v1": (
        "SelfSubject", "ResourceAttributes", "NonResource", "ResourceRule", "SubjectAccess", "SubjectRules",
        "FieldSelectorAttributes", "LabelSelectorAttributes",
    ),
    "io.k8s.api.authentication.v1": ("SelfSubjectReview", "UserInfo"),
}  # fmt: skip
_PLAIN: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "float": {"type": "number", "format": "double"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "object": {"type": "object"},
}


def definition(model: str) -> str:
    """The name of a model in the documents."""
    plain = re.sub(r"^(?:Core|Events)?V1", "", model)
    if plain in _META:
        return f"io.k8s.apimachinery.pkg.apis.meta.v1.{plain}"
    if model.startswith("EventsV1"):
        return f"io.k8s.api.events.v1.{plain}"
    if plain == "SelfSubjectReview" or plain.startswith(("SelfSubjectReview", "UserInfo")):
        return f"io.k8s.api.authentication.v1.{plain}"
    package = next(
        (name for name, heads in _PACKAGES.items() if plain.startswith(heads)), "io.k8s.api.core.v1"
    )
    return f"{package}.{plain}"


class Documents:
    """Makes the documents, each once."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._made: dict[tuple[str, str], dict[str, Any]] = {}

    async def answer(self, request: Request) -> Response | None:
        """The answer to a path of the documents, None for any other path."""
        path = request.url.path.rstrip("/")
        if not path.startswith("/openapi"):
            return None
        if path == "/openapi/v3":
            return answers.plain(self._index())
        match = re.fullmatch(r"/openapi/v3/(?:api|apis/([^/]+))/([^/]+)", path)
        if match is None or (match[1] or "", match[2]) not in GROUPS:
            return answers.failure(page_not_found())
        await self._schemas.loaded()
        document = await asyncio.to_thread(self._document, match[1] or "", match[2])
        return answers.plain(document)

    def _index(self) -> dict[str, Any]:
        version = hashlib.sha256(discovery.VERSION.encode()).hexdigest().upper()
        paths = [f"apis/{group}/{name}" if group else f"api/{name}" for group, name in GROUPS]
        return {
            "paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={version}"} for path in paths}
        }

    def _document(self, group: str, version: str) -> dict[str, Any]:
        found = self._made.get((group, version))
        if found is None:
            kinds = [kind for kind in SERVED if (kind.group, kind.version) == (group, version)]
            paths: dict[str, Any] = {}
            for kind in kinds:
                paths |= _paths(kind)
            models = models_of(self._schemas, iter(kind.model for kind in kinds))
            named = {kind.model: kind for kind in kinds}
            schemas = {definition(model): self._schema(model, named.get(model)) for model in models}
            found = {
                "openapi": "3.0.0",
                "info": {"title": "Kubernetes", "version": discovery.VERSION},
                "paths": paths,
                "components": {"schemas": schemas},
            }
            self._made[group, version] = found
        return found

    def _schema(self, model: str, kind: ResourceType | None) -> dict[str, Any]:
        fields = self._schemas.fields(model)
        made: dict[str, Any] = {
            "type": "object",
            "properties": {field.name: _property(field) for field in fields.values()},
        }
        if required := self._schemas.required(model):
            made["required"] = required
        if kind is not None:
            made["x-kubernetes-group-version-kind"] = [_gvk(kind)]
            made["description"] = f"{kind.kind} of {kind.api_version}."
        return made


def _gvk(kind: ResourceType) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _typed(wire: str) -> dict[str, Any]:
    match = re.fullmatch(r"(list)\[(.*)\]|(dict)[\[(]str, (.*)[\])]", wire)
    if match is None:
        plain = _PLAIN.get(wire)
        return (
            dict(plain)
            if plain
            else {"allOf": [{"$ref": f"#/components/schemas/{definition(wire)}"}], "default": {}}
        )
    if match[1]:
        return {"type": "array", "items": _typed(match[2])}
    return {"type": "object", "additionalProperties": _typed(match[4])}


def _property(field: Field) -> dict[str, Any]:
    made = {"description": field.meaning, **_typed(field.type)}
    items = made.get("items", {})
    if field.name in MERGE_KEYS and "allOf" in items:
        key = MERGE_KEYS[field.name]
        strategy = "merge,retainKeys" if field.name == "volumes" else "merge"
        made |= {"x-kubernetes-patch-merge-key": key, "x-kubernetes-patch-strategy": strategy}
        made |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    elif field.name in MERGED_SETS:
        made |= {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-list-type": "set"}
    elif made.get("type") == "array":
        made["x-kubernetes-list-type"] = "atomic"
    return made


def _paths(kind: ResourceType) -> dict[str, Any]:
    """The paths of a kind, with what clients look for in them: which options a change takes."""
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if kind.namespaced:
        base += "/namespaces/{namespace}"
    options = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    common = {"x-kubernetes-group-version-kind": _gvk(kind), "responses": {"200": {"description": "OK"}}}
    found: dict[str, Any] = {}
    if "create" in kind.verbs:
        found[f"{base}/{kind.plural}"] = {
            "post": {**common, "parameters": options, "x-kubernetes-action": "post"}
        }
    if "patch" in kind.verbs:
        found[f"{base}/{kind.plural}/{{name}}"] = {
            "patch": {**common, "parameters": options, "x-kubernetes-action": "patch"},
            "put": {**common, "parameters": options, "x-kubernetes-action": "put"},
        }
    return found
