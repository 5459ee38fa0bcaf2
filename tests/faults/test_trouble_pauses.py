"""A service that asks to be left alone for a while is left alone for that while, on every wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pendulum
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from airflow_provider_jobs.core.errors import ThrottledError, retry_after_seconds
from airflow_provider_jobs.core.models import BackendRef, JobHandle
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import local_cloud
from tests.faults.troubled import OPERATIONS, SUBJECTS, Subject, error_of

PAUSE_SECONDS = 7
_MESSAGE = "slow down"

#: How each service writes the body of its refusal.
BODIES: Mapping[str, Any] = {
    "aws_batch": {"__type": "TooManyRequestsException", "message": _MESSAGE},
    "azure_batch": {"code": "TooManyRequests", "message": {"lang": "en-US", "value": _MESSAGE}},
    "kubernetes": {"kind": "Status", "reason": "TooManyRequests", "message": _MESSAGE, "code": 429},
}
#: The job that is asked for; there is none.
NATIVE_IDS = {
    "gcp_batch": "projects/p/locations/europe-west1/jobs/j",
    "cloud_run": "projects/p/locations/europe-west1/jobs/j/executions/e",
    "aws_batch": "d2d05592-ea4e-440c-bcfc-365d500b15cb",
    "azure_batch": "j",
    "kubernetes": "default/j-0123456789abcdef",
}


@contextmanager
def throttling_http(body: Any) -> Iterator[str]:
    """Yield the address of a service that answers everything with 429 and a time in seconds.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = json.dumps(body).encode()
            self.send_response(429)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", str(PAUSE_SECONDS))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = refuse  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - a name of the base class
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Refuser(grpc.GenericRpcHandler):
    """Answers every method with RESOURCE_EXHAUSTED and a RetryInfo: https://google.aip.dev/193"""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromSeconds(PAUSE_SECONDS)
        packed = any_pb2.Any()
        packed.Pack(info)
        code = grpc.StatusCode.RESOURCE_EXHAUSTED
        status = status_pb2.Status(code=code.value[0], message=_MESSAGE, details=[packed])

        def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(code, _MESSAGE)
            raise AssertionError("abort returned")

        return grpc.unary_unary_rpc_method_handler(refuse)


@contextmanager
def throttling_grpc() -> Iterator[str]:
    """Yield the address of a service that refuses everything and says for how long."""
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[_Refuser()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def throttling(subject: Subject) -> AbstractContextManager[str]:
    """Return the throttling service that a backend speaks to."""
    return throttling_grpc() if subject.speaks_grpc else throttling_http(BODIES[subject.name])


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Yield a local cloud, for its connections alone."""
    with local_cloud() as started:
        yield started


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_every_operation_passes_on_for_how_long(cloud: LocalCloud, subject: Subject) -> None:
    handle = JobHandle(
        ref=BackendRef(backend=subject.name, conn_id="ailing", scope=dict(subject.scope)),
        native_id=NATIVE_IDS[subject.name],
        name=NATIVE_IDS[subject.name].rpartition("/")[2],
        submitted_at=pendulum.now("UTC"),
    )
    with throttling(subject) as address, subject.at(cloud, address) as ailing:
        for name, operation in OPERATIONS.items():
            error = error_of(lambda operation=operation: operation(ailing, subject, handle))
            assert type(error) is ThrottledError, f"{name}: {error!r}"
            assert retry_after_seconds(error) == PAUSE_SECONDS, name
