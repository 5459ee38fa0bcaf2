"""Several calls at once, where the service has none for many things together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

CALLS_AT_ONCE = 8


def at_once(call: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what ``call`` answers for every item, in their order; the first error is raised.

    Calls that have not begun when one fails are not made.
    """
    if len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(min(len(items), CALLS_AT_ONCE), thread_name_prefix="azure_batch") as pool:
        return list(pool.map(call, items))
