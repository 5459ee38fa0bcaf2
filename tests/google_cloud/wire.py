"""What a vendor's client really sends over gRPC: a server before the local cloud keeps every request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from types import TracebackType
from typing import Any

import grpc


class GrpcRecorder(grpc.GenericRpcHandler):
    """Forwards every call to ``upstream`` (``host:port``) unchanged and keeps its request.

    ``rewrites`` holds by method what is to be made of answers, for what a local cloud never says.
    """

    def __init__(self, upstream: str) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.rewrites: dict[str, Callable[[bytes], bytes]] = {}
        self._channel = grpc.insecure_channel(upstream)
        self._server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Return what forwards one call."""
        kept = [(name, value) for name, value in details.invocation_metadata if name != "user-agent"]
        method = details.method.rpartition("/")[2]

        def forward(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append((method, request))
            try:
                answer: bytes = self._channel.unary_unary(details.method)(request, metadata=kept, timeout=60)
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata())
                context.abort(error.code(), error.details())
            return self.rewrites[method](answer) if method in self.rewrites else answer

        return grpc.unary_unary_rpc_method_handler(forward)

    def sent(self, method: str, kind: Any) -> Any:
        """Return the last request of a method as the vendor's message; fails where there was none.

        :param kind: the vendor's class of the request
        """
        found = [request for name, request in self.calls if name == method]
        assert found, f"no {method} among {[name for name, _ in self.calls]}"
        return kind.deserialize(found[-1])

    def __enter__(self) -> GrpcRecorder:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(1).wait()
        self._channel.close()
