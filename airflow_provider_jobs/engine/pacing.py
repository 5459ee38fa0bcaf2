"""How often to ask: young jobs often, old ones rarely, a service in trouble ever more rarely."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pacing:
    """The time until the next look at a job.

    :param share: the part of a job's age after which it is looked at again
    :param floor_seconds: never more often than this
    :param ceiling_seconds: never less often than this
    :param jitter: the part by which each interval is spread, so that groups do not beat in step
    """

    share: float = 0.05
    floor_seconds: float = 1.0
    ceiling_seconds: float = 30.0
    jitter: float = 0.1
    chance: Callable[[], float] = random.random

    def interval_seconds(self, age_seconds: float, *, base_seconds: float | None = None) -> float:
        """Return the seconds to wait for a job of this age.

        :param base_seconds: the user's own interval, which replaces the adaptive one
        """
        wanted = age_seconds * self.share if base_seconds is None else base_seconds
        ceiling = max(self.ceiling_seconds, base_seconds or 0)
        spread = 1 + self.jitter * (2 * self.chance() - 1)
        return max(self.floor_seconds, min(wanted, ceiling) * spread)


@dataclass
class Backoff:
    """The pause after trouble: doubles from ``first_seconds`` to ``ceiling_seconds``.

    With its spread it stays below the longest interval of :class:`Pacing`, so that a service that is back is
    asked within one.
    """

    first_seconds: float = 2.0
    ceiling_seconds: float = 25.0
    chance: Callable[[], float] = random.random
    failures: int = field(default=0, init=False)

    def after_failure(self, retry_after_seconds: float | None = None) -> float:
        """Count one failure and return the seconds to pause; never less than the service asked for."""
        doubled = min(self.first_seconds * 2.0 ** min(self.failures, 16), self.ceiling_seconds)
        self.failures += 1
        spread = doubled * (0.8 + 0.4 * self.chance())
        return max(spread, retry_after_seconds or 0.0)

    def after_success(self) -> None:
        """Forget the failures."""
        self.failures = 0
