"""What cannot be said together: a job that exists takes less than one that is made for the task.

Checked when a DAG is parsed, so nothing here imports a Google package.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.cloud_run.options import CPU_MEMORY_MIB, CloudRunOptions
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.spec import JobSpec

DEFAULT_CPU = 1
DEFAULT_MEMORY_MIB = 512

# https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run: what an execution may
# have instead of its job's own. Everything else belongs to the job.
_OF_AN_EXECUTION = frozenset({"task_count", "args", "clear_args", "container_overrides"})
_OF_A_JOB_OPTIONS = tuple(name for name in CloudRunOptions.model_fields if name not in _OF_AN_EXECUTION)
_OF_A_JOB_SPEC = ("command", "script", "secrets", "cpu", "memory", "gpu", "parallelism", "labels")


def check_spec(spec: JobSpec) -> None:
    """Do nothing where the arguments can be meant together.

    :raises InvalidArgument: names the argument, the value and the remedy
    """
    options = build_model(CloudRunOptions, spec.options)
    if options.task_count is not None and options.task_count != spec.array_size:
        raise InvalidArgument(
            "task_count", f"it is {options.task_count} and array_size is {spec.array_size}", remedy="Keep one"
        )
    if spec.image is None:
        _check_existing(spec)
    else:
        _check_made(spec, options)


def _check_existing(spec: JobSpec) -> None:
    for name in _OF_A_JOB_SPEC:
        if getattr(spec, name):
            raise _belongs_to_the_job(name)
    for name in _OF_A_JOB_OPTIONS:
        if name in spec.options:
            raise _belongs_to_the_job(name)
    if spec.files is not None and spec.files.bucket:
        raise InvalidArgument(
            "job_name",
            "the job exists, and an execution cannot mount a bucket into it for the task's files",
            remedy="Mount the bucket in the job, and set [airflow_provider_jobs] storage_mount to where",
        )
    for name in spec.native:
        if name != "overrides":
            raise _belongs_to_the_job(f"native.{name}")


def _belongs_to_the_job(name: str) -> InvalidArgument:
    return InvalidArgument(
        name,
        "without an image a job that exists is run, and an execution cannot change this of it",
        remedy="Give image too, and the job is made from the arguments; or change the job itself",
    )


def _check_made(spec: JobSpec, options: CloudRunOptions) -> None:
    for name in ("clear_args", "container_overrides"):
        if getattr(options, name):
            raise InvalidArgument(
                name,
                "it is for a job that exists, and image is given",
                remedy="Write what is to run into command, script or args, and sidecars into containers",
            )
    if options.args is not None and (spec.command is not None or spec.script is not None):
        raise InvalidArgument(
            "args",
            "it is given beside command or script",
            remedy="Write all words into command; args alone go to the image's own entry point",
        )
    if options.gpu_zonal_redundancy is not None and spec.gpu is None:
        raise InvalidArgument("gpu_zonal_redundancy", "no gpu is given", remedy="Set gpu=1 too")
    _check_size(spec)


def _check_size(spec: JobSpec) -> None:
    """Keep https://cloud.google.com/run/docs/configuring/jobs/cpu#cpu-memory"""
    if spec.cpu is None and spec.memory is None:
        return
    cpu = spec.cpu or DEFAULT_CPU
    limits = CPU_MEMORY_MIB.get(int(cpu))
    memory = spec.memory_mib or DEFAULT_MEMORY_MIB
    if limits is None or limits[0] <= memory <= limits[1]:
        return
    least, most = (f"{mib // 1024}Gi" if mib >= 1024 else f"{mib}Mi" for mib in limits)
    raise InvalidArgument(
        "memory",
        f"{spec.memory or '512Mi, the default,'} does not go with cpu={cpu:g}",
        remedy=f"{cpu:g} CPUs take from {least} to {most}; change memory or cpu",
    )
