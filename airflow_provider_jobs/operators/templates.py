"""Which argument values are known at DAG parse, and which only when the task runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

_MARKS = ("{{", "{%", "{#")


class TemplateFields:
    """The template fields of an operator class, and of an operator those that hold more than their default.

    Airflow writes an operator's fields, and their names, into its database with each task of a DAG, and where
    a task begins in the triggerer it reads the whole DAG anew for each of them. Of the forty that an operator
    takes, a task is given a few. What is set later counts as well.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __get__(self, operator: BaseOperator | None, kind: type | None = None) -> tuple[str, ...]:
        if operator is None:
            return self._names
        defaults = argument_defaults(type(operator))
        return tuple(
            name for name in self._names if not is_default(getattr(operator, name, None), defaults.get(name))
        )


class FieldRenderers:
    """How the UI shows the template fields of an operator class, and of an operator those that it has."""

    def __init__(self, renderers: Mapping[str, str]) -> None:
        self._renderers = dict(renderers)

    def __get__(self, operator: Any, kind: type | None = None) -> dict[str, str]:
        if operator is None:
            return self._renderers
        fields = operator.template_fields
        return {name: renderer for name, renderer in self._renderers.items() if name in fields}


@cache
def argument_defaults(kind: type[BaseOperator]) -> dict[str, Any]:
    """Return the arguments of an operator that have a default, with it."""
    found: dict[str, Any] = {}
    for each in reversed(kind.__mro__):
        if init := each.__dict__.get("__init__"):
            parameters = signature(init).parameters.values()
            found.update({one.name: one.default for one in parameters if one.default is not one.empty})
    return found


def is_default(value: Any, default: Any) -> bool:
    """Return whether an argument need not be told, which would weigh in thousands of tasks.

    A template is never one: it is the default of a subclass, and rendered in each run anew.
    """
    if value is None:
        return True
    if holds_template(value):
        return False
    if default is None:
        return isinstance(value, (dict, list, tuple)) and not value
    return type(value) is type(default) and bool(value == default)


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
