"""GetLogEvents, FilterLogEvents, DescribeLogGroups and DescribeLogStreams of CloudWatch Logs.

It exists to answer these as the service does: pages of 1 MB or 10,000 events, tokens that can be used again,
a forward token that repeats at the end. It must not know jobs.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import paging
from airflow_provider_jobs.backends.aws_batch.emulator.errors import invalid_parameter, no_such
from airflow_provider_jobs.backends.aws_batch.emulator.filter_pattern import compile_pattern
from airflow_provider_jobs.backends.aws_batch.emulator.log_streams import (
    Group,
    LogEvent,
    LogStream,
    LogStreams,
)
from airflow_provider_jobs.backends.aws_batch.emulator.names import Place
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters

MAX_EVENTS = 10_000
MAX_PAGE_BYTES = 1024 * 1024
_DESCRIBED = 50
_NANOSECONDS = 1_000_000  # in a millisecond
_END_OF_TIME = 2**63 - 1
_TOKEN = re.compile(r"(?P<direction>[fb])/(?P<place>\d{56})/s")
_ARN = re.compile(r"arn:[\w-]+:logs:[\w-]*:\d{12}:log-group:(?P<name>[^:]+)(?::\*)?")


class Logs:
    """The operations, over the streams of all places."""

    def __init__(self, streams: LogStreams) -> None:
        self._streams = streams

    async def get_log_events(self, caller: Caller, asked: Parameters) -> Mapping[str, Any]:
        """One page of one stream: from its end, from its head, or onward from a token."""
        stream = self._group(caller, asked).get(asked["logStreamName"])
        if stream is None:
            raise no_such("stream")
        direction, place = _read_token(asked.get("nextToken"))
        forward = direction == "f" or (direction is None and asked.get("startFromHead", False))
        after, before = _bounds(asked, end_included=False)
        if place is not None and forward:
            after = max(place, after)
        elif place is not None:
            before = min(place, before)
        events = self._streams.events([stream], after=after, before=before, descending=not forward)
        page, _ = _page(events, asked.get("limit", MAX_EVENTS))
        page.sort(key=lambda event: event.place)
        first, last = _edges(page, place or 0)
        return {
            "events": [
                {"timestamp": each.timestamp, "message": each.message, "ingestionTime": each.ingested_at}
                for each in page
            ],
            "nextForwardToken": _write_token("f", last),
            "nextBackwardToken": _write_token("b", first),
        }

    async def filter_log_events(self, caller: Caller, asked: Parameters) -> Mapping[str, Any]:
        """One page of many streams of a group, by time."""
        group = self._group(caller, asked)
        streams = _chosen(group, asked)
        matches = compile_pattern(asked.get("filterPattern", ""))
        descending = not asked.get("startFromHead", True)
        context = {key: asked[key] for key in sorted(asked) if key not in ("nextToken", "limit")}
        place = paging.read(asked["nextToken"], context) if "nextToken" in asked else None
        after, before = _bounds(asked, end_included=True)
        if place is not None and descending:
            before = min(place, before)
        elif place is not None:
            after = max(place, after)
        events = self._streams.events(streams, after=after, before=before, descending=descending)
        page, more = _page((each for each in events if matches(each.message)), asked.get("limit", MAX_EVENTS))
        return {
            "events": [_filtered(each) for each in page],
            "searchedLogStreams": [],
            "nextToken": paging.write(page[-1].place, context) if more else None,
        }

    async def describe_log_groups(self, caller: Caller, asked: Parameters) -> Mapping[str, Any]:
        place = Place.of(caller)
        prefix, pattern = asked.get("logGroupNamePrefix"), asked.get("logGroupNamePattern")
        if prefix is not None and pattern is not None:
            raise invalid_parameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive.")
        groups = self._streams.groups(place)
        found = [
            _group_shown(place, name, groups[name])
            for name in sorted(groups)
            if name.startswith(prefix or "") and (pattern or "").lower() in name.lower()
        ]
        page, token = _describe_page(found, asked, context=(prefix, pattern))
        return {"logGroups": page, "nextToken": token}

    async def describe_log_streams(self, caller: Caller, asked: Parameters) -> Mapping[str, Any]:
        place, name = Place.of(caller), _group_name(asked)
        group = self._group(caller, asked)
        prefix, order = asked.get("logStreamNamePrefix", ""), asked.get("orderBy", "LogStreamName")
        if order == "LastEventTime" and prefix:
            raise invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        streams = sorted(
            (each for each in group.values() if each.name.startswith(prefix)), key=lambda each: each.name
        )
        shown = self._shown(place, name, streams)
        if order == "LastEventTime":
            shown.sort(key=lambda each: each.get("lastEventTimestamp", 0))
        if asked.get("descending"):
            shown.reverse()
        page, token = _describe_page(shown, asked, context=(name, prefix, order, asked.get("descending")))
        return {"logStreams": page, "nextToken": token}

    def _group(self, caller: Caller, asked: Parameters) -> Group:
        group = self._streams.groups(Place.of(caller)).get(_group_name(asked))
        if group is None:
            raise no_such("group")
        return group

    def _shown(self, place: Place, group: str, streams: Sequence[LogStream]) -> list[dict[str, Any]]:
        """Streams as they are described, with the times of their first and latest events."""
        shown = {each.name: _stream_shown(place, group, each) for each in streams}
        for event in self._streams.events(streams):
            own = shown[event.stream]
            own.setdefault("firstEventTimestamp", event.timestamp)
            own["lastEventTimestamp"] = event.timestamp
            own["lastIngestionTime"] = event.ingested_at
        return list(shown.values())


def _group_name(asked: Parameters) -> str:
    name, identifier = asked.get("logGroupName"), asked.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid_parameter("Exactly one of logGroupName and logGroupIdentifier must be given.")
    if name is not None:
        return name
    match = _ARN.fullmatch(identifier or "")
    return match["name"] if match else str(identifier)


def _chosen(group: Group, asked: Parameters) -> list[LogStream]:
    """The streams that a request names, by name or by prefix; all of the group without either."""
    names, prefix = asked.get("logStreamNames"), asked.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise invalid_parameter("logStreamNamePrefix and logStreamNames are mutually exclusive.")
    if names is not None and any(name not in group for name in names):
        raise no_such("stream")
    if names is not None:
        return [group[name] for name in names]
    return [each for each in group.values() if each.name.startswith(prefix or "")]


def _bounds(asked: Parameters, *, end_included: bool) -> tuple[int, int]:
    """The places between which the times of a request lie; one of the two operations includes the end."""
    start, end = asked.get("startTime", 0), asked.get("endTime")
    if end is None:
        return start * _NANOSECONDS - 1, _END_OF_TIME
    return start * _NANOSECONDS - 1, (end + end_included) * _NANOSECONDS


def _page(events: Iterable[LogEvent], limit: int) -> tuple[list[LogEvent], bool]:
    """As many events as one page holds, at least one, and whether there are more."""
    page: list[LogEvent] = []
    size = 0
    for event in events:
        size += event.size
        if page and (len(page) == limit or size > MAX_PAGE_BYTES):
            return page, True
        page.append(event)
    return page, False


def _edges(page: Sequence[LogEvent], place: int) -> tuple[int, int]:
    """The places of the first and the last event of a page; of an empty one, where it stands."""
    return (page[0].place, page[-1].place) if page else (place, place)


def _read_token(token: str | None) -> tuple[str | None, int | None]:
    if token is None:
        return None, None
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise invalid_parameter("The specified nextToken is invalid.")
    return match["direction"], int(match["place"])


def _write_token(direction: str, place: int) -> str:
    return f"{direction}/{place:056d}/s"


def _filtered(event: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingested_at,
        "eventId": f"{event.place:056d}",
    }


def _group_shown(place: Place, name: str, group: Group) -> dict[str, Any]:
    arn = f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}"
    return {
        "logGroupName": name,
        "creationTime": min((each.created_at for each in group.values()), default=0),
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "logGroupClass": "STANDARD",
        "storedBytes": 0,
    }


def _stream_shown(place: Place, group: str, stream: LogStream) -> dict[str, Any]:
    arn = f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{group}"
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_at,
        "arn": f"{arn}:log-stream:{stream.name}",
        # "As of June 17, 2019, this parameter is no longer supported for log streams" and always zero.
        "storedBytes": 0,
    }


def _describe_page(
    shown: Sequence[dict[str, Any]], asked: Parameters, *, context: object
) -> tuple[Sequence[dict[str, Any]], str | None]:
    return paging.page(
        shown, size=asked.get("limit", _DESCRIBED), token=asked.get("nextToken"), context=context
    )
