"""AWS Batch on the local cloud, under contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_jobs.core.models import BackendRef
from airflow_provider_jobs.core.registry import open_backend
from tests.contract.world import World, local_cloud, write_shell_spec


@contextmanager
def world() -> Iterator[World]:
    ref = BackendRef(backend="aws_batch", conn_id="aws_default", scope={"job_queue": "default"})
    methods = {
        "submit": "SubmitJob",
        "find": "ListJobs",
        "describe": "DescribeJobs",
        "cancel": "TerminateJob",
        "read_logs": "DescribeJobs",
    }
    codes = {
        "throttled": "TooManyRequestsException",
        "unavailable": "ServiceUnavailable",
        "denied": "AccessDeniedException",
    }

    with local_cloud("aws_batch") as cloud:

        def fault(method: str, kind: str) -> None:
            rule = {"drop_answer": "reset"} if kind == "lost_answer" else {"error": {"code": codes[kind]}}
            cloud.admin.add_fault(method=methods[method], times=1, **rule)

        yield World(
            name="aws_batch",
            backend=open_backend(ref),
            open=lambda: open_backend(ref),
            write_spec=write_shell_spec,
            fault=fault,
            delete_behind=lambda handle: cloud.admin.remove(handle.native_id),
            deletes=False,
        )
