"""The admin API under ``/_admin``: what the local cloud did, and how it shall misbehave.

It exists for tests, benchmarks and people at a terminal. It reads and sets the engine's state and must not
speak a vendor's wire.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.faults import FaultRule
from airflow_provider_jobs.emulator.jobs import EndReason, Event, Job, JobState
from airflow_provider_jobs.emulator.logstore import LogLine
from airflow_provider_jobs.emulator.progress import ProgressRule
from airflow_provider_jobs.emulator.usage import usage


class LogSettings(BaseModel):
    """How long after it was written a line can first be read, and that only every so many lines are late.

    For lines to come. With ``one_in`` above 1 lines become readable out of order.
    """

    delay_seconds: float = Field(ge=0)
    one_in: int = Field(default=1, ge=1)


class WrittenLine(BaseModel):
    """A line that the first command of a task writes, though no process does."""

    job: str = Field(description="uid")
    index: int = Field(default=0, ge=0)
    stream: Literal["stdout", "stderr"] = "stdout"
    text: str


class ListingSettings(BaseModel):
    """How long after its creation a job first appears in the listings of its service."""

    delay_seconds: float = Field(ge=0)


class Interruption(BaseModel):
    """Why the machine under a task goes away."""

    reason: EndReason


def make_router(cloud: Cloud) -> APIRouter:
    """All admin routes for this cloud."""
    router = APIRouter(prefix="/_admin")
    _add_jobs(router, cloud)
    _add_faults(router, cloud)
    _add_progress(router, cloud)
    _add_delays(router, cloud)

    @router.get("/health")
    async def health() -> dict[str, Any]:
        return {"ok": True, "jobs": len(cloud.jobs), "lines": len(cloud.logs)}

    @router.get("/process")
    async def process() -> dict[str, float]:
        now = usage()
        return {**dataclasses.asdict(now), "cpu_seconds": now.cpu_seconds}

    @router.get("/counters")
    async def counters() -> dict[str, dict[str, object]]:
        return cloud.calls.counters.as_dict()

    @router.delete("/counters")
    async def clear_counters() -> None:
        cloud.calls.counters.clear()

    @router.post("/reset")
    async def reset() -> None:
        await cloud.reset()

    return router


def _add_jobs(router: APIRouter, cloud: Cloud) -> None:
    def find(uid: str) -> Job:
        job = cloud.jobs.by_uid(uid)
        if job is None:
            raise HTTPException(404, f"no job with uid {uid}")
        return job

    @router.get("/jobs")
    async def jobs(dialect: str | None = None, state: JobState | None = None) -> list[dict[str, Any]]:
        return [
            _summary(job)
            for job in cloud.jobs
            if dialect in (None, job.spec.dialect) and state in (None, job.state)
        ]

    @router.get("/jobs/{uid}")
    async def job(uid: str) -> dict[str, Any]:
        found = find(uid)
        tasks = [
            {"index": task.index, "state": task.state, "attempt": task.attempt}
            | {"events": [_event(event) for event in task.events]}
            for task in found.tasks
        ]
        return _summary(found) | {"events": [_event(event) for event in found.events], "tasks": tasks}

    @router.post("/jobs/{uid}/cancel")
    async def cancel(uid: str) -> None:
        await asyncio.shield(cloud.cancel(find(uid)))

    @router.delete("/jobs/{uid}")
    async def remove(uid: str) -> None:
        await asyncio.shield(cloud.remove(find(uid)))

    @router.post("/jobs/{uid}/tasks/{index}/interrupt")
    async def interrupt(uid: str, index: int, interruption: Interruption) -> None:
        if not cloud.interrupt(find(uid), index, reason=interruption.reason):
            raise HTTPException(409, f"task {index} of job {uid} is not running")


def _add_faults(router: APIRouter, cloud: Cloud) -> None:
    rules = cloud.calls.faults.rules

    @router.get("/faults")
    async def faults() -> list[FaultRule]:
        return list(rules)

    @router.post("/faults", status_code=201)
    async def add_fault(rule: FaultRule) -> FaultRule:
        return rules.add(rule)

    @router.delete("/faults")
    async def clear_faults() -> None:
        rules.clear()

    @router.delete("/faults/{rule_id}")
    async def remove_fault(rule_id: int) -> None:
        if not rules.remove(rule_id):
            raise HTTPException(404, f"no fault {rule_id}")


def _add_progress(router: APIRouter, cloud: Cloud) -> None:
    progress = cloud.progress

    @router.get("/progress")
    async def rules() -> list[ProgressRule]:
        return list(progress.rules)

    @router.post("/progress", status_code=201)
    async def add_rule(rule: ProgressRule) -> ProgressRule:
        try:
            progress.check(rule)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        added = progress.rules.add(rule)
        progress.changed()
        return added

    @router.delete("/progress")
    async def clear_rules() -> None:
        progress.rules.clear()
        progress.changed()

    @router.delete("/progress/{rule_id}")
    async def remove_rule(rule_id: int) -> None:
        if not progress.rules.remove(rule_id):
            raise HTTPException(404, f"no progress rule {rule_id}")
        progress.changed()


def _add_delays(router: APIRouter, cloud: Cloud) -> None:
    logs, listings = cloud.logs, cloud.listings

    @router.get("/logs")
    async def log_settings() -> dict[str, float]:
        return {"delay_seconds": logs.delay_seconds, "one_in": logs.delay_one_in, "lines": len(logs)}

    @router.put("/logs")
    async def set_logs(settings: LogSettings) -> None:
        logs.delay_seconds = settings.delay_seconds
        logs.delay_one_in = settings.one_in

    @router.post("/logs", status_code=204)
    async def write(lines: list[WrittenLine]) -> None:
        for line in lines:
            logs.append(_stored(cloud, line))

    @router.get("/listings")
    async def listing_settings() -> dict[str, float]:
        return {"delay_seconds": listings.delay_seconds}

    @router.put("/listings")
    async def set_listings(settings: ListingSettings) -> None:
        listings.delay_seconds = settings.delay_seconds


def _stored(cloud: Cloud, line: WrittenLine) -> LogLine:
    job = cloud.jobs.by_uid(line.job)
    if job is None or line.index >= len(job.tasks):
        raise HTTPException(404, f"no task {line.index} of a job with uid {line.job}")
    attempt = job.tasks[line.index].attempt
    return LogLine(job.spec.dialect, job.spec.uid, line.index, attempt, 0, line.stream, line.text)


def _summary(job: Job) -> dict[str, Any]:
    return {
        "dialect": job.spec.dialect,
        "name": job.spec.name,
        "uid": job.spec.uid,
        "state": job.state,
        "tasks": {state: count for state, count in job.counts.items() if count},
        "images": list(job.spec.images),
        "created_at": job.created_at.to_iso8601_string(),
        "updated_at": job.updated_at.to_iso8601_string(),
        "ended_at": job.events[-1].at.to_iso8601_string() if job.ended else None,
        "run_seconds": job.run_duration().total_seconds(),
    }


def _event(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "at": event.at.to_iso8601_string(),
        "before": event.before,
        "after": event.after,
        "attempt": event.attempt,
    }
    if event.end is not None:
        found["end"] = {
            "reason": event.end.reason,
            "exit_code": event.end.exit_code,
            "message": event.end.message,
        }
    return found
