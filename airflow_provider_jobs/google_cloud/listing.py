"""Many things by their names in few calls.

Google's services have no call for a set of names, and filter their lists poorly or not at all. So a page
of a list stands against one call per thing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import pendulum

from airflow_provider_jobs.core.errors import InvalidRequest, NotFound
from airflow_provider_jobs.google_cloud.hook import MAX_PAGE
from airflow_provider_jobs.google_cloud.messages import moment
from airflow_provider_jobs.google_cloud.paging import Page


class Listed(Protocol):
    """A message of the vendor that has a full name and a time."""

    name: str
    create_time: Any


T = TypeVar("T", bound=Listed)
AnswerT = TypeVar("AnswerT")

# A full page is about as much work for service and network as this many single calls. Below it, a list
# cannot win; above it, pages are read for as long as they have cost less than what single calls would,
# so that a region full of other people's jobs costs at most twice the best.
CALLS_PER_PAGE = 10
# The place of a pass that broke off counts for so long; the next call comes within half a minute, mostly.
FRESH_SECONDS = 120.0


class Masked:
    """Asks for some fields only; where the service or a proxy refuses that, never again."""

    def __init__(self) -> None:
        self._is_masked = True

    def ask(self, call: Callable[[str | None], AnswerT], fields: str) -> AnswerT:
        """Return the answer of a call that takes a field mask or ``None``."""
        if not self._is_masked:
            return call(None)
        try:
            return call(fields)
        except InvalidRequest:
            answer = call(None)
            # Only now it is known that it was the mask, and nothing else of the request.
            self._is_masked = False
            return answer


@dataclass(frozen=True)
class Calls(Generic[T]):
    """The two calls that look for things.

    :param get: asks for one by its name; the second argument is a field mask
    :param page: asks for a page of those below a parent; takes page size, page token and field mask
    :param get_fields: the fields that are needed of one
    :param page_fields: the fields that are needed of a page
    """

    get: Callable[[str, str | None], T]
    page: Callable[[str, int, str, str | None], Page[T]]
    get_fields: str
    page_fields: str


class _Place(NamedTuple):
    """Where a pass over a list has come to.

    :param size: of its pages
    :param token: of the page that is next
    :param reached_at: when it came there, in the clock's seconds
    """

    size: int
    token: str
    reached_at: float


class Listing(Generic[T]):
    """Finds things by name, page by page.

    Holds whether field masks work, and of a pass that broke off where it was: the service may refuse every
    seventh page for as long as the pages are many, and the next call then goes on with that page.

    :param clock: seconds that only grow
    """

    def __init__(
        self, calls: Calls[T], masked: Masked | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls = calls
        self._masked = masked or Masked()
        self._clock = clock
        self._left_off: dict[str, _Place] = {}

    def find(self, parent: str, wanted: Mapping[str, pendulum.DateTime]) -> Iterator[tuple[str, T | None]]:
        """Yield every name with what there is of it, ``None`` for nothing; each as it comes.

        No more than one page is held. Where a call fails, or no more is taken, the next call is to ask for
        what was not yielded, and goes on with that page.

        :param parent: the name of what holds all of them
        :param wanted: full names, and when each was made; none is looked for among older ones
        """
        left = dict(wanted)
        size = min(MAX_PAGE, len(wanted) * CALLS_PER_PAGE)
        # A few are asked for anew each time.
        place = self._left_off.pop(parent, None) if len(wanted) >= CALLS_PER_PAGE else None
        if place and place.token and self._clock() - place.reached_at < FRESH_SECONDS:
            yield from self._on_pages(parent, left, place)
        # What is newer than a pass that broke off is not in it.
        yield from self._on_pages(parent, left, _Place(size, "", self._clock()))
        for name in [*left]:
            # Only this answer says that a thing is gone: a list may lag behind.
            thing = self.get(name)
            del left[name]
            yield name, thing

    def get(self, name: str) -> T | None:
        """Return one, or ``None`` where there is none."""
        try:
            return self._masked.ask(lambda fields: self._calls.get(name, fields), self._calls.get_fields)
        except NotFound:
            return None

    def _on_pages(
        self, parent: str, left: dict[str, pendulum.DateTime], place: _Place
    ) -> Iterator[tuple[str, T]]:
        """Yield what pages hold of what is left, for as long as they can cost less than single calls."""
        pages, oldest, size = 0, min(left.values(), default=None), place.size
        token: str | None = place.token
        while token is not None and pages * CALLS_PER_PAGE < len(left) >= CALLS_PER_PAGE:
            self._left_off[parent] = _Place(size, token, self._clock())
            page = self._page(parent, size, token)
            pages += 1
            is_past = page.items and oldest and moment(page.items[-1].create_time) < oldest
            token = None if is_past else page.next_token or None
            yield from _taken(left, page.items, project=parent.split("/")[1])
            del page  # the next one may be as large
        self._left_off.pop(parent, None)

    def _page(self, parent: str, size: int, token: str) -> Page[T]:
        try:
            return self._ask_page(parent, size, token)
        except InvalidRequest:
            if not token:
                raise
            # No document says for how long a token holds.
            return self._ask_page(parent, size, "")

    def _ask_page(self, parent: str, size: int, token: str) -> Page[T]:
        return self._masked.ask(
            lambda fields: self._calls.page(parent, size, token, fields), self._calls.page_fields
        )


def _taken(
    left: dict[str, pendulum.DateTime], items: Iterable[T], *, project: str
) -> Iterator[tuple[str, T]]:
    """Yield those of the items that are left, by name, and have them left no more."""
    for item in items:
        # The service may answer with the project's number where it was asked by its id.
        name = with_project(item.name, project)
        if name in left:
            del left[name]
            yield name, item


def with_project(name: str, project: str) -> str:
    """Return a full name with the project written so."""
    return f"projects/{project}/{name.split('/', 2)[2]}"
