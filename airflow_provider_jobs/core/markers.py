"""Lines a job writes to be heard: ``::airflow::{"outputs": {...}}``, with ``progress`` or ``event`` likewise.

A line that only looks like one is left alone; a line that means to be one and is malformed is
told, so that nobody wonders where a result went.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

PREFIX = "::airflow::"
_KEYS = frozenset({"outputs", "progress", "message", "event"})


@dataclass(frozen=True)
class Marker:
    """What one line says."""

    outputs: dict[str, Any] = field(default_factory=dict)
    progress: float | None = None
    message: str | None = None
    event: Any = None


class MalformedMarker(ValueError):
    """A line that begins as a marker and is none; the text says why."""


def parse_marker(line: str) -> Marker | None:
    """Return the marker of a line, or ``None`` for any other line.

    :raises MalformedMarker: the line begins with ``::airflow::{`` and is not a valid marker
    """
    text = line.strip()
    if not text.startswith(PREFIX + "{"):
        return None
    try:
        said = json.loads(text[len(PREFIX) :])
    except ValueError as error:
        raise MalformedMarker(f"not JSON: {error}") from None
    if unknown := sorted(said.keys() - _KEYS):
        raise MalformedMarker(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    outputs = said.get("outputs", {})
    if not isinstance(outputs, dict):
        raise MalformedMarker(f"outputs is of type {type(outputs).__name__}, not an object")
    return Marker(
        outputs=outputs,
        progress=_progress(said.get("progress")),
        message=said.get("message"),
        event=said.get("event"),
    )


def _progress(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise MalformedMarker(f"progress is {value!r}, not a number from 0 to 1")
    return float(value)
