"""Times as objects carry them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

from __future__ import annotations

import pendulum


def timestamp(at: pendulum.DateTime | None = None) -> str:
    """A time as objects carry it: whole seconds."""
    return (at or pendulum.now("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> pendulum.DateTime:
    """A time that an object carries. Raises ValueError."""
    found = pendulum.parse(text)
    if not isinstance(found, pendulum.DateTime):
        raise ValueError(f"{text} is no time")
    return found


def age(text: str | None) -> str:
    """How long ago a time was, as ``kubectl`` shows it."""
    return "<unknown>" if not text else human((pendulum.now("UTC") - parsed(text)).total_seconds())


#: Below so many seconds: the unit shown, and the one beside it where there is a rest.
_FORMS = (
    (120, (1, "s"), None),
    (600, (60, "m"), (1, "s")),
    (10_800, (60, "m"), None),
    (28_800, (3600, "h"), (60, "m")),
    (172_800, (3600, "h"), None),
    (691_200, (86_400, "d"), (3600, "h")),
    (63_072_000, (86_400, "d"), None),
    (252_288_000, (31_536_000, "y"), (86_400, "d")),
)


def human(seconds: float) -> str:
    """A duration with two units at most, coarser the longer it is."""
    if seconds <= -2:
        return "<invalid>"
    whole = max(0, int(seconds))
    for below, (size, unit), smaller in _FORMS:
        if whole >= below:
            continue
        rest = whole % size // smaller[0] if smaller else 0
        return f"{whole // size}{unit}" + (f"{rest}{smaller[1]}" if smaller and rest else "")
    return f"{whole // 31_536_000}y"
