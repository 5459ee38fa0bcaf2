"""What becomes of waiting tasks while their service answers nothing but errors, and how soon they go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_jobs.emulator.process import LocalCloud
from benchmarks.cloud import Meter, local_cloud
from benchmarks.polling import percentile
from benchmarks.services import Service
from benchmarks.waited import CloudJobs, Side, Waited, make_waited
from benchmarks.waiting import WaitingProcess

_PATIENCE_SECONDS = 120.0


def measure(
    side: Side,
    service: Service,
    *,
    jobs: int,
    interval_seconds: float,
    seconds: float,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Let the service be unavailable for half of the time and throttle for the other, while its jobs succeed.

    ``failed_tasks`` are triggers that ended otherwise than with success, which no job has given them a reason
    to. ``recovered_seconds`` is how long after the last error the last of the others had its event.
    """
    with local_cloud(service) as cloud:
        told(f"{service.name} {side}: submitting {jobs} jobs")
        waited = make_waited(side, service, jobs, interval_seconds=interval_seconds)
        CloudJobs(cloud, service).wait_until_running(waited)
        with WaitingProcess(waited) as process:
            process.add(0, jobs)
            time.sleep(2 * interval_seconds)
            before = len(process.events())
            told(f"  the service is in trouble for {seconds:g} s")
            meter = Meter(cloud)
            ended_at = _trouble(cloud, service, waited, seconds)
            calls = meter.total()
            told("  the service answers again")
            patience = _PATIENCE_SECONDS + 3 * interval_seconds
            process.wait_for_events(jobs, within_seconds=patience)
            events = process.events()
    return {
        "jobs": jobs,
        "interval_seconds": interval_seconds,
        "outage_seconds": seconds,
        **_outcome(jobs, events, ended_at),
        "calls_in_outage": calls,
        "early_events": before,
    }


def _outcome(jobs: int, events: Sequence[tuple[str, float, bool]], ended_at: float) -> dict[str, Any]:
    recovered = [max(0.0, at - ended_at) for _, at, success in events if success]
    return {
        "failed_tasks": sum(not success for _, _, success in events),
        "recovered_tasks": len(recovered),
        "lost_tasks": jobs - len(events),
        "recovered_seconds": max(recovered, default=None),
        "recovered_p50_seconds": percentile(recovered, 50),
    }


def _trouble(cloud: LocalCloud, service: Service, waited: list[Waited], seconds: float) -> float:
    """Answer all calls with errors for so long, let all jobs succeed, and return when it was over."""
    until = time.monotonic() + seconds
    unavailable, throttled = service.trouble
    cloud.admin.add_fault(method=service.calls, error={"code": unavailable})
    CloudJobs(cloud, service).end_evenly(waited, within_seconds=seconds / 2)
    time.sleep(max(0.0, until - seconds / 2 - time.monotonic()))
    cloud.admin.add_fault(method=service.calls, error={"code": throttled})
    first = cloud.admin.call("GET", "/faults")[0]["id"]
    cloud.admin.call("DELETE", f"/faults/{first}")
    time.sleep(max(0.0, until - time.monotonic()))
    cloud.admin.clear_faults()
    return time.time()
