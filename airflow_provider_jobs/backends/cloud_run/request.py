"""From a job spec to the vendor's requests. Pure: the same spec and key give the same requests.

What is the same in every run of a task goes into the job, and what may differ from run to run into the
overrides of one execution: arguments, variables, the number of tasks and their time limit. So a run
seldom has to change the job that an earlier one made.
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from google.cloud.run_v2 import Container, EnvVar, Job, RunJobRequest

from airflow_provider_jobs.backends.cloud_run.checks import check_spec
from airflow_provider_jobs.backends.cloud_run.options import (
    FILES_VOLUME,
    KEY_VARIABLE,
    MAIN_CONTAINER,
    MAX_ARGUMENTS,
    MAX_VARIABLE_BYTES,
    MAX_VARIABLES,
    STAMP_VARIABLE,
    CloudRunOptions,
    CloudRunRules,
    Volume,
)
from airflow_provider_jobs.core import ranges
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import BUCKET_MOUNT
from airflow_provider_jobs.core.identity import MANAGED_BY, JobKey, job_labels, job_name
from airflow_provider_jobs.core.merge import compact, deep_merge
from airflow_provider_jobs.core.prelude import INDEX_MAP_VARIABLE, input_variables, too_large, wrap
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.google_cloud.messages import named, parsed

# The service puts a dash and a few characters of its own behind it for the name of an execution, which
# is 63 characters long at most.
JOB_ID_LENGTH = 49
SPEC_LABEL = "airflow-job-spec"
MANAGED_LABEL = "managed-by"
DEFAULT_GPU = "nvidia-l4"

# https://cloud.google.com/run/docs/container-contract#jobs-env-vars
_INDEX_VARIABLE = "CLOUD_RUN_TASK_INDEX"
_ATTEMPT_VARIABLE = "CLOUD_RUN_TASK_ATTEMPT"
_OF_THE_TASK = ("managed-by", "airflow-dag-id", "airflow-task-id")

Overrides = RunJobRequest.Overrides


def job_id(key: JobKey) -> str:
    """Return the id of the job that is made for a task: the same in all its runs, tries and map indexes."""
    of_task = JobKey(dag_id=key.dag_id, run_id="", task_id=key.task_id, deployment=key.deployment)
    return job_name(of_task, JOB_ID_LENGTH)


def check(spec: JobSpec) -> CloudRunOptions:
    """Return the vendor's own words of a spec.

    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    build_model(CloudRunRules, spec.model_dump(include=set(CloudRunRules.model_fields)))
    check_spec(spec)
    return build_model(CloudRunOptions, spec.options)


def build_job(spec: JobSpec, key: JobKey) -> Job:
    """Return the job to make; a label of it changes whenever anything in it does.

    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    options = check(spec)
    native = {name: value for name, value in spec.native.items() if name != "overrides"}
    wanted = deep_merge(compact(_job(spec, options)), named(native, Job, "native"))
    _mount_files(wanted["template"]["template"], spec)
    labels = {name: value for name, value in job_labels(key).items() if name in _OF_THE_TASK}
    labels[SPEC_LABEL] = _fingerprint({**wanted, "labels": {**wanted.get("labels", {}), **labels}})
    job = parsed(wanted, Job)
    if not job.template.template.containers:
        raise InvalidArgument("image", "nothing says what to run", remedy="Give image")
    # By these the job is known to be ours; native cannot unsay them.
    job.labels.update(labels)
    job.template.labels.update(labels)
    return job


def build_overrides(spec: JobSpec, key: JobKey) -> Overrides:
    """Return what this execution has instead of its job's own.

    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    options = check(spec)
    base = {
        "container_overrides": _container_overrides(spec, options),
        "task_count": spec.task_count if _says_task_count(spec, options) else None,
        "timeout": f"{spec.max_run_seconds}s" if spec.max_run_seconds else None,
    }
    native = named(spec.native.get("overrides", {}), Overrides, "native.overrides")
    overrides: Overrides = parsed(deep_merge(compact(base), native), Overrides)
    if spec.indexes is not None and overrides.task_count != spec.task_count:
        raise InvalidArgument(
            "native",
            f"task_count is {overrides.task_count} where {spec.task_count} indexes are to run",
            remedy="Leave task_count to array_size",
        )
    for container in overrides.container_overrides:
        # By these the execution is found again; native cannot unsay them.
        ours = {KEY_VARIABLE: key.digest, **({STAMP_VARIABLE: spec.stamp} if spec.stamp else {})}
        others = [variable for variable in container.env if variable.name not in ours]
        container.env = [*others, *(EnvVar(name=name, value=value) for name, value in ours.items())]
        _check_variables(container, spec)
        _check_arguments(container, spec)
    return overrides


