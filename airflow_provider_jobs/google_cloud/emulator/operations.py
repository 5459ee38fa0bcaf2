"""google.longrunning.Operations for whatever takes its time, whichever service began it.

It exists so that a change can be waited for. It must not do the work, only watch it end.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.protobuf.message import Message

from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.protobuf_rpc.status import status_message
from airflow_provider_jobs.google_cloud.emulator import paging
from airflow_provider_jobs.google_cloud.emulator.names import Place, Projects, bad_name, not_found


class Work(Protocol):
    """What a service says of the work behind one of its operations."""

    def metadata(self) -> Message:
        """How far the work is; asked at every look at the operation until it has ended, and once then."""

    def response(self) -> Message:
        """What it led to, asked once at its end. Raises StatusError when that is an error."""

    def request_cancellation(self) -> None:
        """Somebody wishes it would stop. Raises StatusError when the service offers no such wish."""


class _Entry:
    """One operation and the future that is done when its work is."""

    def __init__(self, name: str, work: Work, done: asyncio.Future[None]) -> None:
        self.work = work
        self.done = done
        self._message = operations_pb2.Operation(name=name)
        done.add_done_callback(self._end)

    def message(self) -> operations_pb2.Operation:
        if not self._message.done:
            self._message.metadata.Pack(self.work.metadata())
        copied = operations_pb2.Operation()
        copied.CopyFrom(self._message)
        return copied

    def _end(self, _: asyncio.Future[None]) -> None:
        self._message.metadata.Pack(self.work.metadata())
        try:
            self._message.response.Pack(self.work.response())
        except StatusError as error:
            self._message.error.CopyFrom(status_message(error))
        self._message.done = True


class Operations:
    """All operations since the start, by name."""

    def __init__(self, cloud: Cloud, *, projects: Projects) -> None:
        self._projects = projects
        self._entries: dict[str, _Entry] = {}
        cloud.on_reset(self._entries.clear)

    def start(
        self, place: Place, *, operation_id: str, work: Work, done: asyncio.Future[None]
    ) -> operations_pb2.Operation:
        """A new operation that ends when ``done`` does. Returns it as it stands now."""
        name = f"{place.name}/operations/{operation_id}"
        self._entries[name] = _Entry(name, work, done)
        return self._entries[name].message()

    def get(self, name: str) -> operations_pb2.Operation:
        """The operation as it stands. Raises StatusError when there is none of that name."""
        return self._entry(name).message()

    async def get_operation(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        return self.get(request.name)

    async def wait_operation(self, request: operations_pb2.WaitOperationRequest) -> operations_pb2.Operation:
        entry = self._entry(request.name)
        limit = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else None
        await asyncio.wait({entry.done}, timeout=limit)
        # The entry learns of the end from a callback, which has its turn after this one.
        await asyncio.sleep(0)
        return entry.message()

    async def list_operations(
        self, request: operations_pb2.ListOperationsRequest
    ) -> operations_pb2.ListOperationsResponse:
        parts = request.name.removesuffix("/operations").split("/")
        if len(parts) != 4 or (parts[0], parts[2]) != ("projects", "locations"):
            raise bad_name(request.name)
        place = Place(self._projects.id(parts[1]), parts[3])
        own = [entry for name, entry in self._entries.items() if place.covers(_place(name))]
        found, token = paging.page(
            own, size=request.page_size, token=request.page_token, context=(request.name, request.filter)
        )
        messages = [entry.message() for entry in found]
        return operations_pb2.ListOperationsResponse(operations=messages, next_page_token=token)

    async def cancel_operation(self, request: operations_pb2.CancelOperationRequest) -> empty_pb2.Empty:
        self._entry(request.name).work.request_cancellation()
        return empty_pb2.Empty()

    async def delete_operation(self, request: operations_pb2.DeleteOperationRequest) -> empty_pb2.Empty:
        """Forget the operation; its work goes on."""
        self._entry(request.name)
        del self._entries[self._canonical(request.name)]
        return empty_pb2.Empty()

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(self._canonical(name))
        if entry is None:
            raise not_found(name)
        return entry

    def _canonical(self, name: str) -> str:
        parts = name.split("/")
        if len(parts) != 6 or (parts[0], parts[2], parts[4]) != ("projects", "locations", "operations"):
            raise bad_name(name)
        return "/".join([parts[0], self._projects.id(parts[1]), *parts[2:]])


def _place(name: str) -> Place:
    _, project, _, location, *_ = name.split("/")
    return Place(project, location)
