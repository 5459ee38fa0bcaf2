"""Every fault on every backend at a few points; ``make faults`` tries them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.faults import FAULTS
from tests.faults.harness import Harness, harness
from tests.faults.official import OFFICIAL, OFFICIAL_FAULTS
from tests.faults.subjects import OURS
from tests.faults.tally import Tally

EVERY = 200

# The first test waits until all faults were tried, side by side.
pytestmark = pytest.mark.timeout(300)

CASES = [
    pytest.param(fault.name, subject.name, id=f"{subject.name}: {fault.name}")
    for subject in OURS.values()
    for fault in FAULTS
    if fault.concerns(subject)
]


@pytest.fixture(scope="module")
def started() -> Iterator[Harness]:
    with harness() as made:
        yield made


@pytest.fixture(scope="module")
def tallies(started: Harness) -> dict[tuple[str, str], Tally]:
    tried = started.try_all(list(OURS.values()), FAULTS, every=EVERY)
    return {(tally.fault, tally.backend): tally for tally in tried}


@pytest.mark.parametrize(("fault", "backend"), CASES)
def test_a_task_has_one_job_and_waits_for_it(
    tallies: dict[tuple[str, str], Tally], fault: str, backend: str
) -> None:
    tally = tallies[fault, backend]
    assert tally.runs > 0
    assert tally.row().is_clean, tally.report()


def test_an_operator_that_submits_without_looking_is_found_out(started: Harness) -> None:
    """The harness counts: what is clean above is so because of what the operators do."""
    (retried,) = [fault for fault in OFFICIAL_FAULTS if fault.name.endswith("then retried")]
    (tally,) = started.try_all([OFFICIAL["BatchOperator"]], [retried], every=60)
    assert tally.runs == tally.kills > 0
    assert tally.duplicates == tally.orphans > 0
    assert "1 duplicates; 1 orphans" in tally.report()
