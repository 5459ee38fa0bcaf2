"""Things in the order of a key, so that a page of ten thousand costs what a page of ten costs.

It exists because lists are asked for far more often than they change: what belongs into a list is known when
it changes, and a page is cut out of it. It must not know what is listed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

ItemT = TypeVar("ItemT")


class Ordered(Sequence[ItemT]):
    """Items by a key of their own, lowest first. Keys can be compared and are never given twice at one time.

    A slice costs what is in it. An item with the highest key comes in at once, any other costs a move of
    what is behind it.
    """

    __slots__ = ("_items", "_keys")

    def __init__(self) -> None:
        self._keys: list[Any] = []
        self._items: dict[Any, ItemT] = {}

    def add(self, key: Any, item: ItemT) -> None:
        """Take an item in; in the place of another with this key."""
        if key not in self._items:
            if self._keys and key < self._keys[-1]:
                insort(self._keys, key)
            else:
                self._keys.append(key)
        self._items[key] = item

    def discard(self, key: Any) -> None:
        """Forget an item; harmless when there is none."""
        if self._items.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def after(self, key: Any) -> Iterator[ItemT]:
        """What has a higher key. Nothing may come or go while it is read."""
        for place in range(bisect_right(self._keys, key), len(self._keys)):
            yield self._items[self._keys[place]]

    def between(self, low: Any, high: Any) -> Iterator[ItemT]:
        """What has a key from ``low`` to below ``high``. Nothing may come or go while it is read."""
        for place in range(bisect_left(self._keys, low), bisect_left(self._keys, high)):
            yield self._items[self._keys[place]]

    @overload
    def __getitem__(self, place: int) -> ItemT: ...

    @overload
    def __getitem__(self, place: slice) -> list[ItemT]: ...

    def __getitem__(self, place: int | slice) -> ItemT | list[ItemT]:
        if isinstance(place, slice):
            return [self._items[key] for key in self._keys[place]]
        return self._items[self._keys[place]]

    def __len__(self) -> int:
        return len(self._keys)


class LatestFirst(Sequence[ItemT], Generic[ItemT]):
    """A sequence seen from its end, without copying it; of the items at the end, so many are hidden."""

    def __init__(self, items: Sequence[ItemT], *, hidden: int = 0) -> None:
        self._items = items
        self._count = len(items) - hidden

    @overload
    def __getitem__(self, place: int) -> ItemT: ...

    @overload
    def __getitem__(self, place: slice) -> list[ItemT]: ...

    def __getitem__(self, place: int | slice) -> ItemT | list[ItemT]:
        if isinstance(place, slice):
            start, stop, step = place.indices(self._count)
            assert step == 1
            return list(self._items[self._count - max(start, stop) : self._count - start])[::-1]
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return self._items[self._count - 1 - place % self._count]

    def __len__(self) -> int:
        return self._count
