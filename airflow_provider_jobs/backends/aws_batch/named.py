"""Merging of the service's structures, in which variables are lists of names and values.

Laid on top of each other by position, one variable would take the place of another. So such lists are
merged by what names their items. Pure.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.core.merge import deep_merge

_NAMED_BY = {"environment": "name", "env": "name", "secrets": "name", "resourceRequirements": "type"}


def merge(base: Any, over: Any) -> Any:
    """Return ``base`` with ``over`` laid on it; neither is changed."""
    return _listed(deep_merge(_keyed(base), _keyed(over)))


def _keyed(value: Any) -> Any:
    """Turn lists of named items into dicts by those names."""
    if isinstance(value, list):
        return [_keyed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _by_name(name, item) for name, item in value.items()}


def _by_name(field: str, value: Any) -> Any:
    naming = _NAMED_BY.get(field)
    if (
        naming
        and isinstance(value, list)
        and all(isinstance(item, dict) and naming in item for item in value)
    ):
        return {item[naming]: item for item in value}
    return _keyed(value)


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return [_listed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: list(item.values()) if _NAMED_BY.get(name) and isinstance(item, dict) else _listed(item)
        for name, item in value.items()
    }
