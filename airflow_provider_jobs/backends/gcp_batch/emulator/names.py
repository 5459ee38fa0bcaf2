"""Resource names of Batch: what is accepted and what is given back.

It exists because names are where most mistakes are made. Facts:
https://docs.cloud.google.com/batch/docs/reference/rest/v1/projects.locations.jobs. It must not look anything
up.
"""

from __future__ import annotations

import re
import uuid

from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.google_cloud.emulator.names import Place, Projects, ResourceNames

SERVICE = "batch.googleapis.com"
JOB_ID_PATTERN = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
GROUP = "group0"
_JOB_ID = re.compile(JOB_ID_PATTERN)
_JOB = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)")
_GROUP = re.compile(rf"{_JOB.pattern}/taskGroups/([^/]+)")
_TASK = re.compile(rf"{_GROUP.pattern}/tasks/([^/]+)")


class BatchNames(ResourceNames):
    """Reads the names of jobs, task groups and tasks. Every method raises StatusError for a bad one."""

    def __init__(self, projects: Projects) -> None:
        super().__init__(projects, service=SERVICE)

    def job(self, name: str) -> tuple[Place, str]:
        """Place and job id of a job's name."""
        place, (job_id,) = self.match(_JOB, name)
        return place, job_id

    def group(self, name: str) -> tuple[Place, str, str]:
        """Place, job id and task group id of a task group's name."""
        place, (job_id, group) = self.match(_GROUP, name)
        return place, job_id, group

    def task(self, name: str) -> tuple[Place, str, str, str]:
        """Place, job id, task group id and task id of a task's name."""
        place, (job_id, group, task) = self.match(_TASK, name)
        return place, job_id, group, task


def check_job_id(job_id: str) -> None:
    """Raises StatusError unless the id matches the documented pattern."""
    if not _JOB_ID.fullmatch(job_id):
        raise StatusError(
            "INVALID_ARGUMENT",
            f'job_id field is invalid. Job ID "{job_id}" must match the pattern {JOB_ID_PATTERN}',
        )


def new_job_id() -> str:
    return f"j-{uuid.uuid4()}"


def new_uid(job_id: str) -> str:
    """Unique for ever, begins like the job's id, may be used in a label and a host name."""
    letters = uuid.uuid4().hex
    return f"{job_id[:14].rstrip('-')}-{letters[:8]}-{letters[8:12]}-{letters[12:16]}0"


def task_id(uid: str, index: int, attempt: int) -> str:
    """How the logs name one attempt of one task.

    https://docs.cloud.google.com/batch/docs/troubleshooting (VM reporting timeout) shows the form.
    """
    return f"task/{uid}-{GROUP}-{index}/{attempt}/0"
