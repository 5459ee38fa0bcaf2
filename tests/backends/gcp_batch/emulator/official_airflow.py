"""Airflow's own Google provider against the local cloud; run as a program by ``test_official_airflow``.

The provider offers no setting for a plain-text endpoint, so the two ``get_conn`` are replaced. All the rest
is the provider's own code.
"""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
from airflow.providers.google.cloud.hooks.cloud_batch import CloudBatchAsyncHook, CloudBatchHook
from airflow.providers.google.cloud.triggers.cloud_batch import CloudBatchJobFinishedTrigger
from google.cloud import batch_v1

ADDRESS = sys.argv[1]


def job(text: str, *, task_count: int = 1) -> dict:
    spec = {"runnables": [{"script": {"text": text}}]}
    return {"taskGroups": [{"taskCount": task_count, "taskSpec": spec}]}


class LocalHook(CloudBatchHook):
    def get_conn(self) -> batch_v1.BatchServiceClient:
        transport = batch_v1.BatchServiceClient.get_transport_class("grpc")
        return batch_v1.BatchServiceClient(transport=transport(channel=grpc.insecure_channel(ADDRESS)))


class LocalAsyncHook(CloudBatchAsyncHook):
    def get_conn(self) -> batch_v1.BatchServiceAsyncClient:
        if self._client is None:
            transport = batch_v1.BatchServiceAsyncClient.get_transport_class("grpc_asyncio")
            channel = grpc.aio.insecure_channel(ADDRESS)
            self._client = batch_v1.BatchServiceAsyncClient(transport=transport(channel=channel))
        return self._client


class LocalTrigger(CloudBatchJobFinishedTrigger):
    def _get_async_hook(self) -> LocalAsyncHook:
        return LocalAsyncHook(gcp_conn_id=self.gcp_conn_id)


async def fire(name: str) -> dict:
    trigger = LocalTrigger(
        job_name=name, project_id="p", location="us-central1", polling_period_seconds=0.1, timeout=30
    )
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def main() -> None:
    hook = LocalHook(gcp_conn_id="google_cloud_default")
    place = {"region": "us-central1", "project_id": "p"}
    submitted = hook.submit_batch_job(job_name="good", job=job("true", task_count=2), **place)
    hook.submit_batch_job(job_name="bad", job=job("exit 3"), **place)
    hook.wait_for_job(submitted.name, polling_period_seconds=0.1, timeout=30)
    told = {
        "listed": sorted(found.name.rpartition("/")[2] for found in hook.list_jobs(**place)),
        "tasks": len(list(hook.list_tasks(job_name="good", **place))),
        "good": asyncio.run(fire(submitted.name))["status"],
        "bad": asyncio.run(fire(submitted.name.replace("good", "bad")))["status"],
    }
    hook.delete_job(job_name="good", **place).result(timeout=30)
    told["left"] = [found.name.rpartition("/")[2] for found in hook.list_jobs(**place)]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
