"""System annotations of version 1, which are fields in version 2.

https://docs.cloud.google.com/run/docs/reference/rest/v1/ObjectMeta lists them. Those without a field here are
kept as they are, so that a caller reads back what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.api.launch_stage_pb2 import LaunchStage
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.emulator.calls import StatusError

CLIENT, CLIENT_VERSION = "run.googleapis.com/client-name", "run.googleapis.com/client-version"
LAUNCH_STAGE = "run.googleapis.com/launch-stage"
ENVIRONMENT = "run.googleapis.com/execution-environment"
ENCRYPTION_KEY = "run.googleapis.com/encryption-key"
DEPENDENCIES = "run.googleapis.com/container-dependencies"
SECRETS = "run.googleapis.com/secrets"
CREATOR, MODIFIER = "run.googleapis.com/creator", "run.googleapis.com/lastModifier"
_MAPPED = {CLIENT, CLIENT_VERSION, LAUNCH_STAGE, ENVIRONMENT, ENCRYPTION_KEY, DEPENDENCIES, CREATOR, MODIFIER}
_LAUNCH_STAGES = frozenset(LaunchStage.keys())
_SYSTEM = ("run.googleapis.com", "cloud.googleapis.com", "knative.dev")


def is_system(key: str) -> bool:
    """Whether a label or annotation belongs to the service."""
    return key.rpartition("/")[0].endswith(_SYSTEM)


@dataclass
class Annotations:
    """What the annotations of one resource say."""

    user: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    client: str = ""
    client_version: str = ""
    launch_stage: int = 0
    dependencies: dict[str, list[str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    task_fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_template(cls, annotations: Mapping[str, str]) -> Annotations:
        """Read them. Raises StatusError for a value that cannot be."""
        made = cls(
            user={key: value for key, value in annotations.items() if not is_system(key)},
            kept={key: value for key, value in annotations.items() if is_system(key) and key not in _MAPPED},
            client=annotations.get(CLIENT, ""),
            client_version=annotations.get(CLIENT_VERSION, ""),
            dependencies=_dependencies(annotations.get(DEPENDENCIES, "{}")),
            secrets=_aliases(annotations.get(SECRETS, "")),
        )
        if stage := annotations.get(LAUNCH_STAGE):
            made.launch_stage = _launch_stage(stage)
        if environment := annotations.get(ENVIRONMENT):
            made.task_fields["executionEnvironment"] = f"EXECUTION_ENVIRONMENT_{environment.upper()}"
        if key := annotations.get(ENCRYPTION_KEY):
            made.task_fields["encryptionKey"] = key
        return made


def of_job(job: pb.Job) -> dict[str, str]:
    """The annotations of a job that version 2 has as fields."""
    stage = LaunchStage.Name(job.launch_stage)
    return _set(
        {
            CREATOR: job.creator,
            MODIFIER: job.last_modifier,
            CLIENT: job.client,
            CLIENT_VERSION: job.client_version,
            LAUNCH_STAGE: stage if stage != "GA" else "",
        }
    )


def of_tasks(template: pb.TaskTemplate) -> dict[str, str]:
    """The annotations of an execution that version 2 has as fields of the task template."""
    environment = run_v2.ExecutionEnvironment(template.execution_environment).name
    dependencies = {
        container.name: list(container.depends_on)
        for container in template.containers
        if container.depends_on
    }
    return _set(
        {
            ENVIRONMENT: environment.rpartition("_")[2].lower(),
            ENCRYPTION_KEY: template.encryption_key,
            DEPENDENCIES: json.dumps(dependencies) if dependencies else "",
        }
    )


def _set(values: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _launch_stage(text: str) -> int:
    if text not in _LAUNCH_STAGES:
        raise StatusError("INVALID_ARGUMENT", f"metadata.annotations: {LAUNCH_STAGE} has an unknown value.")
    return int(LaunchStage.Value(text))


def _dependencies(text: str) -> dict[str, list[str]]:
    try:
        return {str(name): [str(other) for other in others] for name, others in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        message = f"spec.template.metadata.annotations: {DEPENDENCIES} must be a JSON object of lists."
        raise StatusError("INVALID_ARGUMENT", message) from None


def _aliases(text: str) -> dict[str, str]:
    """``alias:projects/p/secrets/name`` separated by commas."""
    pairs = (pair.partition(":") for pair in text.split(",") if pair)
    return {alias.strip(): secret.strip() for alias, _, secret in pairs}
