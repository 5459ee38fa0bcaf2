"""What there is: groups, versions, resources, the server's version and health.

It exists for clients that look before they ask, as ``kubectl`` does. It must not serve objects.
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

import platform
from typing import Any

from fastapi import Request, Response

from airflow_provider_jobs.backends.kubernetes.emulator import answers
from airflow_provider_jobs.backends.kubernetes.emulator.resources import GROUPS, SERVED, ResourceType
from airflow_provider_jobs.backends.kubernetes.emulator.statuses import page_not_found

_AGGREGATED = "APIGroupDiscoveryList"
VERSION = "v1.36.2"
_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}


def machine() -> str:
    """This machine's processor as Kubernetes names it."""
    return _PROCESSORS.get(platform.machine(), platform.machine())


def answer(request: Request) -> Response | None:
    """The answer to a path of discovery, None for any other path."""
    path = request.url.path.rstrip("/")
    aggregated = _AGGREGATED in request.headers.get("accept", "")
    if path in ("/healthz", "/livez", "/readyz"):
        return Response("ok", media_type="text/plain")
    if path == "/version":
        return answers.plain(_version())
    if path == "/api":
        return _discovered("") if aggregated else answers.plain(_core(request))
    if path == "/apis":
        return _discovered("named") if aggregated else answers.plain(_groups())
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) == 2:
        return _resources("", parts[1])
    if parts[0] == "apis" and len(parts) == 2:
        return _group(parts[1])
    if parts[0] == "apis" and len(parts) == 3:
        return _resources(parts[1], parts[2])
    return None


def _version() -> dict[str, str]:
    return {
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": VERSION,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2026-08-01T00:00:00Z",
        "goVersion": "go1.26",
        "compiler": "gc",
        "platform": f"linux/{machine()}",
    }


def _core(request: Request) -> dict[str, Any]:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": request.url.netloc}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def _group_content(group: str, version: str) -> dict[str, Any]:
    named = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _groups() -> dict[str, Any]:
    found = [_group_content(group, version) for group, version in GROUPS if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def _group(name: str) -> Response:
    version = dict(GROUPS).get(name)
    if version is None:
        return answers.failure(page_not_found())
    return answers.plain({"kind": "APIGroup", "apiVersion": "v1", **_group_content(name, version)})


def _resources(group: str, version: str) -> Response:
    if (group, version) not in GROUPS:
        return answers.failure(page_not_found())
    found: list[dict[str, Any]] = []
    for kind in SERVED:
        if (kind.group, kind.version) == (group, version):
            found += _resource(kind)
    name = f"{group}/{version}" if group else version
    return answers.plain(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}
    )


def _resource(kind: ResourceType) -> list[dict[str, Any]]:
    main: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        main["shortNames"] = list(kind.short_names)
    if kind.categories:
        main["categories"] = list(kind.categories)
    parts = []
    for name, made, verbs in kind.subresources:
        part = {
            "name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced, "kind": made,
            "verbs": list(verbs),
        }  # fmt: skip
        if made == "Eviction":
            part |= {"group": "policy", "version": "v1"}
        parts.append(part)
    return [main, *parts]


def _discovered(which: str) -> Response:
    """Everything in one answer; the form that newer clients ask for."""
    items = []
    for group, version in GROUPS:
        if bool(group) is not bool(which):
            continue
        resources = [_aggregated(kind) for kind in SERVED if (kind.group, kind.version) == (group, version)]
        versions = [{"version": version, "resources": resources, "freshness": "Current"}]
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    body = {
        "kind": _AGGREGATED, "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items
    }  # fmt: skip
    found = answers.plain(body)
    found.headers["Content-Type"] = f"application/json;g=apidiscovery.k8s.io;v=v2;as={_AGGREGATED}"
    return found


def _aggregated(kind: ResourceType) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        made["shortNames"] = list(kind.short_names)
    if kind.categories:
        made["categories"] = list(kind.categories)
    if kind.subresources:
        made["subresources"] = [
            {
                "subresource": name,
                "responseKind": {
                    "group": "policy" if part == "Eviction" else kind.group,
                    "version": kind.version,
                    "kind": part,
                },
                "verbs": list(verbs),
            }
            for name, part, verbs in kind.subresources
        ]
    return made
