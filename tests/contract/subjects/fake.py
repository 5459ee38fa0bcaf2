"""The scripted backend under contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.core.states import JobState
from tests.contract.fake import FakeBackend
from tests.contract.world import FAULTS, Work, World


@contextmanager
def world() -> Iterator[World]:
    fake = FakeBackend()

    def write_spec(work: Work) -> JobSpec:
        states = [JobState.QUEUED, JobState.STARTING, JobState.RUNNING]
        script = {
            "states": states if work.runs_on else [*states, JobState.SUCCEEDED],
            "lines": [f"line {n}" for n in range(work.lines)],
            "exit_codes": {str(index): code for index, code in work.exit_codes.items()},
        }
        return JobSpec(image="busybox", array_size=work.size, indexes=work.indexes, options={"fake": script})

    def fault(method: str, kind: str) -> None:
        error = FAULTS[kind]("injected")
        fake.lose_answer(method, error) if kind == "lost_answer" else fake.refuse(method, error)

    yield World("fake", fake, lambda: fake, write_spec, fault, fake.forget)
