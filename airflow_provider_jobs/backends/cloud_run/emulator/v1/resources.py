"""Jobs, executions and tasks as version 1 shows them.

It exists so that what one version created reads right in the other. It reads messages of version 2 and the
records behind them, and must not change either.
"""

from __future__ import annotations

from typing import Any

from google.cloud import run_v2
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.execution_messages import (
    execution_message,
    task_message,
)
from airflow_provider_jobs.backends.cloud_run.emulator.job_messages import job_message
from airflow_provider_jobs.backends.cloud_run.emulator.outcomes import phase
from airflow_provider_jobs.backends.cloud_run.emulator.records import ExecutionRecord, JobRecord
from airflow_provider_jobs.backends.cloud_run.emulator.v1 import system_annotations
from airflow_provider_jobs.backends.cloud_run.emulator.v1.manifests import (
    ACCELERATOR,
    API_VERSION,
    GCS_DRIVER,
)
from airflow_provider_jobs.emulator.jobs import Job, Task

JOB_LABEL, EXECUTION_LABEL = "run.googleapis.com/job", "run.googleapis.com/execution"
STATE_LABEL = "run.googleapis.com/runningState"
UPDATED_LABEL = "run.googleapis.com/lastUpdatedTime"
LOCATION_LABEL = "cloud.googleapis.com/location"
_STATES = run_v2.Condition.State
_STATUS = {_STATES.CONDITION_SUCCEEDED: "True", _STATES.CONDITION_FAILED: "False"}


def job_resource(record: JobRecord, *, number: str) -> dict[str, Any]:
    """A job."""
    message = job_message(record)
    metadata = _metadata(message, name=record.job_id, number=number, location=record.place.location)
    metadata["labels"][UPDATED_LABEL] = _time(message.update_time)
    metadata["annotations"] = {
        **message.annotations,
        **system_annotations.of_job(message),
        **record.system_annotations.get("job", {}),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": _execution_template(message.template, record)},
        "status": _job_status(message),
    }


def _execution_template(template: pb.ExecutionTemplate, record: JobRecord) -> dict[str, Any]:
    own = {
        **template.annotations,
        **system_annotations.of_tasks(template.template),
        **record.system_annotations.get("template", {}),
    }
    spec: dict[str, Any] = {
        "taskCount": template.task_count,
        "template": {"spec": task_spec(template.template)},
    }
    if template.parallelism:
        spec["parallelism"] = template.parallelism
    return {"metadata": {"annotations": own, "labels": dict(template.labels)}, "spec": spec}


def _job_status(message: pb.Job) -> dict[str, Any]:
    status: dict[str, Any] = {
        "observedGeneration": message.observed_generation,
        "conditions": [_condition(message.terminal_condition)],
        "executionCount": message.execution_count,
    }
    if message.HasField("latest_created_execution"):
        latest = message.latest_created_execution
        status["latestCreatedExecution"] = {
            "name": latest.name,
            "creationTimestamp": _time(latest.create_time),
            "completionStatus": run_v2.ExecutionReference.CompletionStatus(latest.completion_status).name,
        }
        if latest.HasField("completion_time"):
            status["latestCreatedExecution"]["completionTimestamp"] = _time(latest.completion_time)
    return status


def execution_resource(job: Job, *, number: str) -> dict[str, Any]:
    """An execution."""
    record: ExecutionRecord = job.data
    message = execution_message(job)
    location = record.name.place.location
    metadata = _metadata(message, name=record.name.execution_id, number=number, location=location)
    metadata["labels"][JOB_LABEL] = record.name.job_id
    metadata["annotations"] = {
        system_annotations.CREATOR: message.creator,
        **message.annotations,
        **system_annotations.of_tasks(message.template),
        **record.system_annotations.get("template", {}),
    }
    metadata["ownerReferences"] = [_owner("Job", record.name.job_id, uid=record.job_uid)]
    status: dict[str, Any] = {
        "observedGeneration": message.observed_generation,
        "conditions": [_condition(condition) for condition in message.conditions],
        "logUri": message.log_uri,
        **_counts(message),
        **_times(message, startTime="start_time", completionTime="completion_time"),
    }
    spec = {
        "parallelism": message.parallelism,
        "taskCount": message.task_count,
        "template": {"spec": task_spec(message.template)},
    }
    return _resource("Execution", metadata, spec=spec, status=status)


def task_resource(job: Job, task: Task, *, number: str) -> dict[str, Any]:
    """A task."""
    record: ExecutionRecord = job.data
    message = task_message(job, task)
    location = record.name.place.location
    name = message.name.rpartition("/")[2]
    metadata = _metadata(message, name=name, number=number, location=location)
    metadata["labels"] |= {
        JOB_LABEL: record.name.job_id,
        EXECUTION_LABEL: record.name.execution_id,
        STATE_LABEL: phase(task).value,
    }
    metadata["annotations"] = dict(message.annotations)
    metadata["ownerReferences"] = [_owner("Execution", record.name.execution_id, uid=record.message.uid)]
    status: dict[str, Any] = {
        "observedGeneration": message.observed_generation,
        "conditions": [_condition(condition) for condition in message.conditions],
        "index": message.index,
        "retried": message.retried,
        "logUri": message.log_uri,
        **_times(message, startTime="start_time", completionTime="completion_time"),
    }
    if message.HasField("last_attempt_result"):
        status["lastAttemptResult"] = json_format.MessageToDict(message.last_attempt_result)
    return _resource("Task", metadata, spec=task_spec(record.message.template), status=status)


