"""Moments, in models and elsewhere. A module of its own, since most models at DAG parse have none."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pendulum

if TYPE_CHECKING:
    # The type below is pendulum's with a validator; to a type checker it is pendulum's.
    from pendulum import DateTime
else:
    from pydantic_extra_types.pendulum_dt import DateTime

__all__ = ["DateTime", "from_microseconds", "in_utc"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def from_microseconds(microseconds: int) -> datetime:
    """Return a moment in UTC, exactly; for log lines, where one of pendulum's takes thirty times as long.

    :param microseconds: since the epoch
    """
    return _EPOCH + timedelta(microseconds=microseconds)


def in_utc(at: datetime) -> pendulum.DateTime:
    """Return the same moment as one of pendulum's, in UTC; its own ways to that take ten times as long.

    :param at: with a time zone
    """
    at = at.astimezone(timezone.utc)
    return pendulum.DateTime(
        at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=pendulum.UTC
    )
