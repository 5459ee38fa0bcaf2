"""The methods over gRPC.

It must not know a method's meaning; messages go in and out as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import grpc
from google.protobuf.message import Message

from airflow_provider_jobs.emulator.calls import AnswerDropped, Calls, StatusError
from airflow_provider_jobs.emulator.protobuf_rpc import masks
from airflow_provider_jobs.emulator.protobuf_rpc.methods import RpcMethod
from airflow_provider_jobs.emulator.protobuf_rpc.status import canonical_code, status_message

#: Where gRPC carries google.rpc.Status beside the plain status.
_DETAILS_KEY = "grpc-status-details-bin"


def grpc_handlers(methods: Iterable[RpcMethod], calls: Calls) -> list[grpc.GenericRpcHandler]:
    """Handlers for ``grpc.aio.Server.add_generic_rpc_handlers``, one per service."""
    services: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
    for method in methods:
        services.setdefault(method.service, {})[method.name] = grpc.unary_unary_rpc_method_handler(
            _behavior(method, calls),
            request_deserializer=method.request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
    return [grpc.method_handlers_generic_handler(name, handlers) for name, handlers in services.items()]


def _behavior(
    method: RpcMethod, calls: Calls
) -> Callable[[Message, grpc.aio.ServicerContext], Awaitable[Message]]:
    async def serve(request: Message, context: grpc.aio.ServicerContext) -> Message:
        try:
            metadata = context.invocation_metadata() or ()
            asked = next((str(value) for key, value in metadata if key == masks.HEADER), "")
            with masks.asked_for(asked):
                return await calls.serve(method.full_name, lambda: method.masked(request))
        except StatusError as error:
            if error.details:
                context.set_trailing_metadata(((_DETAILS_KEY, status_message(error).SerializeToString()),))
            await context.abort(grpc.StatusCode[canonical_code(error.code)], error.message)
        except AnswerDropped:
            # What a client sees when its connection breaks; the server side of gRPC offers no way to break
            # the connection of one call alone.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        raise AssertionError("abort returned")

    return serve
