"""From a job spec to the vendor's request. Pure: the same spec and key give the same request.

https://cloud.google.com/batch/docs/reference/rest/v1/projects.locations.jobs
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from google.cloud import batch_v1

from airflow_provider_jobs.backends.gcp_batch.options import (
    MAX_JOB_BYTES,
    GcpBatchOptions,
    GcpBatchRules,
    LogPath,
)
from airflow_provider_jobs.core import ranges
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import BUCKET_MOUNT
from airflow_provider_jobs.core.identity import JobKey, job_labels, job_name
from airflow_provider_jobs.core.merge import compact, deep_merge
from airflow_provider_jobs.core.prelude import (
    INDEX_MAP_VARIABLE,
    check_input,
    input_variables,
    too_large,
    wrap,
)
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.google_cloud.messages import named, parsed

JOB_ID_LENGTH = 63
KEY_LABEL = "airflow-job-key"

# https://cloud.google.com/batch/docs/create-run-basic-job#predefined-environment-variables
_INDEX_VARIABLE = "BATCH_TASK_INDEX"
_ATTEMPT_VARIABLE = "BATCH_TASK_RETRY_ATTEMPT"
_TO_A_BUCKET = "Put the input into a bucket and hand its address over"
_SHELL_SHEBANG = re.compile(r"#!\s*\S*/(?:env\s+)?(?:ba|da|k|z|a)?sh\b.*")


def job_id(key: JobKey) -> str:
    """Return the id of the job of this key."""
    return job_name(key, JOB_ID_LENGTH)


def build_job(spec: JobSpec, key: JobKey) -> batch_v1.Job:
    """Return the job to create.

    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    build_model(GcpBatchRules, spec.model_dump(include=set(GcpBatchRules.model_fields)))
    options = build_model(GcpBatchOptions, spec.options)
    base = {
        "labels": {**spec.labels, **job_labels(key, spec.stamp)},
        "task_groups": [_task_group(spec, options)],
        "allocation_policy": _allocation_policy(spec, options, key),
        "logs_policy": _logs_policy(options),
        "priority": options.priority,
    }
    native = named(spec.native, batch_v1.Job, "native")
    job = parsed(deep_merge(compact(base), native), batch_v1.Job)
    _check(job, spec)
    # By these the job is found again and its tasks know how many they are; native cannot unsay them.
    job.labels.update(job_labels(key, spec.stamp))
    job.task_groups[0].task_spec.volumes.extend(_volumes(spec))
    if spec.indexes is None:
        job.task_groups[0].task_spec.environment.variables["JOB_COUNT"] = str(task_count(job))
    return job


def task_count(job: batch_v1.Job) -> int:
    """Return how many tasks a job has."""
    if not job.task_groups:
        return 1
    group = job.task_groups[0]
    return len(group.task_environments) or int(group.task_count) or 1


def index_map(job: batch_v1.Job) -> tuple[int, ...] | None:
    """Return the original index of each task of a job that we made, ``None`` where they are the same."""
    if not job.task_groups:
        return None
    listed = job.task_groups[0].task_spec.environment.variables.get(INDEX_MAP_VARIABLE, "")
    return ranges.index_map(listed)


def _task_group(spec: JobSpec, options: GcpBatchOptions) -> dict[str, Any]:
    parallelism = min(spec.parallelism, spec.task_count) if spec.parallelism else None
    return {
        "task_count": spec.task_count,
        "parallelism": parallelism,
        "task_spec": {
            "runnables": [runnable] if (runnable := _runnable(spec, options)) else None,
            "compute_resource": {
                "cpu_milli": round(spec.cpu * 1000) if spec.cpu else None,
                "memory_mib": spec.memory_mib,
            },
            "max_run_duration": f"{spec.max_run_seconds}s" if spec.max_run_seconds else None,
            "max_retry_count": options.max_retry_count,
            "lifecycle_policies": [
                {"action": policy.action, "action_condition": {"exit_codes": policy.exit_codes}}
                for policy in options.lifecycle_policies or ()
            ],
            "environment": {
                "variables": {**spec.env, **input_variables(spec)},
                "secret_variables": dict(spec.secrets),
            },
        },
    }


def _runnable(spec: JobSpec, options: GcpBatchOptions) -> dict[str, Any] | None:
    """Return the container or the script; ``None`` where ``native`` must say what runs."""
    words = wrap(spec, index_variable=_INDEX_VARIABLE, attempt_variable=_ATTEMPT_VARIABLE)
    if spec.image:
        container: dict[str, Any] = {
            "image_uri": spec.image,
            "options": options.container_options,
            "volumes": _container_volumes(spec, options),
        }
        if words:
            # ``commands`` alone would become arguments of the image's own entry point.
            container |= {"entrypoint": words[0], "commands": words[1:]}
        return {"container": container}
    if words is None:
        return None
    return {"script": {"text": _script_text(spec, words)}}


