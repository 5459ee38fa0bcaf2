"""Jobs of the account, or tasks of a job: by id, by state, and in the order in which they were made.

It exists so that a page of a list is found without a look at everything that is not in it. It must not know
what a filter says.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from airflow_provider_jobs.emulator.ordering import Ordered

#: Behind every id that begins with what stands before it: ids are letters, digits, ``-`` and ``_``.
_LAST = "\x7f"


class Term(NamedTuple):
    """Something that is easily found: ``id``, ``prefix`` of the id, ``state``, or any ``other_state``."""

    kind: str
    value: str


class Entry(Protocol):
    """What can be in a catalogue; it tells the catalogue of every change of its state."""

    number: int
    state: str
    catalogue: Any


EntryT = TypeVar("EntryT", bound=Entry)


class Catalogue(dict[str, EntryT]):
    """Things by their id in small letters. Numbers rise in the order in which they come in."""

    def __init__(self) -> None:
        super().__init__()
        self._all: Ordered[EntryT] = Ordered()
        self._by_id: Ordered[EntryT] = Ordered()
        self._by_state: dict[str, Ordered[EntryT]] = {}

    def __setitem__(self, key: str, thing: EntryT) -> None:
        self.pop(key, None)
        super().__setitem__(key, thing)
        thing.catalogue = self
        self._all.add(thing.number, thing)
        self._by_id.add(key, thing)
        self._by_state.setdefault(thing.state, Ordered()).add(thing.number, thing)

    def __delitem__(self, key: str) -> None:
        thing = self[key]
        super().__delitem__(key)
        thing.catalogue = None
        self._all.discard(thing.number)
        self._by_id.discard(key)
        self._by_state[thing.state].discard(thing.number)

    def pop(self, key: str, default: Any = None) -> Any:
        """Forget a thing; returns it, or the default where there is none."""
        thing = self.get(key)
        if thing is None:
            return default
        del self[key]
        return thing

    def clear(self) -> None:
        for thing in self.values():
            thing.catalogue = None
        super().clear()
        self._all, self._by_id, self._by_state = Ordered(), Ordered(), {}

    def moved(self, thing: EntryT, before: str) -> None:
        """A thing has another state than before."""
        self._by_state[before].discard(thing.number)
        self._by_state.setdefault(thing.state, Ordered()).add(thing.number, thing)

    def find(self, terms: Iterable[Term] | None, after: int) -> Iterator[EntryT]:
        """Things with a higher number that meet one of the terms, by number; all of them without terms.

        Nothing may come or go while they are read.
        """
        if terms is None:
            yield from self._all.after(after)
            return
        sources = [self._meeting(term, after) for term in terms]
        last = after
        for thing in heapq.merge(*sources, key=lambda each: each.number):
            if thing.number > last:
                last = thing.number
                yield thing

    def _meeting(self, term: Term, after: int) -> Iterable[EntryT]:
        value = term.value.lower()
        if term.kind == "id":
            return [self[value]] if value in self else []
        if term.kind == "prefix":
            return sorted(self._by_id.between(value, value + _LAST), key=lambda each: each.number)
        if term.kind == "state":
            return self._by_state[value].after(after) if value in self._by_state else []
        others = [own.after(after) for state, own in self._by_state.items() if state != value]
        return heapq.merge(*others, key=lambda each: each.number)
