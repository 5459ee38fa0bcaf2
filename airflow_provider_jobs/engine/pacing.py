"""How often to ask: young jobs often, old ones rarely, a service in trouble ever more rarely."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

# A look that falls so shortly before the next one of its grid stands for that one too.
_NEAR_SHARE = 0.25


@dataclass(frozen=True)
class Pacing:
    """The moments at which a group looks at its jobs.

    They lie on a grid, whose steps are halves of halves of the longest interval: jobs of unlike age are then
    asked for in one call wherever their moments meet.

    :param share: the part of a job's age after which it is looked at again
    :param floor_seconds: never more often than this
    :param ceiling_seconds: never less often than this, unless the user wants it
    :param phase: where the grid begins, as a part of the ceiling; by chance, so that groups and triggerers
        do not ask in step
    """

    share: float = 0.05
    floor_seconds: float = 1.0
    ceiling_seconds: float = 30.0
    phase: float = field(default_factory=random.random)

    def interval_seconds(
        self, age_seconds: float, *, base_seconds: float | None = None, least_seconds: float = 0.0
    ) -> float:
        """Return the seconds between two looks at a job of this age.

        :param base_seconds: the user's own interval, which replaces the adaptive one
        :param least_seconds: the service's own floor
        """
        floor = max(self.floor_seconds, least_seconds)
        if base_seconds is not None:
            return max(base_seconds, floor)
        wanted = max(age_seconds * self.share, floor)
        halvings = max(0, math.ceil(math.log2(self.ceiling_seconds / wanted)))
        return max(self.ceiling_seconds / 2.0**halvings, floor)

    def next_look(self, now: float, interval_seconds: float) -> float:
        """Return the next moment of the grid of this interval, in the seconds that ``now`` counts in."""
        begin = self.phase * self.ceiling_seconds
        moment = begin + (math.floor((now - begin) / interval_seconds) + 1) * interval_seconds
        return moment if moment - now >= interval_seconds * _NEAR_SHARE else moment + interval_seconds


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
