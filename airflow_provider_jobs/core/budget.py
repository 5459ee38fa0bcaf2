"""How many calls of one kind this process makes: a share of a quota that a whole project or account has.

Whoever wants to make a call takes it from the budget first. A budget never waits: whoever gets none comes
again, and is served before those who were served since.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from functools import lru_cache

# Who has not come again for so long wants nothing any more, and no call is kept back for it.
PATIENCE_SECONDS = 10.0


class CallBudget:
    """A token bucket for several threads, fair among those who take from it.

    :param per_second: how many calls come in
    :param burst: how many are kept at most; within any minute ``60 * per_second + burst`` calls go out
    :param clock: monotonic seconds
    """

    def __init__(self, per_second: float, *, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._calls = float(burst)
        self._at = clock()
        self._turns = itertools.count(1)
        self._served: dict[str, int] = {}
        self._refused: dict[str, float] = {}

    def take(self, user: str) -> bool:
        """Return whether this user may make one call now, and count it.

        What others who were refused lately, and were served longer ago, are waiting for is kept for them.
        """
        with self._lock:
            if not self._has_call(user):
                return False
            self._calls -= 1.0
            self._refused.pop(user, None)
            self._served[user] = next(self._turns)
            return True

    def has_call(self, user: str) -> bool:
        """Return whether :meth:`take` would say yes now; where it would not, that counts as refused."""
        with self._lock:
            return self._has_call(user)

    def _has_call(self, user: str) -> bool:
        now = self._clock()
        self._fill(now)
        has = self._calls - self._kept_from(user) >= 1.0
        if not has:
            self._refused[user] = now
        return has

    def _fill(self, now: float) -> None:
        self._calls = min(self._burst, self._calls + (now - self._at) * self._per_second)
        self._at = now
        self._refused = {
            user: since for user, since in self._refused.items() if now - since < PATIENCE_SECONDS
        }

    def _kept_from(self, user: str) -> int:
        """Return how many calls are kept for those whose turn it is before this user's."""
        mine = self._served.get(user, 0)
        return sum(other != user and self._served.get(other, 0) < mine for other in self._refused)


@lru_cache(maxsize=1024)
def shared_budget(place: str, per_second: float, *, burst: int) -> CallBudget:  # noqa: ARG001 - one for each
    """Return the one budget that this process has for a place, at a rate.

    :param place: what has the quota, such as a project or a region, with the name of its service
    """
    return CallBudget(per_second, burst=burst)
