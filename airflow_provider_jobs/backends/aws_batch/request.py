"""From a job spec to the vendor's requests. Pure: the same spec and key give the same request.

What differs from run to run (the command, variables, processors, memory) is written as overrides, and the
rest into the job definition, so that a few definitions serve many jobs. ``native`` is laid on top last.
https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from airflow_provider_jobs.backends.aws_batch import checks, named
from airflow_provider_jobs.backends.aws_batch.definitions import definition_name
from airflow_provider_jobs.backends.aws_batch.options import (
    MAX_JOB_BYTES,
    MAX_OVERRIDES_LENGTH,
    AwsBatchOptions,
    AwsBatchRules,
)
from airflow_provider_jobs.backends.aws_batch.resources import requirements
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.identity import MANAGED_BY, JobKey, job_labels, job_name
from airflow_provider_jobs.core.merge import compact
from airflow_provider_jobs.core.prelude import input_variables, too_large, wrap
from airflow_provider_jobs.core.spec import JobSpec

Fields = dict[str, Any]

JOB_NAME_LENGTH = 128
KEY_TAG = "airflow-job-key"
COUNT_VARIABLE = "JOB_COUNT"
_MAX_TAGS = 50

# https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
_INDEX_VARIABLE = "AWS_BATCH_JOB_ARRAY_INDEX"
_ATTEMPT_VARIABLE = "AWS_BATCH_JOB_ATTEMPT"


@dataclass(frozen=True)
class Submission:
    """What is sent to run a job.

    :param job: the fields of ``SubmitJob``, without ``jobDefinition`` where one is to be registered
    :param definition: the fields of ``RegisterJobDefinition``; ``None`` where a job definition is named
    """

    job: Fields
    definition: Fields | None


def job_name_of(key: JobKey) -> str:
    """Return the name of the job of this key."""
    return job_name(key, JOB_NAME_LENGTH)


def build(spec: JobSpec, key: JobKey, *, job_queue: str) -> Submission:
    """Return what to send.

    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    build_model(AwsBatchRules, spec.model_dump(include=set(AwsBatchRules.model_fields)))
    options = build_model(AwsBatchOptions, spec.options)
    checks.check(spec, options)
    native = dict(spec.native)
    definition = _definition(spec, options, native.pop("jobDefinition", None))
    job = named.merge(compact(_job(spec, options)), native)
    if isinstance(definition, str):
        job["jobDefinition"] = definition
    # By these the job is found again; native cannot unsay them.
    job |= {"jobName": job_name_of(key), "jobQueue": job_queue}
    job["tags"] = {**job.get("tags", {}), **job_labels(key, spec.stamp)}
    _check(job, spec)
    return Submission(job, None if isinstance(definition, str) else definition)


def check(spec: JobSpec) -> None:
    """Do nothing where the service would take the job.

    :raises InvalidArgument: names the argument, the value and the remedy
    """
    build(spec, JobKey(dag_id="", run_id="", task_id=""), job_queue="")


def task_count(job: Mapping[str, Any]) -> int:
    """Return how many tasks a job has that is submitted so."""
    return int((job.get("arrayProperties") or {}).get("size") or 1)


# The job


def _job(spec: JobSpec, options: AwsBatchOptions) -> Fields:
    seconds = spec.max_run_seconds
    return {
        "arrayProperties": {"size": spec.task_count} if spec.task_count > 1 else None,
        "dependsOn": _dependencies(spec, options),
        "retryStrategy": _vendor(options.retry_strategy),
        "timeout": {"attemptDurationSeconds": seconds} if seconds else None,
        "shareIdentifier": options.share_identifier,
        "schedulingPriorityOverride": options.scheduling_priority,
        "parameters": options.parameters,
        "propagateTags": options.propagate_tags,
        "tags": {**spec.labels, **(options.tags or {})},
        **_overrides(spec, options),
    }


def _dependencies(spec: JobSpec, options: AwsBatchOptions) -> list[Fields]:
    """Return what the job waits for.

    Indexes that run again are fewer than those they were matched with, and have waited for them already;
    and a single one has no order.
    """
    is_part, is_single = spec.task_count < spec.array_size, spec.task_count == 1
    return [
        _vendor(each)
        for each in options.depends_on or ()
        if not (is_part and each.type == "N_TO_N") and not (is_single and each.job_id is None)
    ]


def _vendor(model: BaseModel | None) -> Any:
    """Return a structure with the service's own names."""
    return None if model is None else model.model_dump(by_alias=True, exclude_none=True)


def _overrides(spec: JobSpec, options: AwsBatchOptions) -> Fields:
    """Return the overrides in the shape of the job definition: a container, several, a pod, or nodes."""
    if options.eks_properties_override is not None:
        pod = {"podProperties": {"containers": [_pod_container(spec)]}}
        return {"eksPropertiesOverride": named.merge(compact(pod), options.eks_properties_override)}
    container = compact(_container(spec, options))
    if options.ecs_properties_override is not None:
        tasks = {"taskProperties": [{"containers": [container]}]}
        return {"ecsPropertiesOverride": named.merge(tasks, options.ecs_properties_override)}
    if is_multi_node(options):
        nodes = {
            "numNodes": options.num_nodes,
            "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": container}],
        }
        return {"nodeOverrides": named.merge(compact(nodes), options.node_overrides or {})}
    return {"containerOverrides": named.merge(container, options.container_overrides or {})}


def is_multi_node(options: AwsBatchOptions) -> bool:
    """Return whether a job runs on several nodes."""
    return options.node_overrides is not None or options.num_nodes is not None


