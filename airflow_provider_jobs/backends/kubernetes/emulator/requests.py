"""Which object a request means and what it asks for: path, verb, options.

It exists so that everything behind it speaks of kinds and names, never of paths. It must not answer.
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from airflow_provider_jobs.backends.kubernetes.emulator import protobuf_bodies, statuses
from airflow_provider_jobs.backends.kubernetes.emulator.resources import BY_PLACE, ResourceType

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TRUE = {"1", "true", "True"}


@dataclass(frozen=True)
class Call:
    """One request for objects."""

    verb: str
    kind: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: dict[str, str] = field(default_factory=dict)
    accept: str = ""
    content_type: str = ""
    user: str = ""

    @property
    def method(self) -> str:
        """The name under which calls are counted and struck by faults: ``kubernetes/get pods/log``."""
        return f"kubernetes/{self.verb} {self.resource}"

    @property
    def resource(self) -> str:
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural

    @property
    def dry_run(self) -> bool:
        return "dryRun" in self.query

    def flag(self, name: str) -> bool:
        return self.query.get(name, "") in _TRUE

    def number(self, name: str) -> int | None:
        """A whole number of the query. Raises ApiError (400)."""
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    def denied(self) -> str:
        """Why the authorizer says no, in its own words."""
        where = f' in the namespace "{self.namespace}"' if self.namespace else " at the cluster scope"
        return (
            f'User "{self.user}" cannot {self.verb} resource "{self.resource}" '
            f'in API group "{self.kind.group}"{where}'
        )


def place(request: Request) -> tuple[ResourceType, str, str, str] | None:
    """Kind, namespace, name and subresource that a path means; None for any other path."""
    parts = request.url.path.strip("/").split("/")
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PLACE.get((group, version, rest[0]))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    return kind, namespace, name, subresource


def read(request: Request) -> Call | None:
    """The call that a request makes; None when its path names no object."""
    found = place(request)
    if found is None:
        return None
    kind, namespace, name, subresource = found
    query = dict(request.query_params)
    watching = query.get("watch", "") in _TRUE
    if request.method in ("GET", "HEAD"):
        verb = "watch" if watching else "get" if name else "list"
    else:
        verb = _VERBS[request.method]
    if verb == "delete" and not name:
        verb = "deletecollection"
    if watching and name:
        query["fieldSelector"], name = f"metadata.name={name}", ""
    return Call(
        verb=verb,
        kind=kind,
        namespace=namespace,
        name=name,
        subresource=subresource,
        query=query,
        accept=request.headers.get("accept", ""),
        content_type=request.headers.get("content-type", "").partition(";")[0].strip(),
        user=user_of(request.headers.get("authorization", "")),
    )


def user_of(authorization: str) -> str:
    """Who calls: a bearer token is believed and belongs to the service account that Airflow would have."""
    return "system:serviceaccount:default:airflow" if authorization else "kubernetes-admin"


async def body_of(request: Request, *, content_type: str) -> Any:
    """The body as JSON; YAML is understood too. None when there is none. Raises ApiError (400, 415)."""
    raw = await request.body()
    if not raw:
        return None
    if content_type == protobuf_bodies.CONTENT_TYPE:
        try:
            return protobuf_bodies.decode(raw)
        except protobuf_bodies.NotUnderstood as error:
            raise statuses.ApiError(
                "UnsupportedMediaType", f"of protobuf only what kubectl sends is understood: {error}"
            ) from None
    if content_type in ("application/yaml", "application/apply-patch+yaml"):
        return _yaml(raw)
    if content_type and not content_type.endswith("json") and content_type != "*/*":
        raise statuses.ApiError(
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml",
        )
    try:
        return json.loads(raw)
    except ValueError as error:
        raise statuses.bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def _yaml(raw: bytes) -> Any:
    import yaml

    try:
        # What YAML takes for a time is text in JSON.
        return json.loads(json.dumps(yaml.safe_load(raw), default=str))
    except yaml.YAMLError as error:
        raise statuses.bad_request(f"error converting YAML to JSON: {error}") from None
