"""What the server's own process takes of its machine.

It exists so that a benchmark can tell the local cloud's share of the machine from its own. The commands of
jobs, and the small process that they belong to, are processes of their own and not counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """Seconds are sums since the process began: two answers are to be subtracted."""

    user_seconds: float
    system_seconds: float
    memory_bytes: int
    threads: int
    at: float

    @property
    def cpu_seconds(self) -> float:
        return self.user_seconds + self.system_seconds


def usage() -> Usage:
    """What this process has taken, and holds. ``at``: in seconds, of a clock that never goes back."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        memory = process.memory_info().rss
        return Usage(times.user, times.system, memory, process.num_threads(), time.monotonic())
