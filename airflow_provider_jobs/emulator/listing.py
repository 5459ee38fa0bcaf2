"""How long a new job is missing in the lists of its service.

It exists because a job that has just been created can be read by its id at once, and yet be absent from
listings for some seconds; whoever looks for a job before submitting it again must cover that time. It must
not know what a dialect lists.
"""

from __future__ import annotations

import pendulum

from airflow_provider_jobs.emulator.jobs import Job


class Listings:
    """Decides whether a job is listed yet. ``delay_seconds`` count from the creation of the job."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0

    def show(self, job: Job) -> bool:
        """Whether the job is old enough to be in a list."""
        return (pendulum.now("UTC") - job.created_at).total_seconds() >= self.delay_seconds
