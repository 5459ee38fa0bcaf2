"""From an execution's task template to the commands of one attempt.

It exists to hold the rules about variables, secrets and several containers. Facts:
https://docs.cloud.google.com/run/docs/container-contract#jobs-env-vars (variables) and
https://docs.cloud.google.com/run/docs/configuring/jobs/secrets. It must not run anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.outcomes import may_be_retried
from airflow_provider_jobs.backends.cloud_run.emulator.records import ExecutionRecord
from airflow_provider_jobs.emulator.jobs import After, AttemptEnd, AttemptPlan, AttemptRefused, Command, Step
from airflow_provider_jobs.emulator.secretfile import SecretFile

_REFUSED = 1


class Planner:
    """Plans the attempts of one execution's tasks."""

    def __init__(self, record: ExecutionRecord, *, secrets: SecretFile) -> None:
        self._record = record
        self._template = record.message.template
        self._secrets = secrets

    def plan(self, index: int, attempt: int) -> AttemptPlan:
        """The containers of one attempt. Raises AttemptRefused when a secret cannot be had."""
        given = {
            "CLOUD_RUN_JOB": self._record.name.job_id,
            "CLOUD_RUN_EXECUTION": self._record.name.execution_id,
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
            "CLOUD_RUN_TASK_COUNT": str(self._record.message.task_count),
        }
        timeout = self._template.timeout
        steps = [self._step(container, given) for container in self._template.containers]
        return AttemptPlan(
            steps, time_limit_seconds=timeout.seconds + timeout.nanos / 1e9, together=len(steps) > 1
        )

    def retry(self, end: AttemptEnd, attempt: int) -> bool:
        """Whether a failed attempt is followed by another."""
        return attempt < self._template.max_retries and may_be_retried(end)

    def _step(self, container: pb.Container, given: Mapping[str, str]) -> Step:
        argv = (*container.command, *container.args)
        numbers = {other.name: number for number, other in enumerate(self._template.containers)}
        return Step(
            # A container that names no command runs what its image says; there is no image here to ask.
            command=Command(argv=argv or ("true",)),
            env={**self._variables(container), **given},
            after={numbers[name]: After.STARTED for name in container.depends_on},
            # A container that others wait for helps those, and ends with them.
            background=any(container.name in other.depends_on for other in self._template.containers),
        )

    def _variables(self, container: pb.Container) -> dict[str, str]:
        found = {}
        for variable in container.env:
            if variable.HasField("value_source"):
                found[variable.name] = self._secret(variable)
            else:
                found[variable.name] = variable.value
        return found

    def _secret(self, variable: pb.EnvVar) -> str:
        reference = variable.value_source.secret_key_ref
        secret = reference.secret
        if not secret.startswith("projects/"):
            secret = f"projects/{self._record.name.place.project}/secrets/{secret}"
        full = f"{secret}/versions/{reference.version}"
        value = self._secrets.get(full)
        if value is None:
            raise AttemptRefused(
                f"Failed to access secret {full} for variable {variable.name}: Secret Version not found.",
                exit_code=_REFUSED,
            )
        return value


def images(template: pb.TaskTemplate) -> tuple[str, ...]:
    """The images that the containers name, each once."""
    return tuple(dict.fromkeys(container.image for container in template.containers))
