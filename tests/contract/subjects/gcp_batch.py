"""GCP Batch on the local cloud, under contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract.world import World
from tests.google_cloud.world import google_world

_METHODS = {
    "submit": "CreateJob",
    "find": "GetJob",
    "describe": "GetJob",
    "cancel": "CancelJob",
    "delete": "DeleteJob",
    "read_logs": "ListLogEntries",
}


@contextmanager
def world() -> Iterator[World]:
    with google_world("gcp_batch", _METHODS) as started:
        yield started
