"""How Batch writes times, entity tags and durations.

It exists so that every answer spells them alike. It must not know a resource.
"""

from __future__ import annotations

import re
from email.utils import formatdate

import pendulum

#: TimeSpan.MaxValue of .NET: what the service answers where no limit was asked for.
UNLIMITED = "P10675199DT2H48M5.4775807S"
_UNLIMITED_DAYS = 10675199
#: Seconds from the beginning of year 1, where .NET begins to count, to that of 1970.
_SECONDS_BEFORE_EPOCH = 62_135_596_800
_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def timestamp(at: pendulum.DateTime) -> str:
    """ISO 8601 in UTC without trailing zeros in the fraction."""
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at.strftime('%Y-%m-%dT%H:%M:%S')}{fraction}Z"


def http_date(at: pendulum.DateTime) -> str:
    """The time as HTTP headers have it."""
    return formatdate(at.timestamp(), usegmt=True)


def etag(at: pendulum.DateTime) -> str:
    """The entity tag of a resource modified then: .NET ticks (100 ns since year 1) in hexadecimal."""
    return f"0x{(at.int_timestamp + _SECONDS_BEFORE_EPOCH) * 10_000_000 + at.microsecond * 10:X}"


def duration_seconds(text: str) -> float | None:
    """Seconds of an ISO 8601 duration; None for one without end. Raises ValueError when it is none."""
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError("not an ISO 8601 duration")
    if int(match["days"] or 0) >= _UNLIMITED_DAYS:
        return None
    parts = (float(match[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    return sum(part * unit for part, unit in zip(parts, (86_400, 3_600, 60, 1), strict=True))


def duration(seconds: float | None) -> str:
    """ISO 8601 as .NET writes a TimeSpan: whole days first, nothing that is zero."""
    if seconds is None:
        return UNLIMITED
    days, rest = divmod(round(seconds, 6), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    clock = "".join(f"{amount:g}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    clock += f"{f'{rest:.6f}'.rstrip('0').rstrip('.')}S" if rest else ""
    return f"P{f'{days:.0f}D' if days else ''}{f'T{clock}' if clock else ''}" if seconds else "PT0S"
