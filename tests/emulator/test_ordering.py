from __future__ import annotations

import pytest

from airflow_provider_jobs.emulator.ordering import LatestFirst, Ordered


class Key:
    """A number that counts how often it is compared."""

    compared = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __lt__(self, other: Key) -> bool:
        Key.compared += 1
        return self.number < other.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)


@pytest.fixture
def letters() -> Ordered[str]:
    ordered: Ordered[str] = Ordered()
    for key in (3, 1, 5, 2, 4):
        ordered.add(key, "abcdefg"[key])
    return ordered


def test_items_come_in_the_order_of_their_keys(letters: Ordered[str]):
    assert list(letters) == ["b", "c", "d", "e", "f"]
    assert (letters[0], letters[-1], letters[1:3], len(letters)) == ("b", "f", ["c", "d"], 5)


def test_what_is_discarded_is_gone_and_a_second_time_nothing_happens(letters: Ordered[str]):
    for _ in range(2):
        letters.discard(3)
    assert list(letters) == ["b", "c", "e", "f"]


def test_a_key_given_again_takes_the_place_of_the_first(letters: Ordered[str]):
    letters.add(2, "C")
    assert list(letters) == ["b", "C", "d", "e", "f"]


def test_a_page_goes_on_behind_a_key_that_may_be_gone(letters: Ordered[str]):
    letters.discard(3)
    assert list(letters.after(3)) == ["e", "f"]
    assert list(letters.between(2, 5)) == ["c", "e"]


def test_the_latest_come_first_without_those_that_are_hidden(letters: Ordered[str]):
    assert list(LatestFirst(letters)) == ["f", "e", "d", "c", "b"]
    hidden = LatestFirst(letters, hidden=2)
    assert (list(hidden), len(hidden)) == (["d", "c", "b"], 3)
    assert (hidden[:2], hidden[2:4], hidden[3:9], hidden[-1]) == (["d", "c"], ["b"], [], "b")


def test_a_place_is_found_without_a_look_at_everything():
    ordered: Ordered[int] = Ordered()
    for number in range(4096):
        ordered.add(Key(number), number)
    Key.compared = 0
    assert next(ordered.after(Key(3000))) == 3001
    ordered.discard(Key(17))
    assert Key.compared <= 2 * 13
