"""google.cloud.location.Locations: where jobs can be run.

It exists because every client offers it. The list is the one in ``names``; a gRPC request does not say which
service it asks about, so all services are everywhere.
"""

from __future__ import annotations

from google.cloud.location import locations_pb2

from airflow_provider_jobs.google_cloud.emulator import paging
from airflow_provider_jobs.google_cloud.emulator.names import (
    REGIONS,
    Place,
    Projects,
    ResourceNames,
    bad_name,
)


class Locations:
    """The two methods of the service."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects
        self._names = ResourceNames(projects, service="cloudresourcemanager.googleapis.com")

    async def list_locations(
        self, request: locations_pb2.ListLocationsRequest
    ) -> locations_pb2.ListLocationsResponse:
        prefix, _, project = request.name.partition("/")
        if prefix != "projects" or not project or "/" in project:
            raise bad_name(request.name)
        found, token = paging.page(
            list(REGIONS),
            size=request.page_size,
            token=request.page_token,
            context=(request.name, request.filter),
        )
        places = [_location(Place(self._projects.id(project), region)) for region in found]
        return locations_pb2.ListLocationsResponse(locations=places, next_page_token=token)

    async def get_location(self, request: locations_pb2.GetLocationRequest) -> locations_pb2.Location:
        return _location(self._names.place(request.name))


def _location(place: Place) -> locations_pb2.Location:
    return locations_pb2.Location(
        name=place.name, location_id=place.location, labels={"cloud.googleapis.com/region": place.location}
    )
