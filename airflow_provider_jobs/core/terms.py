"""What a user may say of how a task waits and ends, as far as operators and engine both know it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from airflow_provider_jobs.core.errors import InvalidArgument

FailWhen: TypeAlias = Literal["any", "all"] | float

EXPLAIN_AFTER_SECONDS = 120.0
# What a task's log shows of a job at most, unless the user says otherwise.
LOG_MAX_BYTES = 100 * 1024 * 1024


def check_fail_when(value: object) -> None:
    """Do nothing where the value is ``"any"``, ``"all"`` or a fraction above 0 and at most 1.

    :raises InvalidArgument: it is something else
    """
    is_fraction = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1
    if value not in ("any", "all") and not is_fraction:
        raise InvalidArgument(
            "fail_when", f"{value!r} is refused", remedy='Write "any", "all" or a fraction such as 0.1'
        )
