"""From a job spec to the service's requests. Pure: the same spec, key and time give the same requests.

They are written as the service's JSON, so that ``native`` can be laid on top of it last.
https://learn.microsoft.com/rest/api/batchservice/jobs/create-job
https://learn.microsoft.com/rest/api/batchservice/tasks/create-task-collection
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from airflow_provider_jobs.backends.azure_batch.options import (
    MAX_BODY_BYTES,
    AzureBatchOptions,
    AzureBatchRules,
    check_together,
)
from airflow_provider_jobs.backends.azure_batch.places import Facts, Place
from airflow_provider_jobs.backends.azure_batch.words import AutoPool, Part
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.identity import MANAGED_BY, JobKey, job_labels
from airflow_provider_jobs.core.merge import compact, deep_merge
from airflow_provider_jobs.core.prelude import check_input, too_large, wrap_files
from airflow_provider_jobs.core.spec import JobSpec

_TO_A_BLOB = "Put the input into a blob and hand its address over, or use resource_files"
_AUTO_POOL_PREFIX = "airflow"
Json = dict[str, Any]


@dataclass(frozen=True)
class Submission:
    """What is to be sent for one spec under one key.

    :param indexes: the original indexes to run, rising
    """

    place: Place
    facts: Facts
    indexes: tuple[int, ...]
    key: JobKey
    spec: JobSpec
    options: AzureBatchOptions

    @property
    def can_create_job(self) -> bool:
        """Whether it is known where a new job's tasks would run."""
        return self.options.pool_id is not None or self.options.auto_pool is not None

    def job(self) -> Json:
        """Return the job to create."""
        shared = self.place.is_shared
        native = self.spec.native.get("job", {})
        job = deep_merge(compact(self._shared_job() if shared else self._own_job()), native)
        # By these the job is found again; native cannot unsay them.
        ours = {"managed-by": MANAGED_BY} if shared else {**job_labels(self.key), **self.facts.as_metadata()}
        job["id"] = self.place.job_id
        job["metadata"] = _named_values({**_values(job.get("metadata")), **ours})
        if not shared:
            # A job without tasks has all its tasks complete: to end by itself is said once they are there.
            job["onAllTasksComplete"] = "noaction"
        return job

    def tasks(self, indexes: Iterable[int] | None = None) -> list[Json]:
        """Return the tasks to add.

        :param indexes: of these original indexes alone
        :raises InvalidArgument: one is larger than the service takes
        """
        tasks = [self._task(index) for index in (self.indexes if indexes is None else indexes)]
        check_input(self.spec, remedy=_TO_A_BLOB)
        return tasks

    def _own_job(self) -> Json:
        options = self.options
        release = _wire(options.job_release_task)
        preparation = _wire(options.job_preparation_task)
        pool = options.auto_pool
        if pool is not None and preparation is None and pool.hold_seconds and not _is_windows(pool):
            # The machines go when the job is over, and with them the files that the log is read from.
            preparation = {"commandLine": "/bin/sh -c :"}
            release = {"commandLine": f"/bin/sh -c 'sleep {pool.hold_seconds}'"}
        return {
            "displayName": self._title,
            "priority": options.priority,
            "maxParallelTasks": self.spec.parallelism,
            "poolInfo": self._pool_info(),
            "jobPreparationTask": preparation,
            "jobReleaseTask": release,
            "onTaskFailure": self._on_task_failure(),
            "metadata": _named_values(self.spec.labels),
        }

    def _shared_job(self) -> Json:
        return {
            "poolInfo": self._pool_info(),
            "usesTaskDependencies": True,
            "onTaskFailure": self._on_task_failure(),
        }

    def _on_task_failure(self) -> str | None:
        conditions = self.options.exit_conditions
        return "performexitoptionsjobaction" if conditions and conditions.act_on_job else None

    def _pool_info(self) -> Json:
        if self.options.auto_pool is None:
            return {"poolId": self.options.pool_id}
        return {"autoPoolSpecification": _auto_pool(self.options.auto_pool, self.spec)}

    @property
    def _title(self) -> str:
        return f"{self.key.dag_id}.{self.key.task_id}"

    def _task(self, index: int) -> Json:
        spec, options = self.spec, self.options
        base = {
            "displayName": f"{self._title} [{index}]" if spec.array_size > 1 else self._title,
            "commandLine": _command_line(spec),
            "containerSettings": _container_settings(spec, options),
            "resourceFiles": _wires(options.resource_files),
            "outputFiles": _wires(options.upload_files),
            "environmentSettings": _named_values(spec.env),
            "affinityInfo": {"affinityId": options.affinity_id},
            "constraints": {
                "maxWallClockTime": f"PT{spec.max_run_seconds}S" if spec.max_run_seconds else None,
                "retentionTime": f"PT{options.retention_seconds}S" if options.retention_seconds else None,
                "maxTaskRetryCount": options.max_task_retry_count,
            },
            "requiredSlots": options.required_slots,
            "userIdentity": _wire(options.user_identity),
            "multiInstanceSettings": _wire(options.multi_instance_settings),
            "exitConditions": _wire(options.exit_conditions),
            "dependsOn": _wire(options.depends_on),
            "applicationPackageReferences": _wires(options.application_packages),
        }
        task = deep_merge(compact(base), spec.native.get("task", {}))
        task["id"] = self.place.task_id(index)
        variables = {**_values(task.get("environmentSettings")), **self._variables(index)}
        task["environmentSettings"] = _named_values(variables)
        _check_size(task, spec)
        return task

    def _variables(self, index: int) -> dict[str, str]:
        """Return what every service sets for a job, of one index: no shell has to work it out."""
        spec = self.spec
        variables = {"JOB_INDEX": str(index), "JOB_COUNT": str(spec.array_size), "JOB_ATTEMPT": "0"}
        if spec.input is not None:
            variables["JOB_INPUT"] = json.dumps(spec.input)
        if spec.inputs is not None:
            variables["JOB_INPUT"] = json.dumps(spec.inputs[index])
        if spec.files is not None:
            variables |= spec.files.variables_of(index, is_array=spec.is_array)
        return variables | (self.facts.as_variables() if self.place.is_shared else {})


