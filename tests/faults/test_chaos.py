"""A real Airflow on PostgreSQL: its processes are killed under load, and jobs end the moment they begin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.burst import burst
from tests.faults.chaos import FROM_TRIGGERER, SETTINGS, VICTIMS, strike
from tests.faults.chaos_load import BACKENDS, Deployment, deployment
from tests.faults.rows import Row

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def place(postgres_url: str) -> Iterator[Deployment]:
    """An Airflow that notices within seconds who has died."""
    with deployment(postgres_url, SETTINGS) as place:
        yield place


def test_whatever_process_dies_each_task_has_one_job_and_its_result(place: Deployment) -> None:
    short = burst(place, count=30)
    struck = strike(place, VICTIMS, count=2, seed=4, strike_seconds=35)
    assert_clean(short, runs=6)
    assert_clean(struck, runs=2 + FROM_TRIGGERER)


def assert_clean(rows: list[Row], *, runs: int) -> None:
    assert [(row.backend, row.runs) for row in rows] == [(backend, runs) for backend in BACKENDS]
    assert not [row for row in rows if not row.is_clean]
