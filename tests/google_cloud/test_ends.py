"""What was seen of ends before a call failed is not asked for again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pendulum
import pytest

from airflow_provider_jobs.core.errors import ThrottledError
from airflow_provider_jobs.core.models import BackendRef, JobHandle, JobReport
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.google_cloud.ends import Ends

REF = BackendRef(backend="gcp_batch", conn_id="c")
HANDLES = [
    JobHandle(ref=REF, native_id=name, name=name, submitted_at=pendulum.datetime(2030, 1, 1))
    for name in ("failed", "running", "late")
]


class Service:
    """Jobs with their states, of which one cannot be looked into at first."""

    def __init__(self) -> None:
        self.states = {"failed": JobState.FAILED, "running": JobState.RUNNING, "late": JobState.FAILED}
        self.is_slow = True
        self.asked: list[str] = []

    def find(self, handles: Sequence[JobHandle]) -> Mapping[str, JobState]:
        """Return the states of the jobs that there are."""
        return self.states

    def report(self, handle: JobHandle, state: JobState | None) -> JobReport:
        """Look into one."""
        self.asked.append(handle.native_id)
        if handle.native_id == "late" and self.is_slow:
            raise ThrottledError("slow down")
        return JobReport(native_id=handle.native_id, state=state, found=state is not None)


def test_ends_are_asked_for_once_and_all_else_again() -> None:
    ends, service = Ends(), Service()
    with pytest.raises(ThrottledError):
        list(ends.reports(HANDLES, service.find, service.report))
    service.asked.clear()
    service.is_slow = False
    told = list(ends.reports(HANDLES, service.find, service.report))
    assert [report.native_id for report in told] == ["failed", "running", "late"]
    assert [report.state for report in told] == [JobState.FAILED, JobState.RUNNING, JobState.FAILED]
    assert service.asked == ["running", "late"]


def test_what_was_told_is_asked_for_anew() -> None:
    ends, service = Ends(), Service()
    service.is_slow = False
    for _ in range(2):
        list(ends.reports(HANDLES, service.find, service.report))
    assert service.asked == ["failed", "running", "late"] * 2


def test_what_is_kept_is_bounded() -> None:
    ends, service = Ends(most=0), Service()
    with pytest.raises(ThrottledError):
        list(ends.reports(HANDLES, service.find, service.report))
    service.asked.clear()
    service.is_slow = False
    list(ends.reports(HANDLES, service.find, service.report))
    assert service.asked == ["failed", "running", "late"]
