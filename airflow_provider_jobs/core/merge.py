"""Writing a vendor request: without what was not given, and with ``native={...}`` as the last word."""

from __future__ import annotations

from typing import Any


def deep_merge(base: Any, over: Any) -> Any:
    """Return ``base`` with ``over`` laid on it; neither is changed.

    Dicts are merged by key. Two lists of dicts are merged by position, so that
    ``{"task_groups": [{"task_count": 3}]}`` changes one field of the first group; any other list
    or value of ``over`` replaces that of ``base``.
    """
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: deep_merge(base.get(key), value) for key, value in over.items()}}
    if _is_list_of_dicts(base) and _is_list_of_dicts(over):
        merged = [deep_merge(old, new) for old, new in zip(base, over, strict=False)]
        longer = base if len(base) > len(over) else over
        return merged + longer[len(merged) :]
    return over


def compact(value: Any) -> Any:
    """Return the value without what was not given, so that the service's own defaults hold."""
    if isinstance(value, list):
        return [compact(item) for item in value]
    if not isinstance(value, dict):
        return value
    compacted = {name: compact(item) for name, item in value.items()}
    return {name: item for name, item in compacted.items() if item is not None and item not in ({}, [])}


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
