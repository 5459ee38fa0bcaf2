"""How live the lines of jobs are in their tasks' logs, and what reading them costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.cloud import Meter, local_cloud
from benchmarks.polling import percentile
from benchmarks.services import Service
from benchmarks.waited import CloudJobs, our_trigger, submit_jobs
from benchmarks.waiting import WaitingProcess

_PATIENCE_SECONDS = 120.0
# As the local cloud counts them.
_LOG_READS = {"ListLogEntries", "FilterLogEvents", "GetLogEvents", "GetTaskFile", "log"}
# The first lines are written while triggers and readers begin.
SCRIPT = "sleep 3; i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i + 1)); sleep {pause}; done"


def measure(
    service: Service,
    *,
    jobs: int,
    lines_per_second: float,
    seconds: float,
    interval_seconds: float | None,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Let jobs print lines, and our triggers follow them.

    The delay of a line is from the time that it bears to its record in the log.

    :param lines_per_second: of each job
    :param seconds: for how long each prints
    :param interval_seconds: ``poll_interval`` of the task, ``None`` for its own pace
    """
    count = max(1, round(lines_per_second * seconds))
    script = SCRIPT.format(count=count, pause=1 / lines_per_second)
    with local_cloud(service, "--max-processes", str(jobs)) as cloud:
        told(f"{service.name} ours: {jobs} jobs print {count} lines each")
        handles = submit_jobs(service, jobs, command=("/bin/sh", "-c", script), dag_id="printing")
        waited = [our_trigger(handle, interval_seconds, shows_lines=True) for handle in handles]
        with WaitingProcess(waited) as process:
            meter = Meter(cloud)
            began, began_at = time.monotonic(), time.time()
            process.order("mark")
            process.add(0, jobs)
            process.wait_for_events(jobs, within_seconds=2 * seconds + _PATIENCE_SECONDS)
            calls = meter.calls()
            minutes = (time.monotonic() - began) / 60
            read, lines = process.order("read"), process.order("lines")
            ended = CloudJobs(cloud, service).ended_at()
            events = process.events()
    late = [at - ended[key] for key, at, _ in events if key in ended]
    return {
        **figures(
            jobs=jobs,
            lines_written=jobs * count,
            delays=lines["delays"],
            line_seconds=lines["last_at"] - began_at,
            calls=calls,
            minutes=minutes,
        ),
        "cpu_percent": read["cpu_percent"],
        "loop_block_max_seconds": read["loop_block_max_seconds"],
        "failed_triggers": sum(not success for _, _, success in events),
        "event_after_end_p50_seconds": percentile(late, 50),
    }


def figures(
    *,
    jobs: int,
    lines_written: int,
    delays: Sequence[float],
    line_seconds: float,
    calls: Mapping[str, int],
    minutes: float,
) -> dict[str, Any]:
    """Return what both sides have in common.

    :param delays: from the time that a line bears to its record in the log, for each that has come
    :param line_seconds: from the beginning to the last of them
    :param calls: of all methods, in so many minutes
    """
    return {
        "jobs": jobs,
        "lines_written": lines_written,
        **_delays(delays),
        "lines_per_second": len(delays) / max(0.001, line_seconds),
        "calls_per_minute": sum(calls.values()) / minutes,
        "log_reads_per_minute": sum(calls[name] for name in _reads(calls)) / minutes,
        "calls": {name: number for name, number in calls.items() if number},
    }


def _reads(calls: Mapping[str, int]) -> Iterator[str]:
    """Yield the methods that bring lines."""
    return (name for name in calls if name.rpartition("/")[2] in _LOG_READS)


def _delays(delays: Sequence[float]) -> dict[str, Any]:
    return {
        "lines_read": len(delays),
        "delay_p50_seconds": percentile(delays, 50),
        "delay_p99_seconds": percentile(delays, 99),
        "delay_max_seconds": max(delays, default=None),
    }
