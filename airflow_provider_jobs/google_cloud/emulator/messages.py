"""Messages of Cloud Logging as plain protobuf classes, and times.

It exists because the client library wraps them, and a server has to read and write what is on the wire.
To a type checker they are of any type: the classes are made at run time.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pendulum
from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from typing import TypeAlias

    LogEntry: TypeAlias = Any
    ListLogEntriesRequest: TypeAlias = Any
    ListLogEntriesResponse: TypeAlias = Any
    ListLogsRequest: TypeAlias = Any
    ListLogsResponse: TypeAlias = Any
else:
    from google.cloud.logging_v2.types import log_entry, logging

    LogEntry = log_entry.LogEntry.pb()
    ListLogEntriesRequest = logging.ListLogEntriesRequest.pb()
    ListLogEntriesResponse = logging.ListLogEntriesResponse.pb()
    ListLogsRequest = logging.ListLogsRequest.pb()
    ListLogsResponse = logging.ListLogsResponse.pb()


def timestamp(at: pendulum.DateTime) -> Timestamp:
    """A time as the services write it."""
    return Timestamp(seconds=int(dt.datetime.timestamp(at)), nanos=at.microsecond * 1000)
