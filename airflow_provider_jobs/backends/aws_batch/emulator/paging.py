"""Pages of a list, and the tokens that lead from one to the next.

It exists so that every list refuses the same wrong tokens. A token holds a position in the list it was given
for. It must not know what is listed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT")


class WrongToken(Exception):
    """A token that does not belong to this list."""


def page(
    items: Sequence[ItemT], *, size: int, token: str | None, context: object
) -> tuple[Sequence[ItemT], str | None]:
    """One page, and the token of the next or None after the last. Raises WrongToken."""
    start = read(token, context) if token else 0
    end = start + size
    return items[start:end], write(end, context) if end < len(items) else None


def write(place: object, context: object) -> str:
    """An opaque token for a place in the list that ``context`` describes."""
    return base64.urlsafe_b64encode(json.dumps([place, _mark(context)]).encode()).decode()


def read(token: str, context: object) -> int:
    """The place that a token stands for. Raises WrongToken."""
    try:
        place, mark = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        raise WrongToken from None
    if not isinstance(place, int) or mark != _mark(context):
        raise WrongToken
    return place


def _mark(context: object) -> str:
    return hashlib.sha256(repr(context).encode()).hexdigest()[:12]
