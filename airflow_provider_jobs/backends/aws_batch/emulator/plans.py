"""The commands of one attempt, as the engine takes them.

It exists to turn containers into steps. It must not know why an attempt may begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_jobs.backends.aws_batch.emulator.containers import (
    Container,
    containers_of,
    resolve,
    variables,
)
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind
from airflow_provider_jobs.emulator.jobs import After, AttemptPlan, Command, Step
from airflow_provider_jobs.emulator.secretfile import SecretFile

_CONDITIONS = {"START": After.STARTED, "COMPLETE": After.ENDED, "SUCCESS": After.SUCCEEDED}


def plan(record: JobRecord, index: int, attempt: int, *, secrets: SecretFile) -> AttemptPlan:
    """What an attempt (counted from 0) runs. Raises AttemptRefused when a secret cannot be had.

    The timeout of a job of several nodes is that of its main node, for the others end with it.
    """
    own = variables(record, index, attempt)
    containers = containers_of(record, index)
    steps = [
        _step(container, {**resolve(container, secrets), **own}, containers, in_pod=record.in_pods)
        for container in containers
    ]
    limited = record.kind is not Kind.NODES or index == record.main_node
    return AttemptPlan(
        steps, time_limit_seconds=record.timeout_seconds if limited else None, together=len(steps) > 1
    )


def _step(
    container: Container, set_by_service: Mapping[str, str], all_: Sequence[Container], *, in_pod: bool
) -> Step:
    """What the service sets wins over what the job says; a container without a command does nothing."""
    return Step(
        # There is no image here whose own command could be run.
        Command(argv=container.command or ("true",)),
        env={**container.environment, **set_by_service},
        ignore_failure=not container.essential,
        essential=container.essential and not in_pod,
        after=_after_in_pod(container, all_) if in_pod else _after_in_task(container, all_),
    )


def _after_in_task(container: Container, all_: Sequence[Container]) -> dict[int, After]:
    numbers = {each.name: number for number, each in enumerate(all_)}
    return {numbers[name]: _CONDITIONS[condition] for name, condition in container.waits_for.items()}


def _after_in_pod(container: Container, all_: Sequence[Container]) -> dict[int, After]:
    """Init containers run one after another, and all the others after the last of them."""
    before = all_[: all_.index(container)] if container.runs_first else all_
    return {number: After.SUCCEEDED for number, each in enumerate(before) if each.runs_first}
