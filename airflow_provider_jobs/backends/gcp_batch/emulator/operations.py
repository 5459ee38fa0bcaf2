"""What Batch says of the two changes that take their time: delete and cancel.

It exists to hold the metadata of their operations. It must not do the work.
"""

from __future__ import annotations

import asyncio
import uuid

import pendulum
from google.longrunning import operations_pb2
from google.protobuf.message import Message

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.google_cloud.emulator.messages import timestamp
from airflow_provider_jobs.google_cloud.emulator.operations import Operations


class Change:
    """The work of one operation, which ends when ``done`` does."""

    def __init__(self, job: Job, *, verb: str, response: Message, done: asyncio.Future[None]) -> None:
        self._job = job
        self._response = response
        self._done = done
        now = timestamp(pendulum.now("UTC"))
        self._metadata = pb.OperationMetadata(
            create_time=now, target=job.spec.name, verb=verb, api_version="v1"
        )

    def start(self, operations: Operations) -> operations_pb2.Operation:
        """Put the change among the operations."""
        return operations.start(
            self._job.data.place, operation_id=f"operation-{uuid.uuid4()}", work=self, done=self._done
        )

    def metadata(self) -> Message:
        if self._done.done() and not self._metadata.HasField("end_time"):
            self._metadata.end_time.CopyFrom(timestamp(pendulum.now("UTC")))
        return self._metadata

    def response(self) -> Message:
        return self._response

    def request_cancellation(self) -> None:
        """Neither method can be called back; the wish is noted in the metadata."""
        self._metadata.requested_cancellation = True