def _says_task_count(spec: JobSpec, options: CloudRunOptions) -> bool:
    """Return whether the number of tasks is the task's to say; a job that exists has one of its own."""
    return bool(spec.image or options.task_count or spec.array_size > 1 or spec.indexes is not None)


# The execution


def _container_overrides(spec: JobSpec, options: CloudRunOptions) -> list[dict[str, Any]]:
    variables = {**spec.env, **input_variables(spec)}
    if not _says_task_count(spec, options):
        del variables["JOB_COUNT"]
    if options.container_overrides is not None:
        return [
            {
                "name": override.name,
                "args": list(override.args or ()),
                "env": _env({**variables, **override.env}),
                "clear_args": override.clear_args or None,
            }
            for override in options.container_overrides
        ]
    words = wrap(spec, index_variable=_INDEX_VARIABLE, attempt_variable=_ATTEMPT_VARIABLE)
    override = {
        "name": MAIN_CONTAINER if spec.image else None,
        "args": words[1:] if words else list(options.args or ()),
        "env": _env(variables),
        "clear_args": options.clear_args or None,
    }
    return [compact(override)]


def _env(variables: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def _check_variables(container: Overrides.ContainerOverride, spec: JobSpec) -> None:
    """Refuse what only shows when all variables are there."""
    if len(container.env) > MAX_VARIABLES:
        told = f"it makes {len(container.env)} variables, and the service takes {MAX_VARIABLES}"
        raise too_large(spec, told, remedy="Put the input into a bucket and hand its address over")
    for variable in container.env:
        size = len(variable.value.encode())
        if size > MAX_VARIABLE_BYTES:
            told = f"{variable.name} is {size:,} bytes long, and the service takes {MAX_VARIABLE_BYTES:,}"
            remedy = "Put it into a bucket and hand its address over"
            if variable.name.startswith("JOB_INPUT"):
                raise too_large(spec, told, remedy=remedy)
            raise InvalidArgument("env", told, remedy=remedy)


def _check_arguments(container: Overrides.ContainerOverride, spec: JobSpec) -> None:
    if len(container.args) > MAX_ARGUMENTS:
        raise InvalidArgument(
            "command" if spec.command else "args",
            f"it makes {len(container.args)} arguments, and the service takes {MAX_ARGUMENTS}",
            remedy="Put them into a bucket, or hand them over as input",
        )


# The job


def _job(spec: JobSpec, options: CloudRunOptions) -> dict[str, Any]:
    # The service wants no more tasks at once than there are, so the number of tasks goes along.
    parallelism = min(spec.parallelism, spec.task_count) if spec.parallelism else None
    policy = options.binary_authorization
    return {
        "labels": dict(spec.labels),
        "launch_stage": options.launch_stage,
        "binary_authorization": {"use_default": True} if policy == "default" else {"policy": policy},
        "template": {
            "labels": dict(spec.labels),
            "parallelism": parallelism,
            "task_count": spec.task_count if parallelism else None,
            "template": _task_template(spec, options),
        },
    }


def _task_template(spec: JobSpec, options: CloudRunOptions) -> dict[str, Any]:
    environment = options.execution_environment
    redundancy = options.gpu_zonal_redundancy
    return {
        "containers": [compact(_main_container(spec, options)), *_sidecars(options)],
        "volumes": [_volume(volume) for volume in options.volumes or ()],
        # Of its own accord the service runs what has failed three times more.
        "max_retries": options.max_retries or 0,
        "service_account": options.service_account,
        "execution_environment": f"EXECUTION_ENVIRONMENT_{environment.upper()}" if environment else None,
        "encryption_key": options.encryption_key,
        "vpc_access": _vpc_access(options),
        "node_selector": {"accelerator": spec.gpu.type or DEFAULT_GPU} if spec.gpu else None,
        "gpu_zonal_redundancy_disabled": None if redundancy is None else not redundancy,
    }


def _main_container(spec: JobSpec, options: CloudRunOptions) -> dict[str, Any]:
    words = wrap(spec, index_variable=_INDEX_VARIABLE, attempt_variable=_ATTEMPT_VARIABLE)
    return {
        "name": MAIN_CONTAINER,
        "image": spec.image,
        "command": words[:1] if words else None,
        "env": [_secret(name, reference) for name, reference in spec.secrets.items()],
        "resources": {
            "limits": {
                "cpu": f"{spec.cpu:g}" if spec.cpu else None,
                "memory": f"{spec.memory_mib}Mi" if spec.memory else None,
                "nvidia.com/gpu": "1" if spec.gpu else None,
            }
        },
        "volume_mounts": [
            {"name": volume.name, "mount_path": volume.mount_path} for volume in options.volumes or ()
        ],
    }


def _sidecars(options: CloudRunOptions) -> list[dict[str, Any]]:
    """Return the further containers, each checked by itself so that it is blamed by its number."""
    sidecars = []
    for number, sidecar in enumerate(options.containers or ()):
        path = f"containers[{number}]"
        sidecars.append(named(sidecar.model_dump(), Container, path))
        parsed(sidecars[-1], Container, argument=path)
    return sidecars


def _secret(name: str, reference: str) -> dict[str, Any]:
    secret, _, version = reference.partition("/versions/")
    return {"name": name, "value_source": {"secret_key_ref": {"secret": secret, "version": version}}}


def _mount_files(template: dict[str, Any], spec: JobSpec) -> None:
    """Mount the bucket in which the job's files lie; directories in it have no objects of their own.

    https://cloud.google.com/run/docs/configuring/jobs/cloud-storage-volume-mounts
    """
    if spec.files is None or not spec.files.bucket:
        return
    gcs = {"bucket": spec.files.bucket, "mount_options": ["implicit-dirs"]}
    template["volumes"] = [*template.get("volumes", ()), {"name": FILES_VOLUME, "gcs": gcs}]
    main = template["containers"][0]
    mount = {"name": FILES_VOLUME, "mount_path": BUCKET_MOUNT}
    main["volume_mounts"] = [*main.get("volume_mounts", ()), mount]


def _volume(volume: Volume) -> dict[str, Any]:
    return volume.model_dump(exclude_none=True, exclude={"mount_path"})


def _vpc_access(options: CloudRunOptions) -> dict[str, Any]:
    interface = compact(
        {"network": options.network, "subnetwork": options.subnetwork, "tags": options.network_tags}
    )
    egress = options.vpc_egress
    return {
        "connector": options.vpc_connector,
        "egress": egress.upper().replace("-", "_") if egress else None,
        "network_interfaces": [interface] if interface else None,
    }


def _fingerprint(wanted: dict[str, Any]) -> str:
    text = json.dumps(wanted, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# What an execution says of the request it was made by


def variables_of(execution: Any) -> dict[str, str]:
    """Return the plain variables of an execution's containers."""
    return {
        variable.name: variable.value
        for container in execution.template.containers
        for variable in container.env
    }


def is_of(execution: Any, key: JobKey) -> bool:
    """Return whether an execution was made under this key."""
    return variables_of(execution).get(KEY_VARIABLE) == key.digest


def index_map(execution: Any) -> tuple[int, ...] | None:
    """Return the original index of each task of an execution, ``None`` where they are the same."""
    return ranges.index_map(variables_of(execution).get(INDEX_MAP_VARIABLE, ""))


def stamp_of(execution: Any) -> str:
    """Return the stamp of the submission that an execution was made by."""
    return variables_of(execution).get(STAMP_VARIABLE, "")


def is_ours(job: Job) -> bool:
    """Return whether this provider made a job."""
    return bool(job.labels.get(MANAGED_LABEL) == MANAGED_BY)


def is_same(job: Job, wanted: Job) -> bool:
    """Return whether a job is as it is wanted, by the label that changes with everything in it."""
    return bool(job.labels.get(SPEC_LABEL) == wanted.labels.get(SPEC_LABEL))
