"""What is known of one job: reports in, changes out. Pure; holds the rules that no service may break.

States never go back, a job that the service no longer knows is lost only after a grace time, and an
unknown word of the service is told once and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import pendulum

from airflow_provider_jobs.core.failures import Failure, FailureKind
from airflow_provider_jobs.core.models import ArrayCounts, JobHandle, JobReport
from airflow_provider_jobs.core.states import JobState

LOST_GRACE_SECONDS = 30.0


@dataclass(slots=True)
class JobWatch:
    """The state of one job, from its reports."""

    handle: JobHandle
    state: JobState = JobState.SUBMITTED
    array: ArrayCounts = field(init=False)
    failures: tuple[Failure, ...] = ()
    missing_since: pendulum.DateTime | None = None
    started_at: pendulum.DateTime | None = None
    ended_at: pendulum.DateTime | None = None
    unknown_words: tuple[str, ...] = ()
    vcpus: float | None = None
    memory_mib: float | None = None
    index_seconds: float | None = None

    def __post_init__(self) -> None:
        self.array = _shared(ArrayCounts(size=self.handle.size))

    def take(self, report: JobReport, now: pendulum.DateTime) -> list[str]:
        """Take one report and return what changed, each as a sentence for the log."""
        if not report.found:
            return self._take_missing(now)
        self.missing_since = None
        self.failures = report.failures
        self.array = _shared(report.array) if report.array else self.array
        self.started_at = self.started_at or report.started_at
        self.ended_at = report.ended_at or self.ended_at
        self.vcpus = report.vcpus or self.vcpus
        self.memory_mib = report.memory_mib or self.memory_mib
        self.index_seconds = report.index_seconds
        if report.state is None:
            return self._take_unknown(report.native_state)
        return self._advance(report.state, report)

    def _advance(self, state: JobState, report: JobReport | None) -> list[str]:
        before, self.state = self.state, self.state.advance(state)
        if self.state is before:
            return []
        words = f" ({report.detail})" if report and report.detail else ""
        return [f"Job {self.handle.name} is {self.state.value}{words}"]

    def _take_missing(self, now: pendulum.DateTime) -> list[str]:
        if self.missing_since is None:
            self.missing_since = now
            return [f"The service does not know job {self.handle.name}; it counts as lost if that stays so"]
        if (now - self.missing_since).total_seconds() < LOST_GRACE_SECONDS:
            return []
        self.failures = (lost(self.handle),)
        return self._advance(JobState.LOST, None)

    def _take_unknown(self, word: str) -> list[str]:
        if word in self.unknown_words:
            return []
        self.unknown_words += (word,)
        return [f"Job {self.handle.name} is in state {word!r}, unknown here; it counts as {self.state.value}"]


def lost(handle: JobHandle) -> Failure:
    """Return the failure of a job that its service no longer knows."""
    return Failure(
        kind=FailureKind.LOST,
        retryable=True,
        message=f"the service no longer knows job {handle.native_id}; it was deleted while this task waited",
        console_url=handle.console_url,
    )


def _shared(counts: ArrayCounts) -> ArrayCounts:
    """Return counts that equal these; thousands of jobs that are as far share one."""
    return counts if counts.failed_indexes else _first_like(counts)


@lru_cache(maxsize=1024)
def _first_like(counts: ArrayCounts) -> ArrayCounts:
    return counts
