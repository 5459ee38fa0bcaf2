"""What a task's job was given, as its record in XCom says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.fake import FakeBackend
from tests.operators.fake_service import FakeJobOperator, Task, fake_service


@pytest.fixture
def fake() -> Iterator[FakeBackend]:
    with fake_service() as service:
        yield service


@pytest.mark.parametrize(("size", "parallelism", "at_once"), [(1, None, 1), (4, None, 4), (4, 2, 2)])
def test_what_the_task_asked_for_is_counted_over_its_run(
    fake: FakeBackend, size: int, parallelism: int | None, at_once: int
) -> None:
    task = Task()
    task.run(FakeJobOperator(cpu=2, memory="1Gi", array_size=size, parallelism=parallelism))
    seconds = task.job["run_seconds"]
    assert seconds > 0
    assert task.job["vcpu_seconds"] == pytest.approx(2 * seconds * at_once)
    assert task.job["memory_mib_seconds"] == pytest.approx(1024 * seconds * at_once)
    assert task.job["usage_is_bound"] == (size > 1)


def test_a_task_that_asks_for_nothing_does_not_know(fake: FakeBackend) -> None:
    task = Task()
    task.run(FakeJobOperator())
    assert (task.job["vcpu_seconds"], task.job["memory_mib_seconds"]) == (None, None)


def test_a_retry_of_one_index_tells_of_that_job(fake: FakeBackend) -> None:
    task = Task()
    failing = {"states": ["RUNNING", "FAILED"], "exit_codes": {"1": 3}}
    with pytest.raises(Exception, match="index 1"):
        task.run(FakeJobOperator(cpu=1, array_size=3, script_of_states=failing))
    assert task.job["usage_is_bound"]
    task.run(FakeJobOperator(cpu=1, array_size=3))
    assert (task.job["array"]["size"], task.job["attempts"]) == (3, 2)