def build_submission(
    spec: JobSpec, key: JobKey, *, job_id: str | None = None, submitted_at: pendulum.DateTime
) -> Submission:
    """Return what is to be sent.

    :param job_id: the shared job to add tasks to, ``None`` for a job of their own
    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    build_model(AzureBatchRules, spec.model_dump(include=set(AzureBatchRules.model_fields)))
    options = build_model(AzureBatchOptions, {**spec.options, **({"job_id": job_id} if job_id else {})})
    check_together(spec, options)
    indexes = tuple(range(spec.array_size)) if spec.indexes is None else tuple(sorted(spec.indexes))
    facts = Facts(key.digest, len(indexes), spec.fingerprint, submitted_at, spec.stamp)
    return Submission(Place.for_key(key, job_id), facts, indexes, key, spec, options)


def body_bytes(value: Any) -> int:
    """Return how long a value is as JSON."""
    return len(json.dumps(value).encode())


def _command_line(spec: JobSpec) -> str:
    """Return the command line; the node splits it into words as a shell does, and runs no shell.

    Empty, it leaves the image's own entry point:
    https://learn.microsoft.com/azure/batch/batch-docker-container-workloads#container-task-command-line
    """
    if words := wrap_files(spec):
        return shlex.join(words)
    if spec.script is not None:
        return shlex.join(["/bin/sh", "-c", spec.script])
    return shlex.join(spec.command or ())


def _container_settings(spec: JobSpec, options: AzureBatchOptions) -> Json | None:
    if spec.image is None:
        return None
    return {
        "imageName": spec.image,
        "containerRunOptions": " ".join(_run_options(spec, options)) or None,
        "registry": _wire(options.container_registry),
        "workingDirectory": options.container_working_directory,
    }


def _run_options(spec: JobSpec, options: AzureBatchOptions) -> Iterable[str]:
    """Yield options of ``docker create``; the user's come last, and there the last one counts."""
    if spec.command is not None or spec.script is not None:
        # The words would otherwise become arguments of the image's own entry point.
        yield "--entrypoint="
    if spec.cpu is not None:
        yield f"--cpus={spec.cpu:g}"
    if spec.memory_mib is not None:
        yield f"--memory={spec.memory_mib}m"
    if spec.gpu is not None:
        yield f"--gpus={spec.gpu.count}"
    if options.container_run_options:
        yield options.container_run_options


def _auto_pool(pool: AutoPool, spec: JobSpec) -> Json:
    machine: Json = {
        "imageReference": pool.image_reference.to_wire(),
        "nodeAgentSKUId": pool.node_agent_sku_id,
    }
    if spec.image is not None or pool.container_registries:
        machine["containerConfiguration"] = {
            "type": "dockerCompatible",
            "containerImageNames": [spec.image] if spec.image else None,
            "containerRegistries": _wires(pool.container_registries),
        }
    return {
        "autoPoolIdPrefix": _AUTO_POOL_PREFIX,
        "poolLifetimeOption": "job",
        "keepAlive": False,
        "pool": {
            "vmSize": pool.vm_size,
            "virtualMachineConfiguration": machine,
            "taskSlotsPerNode": pool.task_slots_per_node,
            "targetDedicatedNodes": 0 if spec.spot else pool.nodes,
            "targetLowPriorityNodes": pool.nodes if spec.spot else 0,
            "startTask": _wire(pool.start_task),
            "networkConfiguration": {"subnetId": pool.subnet_id},
            "applicationPackageReferences": _wires(pool.application_packages),
            "enableInterNodeCommunication": pool.enable_inter_node_communication,
        },
    }


def _is_windows(pool: AutoPool) -> bool:
    return "windows" in pool.node_agent_sku_id.lower()


def _check_size(task: Json, spec: JobSpec) -> None:
    if (size := body_bytes(task)) > MAX_BODY_BYTES:
        told = f"a task is {size:,} bytes long, and the service takes {MAX_BODY_BYTES:,}"
        raise too_large(spec, told, remedy=_TO_A_BLOB)


def _wire(part: Part | None) -> Json | None:
    return None if part is None else part.to_wire()


def _wires(parts: Iterable[Part] | None) -> list[Json] | None:
    return None if parts is None else [part.to_wire() for part in parts]


def _named_values(values: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _values(named: Any) -> dict[str, str]:
    listed = named if isinstance(named, list) else []
    return {str(each.get("name")): str(each.get("value", "")) for each in listed if isinstance(each, Mapping)}
