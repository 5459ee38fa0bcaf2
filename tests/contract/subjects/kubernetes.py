"""Kubernetes Jobs on the local cloud, under contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.registry import open_backend
from tests.contract.world import World, local_cloud, write_shell_spec


@contextmanager
def world() -> Iterator[World]:
    ref = BackendRef(backend="kubernetes", conn_id="kubernetes_default", scope={"namespace": "default"})
    # A cancel looks first, since a Job that has ended is to stay as it ended.
    methods = {
        "submit": "create jobs",
        "find": "get jobs",
        "describe": "get jobs",
        "cancel": "get jobs",
        "delete": "delete jobs",
        "read_logs": "list pods",
    }
    codes = {"throttled": 429, "unavailable": 503, "denied": 403}

    with local_cloud("kubernetes") as cloud:

        def fault(method: str, kind: str) -> None:
            rule = {"drop_answer": "reset"} if kind == "lost_answer" else {"error": {"code": codes[kind]}}
            cloud.admin.add_fault(method=methods[method], times=1, **rule)

        yield World(
            name="kubernetes",
            backend=open_backend(ref),
            open=lambda: open_backend(ref),
            write_spec=write_shell_spec,
            fault=fault,
            delete_behind=lambda handle: open_backend(ref).delete(handle),
        )
