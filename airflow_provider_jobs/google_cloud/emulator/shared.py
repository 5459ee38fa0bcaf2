"""The one object that all Google dialects of a local cloud hold together.

It exists so that projects have one number, operations one list and log entries one service. It must not
know which dialects there are.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.google_cloud.emulator.locations import Locations
from airflow_provider_jobs.google_cloud.emulator.logging_service import LoggingService
from airflow_provider_jobs.google_cloud.emulator.names import Projects
from airflow_provider_jobs.google_cloud.emulator.operations import Operations
from airflow_provider_jobs.google_cloud.emulator.service_usage import ServiceUsage


class GoogleCloud:
    """Projects, operations, locations and logs of one local cloud. Take it with :meth:`of`."""

    _of_cloud: WeakKeyDictionary[Cloud, GoogleCloud] = WeakKeyDictionary()

    def __init__(self, cloud: Cloud) -> None:
        self.projects = Projects()
        self.operations = Operations(cloud, projects=self.projects)
        self.locations = Locations(self.projects)
        self.service_usage = ServiceUsage(self.projects, cloud.calls)
        self.logging = LoggingService(cloud, projects=self.projects)

    @classmethod
    def of(cls, cloud: Cloud) -> GoogleCloud:
        """The same object for every dialect of this cloud."""
        if cloud not in cls._of_cloud:
            cls._of_cloud[cloud] = cls(cloud)
        return cls._of_cloud[cloud]