def _container(spec: JobSpec, options: AwsBatchOptions) -> Fields:
    # Of a job definition that is only named, nobody knows here for what it is.
    platform = options.platform or ("EC2" if checks.defines(spec, options) else None)
    return {
        "command": _words(spec),
        "environment": [{"name": name, "value": value} for name, value in _variables(spec).items()],
        "resourceRequirements": requirements(spec, platform=platform),
    }


def _pod_container(spec: JobSpec) -> Fields:
    """Return the override of a pod's container; limits alone are requests too.

    Kubernetes would replace ``$(NAME)`` in it, and takes ``$$`` for a plain ``$``:
    https://docs.aws.amazon.com/batch/latest/APIReference/API_EksContainerOverride.html
    """
    cpu = None if spec.cpu is None else f"{spec.cpu:g}"
    memory = None if spec.memory_mib is None else f"{spec.memory_mib}Mi"
    gpu = str(spec.gpu.count) if spec.gpu else None
    return {
        "image": spec.image,
        "command": [word.replace("$", "$$") for word in _words(spec) or ()],
        "env": [
            {"name": name, "value": value.replace("$", "$$")} for name, value in _variables(spec).items()
        ],
        "resources": {"limits": {"cpu": cpu, "memory": memory, "nvidia.com/gpu": gpu}},
    }


def _words(spec: JobSpec) -> list[str] | None:
    return wrap(spec, index_variable=_INDEX_VARIABLE, attempt_variable=_ATTEMPT_VARIABLE, first_attempt=1)


def _variables(spec: JobSpec) -> dict[str, str]:
    return {**spec.env, **input_variables(spec)}


# The job definition


def _definition(spec: JobSpec, options: AwsBatchOptions, native: Any) -> Fields | str:
    """Return the definition to register, or the name of the one that is there."""
    if options.job_definition is not None or isinstance(native, str):
        return native if isinstance(native, str) else options.job_definition or ""
    written = compact(_registered(spec, options)) if spec.image else {}
    definition = named.merge(written, native or {})
    definition.setdefault("type", "multinode" if "nodeProperties" in definition else "container")
    definition["tags"] = {**definition.get("tags", {}), "managed-by": MANAGED_BY}
    return {**definition, "jobDefinitionName": definition_name(definition)}


def _registered(spec: JobSpec, options: AwsBatchOptions) -> Fields:
    container = _defined_container(spec, options)
    if not is_multi_node(options):
        platform = options.platform or "EC2"
        return {"type": "container", "platformCapabilities": [platform], "containerProperties": container}
    # The main node is always node 0; the open range lets a submission have any number of nodes.
    nodes = {
        "numNodes": options.num_nodes,
        "mainNode": 0,
        "nodeRangeProperties": [{"targetNodes": "0:", "container": container}],
    }
    return {"type": "multinode", "nodeProperties": nodes}


def _defined_container(spec: JobSpec, options: AwsBatchOptions) -> Fields:
    gpu = [{"type": "GPU", "value": str(spec.gpu.count)}] if spec.gpu else []
    public_ip = options.assign_public_ip
    return {
        "image": spec.image,
        "executionRoleArn": options.execution_role,
        "jobRoleArn": options.job_role,
        # Each must stand here although every submission overrides it; Fargate takes these two together.
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "2048"},
            *gpu,
        ],
        "logConfiguration": options.log_configuration,
        "linuxParameters": options.linux_parameters,
        "volumes": options.volumes,
        "mountPoints": options.mount_points,
        "secrets": [{"name": name, "valueFrom": told} for name, told in sorted(spec.secrets.items())],
        "networkConfiguration": {
            "assignPublicIp": None if public_ip is None else "ENABLED" if public_ip else "DISABLED"
        },
        "ephemeralStorage": {"sizeInGiB": options.ephemeral_storage_gib},
        "fargatePlatformConfiguration": {"platformVersion": options.fargate_platform_version},
        "runtimePlatform": options.runtime_platform,
    }


# What only shows in the whole request


def _check(job: Fields, spec: JobSpec) -> None:
    if task_count(job) != spec.task_count:
        raise InvalidArgument(
            "native",
            f"arrayProperties.size is {task_count(job)} where {spec.task_count} indexes are to run",
            remedy="Leave the size to array_size",
        )
    if len(job["tags"]) > _MAX_TAGS:
        raise InvalidArgument(
            "tags", f"{len(job['tags'])} tags are too many", remedy=f"Keep {_MAX_TAGS} with labels and ours"
        )
    overrides = [job[name] for name in ("containerOverrides", "ecsPropertiesOverride") if name in job]
    overrides += [
        each.get("containerOverrides", {})
        for each in (job.get("nodeOverrides") or {}).get("nodePropertyOverrides") or ()
    ]
    longest = max((len(_json(each)) for each in overrides), default=0)
    if longest > MAX_OVERRIDES_LENGTH:
        raise _too_long(spec, f"command and variables are {longest:,} characters long", MAX_OVERRIDES_LENGTH)
    size = len(_json(job).encode())
    if size >= MAX_JOB_BYTES:
        raise _too_long(spec, f"the job is {size:,} bytes long", MAX_JOB_BYTES)


def _too_long(spec: JobSpec, what: str, limit: int) -> InvalidArgument:
    """Return the error that names the argument which takes most room."""
    values: Fields = {
        "inputs": spec.inputs,
        "input": spec.input,
        "script": spec.script,
        "command": spec.command,
        "env": spec.env,
        "array_size": spec.indexes,
    }
    name = max(values, key=lambda each: len(_json(values[each])))
    told = f"{what}, and AWS Batch takes {limit:,}"
    remedy = "Put what is long into a bucket or into the image, and hand its address over"
    if name in ("input", "inputs"):
        return too_large(spec, told, remedy=remedy)
    return InvalidArgument(name, told, remedy=remedy)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
