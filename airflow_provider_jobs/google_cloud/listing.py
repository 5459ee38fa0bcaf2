"""Many things by their names in few calls.

Google's services have no call for a set of names, and filter their lists poorly or not at all. So a page
of a list stands against one call per thing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import pendulum

from airflow_provider_jobs.core.errors import InvalidRequest, JobsError, NotFound
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
# What a pass that broke off has found counts for so long; the next call comes within half a minute, mostly.
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


@dataclass
class _Pass(Generic[T]):
    """One pass over a list, from its newest page on, and what it brought.

    :param size: of its pages
    :param token: of the page that is next, ``None`` where the list need not be read on
    """

    size: int
    found: dict[str, T] = field(default_factory=dict)
    token: str | None = ""
    broken_off_at: float = 0.0


class Listing(Generic[T]):
    """Finds things by name.

    Holds whether field masks work, and of a pass that broke off what it had found: the service may refuse
    every seventh page for as long as the pages are many, and the next call then goes on with that page.

    :param clock: seconds that only grow
    """

    def __init__(
        self, calls: Calls[T], masked: Masked | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls = calls
        self._masked = masked or Masked()
        self._clock = clock
        self._broken_off: dict[str, _Pass[T]] = {}

    def find(self, parent: str, wanted: Mapping[str, pendulum.DateTime]) -> dict[str, T]:
        """Return those that exist, by name; where a call fails, the next one goes on from there.

        :param parent: the name of what holds all of them
        :param wanted: full names, and when each was made; none is looked for among older ones
        """
        passed = self._begun(parent, wanted)
        has_begun = bool(passed.found)
        try:
            self._read_pages(parent, wanted, passed)
            if has_begun:
                # What is newer than that pass is not in it.
                passed.token = ""
                self._read_pages(parent, wanted, passed)
            for name in wanted.keys() - passed.found.keys():
                # Only this answer says that a thing is gone: a list may lag behind.
                thing = self.get(name)
                if thing is not None:
                    passed.found[name] = thing
        except JobsError:
            if len(wanted) >= CALLS_PER_PAGE:
                passed.broken_off_at = self._clock()
                self._broken_off[parent] = passed
            raise
        return passed.found

    def _begun(self, parent: str, wanted: Mapping[str, pendulum.DateTime]) -> _Pass[T]:
        """Return the pass that broke off a moment ago, or a new one; a few are asked for anew each time."""
        if len(wanted) >= CALLS_PER_PAGE:
            passed = self._broken_off.pop(parent, None)
            if passed is not None and self._clock() - passed.broken_off_at < FRESH_SECONDS:
                return passed
        return _Pass(min(MAX_PAGE, len(wanted) * CALLS_PER_PAGE))

    def get(self, name: str) -> T | None:
        """Return one, or ``None`` where there is none."""
        try:
            return self._masked.ask(lambda fields: self._calls.get(name, fields), self._calls.get_fields)
        except NotFound:
            return None

    def _read_pages(self, parent: str, wanted: Mapping[str, pendulum.DateTime], passed: _Pass[T]) -> None:
        """Read on for as long as it can cost less than single calls for what is missing."""
        found, project, pages = passed.found, parent.split("/")[1], 0
        oldest = min(wanted.values(), default=None)
        while passed.token is not None:
            missing = len(wanted.keys() - found.keys())
            if missing < CALLS_PER_PAGE or pages * CALLS_PER_PAGE >= missing:
                return
            page = self._page(parent, passed)
            pages += 1
            # The service may answer with the project's number where it was asked by its id.
            named = ((with_project(item.name, project), item) for item in page.items)
            found.update((name, item) for name, item in named if name in wanted)
            is_past = page.items and oldest and moment(page.items[-1].create_time) < oldest
            passed.token = None if is_past else page.next_token or None

    def _page(self, parent: str, passed: _Pass[T]) -> Page[T]:
        try:
            return self._ask_page(parent, passed.size, passed.token or "")
        except InvalidRequest:
            if not passed.token:
                raise
            # No document says for how long a token holds.
            return self._ask_page(parent, passed.size, "")

    def _ask_page(self, parent: str, size: int, token: str) -> Page[T]:
        return self._masked.ask(
            lambda fields: self._calls.page(parent, size, token, fields), self._calls.page_fields
        )


def with_project(name: str, project: str) -> str:
    """Return a full name with the project written so."""
    return f"projects/{project}/{name.split('/', 2)[2]}"
