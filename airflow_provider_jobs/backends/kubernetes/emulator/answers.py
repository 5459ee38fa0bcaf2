"""Answers in the form that the client asked for: objects, lists, tables, metadata alone, Status.

It exists so that content negotiation is in one place. It must not decide what is answered.
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response

from airflow_provider_jobs.backends.kubernetes.emulator import tables
from airflow_provider_jobs.backends.kubernetes.emulator.requests import Call
from airflow_provider_jobs.backends.kubernetes.emulator.resources import ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import ApiError
from airflow_provider_jobs.backends.kubernetes.emulator.store import Object

FORM_TABLE, FORM_PARTIAL, FORM_JSON = "Table", "PartialObjectMetadata", "json"


def form(call: Call) -> str:
    """The first form of the Accept header that is served here; JSON is always."""
    for each in call.accept.split(","):
        parameters = dict(part.strip().partition("=")[::2] for part in each.split(";")[1:] if "=" in part)
        wanted = parameters.get("as", "")
        if wanted == "Table":
            return FORM_TABLE
        if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return FORM_PARTIAL
        if "json" in each or "*/*" in each:
            return FORM_JSON
    return FORM_JSON


def headers(warnings: Sequence[str] = ()) -> dict[str, str]:
    made = {"Audit-Id": str(uuid.uuid4()), "Cache-Control": "no-cache, private"}
    if warnings:
        told = (text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings)
        made["Warning"] = ", ".join(f'299 - "{text}"' for text in told)
    return made


def plain(content: Mapping[str, Any] | bytes, *, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    """JSON as it is."""
    body = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":"))
    return Response(body, status, headers(warnings), "application/json")


def failure(error: ApiError, *, warnings: Sequence[str] = ()) -> Response:
    answer = plain(error.body, status=error.status, warnings=warnings)
    answer.headers.update(error.headers)
    return answer


def one(call: Call, found: Object, *, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    """One object."""
    return plain(_one(call, found), status=status, warnings=warnings)


def _one(call: Call, found: Object) -> Mapping[str, Any] | bytes:
    wanted = form(call)
    if wanted == FORM_TABLE:
        meta = {"resourceVersion": found.meta.get("resourceVersion", "")}
        return tables.table(call.kind, [found], meta=meta, include=_include(call))
    if wanted == FORM_PARTIAL:
        return tables.partial(found)
    return found.full_text(call.kind)


def _include(call: Call) -> str:
    return call.query.get("includeObject", "Metadata")


def many(call: Call, found: Sequence[Object], *, meta: dict[str, Any]) -> Response:
    """A list of objects; those in it do not repeat their kind."""
    wanted = form(call)
    if wanted == FORM_TABLE:
        return plain(tables.table(call.kind, found, meta=meta, include=_include(call)))
    if wanted == FORM_PARTIAL:
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
        return plain({**kind, "metadata": meta, "items": [tables.partial(each) for each in found]})
    return plain(list_text(call.kind, found, meta=meta))


def list_text(kind: ResourceType, found: Sequence[Object], *, meta: Mapping[str, Any]) -> bytes:
    head = json.dumps({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta})
    return head.encode()[:-1] + b',"items":[' + b",".join(each.text for each in found) + b"]}"


def watch_event(call: Call, type_: str, *, found: Object, first: bool = False) -> bytes:
    """One line of a watch."""
    wanted = form(call)
    if wanted == FORM_JSON:
        content = found.full_text(call.kind)
    else:
        meta = {"resourceVersion": found.meta.get("resourceVersion", "")}
        shown = (
            tables.table(call.kind, [found], meta=meta, include=_include(call), headed=first)
            if wanted == FORM_TABLE
            else tables.partial(found)
        )
        content = json.dumps(shown, separators=(",", ":")).encode()
    return b'{"type":"' + type_.encode() + b'","object":' + content + b"}\n"


def watch_error(error: ApiError) -> bytes:
    return json.dumps({"type": "ERROR", "object": error.body}, separators=(",", ":")).encode() + b"\n"


def bookmark(call: Call, version: int, *, initial: bool = False) -> bytes:
    """A line that tells how far the watch has come, and whether what was there before is told."""
    meta: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    if form(call) == FORM_TABLE:
        shown: dict[str, Any] = {
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": str(version)},
            "columnDefinitions": None, "rows": [],
        }  # fmt: skip
    else:
        shown = {"kind": call.kind.kind, "apiVersion": call.kind.api_version, "metadata": meta}
    return json.dumps({"type": "BOOKMARK", "object": shown}, separators=(",", ":")).encode() + b"\n"
