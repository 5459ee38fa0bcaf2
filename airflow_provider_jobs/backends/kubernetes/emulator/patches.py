"""Patches of objects: JSON patch, JSON merge patch, strategic merge patch.

It exists because clients choose among them freely. It must not know what a patched field means, apart from
the keys by which lists of objects are merged.
https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from __future__ import annotations

import copy
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator.statuses import ApiError, bad_request

#: Lists whose items are merged by a key, as the API's own documents mark them (x-kubernetes-patch-merge-key).
MERGE_KEYS: dict[str, str] = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "volumes": "name",
    "env": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "imagePullSecrets": "name",
    "ports": "containerPort", "hostAliases": "ip", "conditions": "type", "ownerReferences": "uid",
    "topologySpreadConstraints": "topologyKey", "claims": "name", "resourceClaims": "name", "secrets": "name",
    "schedulingGates": "name", "podIPs": "ip", "hostIPs": "ip", "addresses": "type",
}  # fmt: skip
#: Lists of plain values that are united.
MERGED_SETS = {"finalizers"}


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def strategic(target: Any, patch: Any) -> Any:
    """Strategic merge patch with its directives. Raises ApiError (400)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        kept = set(patch["$retainKeys"])
        merged = {key: value for key, value in merged.items() if key in kept}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            merged[field] = [item for item in merged.get(field, []) if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list):
            merged[key] = _merge_lists(key, merged.get(key) or [], patch=value)
        else:
            merged[key] = strategic(merged.get(key), value)
    return _ordered(merged, patch)


def _merge_lists(field: str, target: list[Any], *, patch: list[Any]) -> list[Any]:
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [copy.deepcopy(item) for item in patch if item.get("$patch") != "replace"]
    if field in MERGED_SETS:
        return [*target, *(item for item in patch if item not in target)]
    key = MERGE_KEYS.get(field)
    if key is None or not all(isinstance(item, dict) for item in patch):
        return copy.deepcopy(patch)
    merged = list(target)
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        place = next((n for n, known in enumerate(merged) if known.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            merged = [known for known in merged if known.get(key) != item[key]]
        elif place is None:
            merged.append(strategic({}, item))
        else:
            merged[place] = strategic(merged[place], item)
    return merged


def _ordered(merged: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Lists in the order that the patch asks for."""
    for directive, wanted in patch.items():
        field = directive.removeprefix("$setElementOrder/")
        if field == directive or field not in merged:
            continue
        key = MERGE_KEYS.get(field)
        order = [_name(item, key) for item in wanted]
        ranks = [
            order.index(name) if name in order else len(order)
            for name in (_name(item, key) for item in merged[field])
        ]
        ranked = sorted(zip(ranks, merged[field], strict=True), key=lambda pair: pair[0])
        merged[field] = [item for _, item in ranked]
    return merged


def _name(item: Any, key: str | None) -> Any:
    """What tells an item of a list from the others."""
    return item.get(key) if isinstance(item, dict) else item


def json_patch(target: Any, operations: Any) -> Any:
    """JSON patch (RFC 6902). Raises ApiError (400, 422)."""
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    document = copy.deepcopy(target)
    for operation in operations:
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), operation.get("path", "")
    if kind in ("move", "copy"):
        value = copy.deepcopy(_find(document, operation.get("from", "")))
        if kind == "move":
            document = _change(document, operation["from"], kind="remove", value=None)
        return _change(document, path, kind="add", value=value)
    if kind == "test":
        if _find(document, path) != operation.get("value"):
            raise _unprocessable(f"testing value {path} failed")
        return document
    if kind not in ("add", "replace", "remove"):
        raise bad_request(f"Unexpected kind: {kind}")
    return _change(document, path, kind=kind, value=operation.get("value"))


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise _unprocessable(f"missing path: {path}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _find(document: Any, path: str) -> Any:
    for step in _steps(path):
        try:
            document = document[int(step)] if isinstance(document, list) else document[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _unprocessable(f"unable to find path {path}: missing value") from None
    return document


def _change(document: Any, path: str, *, kind: str, value: Any) -> Any:
    steps = _steps(path)
    if not steps:
        return value
    parent = _find(document, path.rpartition("/")[0])
    last = steps[-1]
    try:
        if isinstance(parent, list):
            _change_list(parent, last, kind=kind, value=value)
        else:
            if kind != "add":
                del parent[last]
            if kind != "remove":
                parent[last] = value
    except (KeyError, IndexError, ValueError, TypeError):
        raise _unprocessable(f"{kind} operation does not apply: doc is missing key: {path}") from None
    return document


def _change_list(parent: list[Any], last: str, *, kind: str, value: Any) -> None:
    if kind == "add":
        parent.insert(len(parent) if last == "-" else int(last), value)
    elif kind == "replace":
        parent[int(last)] = value
    else:
        del parent[int(last)]


def _unprocessable(why: str) -> ApiError:
    return ApiError(
        "Invalid", f"the server rejected our request due to an error in our request: {why}", details={}
    )
