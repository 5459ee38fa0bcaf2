"""Names of Google resources: projects by id and by number, locations, and what a bad name is answered.

It exists because names are where most mistakes are made. Facts:
https://docs.cloud.google.com/apis/design/resource_names and, for answers to an unknown location,
https://docs.cloud.google.com/apis/design/errors. It must not look anything up.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from google.rpc import error_details_pb2

from airflow_provider_jobs.emulator.calls import StatusError

_PARENT = re.compile(r"projects/([^/]+)/locations/([^/]+)")
#: The location of a list that goes over all of them.
ANY_LOCATION = "-"

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

    def covers(self, other: Place) -> bool:
        """Whether a list of this place has what is in the other; the location "-" stands for all."""
        return self.project == other.project and self.location in (ANY_LOCATION, other.location)


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


class ResourceNames:
    """Reads the names of one service's resources, such as "batch.googleapis.com"."""

    def __init__(self, projects: Projects, *, service: str) -> None:
        self.projects = projects
        self._service = service

    def place(self, parent: str, *, every: bool = False) -> Place:
        """The parent of jobs. Raises StatusError for a bad name or a location that does not exist.

        ``every``: the location "-" is allowed and stands for all of them, as in lists.
        """
        match = _PARENT.fullmatch(parent)
        if match is None:
            raise bad_name(parent)
        if match[2] == ANY_LOCATION and every:
            return Place(self.projects.id(match[1]), ANY_LOCATION)
        return self._known(match[1], match[2])

    def match(self, pattern: re.Pattern[str], name: str) -> tuple[Place, list[str]]:
        """The place, and what the pattern's groups after project and location found.

        Raises StatusError like :meth:`place`.
        """
        match = pattern.fullmatch(name)
        if match is None:
            raise bad_name(name)
        project, location, *rest = match.groups()
        return self._known(project, location), rest

    def _known(self, project: str, location: str) -> Place:
        if location not in REGIONS:
            raise unknown_location(location, service=self._service)
        return Place(self.projects.id(project), location)


def bad_name(name: str) -> StatusError:
    return StatusError("INVALID_ARGUMENT", f'Invalid resource field value "{name}" in the request.')


def unknown_location(location: str, *, service: str) -> StatusError:
    """What Google services answer for a location that is not there: they do not tell it from a closed one."""
    detail = error_details_pb2.ErrorInfo(
        reason="LOCATION_POLICY_VIOLATED",
        domain="googleapis.com",
        metadata={"location": location, "service": service},
    )
    message = f"Location {location} is not found or access is unauthorized."
    return StatusError("PERMISSION_DENIED", message, details=(detail,))


def not_found(name: str) -> StatusError:
    return StatusError("NOT_FOUND", f'Resource "{name}" was not found')
