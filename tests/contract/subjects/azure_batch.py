"""Azure Batch on the local cloud, under contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_jobs.backends.azure_batch.hook import AzureBatchHook
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from tests.contract.world import PATIENCE_SECONDS, Work, World, local_cloud, write_shell_spec


@contextmanager
def world() -> Iterator[World]:
    ref = BackendRef(backend="azure_batch", conn_id="azure_batch_default")
    # A submission is several requests. What is refused is the first, and what is lost the answer to the last:
    # with any other answer lost it does not count as submitted, and is not found.
    methods = {
        "submit": "CreateJob",
        "find": "GetJob",
        "describe": "ListTasks",
        "cancel": "TerminateJob",
        "delete": "DeleteJob",
        "read_logs": "ListTaskFiles",
    }
    codes = {"throttled": 429, "unavailable": 500, "denied": 403}

    with local_cloud("azure_batch") as cloud:

        def fault(method: str, kind: str) -> None:
            struck = "UpdateJob" if (method, kind) == ("submit", "lost_answer") else methods[method]
            rule: dict[str, Any] = (
                {"error": {"code": codes[kind]}} if kind in codes else {"drop_answer": "reset"}
            )
            cloud.admin.add_fault(method=struck, times=1, **rule)

        yield World(
            name="azure_batch",
            backend=open_backend(ref),
            open=lambda: open_backend(ref),
            write_spec=write_spec,
            fault=fault,
            delete_behind=lambda handle: _remove(ref, handle),
        )


def write_spec(work: Work) -> JobSpec:
    """Write work for the pool that the local cloud has from the start."""
    return write_shell_spec(work, options={"pool_id": "default"})


def _remove(ref: BackendRef, handle: JobHandle) -> None:
    """Delete a job as a person would, and return when its id is free: until then it is "deleting"."""
    AzureBatchHook(ref.conn_id).delete_job(handle.name, wait=True, timeout_seconds=PATIENCE_SECONDS)
