"""Resource names of Batch: what is accepted, what is given back, and projects by number.

It exists because names are where most mistakes are made. Facts:
https://docs.cloud.google.com/batch/docs/reference/rest/v1/projects.locations.jobs and, for answers to an
unknown location, https://docs.cloud.google.com/apis/design/errors. It must not look anything up.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

from google.rpc import error_details_pb2

from airflow_provider_jobs.emulator.calls import StatusError

JOB_ID_PATTERN = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
GROUP = "group0"
_JOB_ID = re.compile(JOB_ID_PATTERN)
_PARENT = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_JOB = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)")
_GROUP = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)/taskGroups/([^/]+)")
_TASK = re.compile(r"projects/([^/]+)/locations/([^/]+)/jobs/([^/]+)/taskGroups/([^/]+)/tasks/([^/]+)")

#: https://docs.cloud.google.com/batch/docs/locations, with each region's zone letters.
REGIONS: dict[str, str] = {
    "africa-south1": "abc",
    "asia-east1": "abc",
    "asia-east2": "abc",
    "asia-northeast1": "abc",
    "asia-northeast2": "abc",
    "asia-northeast3": "abc",
    "asia-south1": "abc",
    "asia-south2": "abc",
    "asia-southeast1": "abc",
    "asia-southeast2": "abc",
    "australia-southeast1": "abc",
    "australia-southeast2": "abc",
    "europe-central2": "abc",
    "europe-north1": "abc",
    "europe-southwest1": "abc",
    "europe-west1": "bcd",
    "europe-west10": "abc",
    "europe-west12": "abc",
    "europe-west2": "abc",
    "europe-west3": "abc",
    "europe-west4": "abc",
    "europe-west6": "abc",
    "europe-west8": "abc",
    "europe-west9": "abc",
    "me-central1": "abc",
    "me-central2": "abc",
    "me-west1": "abc",
    "northamerica-northeast1": "abc",
    "northamerica-northeast2": "abc",
    "northamerica-south1": "abc",
    "southamerica-east1": "abc",
    "southamerica-west1": "abc",
    "us-central1": "abcf",
    "us-east1": "bcd",
    "us-east4": "abc",
    "us-east5": "abc",
    "us-south1": "abc",
    "us-west1": "abc",
    "us-west2": "abc",
    "us-west3": "abc",
    "us-west4": "abc",
}


@dataclass(frozen=True)
class Place:
    """A project (always by id) and a location in it."""

    project: str
    location: str

    @property
    def name(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"

    def job(self, job_id: str) -> str:
        return f"{self.name}/jobs/{job_id}"


class Projects:
    """Projects by id and by number. A project exists as soon as somebody names it; numbers are made up."""

    def __init__(self) -> None:
        self._id_by_number: dict[str, str] = {}

    def number(self, project: str) -> str:
        """Twelve digits that always belong to this project id."""
        if project.isdigit():
            return project
        number = str(10**11 + int(hashlib.sha256(project.encode()).hexdigest(), 16) % (9 * 10**11))
        self._id_by_number[number] = project
        return number

    def id(self, project: str) -> str:
        """The id behind a number seen before; an id is itself."""
        self.number(project)
        return self._id_by_number.get(project, project)

    def place(self, parent: str, *, every: bool = False) -> Place:
        """The parent of jobs. Raises StatusError for a bad name or a location that does not exist.

        ``every``: the location "-" is allowed and stands for all of them, as in lists.
        """
        match = _PARENT.fullmatch(parent)
        if match is None:
            raise StatusError("INVALID_ARGUMENT", f'Invalid resource field value "{parent}" in the request.')
        if match[2] == "-" and every:
            return Place(self.id(match[1]), "-")
        return self._known(match[1], match[2])

    def job(self, name: str) -> tuple[Place, str]:
        """Place and job id of a job's name."""
        match = _match(_JOB, name)
        return self._known(match[1], match[2]), match[3]

    def group(self, name: str) -> tuple[Place, str, str]:
        """Place, job id and task group id of a task group's name."""
        match = _match(_GROUP, name)
        return self._known(match[1], match[2]), match[3], match[4]

    def task(self, name: str) -> tuple[Place, str, str, str]:
        """Place, job id, task group id and task id of a task's name."""
        match = _match(_TASK, name)
        return self._known(match[1], match[2]), match[3], match[4], match[5]

    def _known(self, project: str, location: str) -> Place:
        if location not in REGIONS:
            raise unknown_location(location)
        return Place(self.id(project), location)


def _match(pattern: re.Pattern[str], name: str) -> re.Match[str]:
    match = pattern.fullmatch(name)
    if match is None:
        raise StatusError("INVALID_ARGUMENT", f'Invalid resource field value "{name}" in the request.')
    return match


def unknown_location(location: str) -> StatusError:
    """What Google services answer for a location that is not there: they do not tell it from a closed one."""
    detail = error_details_pb2.ErrorInfo(
        reason="LOCATION_POLICY_VIOLATED",
        domain="googleapis.com",
        metadata={"location": location, "service": "batch.googleapis.com"},
    )
    message = f"Location {location} is not found or access is unauthorized."
    return StatusError("PERMISSION_DENIED", message, details=(detail,))


def not_found(name: str) -> StatusError:
    return StatusError("NOT_FOUND", f'Resource "{name}" was not found')


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
