"""A service of Google Cloud on the local cloud, under contract."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.emulator.process import Admin
from tests.contract.world import PATIENCE_SECONDS, World, local_cloud, write_shell_spec

_CODES = {"throttled": "RESOURCE_EXHAUSTED", "unavailable": "UNAVAILABLE", "denied": "PERMISSION_DENIED"}


@contextmanager
def google_world(name: str, methods: Mapping[str, str]) -> Iterator[World]:
    """Start a local cloud of one service.

    :param name: of backend and dialect
    :param methods: which method of the service stands for which method of the backend
    """
    ref = BackendRef(backend=name, conn_id="google_cloud_default", scope={"region": "europe-west1"})

    with local_cloud(name) as cloud:

        def fault(method: str, kind: str) -> None:
            rule = {"drop_answer": "reset"} if kind == "lost_answer" else {"error": {"code": _CODES[kind]}}
            cloud.admin.add_fault(method=methods[method], times=1, **rule)

        yield World(
            name=name,
            backend=open_backend(ref),
            open=lambda: open_backend(ref),
            write_spec=write_shell_spec,
            fault=fault,
            delete_behind=lambda handle: _remove(cloud.admin, ref, handle),
        )


def _remove(admin: Admin, ref: BackendRef, handle: JobHandle) -> None:
    """Delete a job with another client, and return when it is gone."""
    backend = open_backend(ref)
    backend.delete(handle)
    until = time.monotonic() + PATIENCE_SECONDS
    while any(job["name"] == handle.native_id for job in admin.jobs()):
        assert time.monotonic() < until
        time.sleep(0.02)
