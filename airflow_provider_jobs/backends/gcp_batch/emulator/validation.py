"""What Batch refuses when a job is created.

It exists so that a request which the real service would refuse is refused here, with the same code and in
the same manner ("<field> field is invalid. <why>"). Limits: the reference of the Job message and
https://docs.cloud.google.com/batch/quotas. It must not change the request.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence

from google.cloud import batch_v1
from google.protobuf.duration_pb2 import Duration

from airflow_provider_jobs.backends.gcp_batch.emulator import messages as pb
from airflow_provider_jobs.emulator.calls import StatusError
from airflow_provider_jobs.google_cloud.emulator.names import Place

MAX_TASKS = 100_000
MAX_PARALLELISM = 5_000
MAX_TASK_ENVIRONMENTS = 200
MAX_RETRIES = 10
MAX_RUNNABLES = 100
MAX_LABELS = 64
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[^=\0]+")
_DIGEST = r"@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}"
_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
#: The grammar of image references, https://github.com/distribution/reference.
_IMAGE = re.compile(
    rf"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9-]+)*(?::\d+)?/)?"
    rf"{_PATH}(?:/{_PATH})*(?::[\w][\w.-]{{0,127}})?(?:{_DIGEST})?"
)


def invalid(field: str, why: str) -> StatusError:
    return StatusError("INVALID_ARGUMENT", f"{field} field is invalid. {why}")


def check_request_id(request_id: str) -> None:
    """A request id must be a UUID and not the zero one. Empty means: none given."""
    if not request_id:
        return
    try:
        value = uuid.UUID(request_id)
    except ValueError:
        value = uuid.UUID(int=0)
    if value.int == 0:
        raise invalid("request_id", f'"{request_id}" must be a valid UUID other than the zero UUID.')


def check_job(job: pb.Job, place: Place) -> None:
    """Raises StatusError (INVALID_ARGUMENT) for the first thing in the job that cannot be."""
    if not 0 <= job.priority < 100:
        raise invalid("priority", "The valid value range is [0, 100).")
    if len(job.task_groups) != 1:
        raise invalid("task_groups", f"Exactly one task group is supported, {len(job.task_groups)} given.")
    _check_labels("labels", job.labels)
    _check_labels("allocation_policy.labels", job.allocation_policy.labels)
    _check_group(job.task_groups[0])
    _check_locations(job.allocation_policy.location.allowed_locations, place)
    for policy in job.allocation_policy.instances:
        if policy.policy.boot_disk.size_gb < 0:
            raise invalid("boot_disk.size_gb", "It must not be negative.")
    if job.logs_policy.destination == batch_v1.LogsPolicy.Destination.PATH and not job.logs_policy.logs_path:
        raise invalid("logs_policy.logs_path", "It must be set when destination is PATH.")


def _check_group(group: pb.TaskGroup) -> None:
    environments = len(group.task_environments)
    if not 0 <= group.task_count <= MAX_TASKS:
        raise invalid("task_count", f"The valid value range is [1, {MAX_TASKS}], {group.task_count} given.")
    if environments > MAX_TASK_ENVIRONMENTS:
        raise invalid("task_environments", f"At most {MAX_TASK_ENVIRONMENTS} are supported.")
    if environments and group.task_count not in (0, environments):
        raise invalid("task_count", "It must equal the length of task_environments when that is set.")
    if not 0 <= group.parallelism <= MAX_PARALLELISM:
        raise invalid(
            "parallelism", f"The valid value range is [1, {MAX_PARALLELISM}], {group.parallelism} given."
        )
    in_order = group.scheduling_policy == batch_v1.TaskGroup.SchedulingPolicy.IN_ORDER
    if in_order and group.parallelism > 1:
        raise invalid("parallelism", "It must be 1 if scheduling_policy is IN_ORDER.")
    if group.task_count_per_node < 0:
        raise invalid("task_count_per_node", "It must not be negative.")
    for number, environment in enumerate(group.task_environments):
        _check_environment(f"task_environments[{number}]", environment)
    _check_spec(group.task_spec)


def _check_spec(spec: pb.TaskSpec) -> None:
    if not 1 <= len(spec.runnables) <= MAX_RUNNABLES:
        raise invalid("task_spec.runnables", f"Between 1 and {MAX_RUNNABLES} runnables are required.")
    if not 0 <= spec.max_retry_count <= MAX_RETRIES:
        raise invalid("task_spec.max_retry_count", f"The valid value range is [0, {MAX_RETRIES}].")
    _check_duration("task_spec.max_run_duration", spec.max_run_duration)
    resource = spec.compute_resource
    for field in ("cpu_milli", "memory_mib", "boot_disk_mib"):
        if getattr(resource, field) < 0:
            raise invalid(f"task_spec.compute_resource.{field}", "It must not be negative.")
    if len(spec.lifecycle_policies) > 1:
        raise invalid("task_spec.lifecycle_policies", "Only one lifecycle policy is supported.")
    for policy in spec.lifecycle_policies:
        if policy.action and not policy.action_condition.exit_codes:
            raise invalid(
                "task_spec.lifecycle_policies.action_condition", "At least one exit code is required."
            )
    _check_environment("task_spec.environment", spec.environment)
    for number, runnable in enumerate(spec.runnables):
        _check_runnable(f"task_spec.runnables[{number}]", runnable)


def _check_runnable(field: str, runnable: pb.Runnable) -> None:
    kind = runnable.WhichOneof("executable")
    if kind is None:
        raise invalid(field, "One of container, script or barrier is required.")
    if kind == "container":
        image = runnable.container.image_uri
        if not _IMAGE.fullmatch(image):
            raise invalid(f"{field}.container.image_uri", f'"{image}" is not a valid image reference.')
    if kind == "script" and not (runnable.script.text or runnable.script.path):
        raise invalid(f"{field}.script", "One of text or path is required.")
    _check_duration(f"{field}.timeout", runnable.timeout)
    _check_labels(f"{field}.labels", runnable.labels)
    _check_environment(f"{field}.environment", runnable.environment)


def _check_environment(field: str, environment: pb.Environment) -> None:
    for subfield in ("variables", "secret_variables"):
        for name in getattr(environment, subfield):
            if not _VARIABLE.fullmatch(name):
                raise invalid(f"{field}.{subfield}", f'"{name}" is not a valid variable name.')
    both = set(environment.variables) & set(environment.secret_variables)
    if both:
        raise invalid(field, f"{min(both)} is given both as variable and as secret variable.")


def _check_duration(field: str, duration: Duration) -> None:
    if duration.seconds < 0 or duration.nanos < 0:
        raise invalid(field, "A duration must not be negative.")


def _check_labels(field: str, labels: Mapping[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        raise invalid(field, f"At most {MAX_LABELS} labels are supported.")
    for key, value in labels.items():
        if key.startswith(("goog-", "google-")):
            raise invalid(field, f'Label names that start with "goog-" or "google-" are reserved: "{key}".')
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(field, f'Label "{key}": "{value}" does not meet the requirements for labels.')


def _check_locations(locations: Sequence[str], place: Place) -> None:
    for location in locations:
        kind, _, name = location.partition("/")
        region = name if kind == "regions" else name.rpartition("-")[0]
        if kind not in ("regions", "zones") or region != place.location:
            raise invalid(
                "allocation_policy.location.allowed_locations",
                f'"{location}" must be a region or zones of the job\'s location {place.location}.',
            )
