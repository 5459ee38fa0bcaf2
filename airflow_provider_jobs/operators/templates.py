"""Which argument values are known at DAG parse, and which only when the task runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MARKS = ("{{", "{%", "{#")


def holds_template(value: Any) -> bool:
    """Return whether the value, or a value inside of it, is rendered only when the task runs.

    True for Jinja text, for the result of another task, and for anything else that resolves itself.
    """
    if isinstance(value, str):
        return any(mark in value for mark in _MARKS)
    if isinstance(value, Mapping):
        return any(holds_template(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set)):
        return any(holds_template(item) for item in value)
    return hasattr(value, "resolve") or hasattr(value, "iter_references")
