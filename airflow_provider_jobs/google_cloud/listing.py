"""Many things by their names in few calls.

Google's services have no call for a set of names, and filter their lists poorly or not at all. So a page
of a list stands against one call per thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

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


class Masked:
    """Asks for some fields only; where the service or a proxy refuses that, never again."""

    def __init__(self) -> None:
        self._is_masked = True

    def ask(self, call: Callable[[str | None], AnswerT], fields: str) -> AnswerT:
        """Return the answer of a call that takes a field mask or ``None``."""
        if self._is_masked:
            try:
                return call(fields)
            except InvalidRequest:
                self._is_masked = False
        return call(None)


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


class Listing(Generic[T]):
    """Finds things by name. Holds no state but whether field masks work."""

    def __init__(self, calls: Calls[T], masked: Masked | None = None) -> None:
        self._calls = calls
        self._masked = masked or Masked()

    def find(self, parent: str, wanted: Mapping[str, pendulum.DateTime]) -> dict[str, T]:
        """Return those that exist, by name.

        :param parent: the name of what holds all of them
        :param wanted: full names, and when each was made; none is looked for among older ones
        """
        found = self._listed(parent, wanted) if len(wanted) >= CALLS_PER_PAGE else {}
        for name in wanted.keys() - found.keys():
            # Only this answer says that a thing is gone: a list may lag behind.
            thing = self.get(name)
            if thing is not None:
                found[name] = thing
        return found

    def get(self, name: str) -> T | None:
        """Return one, or ``None`` where there is none."""
        try:
            return self._masked.ask(lambda fields: self._calls.get(name, fields), self._calls.get_fields)
        except NotFound:
            return None

    def _listed(self, parent: str, wanted: Mapping[str, pendulum.DateTime]) -> dict[str, T]:
        oldest = min(wanted.values())
        size = min(MAX_PAGE, len(wanted) * CALLS_PER_PAGE)
        project = parent.split("/")[1]
        found: dict[str, T] = {}
        token, pages = "", 0
        while pages * CALLS_PER_PAGE < len(wanted) - len(found):
            page = self._page(parent, size, token)
            pages += 1
            # The service may answer with the project's number where it was asked by its id.
            named = ((with_project(item.name, project), item) for item in page.items)
            found.update((name, item) for name, item in named if name in wanted)
            token = page.next_token
            if not token or (page.items and moment(page.items[-1].create_time) < oldest):
                break
        return found

    def _page(self, parent: str, size: int, token: str) -> Page[T]:
        return self._masked.ask(
            lambda fields: self._calls.page(parent, size, token, fields), self._calls.page_fields
        )


def with_project(name: str, project: str) -> str:
    """Return a full name with the project written so."""
    return f"projects/{project}/{name.split('/', 2)[2]}"
