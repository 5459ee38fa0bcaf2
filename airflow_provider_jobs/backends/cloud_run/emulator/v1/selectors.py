"""Label selectors, as version 1 lists take them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors gives the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from airflow_provider_jobs.emulator.calls import StatusError

_KEY = r"(?P<key>[\w./-]+)"
_FORMS = (
    re.compile(rf"\s*{_KEY}\s*(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)\s*"),
    re.compile(rf"\s*{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>[^)]*)\)\s*"),
    re.compile(rf"\s*(?P<operator>!?)\s*{_KEY}\s*"),
)
_COMMA = re.compile(r",(?![^(]*\))")

Selector = Callable[[Mapping[str, str]], bool]


def parse(text: str) -> Selector:
    """Whether labels are selected. Raises StatusError (INVALID_ARGUMENT) for what is no selector."""
    terms = [_term(term) for term in _COMMA.split(text)] if text.strip() else []
    return lambda labels: all(term(labels) for term in terms)


def _term(text: str) -> Selector:
    for form in _FORMS:
        if (match := form.fullmatch(text)) is not None:
            return _selector(**match.groupdict())
    raise StatusError("INVALID_ARGUMENT", f'labelSelector: unable to parse requirement "{text.strip()}".')


def _selector(key: str, operator: str, value: str | None = None, values: str | None = None) -> Selector:
    wanted = {value} if values is None else {part.strip() for part in values.split(",")}
    if value is None and values is None:
        return lambda labels: (key in labels) is not (operator == "!")
    if operator in ("!=", "notin"):
        return lambda labels: labels.get(key) not in wanted
    return lambda labels: labels.get(key) in wanted
