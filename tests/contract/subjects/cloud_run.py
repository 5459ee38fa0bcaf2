"""Cloud Run Jobs on the local cloud, under contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract.world import World
from tests.google_cloud.world import google_world

_METHODS = {
    "submit": "RunJob",
    "find": "ListExecutions",
    "describe": "GetExecution",
    "cancel": "CancelExecution",
    "delete": "DeleteExecution",
    "read_logs": "ListLogEntries",
}


@contextmanager
def world() -> Iterator[World]:
    with google_world("cloud_run", _METHODS) as started:
        yield started
