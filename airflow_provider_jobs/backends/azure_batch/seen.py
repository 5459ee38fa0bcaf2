"""What was seen of submissions before, so that not all of it is asked for again at every look.

Nothing in here is needed: what is lost is looked at again. May be used from several threads.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Sequence

from airflow_provider_jobs.backends.azure_batch import mapping
from airflow_provider_jobs.backends.azure_batch.mapping import Tally
from airflow_provider_jobs.core.models import JobHandle

# Some hundred bytes each. More than a triggerer waits for, and than an account may have at once.
MAX_KEPT = 20_000


class Seen:
    """The last tally of what has not ended."""

    def __init__(self, *, most: int = MAX_KEPT) -> None:
        self._most = most
        self._tallies: dict[str, tuple[int, Tally]] = {}
        self._turns = itertools.count()
        self._lock = threading.Lock()

    def tally(self, native_id: str) -> Tally | None:
        """Return what the tasks added up to at the last look."""
        with self._lock:
            return self._tallies[native_id][1] if native_id in self._tallies else None

    def keep(self, native_id: str, counted: Tally) -> None:
        """Keep what the tasks add up to now; beyond the bound, what was seen longest ago is lost."""
        with self._lock:
            self._tallies.pop(native_id, None)
            self._tallies[native_id] = (next(self._turns), mapping.kept(counted))
            while len(self._tallies) > self._most:
                del self._tallies[next(iter(self._tallies))]

    def forget(self, native_id: str) -> None:
        """Keep nothing of it any more."""
        with self._lock:
            self._tallies.pop(native_id, None)

    def longest_ago(self, handles: Sequence[JobHandle], count: int) -> list[JobHandle]:
        """Return so many of the handles, those that were looked at longest ago."""
        with self._lock:
            turns = {handle.native_id: self._tallies.get(handle.native_id, (-1,))[0] for handle in handles}
        return heapq.nsmallest(count, handles, key=lambda handle: turns[handle.native_id])
