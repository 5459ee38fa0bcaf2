"""Which things a list looks at, of all that there are."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.backends.azure_batch.emulator.catalogue import Catalogue
from airflow_provider_jobs.backends.azure_batch.emulator.odata import compile_filter
from airflow_provider_jobs.backends.azure_batch.emulator.resources import Resource

COUNT = 1000


class Thing(Resource):
    """Something with an id and a state; every other one is completed."""

    def __init__(self, number: int) -> None:
        super().__init__("active" if number % 2 else "completed")
        self.id, self.number = f"T{number:04}", number


@pytest.fixture
def catalogue() -> Catalogue[Thing]:
    made: Catalogue[Thing] = Catalogue()
    for number in range(1, COUNT + 1):
        made[f"t{number:04}"] = Thing(number)
    return made


def looked_at(catalogue: Catalogue[Thing], text: str, after: int = 0) -> list[Thing]:
    return list(catalogue.find(compile_filter(text).terms, after))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("id eq 't0007'", 1),
        ("id eq 'T0007' or id eq 't0003' or id eq 'nothing'", 2),
        ("startswith(id,'T001')", 10),
        ("startswith(id,'T001') or startswith(id,'T0010')", 10),
        ("startswith(id,'T001') and state eq 'completed'", 10),
        ("state eq 'completed' and id eq 'T0001'", 1),
        ("(state eq 'completed') and (startswith(id,'T001') or startswith(id,'T002'))", 20),
        ("state eq 'active'", COUNT // 2),
        ("state ne 'active'", COUNT // 2),
        ("state eq 'running'", 0),
        ("state eq 'completed' or id eq 'T0001'", COUNT // 2 + 1),
        ("not (id eq 'T0001')", COUNT),
        ("id eq 'T0001' or executionInfo/exitCode eq 0", COUNT),
        ("creationTime ge DateTime'2017-02-17T00:00:00Z' and id eq 'T0001'", 1),
    ],
)
def test_a_filter_looks_at_no_more_than_it_must(catalogue: Catalogue[Thing], text: str, count: int):
    found = looked_at(catalogue, text)
    assert len(found) == count
    assert found == sorted(found, key=lambda thing: thing.number)


@pytest.mark.parametrize("text", ["state eq 'active'", "state ne 'completed'", "not (id eq 'x')"])
def test_a_next_page_does_not_begin_from_the_start(catalogue: Catalogue[Thing], text: str):
    found = [thing.number for thing in looked_at(catalogue, text, COUNT - 3)]
    assert set(found) <= {COUNT - 2, COUNT - 1, COUNT}
    assert COUNT - 1 in found


def test_a_thing_is_found_by_the_state_that_it_moved_to(catalogue: Catalogue[Thing]):
    thing = catalogue["t0500"]
    thing.move("running")
    assert looked_at(catalogue, "state eq 'running'") == [thing]
    assert thing not in looked_at(catalogue, "state eq 'completed'")


def test_what_is_gone_is_found_no_more_and_may_move_on_its_own(catalogue: Catalogue[Thing]):
    thing = catalogue.pop("t0500")
    thing.move("running")
    assert catalogue.pop("t0500", None) is None
    assert looked_at(catalogue, "state eq 'running' or id eq 't0500'") == []
    assert len(looked_at(catalogue, "not (id eq 'x')")) == len(catalogue) == COUNT - 1


def test_after_everything_is_forgotten_there_is_nothing(catalogue: Catalogue[Thing]):
    catalogue.clear()
    assert looked_at(catalogue, "not (id eq 'x')") == looked_at(catalogue, "state eq 'active'") == []
