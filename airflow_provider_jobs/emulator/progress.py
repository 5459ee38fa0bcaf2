"""When a job may take its next step: at once, after a time, or never.

It exists so that a test can hold a job in a state, or make the local cloud as slow as the real one. It
decides about time alone and must not change a job.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from fnmatch import fnmatchcase

from pydantic import Field

from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.emulator.rules import Rule, RuleList


class Stage(str, Enum):
    """The step a rule speaks of, named after the state it leads to.

    FINISHED is the job's end after its last task has ended.
    """

    SCHEDULED = "scheduled"
    ASSIGNED = "assigned"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    DELETED = "deleted"


class ProgressRule(Rule):
    """Delay one step of the jobs that match, counted from when the step became possible.

    ``job`` is a glob over the job's name in its dialect. ``delay_seconds=None`` holds the job at this step
    until the rule is removed.
    """

    stage: Stage
    job: str = "*"
    dialect: str = "*"
    delay_seconds: float | None = Field(default=None, ge=0)

    def matches(self, job: Job, stage: Stage) -> bool:
        return (
            stage is self.stage
            and fnmatchcase(job.spec.name, self.job)
            and fnmatchcase(job.spec.dialect, self.dialect)
        )


class Progress:
    """The rules in force, and the waiting for them."""

    def __init__(self) -> None:
        self.rules: RuleList[ProgressRule] = RuleList()
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Call after changing the rules: everyone who waits looks at them again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, job: Job, stage: Stage, *, interrupt: asyncio.Future | None = None) -> None:
        """Return when the job may take this step, or as soon as ``interrupt`` is done."""
        loop = asyncio.get_running_loop()
        entered = loop.time()
        while self.rules and not (interrupt and interrupt.done()):
            rule = next((rule for rule in self.rules if rule.matches(job, stage)), None)
            remaining = None
            if rule is None:
                return
            if rule.delay_seconds is not None:
                remaining = entered + rule.delay_seconds - loop.time()
                if remaining <= 0:
                    return
            changed = asyncio.ensure_future(self._changed.wait())
            awaited = {changed, interrupt} if interrupt else {changed}
            await asyncio.wait(awaited, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