def _volumes(spec: JobSpec) -> list[batch_v1.Volume]:
    """Return the bucket in which the job's files lie; directories in it have no objects of their own.

    https://cloud.google.com/batch/docs/create-run-job-storage
    """
    if spec.files is None or not spec.files.bucket:
        return []
    bucket = batch_v1.GCS(remote_path=spec.files.bucket)
    return [batch_v1.Volume(gcs=bucket, mount_path=BUCKET_MOUNT, mount_options=["--implicit-dirs"])]


def _container_volumes(spec: JobSpec, options: GcpBatchOptions) -> list[str]:
    """Return what the container sees of the machine; where nothing is named, it sees the task's volumes."""
    named_ones = list(options.container_volumes or ())
    return [*named_ones, *(f"{BUCKET_MOUNT}:{BUCKET_MOUNT}" for _ in _volumes(spec) if named_ones)]


def _script_text(spec: JobSpec, words: list[str]) -> str:
    """Return what runs on the machine itself; the first line chooses the interpreter there.

    :raises InvalidArgument: the interpreter is no shell, so that nothing can stand in front of the script
    """
    if spec.script is None:
        return "exec " + shlex.join(words)
    shebang, _, _ = spec.script.partition("\n")
    if not shebang.startswith("#!"):
        return words[-1] if words[:2] == ["/bin/sh", "-c"] else spec.script
    if not spec.prelude:
        return spec.script
    if not _SHELL_SHEBANG.fullmatch(shebang.rstrip()):
        raise InvalidArgument(
            "script",
            f"it begins with {shebang!r}, which is no shell",
            remedy="Set prelude=False and use BATCH_TASK_INDEX, or give image and command",
        )
    return f"{shebang}\n{words[-1]}"


def _allocation_policy(spec: JobSpec, options: GcpBatchOptions, key: JobKey) -> dict[str, Any]:
    account = options.service_account
    network = {
        "network": options.network,
        "subnetwork": options.subnetwork,
        "no_external_ip_address": options.no_external_ip or None,
    }
    instance = {
        "policy": {
            "machine_type": options.machine_type,
            "min_cpu_platform": options.min_cpu_platform,
            "provisioning_model": _provisioning_model(spec, options),
            "boot_disk": {
                "size_gb": options.boot_disk_gib,
                "type_": options.boot_disk_type,
                "image": options.boot_disk_image,
            },
            "accelerators": _accelerators(spec, options),
        },
        "install_gpu_drivers": _install_gpu_drivers(spec, options),
    }
    return {
        "labels": {**spec.labels, **job_labels(key)},
        "location": {"allowed_locations": options.allowed_locations},
        "instances": [given] if (given := compact(instance)) else None,
        "service_account": {"email": account, "scopes": options.service_account_scopes},
        "network": {"network_interfaces": [given] if (given := compact(network)) else None},
    }


def _provisioning_model(spec: JobSpec, options: GcpBatchOptions) -> str | None:
    if spec.spot and options.provisioning_model not in (None, "SPOT"):
        raise InvalidArgument(
            "spot",
            f"spot is set and provisioning_model is {options.provisioning_model}",
            remedy="Keep one of them",
        )
    return "SPOT" if spec.spot else options.provisioning_model


def _accelerators(spec: JobSpec, options: GcpBatchOptions) -> list[dict[str, Any]] | None:
    """Return the accelerators to attach; a machine type that comes with its own needs none named."""
    if spec.gpu is None or (spec.gpu.type is None and options.machine_type):
        return None
    if spec.gpu.type is None:
        raise InvalidArgument(
            "gpu",
            "it names no type",
            remedy='Write {"type": "nvidia-tesla-t4", "count": 1}, or a machine_type that comes with GPUs',
        )
    return [{"type_": spec.gpu.type, "count": spec.gpu.count}]


def _install_gpu_drivers(spec: JobSpec, options: GcpBatchOptions) -> bool | None:
    if options.install_gpu_drivers is not None:
        return options.install_gpu_drivers
    return True if spec.gpu else None


def _logs_policy(options: GcpBatchOptions) -> dict[str, Any] | None:
    if isinstance(options.logs_policy, LogPath):
        return {"destination": "PATH", "logs_path": options.logs_policy.path}
    return None if options.logs_policy == "NONE" else {"destination": "CLOUD_LOGGING"}


def _check(job: batch_v1.Job, spec: JobSpec) -> None:
    """Refuse what only shows in the whole request."""
    if not job.task_groups[0].task_spec.runnables:
        raise InvalidArgument(
            "image",
            "nothing says what to run",
            remedy="Give image, script, command, or runnables in native",
        )
    if spec.indexes is not None and task_count(job) != spec.task_count:
        raise InvalidArgument(
            "native",
            f"task_count is {task_count(job)} where {spec.task_count} indexes are to run",
            remedy="Leave task_count to array_size",
        )
    size = batch_v1.Job.pb(job).ByteSize()
    if size > MAX_JOB_BYTES:
        told = f"the job is {size:,} bytes long, and the service takes {MAX_JOB_BYTES:,}"
        raise too_large(spec, told, remedy=_TO_A_BUCKET)
    check_input(spec, remedy=_TO_A_BUCKET)
