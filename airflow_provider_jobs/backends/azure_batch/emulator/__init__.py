"""Azure Batch, spoken by the local cloud.

It exists as a second witness of how the service behaves: written from the service's documents and from what
it was seen to answer, never from this package's own mapping. It must not import its siblings ``backend``,
``mapping``, ``hook`` or ``request``.

A pool has nodes, a node has slots; ``dispatch`` gives a waiting task a node, ``task_life`` runs it there as
an engine job of one task (``runs``), and what it writes lies in files below the node's directory.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from airflow_provider_jobs.backends.azure_batch.emulator import hindrances
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.files import FileService
from airflow_provider_jobs.backends.azure_batch.emulator.job_life import JobLife
from airflow_provider_jobs.backends.azure_batch.emulator.job_service import JobService
from airflow_provider_jobs.backends.azure_batch.emulator.pool_bodies import PoolBody
from airflow_provider_jobs.backends.azure_batch.emulator.pool_service import PoolService
from airflow_provider_jobs.backends.azure_batch.emulator.routes import routes
from airflow_provider_jobs.backends.azure_batch.emulator.runs import DIALECT
from airflow_provider_jobs.backends.azure_batch.emulator.shared_key import account_key
from airflow_provider_jobs.backends.azure_batch.emulator.task_service import TaskService
from airflow_provider_jobs.backends.azure_batch.emulator.transport import Transport
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses

#: The pool that is there from the start: takes tasks with and without containers.
PRESET_POOL: dict[str, Any] = {
    "id": "default",
    "displayName": "The local cloud's own pool",
    "vmSize": "standard_d4s_v5",
    "virtualMachineConfiguration": {
        "imageReference": {
            "publisher": "microsoft-dsvm",
            "offer": "ubuntu-hpc",
            "sku": "2204",
            "version": "latest",
        },
        "nodeAgentSKUId": "batch.node.ubuntu 22.04",
        "containerConfiguration": {"type": "dockerCompatible"},
    },
    "targetDedicatedNodes": 4,
    "taskSlotsPerNode": 256,
}


class AzureBatchDialect:
    """The Batch service of one account, on REST."""

    name = DIALECT

    def __init__(self, cloud: Cloud) -> None:
        cloud.progress.offer(DIALECT, hindrances.WORDS)
        self._account = Account(cloud)
        self._life = JobLife(self._account)
        self._transport = Transport(
            routes(
                PoolService(self._account, self._life.pools),
                JobService(self._account, self._life),
                TaskService(self._account, self._life),
                FileService(self._account),
            ),
            self._account,
        )
        self._life.pools.add_ready(PoolBody.model_validate(PRESET_POOL))
        cloud.on_reset(self._forget)

    def _forget(self) -> None:
        self._life.clear()
        shutil.rmtree(self._account.files_dir, ignore_errors=True)
        self._life.pools.add_ready(PoolBody.model_validate(PRESET_POOL))

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return ()

    def http_handlers(self) -> Sequence[Transport]:
        return [self._transport]

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """An Airflow connection of the official type, with the account's key."""
        self._account.endpoint = addresses.http
        connection = {
            "conn_type": "azure_batch",
            "login": self._account.name,
            "password": account_key(self._account.name),
            "extra": {"account_url": addresses.http},
        }
        return {"azure_batch_default": connection}
