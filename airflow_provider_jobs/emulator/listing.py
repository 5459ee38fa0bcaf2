"""How long a new job is missing in the lists of its service.

It exists because a job that has just been created can be read by its id at once, and yet be absent from
listings for some seconds; whoever looks for a job before submitting it again must cover that time. It must
not know what a dialect lists.
"""

from __future__ import annotations

from collections.abc import Sequence

import pendulum

from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.ordering import LatestFirst


class Listings:
    """Decides whether a job is listed yet. ``delay_seconds`` count from the creation of the job."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0

    def show(self, job: Job) -> bool:
        """Whether the job is old enough to be in a list."""
        return (pendulum.now("UTC") - job.created_at).total_seconds() >= self.delay_seconds

    def latest_first(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Of jobs in the order of their creation those that are old enough, the latest first."""
        hidden = 0
        while self.delay_seconds and hidden < len(jobs) and not self.show(jobs[-1 - hidden]):
            hidden += 1
        return LatestFirst(jobs, hidden=hidden)
