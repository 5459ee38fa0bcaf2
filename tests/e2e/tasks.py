"""Tasks of runs and their jobs in the local cloud, matched by the jobs' names and not by what a task says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.emulator.process import LocalCloud


@dataclass(frozen=True)
class TaskOfRun:
    """One unmapped task of one run.

    :param attempt: which of its jobs is meant
    """

    dag_id: str
    run_id: str
    task_id: str
    attempt: int = 1

    @property
    def place(self) -> tuple[str, str, str]:
        """What the methods of :class:`~airflow_provider_jobs.demo.rest.AirflowRest` ask for."""
        return self.dag_id, self.run_id, self.task_id

    def job(self, cloud: LocalCloud) -> dict[str, Any] | None:
        """The job as the admin API shows it, or ``None``.

        On services whose jobs bear the name that we give them; Cloud Run names executions itself.
        """
        key = JobKey(dag_id=self.dag_id, run_id=self.run_id, task_id=self.task_id, attempt=self.attempt)
        jobs = [job for job in cloud.admin.jobs() if key.digest in job["name"]]
        assert len(jobs) <= 1, f"{len(jobs)} jobs have one key: {jobs}"
        return jobs[0] if jobs else None
