"""The hook's calls for pools and their nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from azure.batch import models

from airflow_provider_jobs.backends.azure_batch.calls import (
    MAX_PAGE,
    BatchCalls,
    as_model,
    finish,
    listed,
    segment,
)
from airflow_provider_jobs.backends.azure_batch.clients import POLLING_SECONDS
from airflow_provider_jobs.backends.azure_batch.errors import VENDOR_EXCEPTIONS
from airflow_provider_jobs.hooks.base import translated


class PoolCalls(BatchCalls):
    """Pools: create, get, list, resize, delete; and their nodes."""

    @translated(*VENDOR_EXCEPTIONS)
    def create_pool(self, pool: models.BatchPoolCreateOptions | Mapping[str, Any]) -> None:
        """Create a pool and do not wait for its nodes.

        https://learn.microsoft.com/rest/api/batchservice/pools/create-pool

        :param pool: the vendor's model, or the service's JSON
        :raises AlreadyExists: there is a pool of this id
        """
        self.connection.create_pool(as_model(models.BatchPoolCreateOptions, pool))

    @translated(*VENDOR_EXCEPTIONS)
    def get_pool(self, pool_id: str) -> models.BatchPool:
        """Return a pool.

        :raises NotFound: there is none
        """
        return self.connection.get_pool(pool_id)

    def list_pools(
        self,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        select: Sequence[str] | None = None,
    ) -> Iterator[models.BatchPool]:
        """Yield all pools, page after page as they are asked for."""
        return self._pages("list_pools", filter=filter, select=listed(select), max_results=MAX_PAGE)

    @translated(*VENDOR_EXCEPTIONS)
    def resize_pool(
        self,
        pool_id: str,
        *,
        dedicated_nodes: int | None = None,
        low_priority_nodes: int | None = None,
        wait: bool = True,
        timeout_seconds: float = 1800,
    ) -> None:
        """Set how many nodes a pool shall have.

        :param wait: whether to return only when the pool is steady again
        :raises Conflict: it is being resized, or scales by a formula
        :raises TransientError: it is still being resized after that time
        """
        target = {"targetDedicatedNodes": dedicated_nodes, "targetLowPriorityNodes": low_priority_nodes}
        options = {name: value for name, value in target.items() if value is not None}
        if not wait:
            self._send("POST", f"/pools/{segment(pool_id)}/resize", json=options)
            return
        poller = self.connection.begin_resize_pool(
            pool_id, models.BatchPoolResizeOptions(options), polling_interval=POLLING_SECONDS
        )
        finish(poller, f"pool {pool_id} is still being resized", timeout_seconds=timeout_seconds)

    @translated(*VENDOR_EXCEPTIONS)
    def delete_pool(self, pool_id: str, wait: bool = True, *, timeout_seconds: float = 1800) -> None:
        """Delete a pool with its nodes.

        :param wait: whether to return only when it is gone
        :raises TransientError: it is still being deleted after that time
        """
        if not wait:
            self._send("DELETE", f"/pools/{segment(pool_id)}")
            return
        poller = self.connection.begin_delete_pool(pool_id, polling_interval=POLLING_SECONDS)
        finish(poller, f"pool {pool_id} is still being deleted", timeout_seconds=timeout_seconds)

    def list_nodes(
        self,
        pool_id: str,
        filter: str | None = None,  # noqa: A002 - the vendor's name
        select: Sequence[str] | None = None,
    ) -> Iterator[models.BatchNode]:
        """Yield the nodes of a pool, page after page as they are asked for."""
        return self._pages("list_nodes", pool_id, filter=filter, select=listed(select), max_results=MAX_PAGE)

    @translated(*VENDOR_EXCEPTIONS)
    def get_node(self, pool_id: str, node_id: str) -> models.BatchNode:
        """Return one node of a pool."""
        return self.connection.get_node(pool_id, node_id)
