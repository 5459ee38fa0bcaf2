"""From a job's task spec to the commands of one attempt.

It exists to hold the rules about environments, runnables, secrets and retries. Facts:
https://docs.cloud.google.com/batch/docs/create-run-job (variables),
https://docs.cloud.google.com/batch/docs/create-run-job-secret-manager,
https://docs.cloud.google.com/batch/docs/automate-task-retries. It must not run anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from google.cloud import batch_v1
from google.protobuf.duration_pb2 import Duration

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.backends.gcp_batch.emulator.outcomes import UNKNOWN_FAILURE, exit_code
from airflow_provider_jobs.emulator.jobs import AttemptEnd, AttemptPlan, AttemptRefused, Command, Step
from airflow_provider_jobs.emulator.secretfile import SecretFile

_RETRY = batch_v1.LifecyclePolicy.Action.RETRY_TASK
_FAIL = batch_v1.LifecyclePolicy.Action.FAIL_TASK


class Planner:
    """Plans the attempts of one job's tasks."""

    def __init__(
        self, group: pb.TaskGroup, *, task_count: int, secrets: SecretFile, hosts_file: Path | None
    ) -> None:
        self._group = group
        self._spec = group.task_spec
        self._task_count = task_count
        self._secrets = secrets
        self._hosts_file = hosts_file

    def plan(self, index: int, attempt: int) -> AttemptPlan:
        """The steps of one attempt. Raises AttemptRefused when a secret cannot be had."""
        shared = self._shared_environment(index, attempt)
        steps = [self._step(runnable, shared) for runnable in self._spec.runnables]
        return AttemptPlan(steps, time_limit_seconds=_seconds(self._spec.max_run_duration))

    def retry(self, end: AttemptEnd, attempt: int) -> bool:
        """Whether a failed attempt is followed by another.

        With RETRY_TASK the listed codes are retried and no others; with FAIL_TASK the listed codes are not
        retried and all others are. Never more than max_retry_count times.
        """
        if attempt >= self._spec.max_retry_count:
            return False
        for policy in self._spec.lifecycle_policies:
            listed = exit_code(end) in policy.action_condition.exit_codes
            if policy.action == _RETRY:
                return listed
            if policy.action == _FAIL:
                return not listed
        return True

    def _shared_environment(self, index: int, attempt: int) -> dict[str, str]:
        """Predefined variables, then the task spec's, then this task's own; a later one wins."""
        environment = {
            "BATCH_TASK_INDEX": str(index),
            "BATCH_TASK_COUNT": str(self._task_count),
            "BATCH_TASK_RETRY_ATTEMPT": str(attempt),
        }
        if self._hosts_file is not None:
            environment["BATCH_HOSTS_FILE"] = str(self._hosts_file)
        environment |= dict(self._spec.environments)
        environment |= self._resolve(self._spec.environment)
        if self._group.task_environments:
            environment |= self._resolve(self._group.task_environments[index])
        return environment

    def _resolve(self, environment: pb.Environment) -> dict[str, str]:
        if environment.encrypted_variables.cipher_text:
            raise AttemptRefused(
                "failed to decrypt variables: no key service here", exit_code=UNKNOWN_FAILURE
            )
        found = dict(environment.variables)
        for name, reference in environment.secret_variables.items():
            value = self._secrets.get(reference)
            if value is None:
                raise AttemptRefused(
                    f"failed to access secret {reference} for variable {name}: secret version not found",
                    exit_code=UNKNOWN_FAILURE,
                )
            found[name] = value
        return found

    def _step(self, runnable: pb.Runnable, shared: Mapping[str, str]) -> Step:
        return Step(
            command=_command(runnable),
            env={**shared, **self._resolve(runnable.environment)},
            time_limit_seconds=_seconds(runnable.timeout),
            ignore_failure=runnable.ignore_exit_status,
            background=runnable.background,
            always_run=runnable.always_run,
        )


def _command(runnable: pb.Runnable) -> Command | None:
    """What this machine executes for the runnable; None for a barrier."""
    kind = runnable.WhichOneof("executable")
    if kind == "barrier":
        return None
    if kind == "script":
        script = runnable.script
        return Command(script=script.text) if script.text else Command(argv=(script.path,))
    container = runnable.container
    argv = (*shlex.split(container.entrypoint), *container.commands)
    # A container that names no command runs what its image says; there is no image here to ask.
    return Command(argv=argv or ("true",))


def _seconds(duration: Duration) -> float | None:
    """None for an unset duration."""
    return duration.seconds + duration.nanos / 1e9 or None


def images(group: pb.TaskGroup) -> tuple[str, ...]:
    """The images that the job's containers name, each once."""
    return tuple(
        dict.fromkeys(r.container.image_uri for r in group.task_spec.runnables if r.container.image_uri)
    )
