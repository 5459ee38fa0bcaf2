"""Several calls at once, where the service has none for many things together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

CALLS_AT_ONCE = 8
# A call that takes longer than others must not leave their threads without work.
_UNDER_WAY = 2 * CALLS_AT_ONCE


def at_once(call: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return what ``call`` answers for every item, in their order; the first error is raised.

    Calls that have not begun when one fails are not made.
    """
    return list(answers(call, items))


def answers(call: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield what :func:`at_once` returns. Of thousands of answers few live at a time."""
    if len(items) < 2:
        yield from map(call, items)
        return
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(min(len(items), CALLS_AT_ONCE), thread_name_prefix="azure_batch") as pool:
        try:
            for item in items:
                if len(under_way) == _UNDER_WAY:
                    yield under_way.popleft().result()
                under_way.append(pool.submit(call, item))
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
