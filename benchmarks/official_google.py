"""Airflow's own Google operators and triggers, led to the local cloud.

The providers have no setting for an endpoint without TLS, so what makes a client is replaced, and with it
the search for credentials, which costs the real thing more. All the rest is the providers' own code.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, NoReturn

from airflow.providers.google.cloud.hooks.cloud_batch import CloudBatchAsyncHook, CloudBatchHook
from airflow.providers.google.cloud.hooks.cloud_run import CloudRunAsyncHook, CloudRunHook
from airflow.providers.google.cloud.operators import cloud_batch, cloud_run
from airflow.providers.google.cloud.operators.cloud_base import GoogleCloudBaseOperator
from airflow.providers.google.cloud.triggers.cloud_batch import CloudBatchJobFinishedTrigger
from airflow.providers.google.cloud.triggers.cloud_run import CloudRunJobFinishedTrigger
from airflow.triggers.base import BaseTrigger

from benchmarks.cloud import ADDRESS_VARIABLE


def sync_client(package: str, name: str) -> Any:
    """Return a blocking client of Google's, with a channel of its own as the hooks make one."""
    import grpc

    kind = getattr(importlib.import_module(f"google.cloud.{package}"), name)
    channel = grpc.insecure_channel(os.environ[ADDRESS_VARIABLE])
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


def _async_client(package: str, name: str) -> Any:
    import grpc

    kind = getattr(importlib.import_module(f"google.cloud.{package}"), name)
    channel = grpc.aio.insecure_channel(os.environ[ADDRESS_VARIABLE])
    return kind(transport=kind.get_transport_class("grpc_asyncio")(channel=channel))


class _BatchHook(CloudBatchHook):
    def get_conn(self) -> Any:
        if self._client is None:
            self._client = sync_client("batch_v1", "BatchServiceClient")
        return self._client


class _BatchAsyncHook(CloudBatchAsyncHook):
    def get_conn(self) -> Any:
        if self._client is None:
            self._client = _async_client("batch_v1", "BatchServiceAsyncClient")
        return self._client


class _RunHook(CloudRunHook):
    def get_conn(self, *_: Any, **__: Any) -> Any:
        if self._client is None:
            self._client = sync_client("run_v2", "JobsClient")
        return self._client


class _RunAsyncHook(CloudRunAsyncHook):
    async def get_conn(self, *_: Any, **__: Any) -> Any:
        if self._client is None:
            self._client = _async_client("run_v2", "JobsAsyncClient")
        return self._client


class BatchTrigger(CloudBatchJobFinishedTrigger):
    """The official trigger of GCP Batch."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return this class and the official arguments."""
        return f"{__name__}.{type(self).__name__}", super().serialize()[1]

    def _get_async_hook(self) -> CloudBatchAsyncHook:
        return _BatchAsyncHook(gcp_conn_id=self.gcp_conn_id, impersonation_chain=self.impersonation_chain)


class RunTrigger(CloudRunJobFinishedTrigger):
    """The official trigger of Cloud Run."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return this class and the official arguments."""
        return f"{__name__}.{type(self).__name__}", super().serialize()[1]

    def _get_async_hook(self) -> CloudRunAsyncHook:
        return _RunAsyncHook(self.gcp_conn_id, self.impersonation_chain)


# The operators make their hook by this name.
cloud_batch.CloudBatchHook = _BatchHook  # type: ignore[attr-defined]
cloud_run.CloudRunHook = _RunHook  # type: ignore[attr-defined]


class _Defers(GoogleCloudBaseOperator):
    """Hands a trigger's arguments to the same trigger, led to the local cloud."""

    local_trigger: type[Any]

    def defer(self, *, trigger: BaseTrigger, **values: Any) -> NoReturn:
        """Defer as the official operator does."""
        super().defer(trigger=self.local_trigger(**trigger.serialize()[1]), **values)


class BatchOperator(_Defers, cloud_batch.CloudBatchSubmitJobOperator):
    """The official operator of GCP Batch."""

    local_trigger = BatchTrigger


class RunOperator(_Defers, cloud_run.CloudRunExecuteJobOperator):
    """The official operator of Cloud Run."""

    local_trigger = RunTrigger
