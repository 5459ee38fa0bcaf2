"""From a job's properties to the commands of one attempt.

It exists to hold the rules about variables, parameters, secrets and logs of containers. It must not run
anything. Facts: https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html,
https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html,
https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator.names import digest
from airflow_provider_jobs.backends.aws_batch.emulator.properties import of_node
from airflow_provider_jobs.backends.aws_batch.emulator.records import JobRecord, Kind
from airflow_provider_jobs.emulator.jobs import AttemptRefused
from airflow_provider_jobs.emulator.secretfile import SecretFile

DEFAULT_LOG_GROUP = "/aws/batch/job"
#: What ECS takes of changes to a task definition when a task is started.
MAX_OVERRIDES_CHARACTERS = 8192
_PARAMETER = re.compile(r"Ref::([A-Za-z0-9_.-]+)")


@dataclass(frozen=True)
class Container:
    """One container of a job, whatever kind of job names it. ``waits_for``: name to condition."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str]
    log: Mapping[str, Any]
    essential: bool = True
    waits_for: Mapping[str, str] = field(default_factory=dict)
    runs_first: bool = False


def containers_of(record: JobRecord, index: int) -> list[Container]:
    """The containers of one job, child or node, with parameters filled in; init containers first."""
    properties = record.properties
    if record.kind is Kind.NODES:
        found = of_node(properties["nodeProperties"], index)
        properties = {"containerProperties": found["container"]} if "container" in found else dict(found)
    parameters = record.detail["parameters"]
    if "containerProperties" in properties:
        return [_ecs_container(properties["containerProperties"], parameters)]
    if "ecsProperties" in properties:
        (task,) = properties["ecsProperties"]["taskProperties"]
        return [_ecs_container(each, parameters) for each in task["containers"]]
    return list(_pod_containers(properties["eksProperties"]["podProperties"], parameters))


def _ecs_container(given: Mapping[str, Any], parameters: Mapping[str, str]) -> Container:
    return Container(
        name=given.get("name", "default"),
        image=given["image"],
        command=fill_in(given.get("command", ()), parameters),
        environment={each["name"]: each.get("value", "") for each in given.get("environment", ())},
        secrets={each["name"]: each["valueFrom"] for each in given.get("secrets", ())},
        log=given.get("logConfiguration", {}),
        essential=given.get("essential", True),
        waits_for={
            each["containerName"]: each.get("condition", "START") for each in given.get("dependsOn", ())
        },
    )


def _pod_containers(pod: Mapping[str, Any], parameters: Mapping[str, str]) -> Iterator[Container]:
    for kind in ("initContainers", "containers"):
        for given in pod.get(kind, ()):
            yield Container(
                name=given.get("name", "Default"),
                image=given["image"],
                command=fill_in((*given.get("command", ()), *given.get("args", ())), parameters),
                environment={each["name"]: each.get("value", "") for each in given.get("env", ())},
                secrets={},
                log={},
                runs_first=kind == "initContainers",
            )


def fill_in(command: Sequence[str], parameters: Mapping[str, str]) -> tuple[str, ...]:
    """The command with the values of parameters in the place of ``Ref::name``; an unknown one stays."""
    return tuple(_PARAMETER.sub(lambda found: parameters.get(found[1], found[0]), word) for word in command)


def variables(record: JobRecord, index: int, attempt: int) -> dict[str, str]:
    """What Batch and the service under it set in every container of an attempt (counted from 0)."""
    environment = record.placed.get(index)
    found = {
        "AWS_BATCH_JOB_ID": record.id_of(index),
        "AWS_BATCH_JOB_ATTEMPT": str(attempt + 1),
        "AWS_BATCH_JQ_NAME": record.queue.name,
        "AWS_BATCH_CE_NAME": environment.name if environment else "",
    }
    if record.kind is Kind.ARRAY:
        found["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        found["AWS_BATCH_JOB_ARRAY_SIZE"] = str(record.size)
    if record.kind is Kind.NODES:
        found["AWS_BATCH_JOB_NODE_INDEX"] = str(index)
        found["AWS_BATCH_JOB_MAIN_NODE_INDEX"] = str(record.main_node)
        found["AWS_BATCH_JOB_NUM_NODES"] = str(record.size)
        if index != record.main_node:
            # Every node is a process of this machine.
            found["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = "127.0.0.1"
    if environment and environment.on_eks:
        found["AWS_BATCH_JOB_KUBERNETES_NODE_UID"] = digest(environment.arn, "node")
    else:
        found["AWS_EXECUTION_ENV"] = (
            "AWS_ECS_FARGATE" if environment and environment.on_fargate else "AWS_ECS_EC2"
        )
    return found


def resolve(container: Container, secrets: SecretFile) -> dict[str, str]:
    """The values of a container's secrets. Raises AttemptRefused when one cannot be had."""
    found: dict[str, str] = {}
    for name, reference in container.secrets.items():
        value = _secret(reference, secrets)
        if value is None:
            raise AttemptRefused(_secret_missing(reference), exit_code=1)
        found[name] = value
    return found


def _secret(reference: str, secrets: SecretFile) -> str | None:
    """A secret by its reference, or one key of it by ``<arn>:<key>:<stage>:<version>``."""
    if (value := secrets.get(reference)) is not None or ":secretsmanager:" not in reference:
        return value
    parts = reference.split(":")
    whole = secrets.get(":".join(parts[:7]))
    if whole is None or len(parts) < 8 or not parts[7]:
        return whole
    try:
        return json.loads(whole).get(parts[7])
    except (ValueError, AttributeError):
        return None


def _secret_missing(reference: str) -> str:
    source = "asm" if ":secretsmanager:" in reference else "ssm"
    why = (
        f"failed to fetch secret {reference} from secrets manager: ResourceNotFoundException: "
        "Secrets Manager can't find the specified secret."
        if source == "asm"
        else f"invalid parameters: {reference}"
    )
    return (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
        f"failed: unable to retrieve secret from {source}: service call has been retried 1 time(s): {why}"
    )


def overrides_size(record: JobRecord, index: int) -> int:
    """How many characters of changes to its task definition an attempt of this job brings to ECS.

    A command with parameters in it is such a change, and so are the variables that Batch sets.
    """
    largest = 0
    for container in containers_of(record, index):
        change = record.overrides.get(container.name, {})
        brought: dict[str, Any] = {"name": container.name}
        if "command" in change or record.detail["parameters"]:
            brought["command"] = container.command
        own = [*change.get("environment", ()), *_pairs(variables(record, index, 0))]
        brought["environment"] = own
        largest = max(largest, len(json.dumps([brought], separators=(",", ":"))))
    return largest


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


@dataclass(frozen=True)
class Stream:
    """Where a container's output can be read in CloudWatch Logs."""

    region: str
    group: str
    name: str


def stream_of(record: JobRecord, container: Container, *, index: int, attempt: int) -> Stream | None:
    """The log stream of a container in one attempt; None when its output goes elsewhere."""
    if record.in_pods or container.log.get("logDriver", "awslogs") != "awslogs":
        return None
    options = container.log.get("options", {})
    prefix = options.get("awslogs-stream-prefix", record.definition.name)
    return Stream(
        region=options.get("awslogs-region", record.place.region),
        group=options.get("awslogs-group", DEFAULT_LOG_GROUP),
        name=f"{prefix}/{container.name}/{ecs_task_id(record, index, attempt)}",
    )


def ecs_task_id(record: JobRecord, index: int, attempt: int) -> str:
    """The id of the ECS task that an attempt is."""
    return digest(record.job_id, index, attempt)
