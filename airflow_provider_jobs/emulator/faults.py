"""Faults that an operator asks for: late answers, error answers, answers that never arrive.

It exists so that a client's behaviour under failure can be tested on every wire with the same rule. It
decides which fault strikes a call; carrying it out is up to ``calls.py`` and the transports.
"""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

from airflow_provider_jobs.emulator.rules import Rule, RuleList


class Drop(str, Enum):
    """What becomes of an answer that is dropped after the work was done.

    RESET: the connection ends without an answer. HANG: no answer until the client gives up.
    """

    RESET = "reset"
    HANG = "hang"


class FaultError(BaseModel):
    """An error answer: a code word of the dialect's own protocol ("UNAVAILABLE") or an HTTP status."""

    model_config = ConfigDict(extra="forbid")

    code: str | int
    message: str = "injected by the local cloud"


class FaultRule(Rule):
    """Strikes calls whose method matches, until it has struck ``times`` times (None: for ever).

    ``method`` is a glob over the full name ("google.cloud.batch.v1.BatchService/CreateJob") or over its last
    part ("CreateJob"). The delay comes first; then either the error answer, and the work is not done, or the
    work is done and its answer dropped. With ``after_work`` the work is done and the error answered
    nevertheless, as by a service that fails between its deed and its answer; where the service itself refuses
    the work, that refusal is answered. ``skip`` lets that many matching calls pass first.
    """

    method: str = "*"
    skip: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=1)
    delay_seconds: float = Field(default=0, ge=0)
    error: FaultError | None = None
    after_work: bool = False
    drop_answer: Drop | None = None
    struck: int = 0

    @model_validator(mode="after")
    def _does_something(self) -> FaultRule:
        if not (self.delay_seconds or self.error or self.drop_answer):
            raise ValueError("a fault needs delay_seconds, error or drop_answer")
        if self.error and self.drop_answer:
            raise ValueError("error and drop_answer exclude each other")
        if self.after_work and not self.error:
            raise ValueError("after_work says when the error is answered: it goes with error alone")
        return self

    def matches(self, method: str) -> bool:
        return fnmatchcase(method, self.method) or fnmatchcase(method.rpartition("/")[2], self.method)


class Faults:
    """The fault rules in force."""

    def __init__(self) -> None:
        self.rules: RuleList[FaultRule] = RuleList()

    def strike(self, method: str) -> FaultRule | None:
        """The fault that strikes this call, or None. Counts it against the rule."""
        for rule in self.rules:
            if not rule.matches(method):
                continue
            if rule.skip:
                rule.skip -= 1
            elif rule.times is None or rule.struck < rule.times:
                rule.struck += 1
                return rule
        return None
