"""Resource names of Cloud Run jobs: what is accepted, what is given, and what a missing one is answered.

It exists because names are where most mistakes are made. Facts:
https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs (names of at most 63
characters) and describe outputs in public threads. It must not look anything up.
"""

from __future__ import annotations

import re
import secrets
import string
from typing import NamedTuple

from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.google_cloud.emulator.names import Place, Projects, ResourceNames

SERVICE = "run.googleapis.com"
MAX_NAME_CHARACTERS = 63
ANY = "-"
NAME_RULE = (
    "Resource name must use only lowercase letters, numbers and '-'. Must begin with a letter and cannot end "
    f"with a '-'. Maximum length is {MAX_NAME_CHARACTERS} characters."
)
_SUFFIX_CHARACTERS = string.ascii_lowercase + string.digits
_SUFFIX_LENGTH = 5
_ID = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_JOB = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)")
_EXECUTION = re.compile(rf"{_JOB.pattern}/executions/([^/]+)")
_TASK = re.compile(rf"{_EXECUTION.pattern}/tasks/([^/]+)")


class ExecutionName(NamedTuple):
    """Where an execution lives. Either id may be "-" in the parent of a list."""

    place: Place
    job_id: str
    execution_id: str

    @property
    def name(self) -> str:
        return f"{self.place.job(self.job_id)}/executions/{self.execution_id}"

    def covers(self, other: ExecutionName) -> bool:
        """Whether a list under this name has what is under the other."""
        return (
            self.place.covers(other.place)
            and self.job_id in (ANY, other.job_id)
            and self.execution_id in (ANY, other.execution_id)
        )


class RunNames(ResourceNames):
    """Reads the names of jobs, executions and tasks. Every method raises StatusError for a bad one."""

    def __init__(self, projects: Projects) -> None:
        super().__init__(projects, service=SERVICE)

    def job(self, name: str) -> tuple[Place, str]:
        """Place and id of a job's name."""
        place, (job_id,) = self.match(_JOB, name)
        return place, job_id

    def execution(self, name: str) -> ExecutionName:
        place, (job_id, execution_id) = self.match(_EXECUTION, name)
        return ExecutionName(place, job_id, execution_id)

    def executions_of(self, parent: str) -> ExecutionName:
        """The executions below a job's name; the job may be "-"."""
        place, job_id = self.job(parent)
        return ExecutionName(place, job_id, ANY)

    def task(self, name: str) -> tuple[ExecutionName, int]:
        """The execution and index of a task's name; -1 when it is not one of that execution's names."""
        place, (job_id, execution_id, task_id) = self.match(_TASK, name)
        index = task_id.removeprefix(f"{execution_id}-task")
        return (
            ExecutionName(place, job_id, execution_id),
            int(index) if task_id != index and index.isdecimal() else -1,
        )


def task_id(execution_id: str, index: int) -> str:
    return f"{execution_id}-task{index}"


def new_execution_id(job_id: str) -> str:
    """The job's id and five characters that the service chooses."""
    return f"{job_id}-{''.join(secrets.choice(_SUFFIX_CHARACTERS) for _ in range(_SUFFIX_LENGTH))}"


def is_id(text: str) -> bool:
    """Whether a text may be the id of a job."""
    return len(text) <= MAX_NAME_CHARACTERS and _ID.fullmatch(text) is not None


def missing(kind: str, resource_id: str, place: Place) -> StatusError:
    """What is answered for a JOB, EXECUTION or TASK that is not there."""
    where = f"in region '{place.location}' in project '{place.project}'"
    return StatusError("NOT_FOUND", f"Resource '{resource_id}' of kind '{kind}' {where} does not exist.")
