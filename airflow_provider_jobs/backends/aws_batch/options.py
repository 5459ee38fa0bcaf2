"""The vendor's own words of an AWS Batch task and the rules they keep.

Checked when a DAG is parsed, so nothing here imports a package of AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from airflow_provider_jobs.core.arguments import Count, form

# https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
MAX_ARRAY_SIZE = 10_000
MAX_DEPENDENCIES = 20
MAX_JOB_BYTES = 30 * 1024
# AWS Batch hands overrides on to ECS, which takes so many characters of them as JSON:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_OVERRIDES_LENGTH = 8192
# https://docs.aws.amazon.com/batch/latest/APIReference/API_JobTimeout.html
LEAST_RUN_SECONDS = 60

_MAX_IMAGE = 255
_MAX_USER_TAGS = 40
_MAX_TAG_NAME = 128
_MAX_TAG_VALUE = 256
_TAG_FORM = re.compile(r"[\w \t+\-=.:/@]*")
_RESERVED_TAG = re.compile(
    r"(?i:aws:)|airflow-(job-key|dag-id|task-id|run-id|attempt|map-index)$|managed-by$"
)
_REGION_FORM = re.compile(r"[a-z]{2,3}(?:-[a-z]+)+-\d")
_QUEUE_FORM = re.compile(r"(?:arn:[\w-]+:batch:[a-z0-9-]+:\d{12}:job-queue/)?[A-Za-z0-9][\w-]{0,127}")
_DEFINITION_FORM = re.compile(
    r"(?:arn:[\w-]+:batch:[a-z0-9-]+:\d{12}:job-definition/)?[A-Za-z0-9][\w-]{0,127}(?::\d+)?"
)
_ROLE_FORM = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+")
# https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html
_SECRET_FORM = re.compile(
    r"arn:[\w-]+:(?:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+|ssm:[a-z0-9-]+:\d{12}:parameter/\S+)"
    r"|/[A-Za-z0-9_.\-/]+"
)
_SHARE_FORM = re.compile(r"[A-Za-z0-9]{1,255}\*?")


def _secret_references(value: Any) -> Any:
    """Refuse what is no reference to a secret; never shows it, since it may be the secret itself."""
    for name, reference in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(reference, str) or not _SECRET_FORM.fullmatch(reference):
            raise ValueError(
                f"{name} holds no reference to a secret. Write the ARN of a secret of Secrets Manager or "
                "of a parameter of Systems Manager, or such a parameter's path, /team/token"
            )
    return _no_reserved_variables(value)


def _no_reserved_variables(value: Any) -> Any:
    for name in value if isinstance(value, Mapping) else ():
        if isinstance(name, str) and name.upper().startswith("AWS_BATCH"):
            raise ValueError(f"{name} begins as the service's own variables do. Use another name")
    return value


def _tags(value: Any) -> Any:
    """Keep the rules of https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"""
    tags = value if isinstance(value, Mapping) else {}
    if len(tags) > _MAX_USER_TAGS:
        raise ValueError(f"{len(tags)} tags are too many. Keep {_MAX_USER_TAGS} of them, some are set beside")
    for name, text in tags.items():
        if not _is_tag(name, _MAX_TAG_NAME) or not name:
            raise ValueError(
                f"{name!r} is no name of a tag. "
                f"Write at most {_MAX_TAG_NAME} letters, digits, spaces and + - = . _ : / @"
            )
        if not _is_tag(text, _MAX_TAG_VALUE):
            raise ValueError(
                f"{name} has the value {text!r}. "
                f"Write at most {_MAX_TAG_VALUE} letters, digits, spaces and + - = . _ : / @"
            )
        if _RESERVED_TAG.match(name):
            raise ValueError(f"{name} is set by AWS or by this provider. Use another name")
    return value


def _is_tag(text: Any, length: int) -> bool:
    return isinstance(text, str) and len(text) <= length and bool(_TAG_FORM.fullmatch(text))


def _no_empty_word(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and "" in value:
        raise ValueError(
            "it holds an empty word, which the service refuses. Write it as a shell text in script"
        )
    return value


def _no_parallelism(value: Any) -> Any:
    if value is not None:
        raise ValueError(
            f"{value!r} cannot be kept: AWS Batch runs as many indexes at once as there is room for. "
            "Leave it out; limit maxvCpus of the compute environment, use a share identifier, or for one "
            'after the other depends_on=[{"type": "SEQUENTIAL"}]'
        )
    return value


def _no_spot(value: Any) -> Any:
    if value:
        raise ValueError(
            "spot is set, and on AWS Batch the queue decides on which machines a job runs. "
            "Leave it out and name a job_queue of Spot or Fargate Spot compute environments"
        )
    return value


def _no_gpu_type(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if kind:
        raise ValueError(
            f"the type {kind!r} is given, and on AWS Batch the machines of the queue decide it. "
            "Write the count alone and name a job_queue with such instances"
        )
    return value


def _seconds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value < LEAST_RUN_SECONDS:
        raise ValueError(f"{value} is refused. AWS Batch takes {LEAST_RUN_SECONDS} seconds at least")
    return value


def _image_length(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_IMAGE:
        raise ValueError(f"it has {len(value)} characters. AWS Batch takes {_MAX_IMAGE} at most")
    return value


def _structure(value: Any) -> Any:
    """Take a structure of the service as it is; what is wrong is told without a value, it may be a secret."""
    if not isinstance(value, Mapping):
        raise ValueError(f"it is of type {type(value).__name__}. Write a dict of the service's own fields")
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise ValueError(
            "it holds what JSON has no form for. Write texts, numbers, lists and dicts"
        ) from None
    return value


Region = Annotated[str, form(_REGION_FORM, 'a region such as "eu-west-1"')]
Queue = Annotated[str, form(_QUEUE_FORM, "the name or the ARN of a job queue")]
JobDefinition = Annotated[str, form(_DEFINITION_FORM, 'a name, "name:revision", or an ARN')]
Role = Annotated[str, form(_ROLE_FORM, 'an ARN such as "arn:aws:iam::123456789012:role/batch"')]
Share = Annotated[str, form(_SHARE_FORM, "at most 255 letters and digits, and a * behind them if you like")]
Priority = Annotated[int, Field(ge=0, le=9999)]
Tags = Annotated[dict[str, str], BeforeValidator(_tags)]
Structure = Annotated[dict[str, Any], BeforeValidator(_structure)]
Structures = list[Structure]


class _Vendor(BaseModel):
    """A structure of the service, written with its own names."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Dependency(_Vendor):
    """A job that this one waits for, or the order of an array's own children.

    https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html
    """

    job_id: Annotated[str, Field(min_length=1)] | None = None
    type: Literal["N_TO_N", "SEQUENTIAL"] | None = None

    @model_validator(mode="after")
    def _together(self) -> Dependency:
        if self.job_id is None and self.type != "SEQUENTIAL":
            raise ValueError(
                f"it is of type {self.type} and has no jobId. Write the id of a job, "
                'or {"type": "SEQUENTIAL"} for the indexes of an array one after the other'
            )
        return self


