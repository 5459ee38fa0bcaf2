"""Secrets that a task's templates name: known in a worker that renders them, and to be hidden elsewhere too.

A process of Airflow hides in its logs what it has read itself. A worker reads ``{{ conn.api.password }}``
when it renders a task; the triggerer, which writes the lines of the task's job, does not. So it is told the
names, never the values, and reads them.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

log = logging.getLogger(__name__)

_READ_AGAIN_SECONDS = 60.0
_reading = threading.Lock()
_read_at: dict[str, float] = {}
_CONNECTION, _VARIABLE = "connection", "variable"
_NAMED = (
    (_CONNECTION, re.compile(r"\bconn\.(?!get\b)(\w+)")),
    (_CONNECTION, re.compile(r"\bconn(?:\.get\(|\[)\s*['\"]([^'\"]+)")),
    (_VARIABLE, re.compile(r"\bvar\.(?:value|json)\.(?!get\b)(\w+)")),
    (_VARIABLE, re.compile(r"\bvar\.(?:value|json)(?:\.get\(|\[)\s*['\"]([^'\"]+)")),
)


def named_secrets(values: Sequence[Any]) -> list[str]:
    """Return the connections and variables that templates in some values name: ``connection api``, sorted."""
    found = {
        f"{kind} {match[1]}"
        for text in _texts(values)
        if "{{" in text or "{%" in text
        for kind, pattern in _NAMED
        for match in pattern.finditer(text)
    }
    return sorted(found)


def hide_secrets(names: Iterable[str]) -> None:
    """Have this process hide in its logs what these hold. Blocking; what cannot be read here hides nothing.

    Thousands of tasks may name the same one: it is read once in a while. Who comes while it is read waits for
    that, and what could not be read is tried for the next task again.
    """
    for name in names:
        with _reading:
            if time.monotonic() - _read_at.get(name, -_READ_AGAIN_SECONDS) >= _READ_AGAIN_SECONDS:
                _read(name)


def _read(name: str) -> None:
    from airflow.sdk import Connection, Variable

    kind, _, key = name.partition(" ")
    try:
        Connection.get(key) if kind == _CONNECTION else Variable.get(key)
    except Exception:
        # Secrets backends raise what they like, and no task is to fail for what only hides its lines.
        log.debug("The secrets of %s cannot be read here", name, exc_info=True)
    else:
        _read_at[name] = time.monotonic()


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(values, (list, tuple, set)):
        for value in values:
            yield from _texts(value)
