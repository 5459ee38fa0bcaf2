"""When a job may take its next step: at once, after a time, or never.

It exists so that a test can hold a job in a state, or make the local cloud as slow as the real one. It
decides about time, and notes on a job what a rule says keeps it; it must not change a job's state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
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
    until the rule is removed. ``reason`` is what the service says meanwhile: a word of those that its dialect
    has for this step.
    """

    stage: Stage
    job: str = "*"
    dialect: str = "*"
    delay_seconds: float | None = Field(default=None, ge=0)
    reason: str | None = None

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
        self._words: dict[tuple[str, Stage], frozenset[str]] = {}

    def offer(self, dialect: str, words: Mapping[Stage, Iterable[str]]) -> None:
        """Say which reasons a dialect can tell of, by the step that they keep jobs from."""
        for stage, known in words.items():
            self._words[dialect, stage] = frozenset(known)

    def check(self, rule: ProgressRule) -> None:
        """Raises ValueError where no dialect that the rule speaks of can tell of its reason."""
        if rule.reason is None:
            return
        fitting = {
            word
            for (dialect, stage), words in self._words.items()
            if stage is rule.stage and fnmatchcase(dialect, rule.dialect)
            for word in words
        }
        if rule.reason not in fitting:
            known = ", ".join(sorted(fitting)) or "none"
            raise ValueError(
                f"reason {rule.reason!r} is not one of stage {rule.stage.value!r} of dialect "
                f"{rule.dialect!r}, which has: {known}"
            )

    def reason(self, job: Job, stage: Stage) -> str | None:
        """What keeps a job from a step, if a rule does and says why."""
        rule = self._rule(job, stage)
        return rule.reason if rule and self._is_word(job, rule) else None

    def _rule(self, job: Job, stage: Stage) -> ProgressRule | None:
        return next((rule for rule in self.rules if rule.matches(job, stage)), None)

    def _is_word(self, job: Job, rule: ProgressRule) -> bool:
        return rule.reason in self._words.get((job.spec.dialect, rule.stage), ())

    def changed(self) -> None:
        """Call after changing the rules: everyone who waits looks at them again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, job: Job, stage: Stage, *, interrupt: asyncio.Future | None = None) -> None:
        """Return when the job may take this step, or as soon as ``interrupt`` is done."""
        if not self.rules:
            return
        try:
            await self._wait(job, stage, interrupt)
        finally:
            job.hinder(None)

    async def _wait(self, job: Job, stage: Stage, interrupt: asyncio.Future | None) -> None:
        loop = asyncio.get_running_loop()
        entered = loop.time()
        while self.rules and not (interrupt and interrupt.done()):
            rule = self._rule(job, stage)
            remaining = None
            if rule is None:
                return
            job.hinder(self.reason(job, stage))
            if rule.delay_seconds is not None:
                remaining = entered + rule.delay_seconds - loop.time()
                if remaining <= 0:
                    return
            changed = asyncio.ensure_future(self._changed.wait())
            awaited = {changed, interrupt} if interrupt else {changed}
            await asyncio.wait(awaited, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
