"""Many things by their names in few calls, whatever the service."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from weakref import WeakSet

import pendulum
import pytest

from airflow_provider_jobs.core.errors import InvalidRequest, NotFound, ThrottledError
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
    :param patience: how many calls it answers before it refuses one
    :param is_forgetful: whether it takes no page token until a list begins anew
    """

    count: int
    number: str = "p"
    refuses_masks: bool = False
    patience: int = 1_000_000
    is_forgetful: bool = False
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
        self.is_forgetful = self.is_forgetful and bool(token)
        if self.is_forgetful:
            raise InvalidRequest("page token is invalid")
        newest = int(token or self.count)
        indexes = range(newest - 1, max(newest - size, 0) - 1, -1)
        left = newest - len(indexes)
        return Page([self.thing(index, self.number) for index in indexes], str(left) if left else "")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if not self.patience:
            self.patience = 1_000_000
            raise ThrottledError("slow down")
        self.patience -= 1
        if self.refuses_masks and not what.endswith("None"):
            raise InvalidRequest("Request contains an invalid argument.")


def listing_of(shelf: Shelf, *, clock: Callable[[], float] = lambda: 0.0) -> Listing[Thing]:
    """Return what looks for things on a shelf."""
    calls = Calls(get=shelf.get, page=shelf.page, get_fields="one", page_fields="many")
    return Listing(calls, clock=clock)


def find(shelf: Shelf, *indexes: int, listing: Listing[Thing] | None = None) -> list[int]:
    """Look for things and return which of them were found."""
    listing = listing or listing_of(shelf)
    wanted = {shelf.name(index): START.add(seconds=index) for index in indexes}
    told = list(listing.find(PARENT, wanted))
    assert sorted(name for name, _ in told) == sorted(wanted)
    found = {name: thing for name, thing in told if thing is not None}
    assert all(thing.create_time == wanted[name] for name, thing in found.items())
    return sorted(int(name.rpartition("/")[2]) for name in found)


def break_off(shelf: Shelf, indexes: Iterable[int], *, listing: Listing[Thing]) -> list[int]:
    """Look for things until the service refuses a call, and return which are left to look for."""
    wanted = {shelf.name(index): START.add(seconds=index) for index in indexes}
    told: list[str] = []
    with pytest.raises(ThrottledError):
        told.extend(name for name, _ in listing.find(PARENT, wanted))
    return sorted(int(name.rpartition("/")[2]) for name in wanted.keys() - set(told))


@pytest.mark.parametrize(
    ("count", "asked"),
    [
        (1, ["get one"]),
        (9, ["get one"] * 9),
        (10, ["list many"]),
        (1000, ["list many"]),
        (10_000, ["list many"] * 10),
    ],
)
def test_few_are_asked_for_one_by_one_and_many_with_a_page(count: int, asked: list[str]) -> None:
    shelf = Shelf(count)
    assert find(shelf, *range(count)) == list(range(count))
    assert shelf.asked == asked


def test_a_page_is_asked_for_once_all_of_the_one_before_is_taken() -> None:
    shelf = Shelf(10_000)
    found = listing_of(shelf).find(PARENT, {shelf.name(n): START.add(seconds=n) for n in range(10_000)})
    assert len(list(islice(found, 1_000))) == len(shelf.asked) * 1_000
    next(found)
    assert shelf.asked == ["list many"] * 2


def test_nothing_of_a_page_is_held_once_the_next_is_asked_for() -> None:
    shelf = Shelf(10_000)
    made: WeakSet[Thing] = WeakSet()
    held: list[int] = []

    def page(parent: str, size: int, token: str, fields: str | None) -> Page[Thing]:
        held.append(len(made))
        answer = shelf.page(parent, size, token, fields)
        made.update(answer.items)
        return answer

    listing = Listing(Calls(get=shelf.get, page=page, get_fields="one", page_fields="many"))
    deque(listing.find(PARENT, {shelf.name(n): START.add(seconds=n) for n in range(10_000)}), maxlen=0)
    assert held == [0] * 10


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


class TestBrokenOff:
    """Ten thousand in ten pages, of which the service refuses one."""

    WANTED = range(10_000)

    def test_the_next_call_goes_on_with_the_page_that_was_refused(self) -> None:
        shelf = Shelf(10_000, patience=6)
        listing = listing_of(shelf)
        left = break_off(shelf, self.WANTED, listing=listing)
        assert left == list(range(4_000))
        assert len(shelf.asked) == 7
        shelf.patience = 2
        left = break_off(shelf, left, listing=listing)
        assert find(shelf, *left, listing=listing) == list(range(2_000))
        assert shelf.asked == ["list many"] * (7 + 3 + 2)

    def test_one_that_is_not_taken_to_its_end_goes_on_with_its_last_page(self) -> None:
        shelf = Shelf(10_000)
        listing = listing_of(shelf)
        wanted = {shelf.name(index): START.add(seconds=index) for index in self.WANTED}
        taken = {name for name, _ in islice(listing.find(PARENT, wanted), 2_500)}
        assert len(shelf.asked) == 3
        left = [index for index in self.WANTED if shelf.name(index) not in taken]
        assert find(shelf, *left, listing=listing) == left
        assert shelf.asked == ["list many"] * (3 + 8)

    def test_the_call_after_that_begins_anew(self) -> None:
        shelf = Shelf(10_000, patience=6)
        listing = listing_of(shelf)
        find(shelf, *break_off(shelf, self.WANTED, listing=listing), listing=listing)
        shelf.asked.clear()
        find(shelf, *self.WANTED, listing=listing)
        assert shelf.asked == ["list many"] * 10

    def test_what_was_made_meanwhile_is_looked_for_from_the_newest_on(self) -> None:
        shelf = Shelf(10_000, patience=6)
        listing = listing_of(shelf)
        left = break_off(shelf, self.WANTED, listing=listing)
        shelf.count = 10_500
        shelf.asked.clear()
        wanted = [*left, *range(10_000, 10_500)]
        assert find(shelf, *wanted, listing=listing) == wanted
        assert shelf.asked == ["list many"] * 5

    def test_a_few_are_asked_for_anew_meanwhile(self) -> None:
        shelf = Shelf(10_000, patience=6)
        listing = listing_of(shelf)
        break_off(shelf, self.WANTED, listing=listing)
        shelf.asked.clear()
        assert find(shelf, 9_999, listing=listing) == [9_999]
        assert shelf.asked == ["get one"]

    def test_what_was_found_long_ago_counts_no_more(self) -> None:
        shelf, now = Shelf(10_000, patience=6), [0.0]
        listing = listing_of(shelf, clock=lambda: now[0])
        break_off(shelf, self.WANTED, listing=listing)
        now[0] = 121.0
        shelf.asked.clear()
        find(shelf, *self.WANTED, listing=listing)
        assert shelf.asked == ["list many"] * 10

    def test_a_token_that_no_longer_holds_begins_the_list_anew_and_says_nothing_of_masks(self) -> None:
        shelf = Shelf(10_000, patience=6)
        listing = listing_of(shelf)
        left = break_off(shelf, self.WANTED, listing=listing)
        shelf.asked.clear()
        shelf.is_forgetful = True
        assert find(shelf, *left, listing=listing) == left
        assert shelf.asked[:3] == ["list many", "list None", "list many"]
        assert shelf.asked.count("list None") == 1
