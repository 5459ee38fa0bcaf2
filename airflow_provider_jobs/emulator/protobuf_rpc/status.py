"""The canonical status codes, as gRPC spells them and as HTTP does.

https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto gives both. This module must not
decide which code an error has.
"""

from __future__ import annotations

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from airflow_provider_jobs.emulator.calls import StatusError

HTTP_STATUS: dict[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
_CODE_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def canonical_code(code: str | int) -> str:
    """The code word for a code word in any case, or for an HTTP status."""
    if isinstance(code, int) or code.isdigit():
        return _CODE_OF_HTTP.get(int(code), "UNKNOWN")
    return code.upper() if code.upper() in HTTP_STATUS else "UNKNOWN"


def status_message(error: StatusError) -> status_pb2.Status:
    """The error as google.rpc.Status, with its details packed."""
    status = status_pb2.Status(code=code_pb2.Code.Value(canonical_code(error.code)), message=error.message)
    for detail in error.details:
        packed = any_pb2.Any()
        assert isinstance(detail, Message)
        packed.Pack(detail)
        status.details.append(packed)
    return status
