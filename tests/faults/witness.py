"""What the local cloud has of a run's jobs, told by the side that runs them.

It asks the admin API, and Kubernetes for its Jobs, since there pods alone are run. It uses nothing of the
code under fault.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.faults.task import TASK_ID

PATIENCE_SECONDS = 30.0
State = Literal["active", "succeeded", "over"]
_ACTIVE = frozenset({"queued", "scheduled", "running"})
_JOBS_OF_KUBERNETES = "/apis/batch/v1/namespaces/default/jobs"


@dataclass(frozen=True)
class CloudJob:
    """A job that a service holds.

    :param identity: no other job of this service ever has it
    :param native_id: what the service's API calls it
    :param state: ``over`` for all ends but success, and where a cancel is under way
    :param size: how many tasks it has
    """

    identity: str
    native_id: str
    state: State
    size: int

    @property
    def is_active(self) -> bool:
        """Whether it runs, or will."""
        return self.state == "active"


class Witness:
    """The jobs of one service, by the run that they belong to."""

    def __init__(self, cloud: LocalCloud, dialect: str) -> None:
        self._cloud = cloud
        self._dialect = dialect
        self._read = _READERS.get(dialect, _read_plain)

    def jobs(self, run: str) -> list[CloudJob]:
        """Return all jobs of a run, also those that are over."""
        return list(self._read(self._entries(run)))

    def jobs_at_rest(self, run: str) -> list[CloudJob]:
        """Return the jobs of a run once none of them is active; as they are when that takes too long."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            jobs = self.jobs(run)
            if not any(job.is_active for job in jobs) or time.monotonic() > until:
                return jobs
            time.sleep(0.02)

    def forget(self, run: str) -> None:
        """Remove the jobs of a run."""
        for entry in self._entries(run):
            if self._dialect == "kubernetes":
                path = f"{_JOBS_OF_KUBERNETES}/{entry['metadata']['name']}?propagationPolicy=Background"
                _ask_kubernetes(self._cloud, "DELETE", path)
            else:
                self._cloud.admin.remove(entry["uid"])

    def _entries(self, run: str) -> list[dict[str, Any]]:
        mark = f"{run}-{TASK_ID}"
        if self._dialect == "kubernetes":
            items = _ask_kubernetes(self._cloud, "GET", _JOBS_OF_KUBERNETES)["items"]
            return [item for item in items if mark in item["metadata"]["name"]]
        entries = self._cloud.admin.call("GET", f"/jobs?dialect={self._dialect}")
        return [entry for entry in entries if mark in entry["name"]]


def _read_plain(entries: list[dict[str, Any]]) -> Iterator[CloudJob]:
    for entry in entries:
        yield CloudJob(entry["uid"], entry["name"], _state([entry]), sum(entry["tasks"].values()))


def _read_aws_batch(entries: list[dict[str, Any]]) -> Iterator[CloudJob]:
    for entry in entries:
        yield CloudJob(entry["uid"], entry["uid"], _state([entry]), sum(entry["tasks"].values()))


def _read_azure_batch(entries: list[dict[str, Any]]) -> Iterator[CloudJob]:
    """A job is the sum of its tasks, each of which is run by itself."""
    by_job: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in sorted(entries, key=lambda each: each["name"]):
        _, job_id, *_ = entry["name"].split("/")
        by_job[job_id].append(entry)
    for job_id, tasks in by_job.items():
        yield CloudJob(tasks[0]["uid"], job_id, _state(tasks), len(tasks))


def _read_kubernetes(jobs: list[dict[str, Any]]) -> Iterator[CloudJob]:
    for job in jobs:
        metadata, spec = job["metadata"], job["spec"]
        native_id = f"{metadata['namespace']}/{metadata['name']}"
        yield CloudJob(metadata["uid"], native_id, _state_of_kubernetes(job), spec.get("completions", 1))


_READERS: Mapping[str, Callable[[list[dict[str, Any]]], Iterator[CloudJob]]] = {
    "aws_batch": _read_aws_batch,
    "azure_batch": _read_azure_batch,
    "kubernetes": _read_kubernetes,
}


def _state(entries: list[dict[str, Any]]) -> State:
    states = {entry["state"] for entry in entries}
    if states & _ACTIVE:
        return "active"
    return "succeeded" if states == {"succeeded"} else "over"


def _state_of_kubernetes(job: dict[str, Any]) -> State:
    conditions = {each["type"] for each in job["status"].get("conditions", ()) if each["status"] == "True"}
    if "Complete" in conditions:
        return "succeeded"
    is_over = "Failed" in conditions or job["spec"].get("suspend") or job["metadata"].get("deletionTimestamp")
    return "over" if is_over else "active"


def _ask_kubernetes(cloud: LocalCloud, verb: str, path: str) -> dict[str, Any]:
    request = urllib.request.Request(cloud.http + path, method=verb)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.loads(answer.read())
