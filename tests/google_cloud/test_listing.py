"""Many things by their names in few calls, whatever the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pendulum
import pytest

from airflow_provider_jobs.core.errors import InvalidRequest, NotFound
from airflow_provider_jobs.google_cloud.listing import Calls, Listing
from airflow_provider_jobs.google_cloud.paging import Page

PARENT = "projects/p/locations/r"
START = pendulum.datetime(2030, 1, 1)


@dataclass(frozen=True)
class Thing:
    """What a service keeps."""

    name: str
    create_time: datetime


@dataclass
class Shelf:
    """A service that keeps things, newest first, and counts what it is asked.

    :param number: how it writes the project in its lists
    :param refuses_masks: whether it takes no field mask
    """

    count: int
    number: str = "p"
    refuses_masks: bool = False
    asked: list[str] = field(default_factory=list)

    def name(self, index: int, project: str = "p") -> str:
        return f"projects/{project}/locations/r/things/{index}"

    def thing(self, index: int, project: str = "p") -> Thing:
        return Thing(self.name(index, project), START.add(seconds=index))

    def get(self, name: str, fields: str | None) -> Thing:
        self._ask(f"get {fields}")
        index = int(name.rpartition("/")[2])
        if index >= self.count:
            raise NotFound("gone")
        return self.thing(index)

    def page(self, parent: str, size: int, token: str, fields: str | None) -> Page[Thing]:
        self._ask(f"list {fields}")
        assert parent == PARENT
        newest = int(token or self.count)
        indexes = range(newest - 1, max(newest - size, 0) - 1, -1)
        left = newest - len(indexes)
        return Page([self.thing(index, self.number) for index in indexes], str(left) if left else "")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.refuses_masks and not what.endswith("None"):
            raise InvalidRequest("Request contains an invalid argument.")


def find(shelf: Shelf, *indexes: int) -> list[int]:
    """Look for things and return which of them were found."""
    listing = Listing(Calls(get=shelf.get, page=shelf.page, get_fields="one", page_fields="many"))
    wanted = {shelf.name(index): START.add(seconds=index) for index in indexes}
    found = listing.find(PARENT, wanted)
    assert all(thing.create_time == wanted[name] for name, thing in found.items())
    return sorted(int(name.rpartition("/")[2]) for name in found)


@pytest.mark.parametrize(
    ("count", "asked"), [(1, ["get one"]), (9, ["get one"] * 9), (10, ["list many"]), (200, ["list many"])]
)
def test_few_are_asked_for_one_by_one_and_many_with_a_page(count: int, asked: list[str]) -> None:
    shelf = Shelf(count)
    assert find(shelf, *range(count)) == list(range(count))
    assert shelf.asked == asked


def test_none_are_no_calls() -> None:
    shelf = Shelf(5)
    assert find(shelf) == []
    assert shelf.asked == []


def test_many_behind_newer_ones_cost_at_most_twice_what_single_calls_do() -> None:
    shelf = Shelf(5000)
    assert find(shelf, *range(12)) == list(range(12))
    assert shelf.asked == ["list many"] * 2 + ["get one"] * 12


def test_older_ones_are_not_read() -> None:
    shelf = Shelf(5000)
    assert find(shelf, *range(4980, 5000)) == list(range(4980, 5000))
    assert shelf.asked == ["list many"]


def test_what_a_list_does_not_hold_is_asked_for_before_it_counts_as_gone() -> None:
    shelf = Shelf(11)
    assert find(shelf, *range(12)) == list(range(11))
    assert shelf.asked == ["list many", "get one"]


def test_the_projects_number_stands_for_its_id() -> None:
    shelf = Shelf(10, number="123")
    assert find(shelf, *range(10)) == list(range(10))
    assert shelf.asked == ["list many"]


def test_a_field_mask_that_is_refused_is_never_sent_again() -> None:
    shelf = Shelf(3, refuses_masks=True)
    assert find(shelf, 0, 1, 2) == [0, 1, 2]
    assert shelf.asked == ["get one", "get None", "get None", "get None"]
