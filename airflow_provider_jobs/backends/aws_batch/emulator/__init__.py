"""AWS Batch, CloudWatch Logs (reading) and STS, spoken by the local cloud.

It exists as a second witness of how the services behave: written from the services' documents and from what
they were seen to answer, never from this package's own mapping. It must not import its siblings ``backend``,
``mapping``, ``hook`` or ``request``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc

from airflow_provider_jobs.backends.aws_batch.emulator import hindrances, routes
from airflow_provider_jobs.backends.aws_batch.emulator.descriptions import Describer
from airflow_provider_jobs.backends.aws_batch.emulator.lifecycle import Lifecycle
from airflow_provider_jobs.backends.aws_batch.emulator.log_streams import LogStreams
from airflow_provider_jobs.backends.aws_batch.emulator.logs_api import Logs
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement
from airflow_provider_jobs.backends.aws_batch.emulator.wire import AwsTransport
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import DIALECT, Worlds
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.progress import Stage

REGION = "us-east-1"


class AwsBatchDialect:
    """Batch 2016-08-10, the reading side of CloudWatch Logs 2014-03-28, and GetCallerIdentity of STS."""

    name = DIALECT

    def __init__(self, cloud: Cloud) -> None:
        cloud.progress.offer(DIALECT, hindrances.WORDS)
        self._cloud = cloud
        self._worlds = Worlds(cloud.jobs)
        self._placement = Placement()
        self._streams = LogStreams(cloud.logs)
        lifecycle = Lifecycle(cloud, placement=self._placement, streams=self._streams, worlds=self._worlds)
        self._services = [
            routes.batch(
                cloud,
                worlds=self._worlds,
                lifecycle=lifecycle,
                placement=self._placement,
                describer=Describer(self._placement, self._held),
            ),
            routes.logs(Logs(self._streams)),
            routes.sts(),
        ]
        cloud.on_reset(self._forget)

    def _forget(self) -> None:
        self._placement.clear()
        self._worlds.clear()
        self._streams.clear()

    def _held(self, job: Job) -> bool:
        """Whether a progress rule keeps this job from getting a machine until it is removed."""
        return any(
            rule.delay_seconds is None and rule.matches(job, Stage.ASSIGNED)
            for rule in self._cloud.progress.rules
        )

    def grpc_handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        return []

    def http_handlers(self) -> Sequence[AwsTransport]:
        return [AwsTransport(self._services, self._cloud.calls)]

    def connections(self, addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
        """An Airflow connection of the usual type; key and secret are anything.

        Airflow's provider does not use the common address for STS when it tests a connection or assumes a
        role, so STS has one of its own.
        """
        extra = {
            "region_name": REGION,
            "endpoint_url": addresses.http,
            "service_config": {"sts": {"endpoint_url": addresses.http}},
        }
        return {"aws_default": {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}}
