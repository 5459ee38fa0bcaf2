"""What waiting costs: API calls, memory, event loop and CPU of one triggerer, and how soon an end is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Any

from airflow_provider_jobs.emulator.process import LocalCloud
from benchmarks.cloud import Meter, local_cloud
from benchmarks.services import Service
from benchmarks.waited import CloudJobs, Side, Waited, make_waited
from benchmarks.waiting import WaitingProcess

Figures = dict[str, Any]
Told = Callable[[str], None]

# Ends are given one by one; more say nothing more, and keep the local cloud busy with that.
_MOST_ENDS = 1000
_WARM_SECONDS = 5.0
_START_UP_SECONDS = 300.0
_LATE_SECONDS = 60.0


def measure(
    side: Side, service: Service, *, jobs: int, interval_seconds: float, seconds: float, told: Told
) -> Figures:
    """Let one process wait for so many jobs, and say what that costs.

    Three phases follow each other: start-up, which no figure but its own counts; steady, in which calls, CPU
    and the longest block of the event loop are counted; ends, in which up to 1,000 of the jobs succeed,
    evenly spread over two intervals.

    :param jobs: at least 2
    :param seconds: length of the steady phase
    """
    with local_cloud(service) as cloud:
        told(f"{service.name} {side}: submitting {jobs} jobs")
        began = time.monotonic()
        waited = make_waited(side, service, jobs, interval_seconds=interval_seconds)
        prepare_seconds = time.monotonic() - began
        CloudJobs(cloud, service).wait_until_running(waited)
        with WaitingProcess(waited) as process:
            run = _Run(cloud, service, process, interval_seconds, told)
            figures = {"jobs": jobs, "interval_seconds": interval_seconds, "prepare_seconds": prepare_seconds}
            started = run.start_up(jobs, asks_each=side == "official")
            steady = run.steady(seconds, jobs)
            one, many = started.pop("rss_with_one"), steady.pop("rss_with_all")
            figures["rss_kib_per_job"] = (many - one) / max(1, jobs - 1)
            ends = run.ends(waited[:: max(1, len(waited) // _MOST_ENDS)][:_MOST_ENDS])
            return {**figures, **started, **steady, **ends}


class _Run:
    def __init__(
        self,
        cloud: LocalCloud,
        service: Service,
        process: WaitingProcess,
        interval_seconds: float,
        told: Told,
    ) -> None:
        self._jobs = CloudJobs(cloud, service)
        self._meter = Meter(cloud)
        self._process = process
        self._interval_seconds = interval_seconds
        self._told = told

    def start_up(self, count: int, *, asks_each: bool) -> Figures:
        """Wait for one job and look at the memory; then for all, until each was looked at once.

        :param asks_each: whether every trigger makes a call of its own
        """
        self._process.add(0, 1)
        time.sleep(min(_WARM_SECONDS, self._interval_seconds))
        self._wait_for_calls(1, within_seconds=_LATE_SECONDS)
        with_one = self._process.order("memory")["rss_kib"]
        self._told(f"  starting {count} triggers")
        self._meter.start()
        began = time.monotonic()
        self._process.order("mark")
        self._process.add(1, count - 1)
        # Ours asks for all at once, or is told: its calls say nothing of how many triggers have begun.
        self._wait_for_calls(count - 1 if asks_each else 0)
        seconds = time.monotonic() - began
        block = self._process.order("read")["loop_block_max_seconds"]
        time.sleep(self._interval_seconds)
        return {
            "rss_with_one": with_one,
            "startup_seconds": seconds,
            "startup_calls": self._meter.total(),
            "startup_loop_block_seconds": block,
        }

    def _wait_for_calls(self, count: int, *, within_seconds: float = _START_UP_SECONDS) -> None:
        until = time.monotonic() + within_seconds
        while self._meter.total() < count and time.monotonic() < until:
            time.sleep(0.1)

    def steady(self, seconds: float, count: int) -> Figures:
        """Count for so many seconds, in which no job changes."""
        self._told(f"  {count} jobs waiting for {seconds:g} s")
        self._meter.start()
        self._process.order("mark")
        time.sleep(seconds)
        read = self._process.order("read")
        calls, cloud_seconds = self._meter.calls(), self._meter.cpu_seconds()
        memory = self._process.order("memory")
        intervals = read["seconds"] / self._interval_seconds
        return {
            "rss_with_all": memory["rss_kib"],
            "threads": memory["threads"],
            "steady_seconds": read["seconds"],
            "api_calls_per_interval": sum(calls.values()) / intervals,
            "calls": {name: number for name, number in calls.items() if number},
            "calls_under_way": self._meter.under_way(),
            "cpu_percent": read["cpu_percent"],
            "cloud_cpu_percent": 100 * cloud_seconds / read["seconds"],
            "loop_block_max_seconds": read["loop_block_max_seconds"],
            "late_beats": read["late_beats"],
            "early_events": len(self._process.events()),
        }

    def ends(self, ending: Sequence[Waited]) -> Figures:
        """End these jobs over two intervals, and say how long each event took from the end it tells of."""
        self._told(f"  {len(ending)} jobs end")
        before = len(self._process.events())
        self._process.order("mark")
        self._jobs.end_evenly(ending, within_seconds=2 * self._interval_seconds)
        patience = 3 * self._interval_seconds + _LATE_SECONDS
        self._process.wait_for_events(before + len(ending), within_seconds=patience)
        block = self._process.order("read")["loop_block_max_seconds"]
        ended = self._jobs.ended_at()
        events = {key: (at, success) for key, at, success in self._process.events()}
        delays = [events[job.key][0] - ended[job.key] for job in ending if job.key in events]
        return {
            "ended": len(ending),
            "undetected": len(ending) - len(delays),
            "failed_triggers": sum(not success for _, success in events.values()),
            "detect_p50_seconds": percentile(delays, 50),
            "detect_p99_seconds": percentile(delays, 99),
            "detect_max_seconds": max(delays, default=None),
            "ends_loop_block_max_seconds": block,
        }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Return a percentile of measured values, ``None`` where there is none."""
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]
