"""The one place where the engine reads the wall clock, so that a test can put another in its stead."""

from __future__ import annotations

from collections.abc import Callable

import pendulum

Now = Callable[[], pendulum.DateTime]


def utc_now() -> pendulum.DateTime:
    """Return the present in UTC."""
    return pendulum.now("UTC")
