"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Page(Generic[ItemT]):
    """One page of a list; an empty token means the last."""

    items: Sequence[ItemT]
    next_token: str


def all_pages(ask: Callable[[str], Page[ItemT]]) -> Iterator[ItemT]:
    """Yield what stands on all pages, each asked for when it is needed.

    :param ask: returns the page of a token, the first one of an empty token
    """
    token = ""
    while True:
        page = ask(token)
        yield from page.items
        token = page.next_token
        if not token:
            return
