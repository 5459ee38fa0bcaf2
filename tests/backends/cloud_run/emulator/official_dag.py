"""Airflow's own Cloud Run operators, as a DAG that ``test_official_airflow`` runs against the local cloud.

The provider offers no setting for a plain-text endpoint, so ``get_conn`` of its two hooks is replaced. All
the rest is the provider's own code.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import grpc
from airflow.providers.google.cloud.hooks.cloud_run import CloudRunAsyncHook, CloudRunHook
from airflow.providers.google.cloud.operators import cloud_run
from airflow.providers.google.cloud.triggers.cloud_run import CloudRunJobFinishedTrigger
from airflow.sdk import DAG, task
from google.cloud import run_v2

ADDRESS = os.environ["LOCAL_CLOUD"]
PLACE: dict[str, Any] = {"project_id": "p", "region": "us-central1"}


def sync_client(self: Any, *_: Any, **__: Any) -> run_v2.JobsClient:
    transport = run_v2.JobsClient.get_transport_class("grpc")
    return run_v2.JobsClient(transport=transport(channel=grpc.insecure_channel(ADDRESS)))


async def async_client(self: Any, *_: Any, **__: Any) -> run_v2.JobsAsyncClient:
    transport = run_v2.JobsAsyncClient.get_transport_class("grpc_asyncio")
    return run_v2.JobsAsyncClient(transport=transport(channel=grpc.aio.insecure_channel(ADDRESS)))


CloudRunHook.get_conn = sync_client
CloudRunAsyncHook.get_conn = async_client


def job(script: str) -> dict[str, Any]:
    containers = [{"image": "busybox", "command": ["sh", "-c", script]}]
    return {"template": {"template": {"containers": containers, "max_retries": 0}}}


def execute(task_id: str, job_name: str, **arguments: Any) -> cloud_run.CloudRunExecuteJobOperator:
    return cloud_run.CloudRunExecuteJobOperator(
        task_id=task_id, job_name=job_name, polling_period_seconds=0.2, **PLACE, **arguments
    )


@task
def cancelled() -> str:
    """What the provider's trigger says of an execution that somebody cancels."""
    operation = CloudRunHook().execute_job(job_name="long", **PLACE)
    kind = run_v2.ExecutionsClient
    channel = grpc.insecure_channel(ADDRESS)
    executions = kind(transport=kind.get_transport_class("grpc")(channel=channel))
    executions.cancel_execution(name=operation.metadata.name).result()

    async def fire() -> str:
        trigger = CloudRunJobFinishedTrigger(
            operation_name=operation.operation.name, job_name="long", project_id="p", location="us-central1"
        )
        async for event in trigger.run():
            return event.payload["operation_error_message"]
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(fire())


@task(trigger_rule="all_done")
def report(ti: Any) -> None:
    """Write what the other tasks returned, and None for those that failed."""
    names = ("updated", "listed", "good", "good_deferred", "bad", "bad_deferred", "cancelled")
    told = {name: ti.xcom_pull(task_ids=name) for name in names}
    Path(os.environ["REPORT"]).write_text(json.dumps(told, default=str))


with DAG("official", schedule=None) as dag:
    creations = [
        cloud_run.CloudRunCreateJobOperator(task_id=f"create_{name}", job_name=name, job=job(script), **PLACE)
        for name, script in (("good", "true"), ("bad", "exit 3"), ("long", "sleep 60"))
    ]
    updated = cloud_run.CloudRunUpdateJobOperator(
        task_id="updated", job_name="good", job=job("[ $A = b ]"), **PLACE
    )
    listed = cloud_run.CloudRunListJobsOperator(task_id="listed", **PLACE)
    overrides = {"container_overrides": [{"env": [{"name": "A", "value": "b"}]}], "task_count": 2}
    runs = [
        execute("good", "good", overrides=overrides, deferrable=False),
        execute("good_deferred", "good", overrides=overrides, deferrable=True),
        execute("bad", "bad", deferrable=False),
        execute("bad_deferred", "bad", deferrable=True),
        cancelled(),
    ]
    deleted = cloud_run.CloudRunDeleteJobOperator(
        task_id="deleted", job_name="good", trigger_rule="all_done", **PLACE
    )
    creations >> updated >> listed >> runs >> deleted >> report()
