"""Whether a great many lines of an array arrive, each once and in order, in bounded memory."""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import (
    BackendRef,
    JobEvent,
    LogCursor,
    LogLine,
    LogPage,
)
from airflow_provider_jobs.core.progress import JobProgress
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.engine.group import PollGroups
from airflow_provider_jobs.engine.plan import WaitPlan
from airflow_provider_jobs.engine.waiting import wait_for_job
from benchmarks.cloud import Meter, local_cloud
from benchmarks.machine import environment
from benchmarks.services import Service
from benchmarks.waiter import Heart

_SCRIPT = "awk -v i=$JOB_INDEX 'BEGIN {{ for (n = 0; n < {count}; n++) print i, n }}'"
# What is measured is the reading; at the pace that a quota allows, a million lines take most of an hour.
_NO_QUOTA = {
    f"AIRFLOW__AIRFLOW_PROVIDER_JOBS__{name}": "1000000"
    for name in ("CLOUD_LOGGING_READS_PER_MINUTE", "CLOUDWATCH_READS_PER_SECOND")
}


class Checksums:
    """A listener that keeps a checksum of the lines of each index, and none of them.

    :param heart: is to be measured from the first line on
    """

    def __init__(self, heart: Heart) -> None:
        self.lines = 0
        self.sums: dict[int, int] = defaultdict(int)
        self._heart = heart

    def line(self, line: LogLine) -> None:
        """Add a line to the checksum of its index."""
        if not self.lines:
            self._heart.start()
        index = line.index or 0
        self.lines += 1
        self.sums[index] = zlib.crc32(f"{line.message}\n".encode(), self.sums[index])

    def note(self, text: str, *, warning: bool = False) -> None:
        """Hear nothing of it."""

    def event(self, event: JobEvent) -> None:
        """Hear nothing of it."""

    def progress(self, progress: JobProgress) -> None:
        """Hear nothing of it."""


class Widest:
    """Opens backends that remember how many lines they had in hand at once."""

    def __init__(self) -> None:
        self.lines = self.reads = 0

    def open(self, ref: BackendRef) -> Backend:
        """Return the backend of a reference."""
        backend = open_backend(ref)
        read_logs = backend.read_logs

        def read(cursors: Sequence[LogCursor]) -> Sequence[LogPage]:
            pages = read_logs(cursors)
            self.reads += 1
            self.lines = max(self.lines, sum(len(page.lines) for page in pages))
            return pages

        backend.read_logs = read  # type: ignore[method-assign]
        return backend


def measure(service: Service, *, lines: int, indexes: int, told: Callable[[str], None]) -> dict[str, Any]:
    """Let an array write lines as fast as it can, and wait for it as a task does.

    Reads are not bounded by a quota of ours.

    :param lines: of all indexes together
    """
    each = lines // indexes
    process = psutil.Process(os.getpid())
    with local_cloud(service) as cloud, environment(_NO_QUOTA):
        told(f"{service.name} ours: {indexes} indexes write {each} lines each")
        spec = JobSpec(
            image="docker.io/library/busybox:1.37",
            script=_SCRIPT.format(count=each),
            array_size=indexes,
            options=dict(service.options),
        )
        handle = open_backend(service.ref).submit(spec, JobKey(dag_id="flood", run_id="r", task_id="t"))
        heart = Heart()
        meter, heard, widest = Meter(cloud), Checksums(heart), Widest()
        before, began = process.memory_info().rss, time.monotonic()
        plan = WaitPlan(handle=handle, log_max_bytes=1 << 40)
        asyncio.run(_wait(plan, PollGroups(widest.open), heard, heart))
        seconds = time.monotonic() - began
        calls = meter.calls()
    return {
        "lines_written": each * indexes,
        "lines_read": heard.lines,
        "checksums_right": sum(heard.sums[index] == _expected(index, each) for index in range(indexes)),
        "indexes": indexes,
        "seconds": seconds,
        "lines_per_second": heard.lines / seconds,
        "most_lines_held": widest.lines,
        "loop_block_max_seconds": heart.worst_seconds,
        "memory_mib": (process.memory_info().rss - before) / 2**20,
        "calls": {name: number for name, number in calls.items() if number},
    }


async def _wait(plan: WaitPlan, groups: PollGroups, heard: Checksums, heart: Heart) -> None:
    beating = asyncio.create_task(heart.beat())
    try:
        await wait_for_job(plan, groups, heard)
    finally:
        beating.cancel()


def _expected(index: int, count: int) -> int:
    return zlib.crc32("".join(f"{index} {number}\n" for number in range(count)).encode())
