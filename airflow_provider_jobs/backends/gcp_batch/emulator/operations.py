"""google.longrunning.Operations for the two methods of Batch that take their time.

It exists so that delete and cancel can be waited for. It must not do the work, only watch it end.
"""

from __future__ import annotations

import asyncio
import uuid

import pendulum
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.protobuf.message import Message

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator import paging
from airflow_provider_jobs.backends.gcp_batch.emulator.job_messages import timestamp
from airflow_provider_jobs.backends.gcp_batch.emulator.names import Projects, not_found
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.jobs import Job


class Operations:
    """All operations since the start, by name."""

    def __init__(self, cloud: Cloud, *, projects: Projects) -> None:
        self._projects = projects
        self._operations: dict[str, operations_pb2.Operation] = {}
        self._ended: dict[str, asyncio.Future[None]] = {}
        cloud.on_reset(self._operations.clear)

    def start(
        self, job: Job, *, verb: str, done: asyncio.Future[None], response: Message
    ) -> operations_pb2.Operation:
        """A new operation on a job that ends when ``done`` does. Returns it as it stands now."""
        name = f"{job.data.place.name}/operations/operation-{uuid.uuid4()}"
        operation = operations_pb2.Operation(name=name)
        metadata = pb.OperationMetadata(
            create_time=timestamp(pendulum.now("UTC")), target=job.spec.name, verb=verb, api_version="v1"
        )
        operation.metadata.Pack(metadata)
        self._operations[name] = operation
        self._ended[name] = done

        def end(_: asyncio.Future[None]) -> None:
            metadata.end_time.CopyFrom(timestamp(pendulum.now("UTC")))
            operation.metadata.Pack(metadata)
            operation.response.Pack(response)
            operation.done = True

        done.add_done_callback(end)
        return _copy(operation)

    def get(self, name: str) -> operations_pb2.Operation:
        """The operation as it stands. Raises StatusError when there is none of that name."""
        operation = self._operations.get(self._canonical(name))
        if operation is None:
            raise not_found(name)
        return _copy(operation)

    async def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        return self.get(request.name)

    async def wait_operation(self, request: operations_pb2.WaitOperationRequest) -> operations_pb2.Operation:
        name = self._canonical(request.name)
        if name not in self._ended:
            raise not_found(request.name)
        limit = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else None
        await asyncio.wait({self._ended[name]}, timeout=limit)
        await asyncio.sleep(0)
        return self.get(name)

    async def list_operations(
        self, request: operations_pb2.ListOperationsRequest
    ) -> operations_pb2.ListOperationsResponse:
        place = self._projects.place(request.name.removesuffix("/operations"), every=True)
        own = [
            operation
            for name, operation in self._operations.items()
            if name.startswith(f"projects/{place.project}/locations/")
            and place.location in ("-", name.split("/")[3])
        ]
        found, token = paging.page(
            own, size=request.page_size, token=request.page_token, context=(request.name, request.filter)
        )
        return operations_pb2.ListOperationsResponse(operations=found, next_page_token=token)

    async def cancel_operation(self, request: operations_pb2.CancelOperationRequest) -> empty_pb2.Empty:
        """Neither method can be called back; the wish is noted in the metadata."""
        operation = self._operations.get(self._canonical(request.name))
        if operation is None:
            raise not_found(request.name)
        metadata = pb.OperationMetadata()
        operation.metadata.Unpack(metadata)
        metadata.requested_cancellation = True
        operation.metadata.Pack(metadata)
        return empty_pb2.Empty()

    async def delete_operation(self, request: operations_pb2.DeleteOperationRequest) -> empty_pb2.Empty:
        name = self._canonical(request.name)
        if self._operations.pop(name, None) is None:
            raise not_found(request.name)
        del self._ended[name]
        return empty_pb2.Empty()

    def _canonical(self, name: str) -> str:
        parts = name.split("/")
        if len(parts) != 6 or (parts[0], parts[2], parts[4]) != ("projects", "locations", "operations"):
            raise StatusError("INVALID_ARGUMENT", f'Invalid resource field value "{name}" in the request.')
        return "/".join([parts[0], self._projects.id(parts[1]), *parts[2:]])


def _copy(operation: operations_pb2.Operation) -> operations_pb2.Operation:
    copied = operations_pb2.Operation()
    copied.CopyFrom(operation)
    return copied
