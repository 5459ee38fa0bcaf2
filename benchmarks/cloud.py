"""A local cloud of one service while something is measured, and what it counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from airflow_provider_jobs.demo.local_airflow import connection_variables
from airflow_provider_jobs.demo.sessions import Leash
from airflow_provider_jobs.emulator.process import LocalCloud
from benchmarks.machine import environment
from benchmarks.services import Service

#: Where the official Google hooks find their service; they have no setting for an endpoint without TLS.
ADDRESS_VARIABLE = "BENCHMARKS_LOCAL_CLOUD"


@contextmanager
def local_cloud(service: Service, *arguments: str) -> Iterator[LocalCloud]:
    """Start a local cloud of this service, with Airflow's connections of this process leading to it.

    It simulates commands that are exactly ``sleep N``.
    """
    with Leash() as leash, LocalCloud("--dialect", service.name, "--simulate-sleep", *arguments) as cloud:
        leash.hold_process(cloud.pid)
        leash.hold_directory(cloud.ready_file.parent)
        variables = {**dict(connection_variables(cloud.connections)), ADDRESS_VARIABLE: cloud.grpc}
        with environment(variables):
            yield cloud


class Meter:
    """What a local cloud was asked, and how busy it was, since :meth:`start`.

    The local cloud is a process of its own and counts the requests that arrive; no client is believed.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._process = psutil.Process(cloud.pid)
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._calls = self._counted()
        self._cpu_seconds = self._spent()

    def calls(self) -> dict[str, int]:
        """Return how many calls have ended since, by method in full."""
        now = self._counted()
        return {name: count - self._calls.get(name, 0) for name, count in now.items()}

    def total(self) -> int:
        """Return how many calls have ended since."""
        return sum(self.calls().values())

    def under_way(self) -> int:
        """Return how many calls have not ended yet, such as a watch."""
        return sum(int(entry["in_flight"]) for entry in self._cloud.admin.counters().values())

    def cpu_seconds(self) -> float:
        """Return how many seconds of CPU the local cloud has used since."""
        return self._spent() - self._cpu_seconds

    def _counted(self) -> dict[str, int]:
        return {name: int(entry["calls"]) for name, entry in self._cloud.admin.counters().items()}

    def _spent(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def dumps(value: object) -> str:
    """Return one line of JSON."""
    return json.dumps(value, separators=(",", ":"))
