"""To the vendor's messages and from them: requests as dicts, and times. Pure.

A request is written as the dict that protobuf's JSON form reads, with the vendor's field names in snake
case, so that ``native`` can be laid on top of it last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pendulum
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.moments import from_microseconds, in_utc


def named(value: Any, kind: Any, path: str) -> Any:
    """Return the user's own value with the vendor's snake case names; keys of maps are left alone.

    :param kind: the vendor's message class
    :param path: the argument's name
    :raises InvalidArgument: a name that the vendor's message does not have
    """
    return _named(value, kind.pb(kind()).DESCRIPTOR, path)


def _named(value: Any, message: Descriptor, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidArgument(
            path, f"{message.name} is written as a dict", remedy="Write a dict of its fields"
        )
    fields = {name: field for field in message.fields for name in (field.name, field.json_name)}
    found: dict[str, Any] = {}
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            known = ", ".join(sorted({each.json_name for each in message.fields}))
            raise InvalidArgument(
                path, f"{name!r} is no field of {message.name}", remedy=f"Known are {known}"
            )
        inner, below = field.message_type, f"{path}.{name}"
        if inner is None or inner.GetOptions().map_entry or inner.file.package == "google.protobuf":
            found[field.name] = item
        elif isinstance(item, (list, tuple)):
            found[field.name] = [_named(each, inner, f"{below}[{n}]") for n, each in enumerate(item)]
        else:
            found[field.name] = _named(item, inner, below)
    return found


def parsed(value: dict[str, Any], kind: Any, *, argument: str = "native") -> Any:
    """Return the vendor's message.

    :param kind: its class
    :param argument: who is to blame where a value does not fit
    :raises InvalidArgument: a value does not fit its field; it is not shown, since it may be a secret
    """
    message = kind.pb(kind())
    try:
        json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        fields = re.findall(r"Failed to parse (\w+) field", str(error))
        raise InvalidArgument(
            ".".join([argument, *fields]),
            "the value does not fit the field",
            remedy="Write it as in the JSON of the service's reference, durations as text such as '60s'",
        ) from None
    return kind.wrap(message)


def bare(message: Any) -> Any:
    """Return the message of protobuf inside the vendor's, or one of protobuf as it is.

    What the vendor puts around it makes new objects at every look at a field, which is several times the work
    of all the rest where it is done for thousands of jobs.
    """
    return message if isinstance(message, Message) else type(message).pb(message)


def bare_items(items: Any) -> Any:
    """Return the items of a repeated field of the vendor's message as protobuf's own."""
    return getattr(items, "pb", items)


def moment(stamp: Any) -> pendulum.DateTime:
    """Return a timestamp of the vendor's client, or of protobuf, in UTC."""
    if not isinstance(stamp, Timestamp):
        return in_utc(stamp)
    return in_utc(from_microseconds(stamp.seconds * 10**6 + stamp.nanos // 1000))
