"""Whether a failed attempt is followed by another.

It exists to hold the rules of retry strategies in one place. It must not know how an attempt ran.
https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused

MAX_ATTEMPTS = 10
MAX_RULES = 5
_MAX_PATTERN = 512
_CONDITIONS = ("onStatusReason", "onReason", "onExitCode")


@dataclass(frozen=True)
class Outcome:
    """How an attempt failed, in the words that rules match."""

    status_reason: str = ""
    reason: str = ""
    exit_code: int | None = None


def check(strategy: Mapping[str, Any]) -> None:
    """Raises StatusError unless the strategy is one that the service takes."""
    attempts = strategy.get("attempts")
    rules = strategy.get("evaluateOnExit", [])
    if attempts is None:
        raise refused("RetryAttempts must be provided with retry strategy")
    if not 1 <= attempts <= MAX_ATTEMPTS:
        raise refused(f"Retry attempts must be between 1 and {MAX_ATTEMPTS}")
    if len(rules) > MAX_RULES:
        raise refused(f"EvaluateOnExit must have at most {MAX_RULES} conditions")
    for rule in rules:
        _check_rule(rule)


def _check_rule(rule: Mapping[str, str]) -> None:
    given = [name for name in _CONDITIONS if name in rule]
    if not given:
        raise refused("EvaluateOnExit must have at least one of onStatusReason, onReason and onExitCode")
    for name in given:
        pattern = rule[name]
        if not 1 <= len(pattern) <= _MAX_PATTERN or "*" in pattern[:-1]:
            raise refused(f"{name} is not a valid pattern: an asterisk may stand at its end only")
        if name == "onExitCode" and not pattern.removesuffix("*").isdecimal() and pattern != "*":
            raise refused("onExitCode may hold digits only, and an asterisk at its end")


def wanted(strategy: Mapping[str, Any], outcome: Outcome, *, attempt: int) -> bool:
    """Whether to try again after attempt number ``attempt``, counted from 1.

    The first rule whose conditions all hold decides; without one that holds the job is retried.
    """
    if attempt >= strategy.get("attempts", 1):
        return False
    for rule in strategy.get("evaluateOnExit", ()):
        if all(_holds(rule[name], outcome, name) for name in _CONDITIONS if name in rule):
            return rule["action"].upper() == "RETRY"
    return True


def _holds(pattern: str, outcome: Outcome, condition: str) -> bool:
    values: Sequence[str | None] = (
        outcome.status_reason,
        outcome.reason,
        None if outcome.exit_code is None else str(outcome.exit_code),
    )
    value = values[_CONDITIONS.index(condition)]
    if value is None:
        return False
    # Of all glob characters only the asterisk at the end is documented.
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
