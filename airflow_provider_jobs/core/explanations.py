"""Why a job waits, as a sentence, and when the next such sentence is another reason.

A backend is asked again each minute. What it says first names the reason and what to do; the service's own
words come last, for they may hold ids and times that differ with every answer.
"""

from __future__ import annotations

import re

_SAYS = "The service says"
# Counts and shares that stand alone: "3 nodes", "0/4", "24.0". Not those in names: "c5.large", "pool-2".
_NUMBER = re.compile(r"(?<![\w.:-])\d[\d.,/]*(?![\w-])")


def explanation(reason: str, said: str | None = None, *, of: str = "") -> str:
    """Return a reason with what to do, followed by the service's own words where it has any.

    :param reason: without a full stop at its end
    :param of: what the service says it of
    """
    return f"{reason}. {_SAYS}{of and f' of {of}'}: {said}" if said else reason


def is_same_reason(one: str | None, other: str | None) -> bool:
    """Return whether two explanations give one reason, that is, differ in numbers and said words alone."""
    return _gist(one) == _gist(other)


def _gist(told: str | None) -> str | None:
    return None if told is None else _NUMBER.sub("#", told.partition(f" {_SAYS}")[0]).rstrip(".")