def _resource(
    kind: str, metadata: dict[str, Any], *, spec: dict[str, Any], status: dict[str, Any]
) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def _metadata(message: Any, *, name: str, number: str, location: str) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": number,
        "selfLink": f"/apis/{API_VERSION}/namespaces/{number}/{_plural(message)}/{name}",
        "uid": message.uid,
        "resourceVersion": message.etag.strip('"'),
        "generation": message.generation,
        "creationTimestamp": _time(message.create_time),
        "labels": {**message.labels, LOCATION_LABEL: location},
    }
    if message.HasField("delete_time"):
        metadata["deletionTimestamp"] = _time(message.delete_time)
    return metadata


def _plural(message: Any) -> str:
    return f"{message.DESCRIPTOR.name.lower()}s"


def _owner(kind: str, name: str, *, uid: str) -> dict[str, Any]:
    owner = {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid}
    return {**owner, "controller": True, "blockOwnerDeletion": True}


def _condition(condition: pb.Condition) -> dict[str, Any]:
    made = {
        "type": condition.type_,
        "status": _STATUS.get(_STATES(condition.state), "Unknown"),
        "lastTransitionTime": _time(condition.last_transition_time),
    }
    if condition.message:
        made["message"] = condition.message
    if reason := _reason(condition):
        made["reason"] = reason
    if condition.severity:
        made["severity"] = run_v2.Condition.Severity(condition.severity).name.capitalize()
    return made


def _reason(condition: pb.Condition) -> str:
    """NON_ZERO_EXIT_CODE is NonZeroExitCode here."""
    which = condition.WhichOneof("reasons")
    if which is None:
        return ""
    kinds: dict[str, Any] = {
        "reason": run_v2.Condition.CommonReason,
        "execution_reason": run_v2.Condition.ExecutionReason,
    }
    return "".join(word.capitalize() for word in kinds[which](getattr(condition, which)).name.split("_"))


def _counts(message: pb.Execution) -> dict[str, int]:
    """Counts of nothing are left out."""
    names = {
        "runningCount": message.running_count,
        "succeededCount": message.succeeded_count,
        "failedCount": message.failed_count,
        "cancelledCount": message.cancelled_count,
        "retriedCount": message.retried_count,
    }
    return {name: count for name, count in names.items() if count}


def _times(message: Any, **names: str) -> dict[str, str]:
    return {key: _time(getattr(message, name)) for key, name in names.items() if message.HasField(name)}


def _time(at: Timestamp) -> str:
    return at.ToJsonString()


def task_spec(template: pb.TaskTemplate) -> dict[str, Any]:
    """What every task is made from."""
    spec: dict[str, Any] = {
        "containers": [_container(container) for container in template.containers],
        "maxRetries": template.max_retries,
        "timeoutSeconds": str(template.timeout.seconds),
        "serviceAccountName": template.service_account,
    }
    if template.volumes:
        spec["volumes"] = [_volume(volume) for volume in template.volumes]
    if template.node_selector.accelerator:
        spec["nodeSelector"] = {ACCELERATOR: template.node_selector.accelerator}
    return spec


def _container(container: pb.Container) -> dict[str, Any]:
    made: dict[str, Any] = {
        "image": container.image,
        "resources": {"limits": dict(container.resources.limits)},
    }
    lists = {"command": container.command, "args": container.args}
    made |= {key: list(values) for key, values in lists.items() if values}
    texts = {"name": container.name, "workingDir": container.working_dir}
    made |= {key: text for key, text in texts.items() if text}
    if container.env:
        made["env"] = [_variable(variable) for variable in container.env]
    if container.volume_mounts:
        made["volumeMounts"] = [json_format.MessageToDict(mount) for mount in container.volume_mounts]
    if container.HasField("startup_probe"):
        made["startupProbe"] = json_format.MessageToDict(container.startup_probe)
    return made


def _variable(variable: pb.EnvVar) -> dict[str, Any]:
    if not variable.HasField("value_source"):
        return {"name": variable.name, "value": variable.value}
    reference = variable.value_source.secret_key_ref
    return {
        "name": variable.name,
        "valueFrom": {"secretKeyRef": {"name": reference.secret, "key": reference.version}},
    }


def _volume(volume: pb.Volume) -> dict[str, Any]:
    made: dict[str, Any] = {"name": volume.name}
    kind = volume.WhichOneof("volume_type")
    if kind == "secret":
        items = [{"key": item.version, "path": item.path} for item in volume.secret.items]
        made["secret"] = {"secretName": volume.secret.secret, "items": items}
    elif kind == "empty_dir":
        medium = "Memory" if volume.empty_dir.medium else ""
        made["emptyDir"] = {"medium": medium, "sizeLimit": volume.empty_dir.size_limit}
    elif kind == "nfs":
        made["nfs"] = json_format.MessageToDict(volume.nfs)
    elif kind == "gcs":
        made["csi"] = {
            "driver": GCS_DRIVER,
            "readOnly": volume.gcs.read_only,
            "volumeAttributes": {"bucketName": volume.gcs.bucket},
        }
    return made