class EvaluateOnExit(_Vendor):
    """What the service does with an attempt that ended so."""

    on_status_reason: Annotated[str, Field(max_length=512)] | None = None
    on_reason: Annotated[str, Field(max_length=512)] | None = None
    on_exit_code: Annotated[str, Field(max_length=512, pattern=r"^\d*\*?$")] | None = None
    action: Annotated[
        Literal["RETRY", "EXIT"],
        BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    ]

    @model_validator(mode="after")
    def _says_when(self) -> EvaluateOnExit:
        if self.on_status_reason is None and self.on_reason is None and self.on_exit_code is None:
            raise ValueError(
                'it does not say when it holds. Give onStatusReason, onReason or onExitCode, "*" for always'
            )
        return self


class RetryStrategy(_Vendor):
    """How often the service itself repeats a job or a child.

    https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """

    attempts: Annotated[int, Field(ge=1, le=10)] | None = None
    evaluate_on_exit: Annotated[list[EvaluateOnExit], Field(max_length=5)] | None = None

    @model_validator(mode="after")
    def _together(self) -> RetryStrategy:
        if self.evaluate_on_exit and self.attempts is None:
            raise ValueError(
                "it has evaluateOnExit and no attempts, which the service refuses. Set attempts from 1 to 10"
            )
        return self


class AwsBatchOptions(BaseModel):
    """What only AWS Batch has; every field is an argument of the operator, described there."""

    model_config = ConfigDict(extra="forbid")

    job_definition: JobDefinition | None = None
    depends_on: Annotated[list[Dependency], Field(max_length=MAX_DEPENDENCIES)] | None = None
    retry_strategy: RetryStrategy | None = None
    share_identifier: Share | None = None
    scheduling_priority: Priority | None = None
    parameters: dict[str, str] | None = None
    tags: Tags | None = None
    propagate_tags: bool | None = None
    container_overrides: Structure | None = None
    ecs_properties_override: Structure | None = None
    eks_properties_override: Structure | None = None
    node_overrides: Structure | None = None
    num_nodes: Annotated[int, Field(ge=2)] | None = None
    platform: Literal["EC2", "FARGATE"] | None = None
    execution_role: Role | None = None
    job_role: Role | None = None
    log_configuration: Structure | None = None
    linux_parameters: Structure | None = None
    volumes: Structures | None = None
    mount_points: Structures | None = None
    assign_public_ip: bool | None = None
    ephemeral_storage_gib: Annotated[int, Field(ge=21, le=200)] | None = None
    fargate_platform_version: str | None = None
    runtime_platform: Structure | None = None


class AwsBatchReach(BaseModel):
    """How a job that exists is reached; the texts of its handle's scope."""

    model_config = ConfigDict(extra="forbid")

    region_name: Region | None = None


class AwsBatchScope(AwsBatchReach):
    """Where jobs are submitted; the texts of a backend reference's scope."""

    job_queue: Queue


class AwsBatchRules(BaseModel):
    """What AWS Batch asks of the portable arguments beyond what every service does."""

    image: Annotated[str | None, BeforeValidator(_image_length)] = None
    command: Annotated[Any, BeforeValidator(_no_empty_word)] = None
    env: Annotated[dict[str, str], BeforeValidator(_no_reserved_variables)] = {}
    secrets: Annotated[dict[str, str], BeforeValidator(_secret_references)] = {}
    labels: Tags = {}
    gpu: Annotated[Any, BeforeValidator(_no_gpu_type)] = None
    array_size: Annotated[int, Field(le=MAX_ARRAY_SIZE)] = 1
    parallelism: Annotated[Count | None, BeforeValidator(_no_parallelism)] = None
    max_run_seconds: Annotated[int | None, BeforeValidator(_seconds)] = None
    spot: Annotated[bool, BeforeValidator(_no_spot)] = False
