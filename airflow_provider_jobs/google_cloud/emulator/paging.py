"""Pages of a list, and the tokens that lead from one to the next.

It exists so that every list refuses the same wrong tokens. A token belongs to the parent and filter it was
given for; it holds a position, so what is added meanwhile may appear twice or not at all, as on the service.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import TypeVar

from airflow_provider_jobs.emulator.calls import StatusError

DEFAULT_PAGE_SIZE = 500
MAX_PAGE_SIZE = 1000

ItemT = TypeVar("ItemT")


def page(
    items: Sequence[ItemT], *, size: int, token: str, context: tuple[str, ...]
) -> tuple[Sequence[ItemT], str]:
    """One page and the token of the next ("" after the last). Raises StatusError for a bad size or token."""
    if size < 0:
        raise StatusError("INVALID_ARGUMENT", "page_size field is invalid. It must not be negative.")
    start = position(token, context) if token else 0
    end = start + min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    return items[start:end], make_token(end, context) if end < len(items) else ""


def make_token(place: int, context: tuple[str, ...]) -> str:
    """An opaque token for a place in the list that ``context`` describes."""
    return base64.urlsafe_b64encode(json.dumps([place, _mark(context)]).encode()).decode()


def position(token: str, context: tuple[str, ...]) -> int:
    """The place that a token stands for. Raises StatusError when it is none of this list's."""
    try:
        place, mark = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        place, mark = None, None
    if not isinstance(place, int) or mark != _mark(context):
        raise StatusError("INVALID_ARGUMENT", "page_token field is invalid. It is not a token of this list.")
    return place


def _mark(context: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(context).encode()).hexdigest()[:12]
