"""What Cloud Run refuses in a job, and in the overrides of a run.

It exists so that a request which the real service would refuse is refused here, with the field's path.
Limits: https://docs.cloud.google.com/run/quotas and the reference of the messages. It must not change the
request, and never repeats the value of a variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from google.protobuf.duration_pb2 import Duration

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator import names
from airflow_provider_jobs.backends.cloud_run.emulator.resources import check_limits

MAX_TASKS = 10_000
MAX_RETRIES = 10
MAX_TIMEOUT_SECONDS = 168 * 3600
MAX_CONTAINERS = 10
MAX_VARIABLES = 1_000
MAX_VARIABLE_BYTES = 32_768
MAX_LABELS = 64
#: Set by the service itself: https://docs.cloud.google.com/run/docs/container-contract#jobs-env-vars
RESERVED_VARIABLES = frozenset(
    {"CLOUD_RUN_JOB", "CLOUD_RUN_EXECUTION", "CLOUD_RUN_TASK_INDEX"}
    | {"CLOUD_RUN_TASK_ATTEMPT", "CLOUD_RUN_TASK_COUNT"}
)
_RESERVED_NAMESPACES = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_DIGEST = r"@[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}"
_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
#: The grammar of image references, https://github.com/distribution/reference.
_IMAGE = re.compile(
    rf"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9-]+)*(?::\d+)?/)?"
    rf"{_PATH}(?:/{_PATH})*(?::[\w][\w.-]{{0,127}})?(?:{_DIGEST})?"
)


class Violation(Exception):
    """A field that cannot be. ``field`` is its path within the message that was checked."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


def check_job(job: pb.Job) -> None:
    """Raises Violation for the first thing in the job that cannot be."""
    _check_metadata("labels", job.labels, annotations=job.annotations)
    if not job.HasField("template") or not job.template.HasField("template"):
        raise Violation("template" if not job.HasField("template") else "template.template", "should be set.")
    template = job.template
    _check_metadata("template.labels", template.labels, annotations=template.annotations)
    check_task_count("template.task_count", template.task_count)
    if template.parallelism < 0:
        raise Violation("template.parallelism", "must be greater than or equal to 0.")
    _check_tasks("template.template", template.template)


def check_id(field: str, resource_id: str) -> None:
    """Raises Violation unless a job may have this id."""
    if not names.is_id(resource_id):
        raise Violation(field, names.NAME_RULE)


def check_task_count(field: str, count: int) -> None:
    """0 stands for none given."""
    if not 0 <= count <= MAX_TASKS:
        raise Violation(field, f"must be between 1 and {MAX_TASKS}.")


def check_timeout(field: str, timeout: Duration) -> None:
    seconds = timeout.seconds + timeout.nanos / 1e9
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise Violation(field, f"must be greater than 0 and at most {MAX_TIMEOUT_SECONDS} seconds.")


def check_overrides(overrides: pb.Overrides, containers: Iterable[pb.Container]) -> None:
    """Raises Violation for the first thing in the overrides that does not fit the job's containers."""
    check_task_count("overrides.task_count", overrides.task_count)
    if overrides.HasField("timeout"):
        check_timeout("overrides.timeout", overrides.timeout)
    names = [container.name for container in containers]
    for number, override in enumerate(overrides.container_overrides):
        field = f"overrides.container_overrides[{number}]"
        if override.name not in names and len(names) > 1:
            raise Violation(f"{field}.name", f'no container has the name "{override.name}".')
        if override.args and override.clear_args:
            raise Violation(f"{field}.clear_args", "must not be set together with args.")
        _check_variables(f"{field}.env", override.env)


def _check_tasks(field: str, tasks: pb.TaskTemplate) -> None:
    if not 1 <= len(tasks.containers) <= MAX_CONTAINERS:
        raise Violation(f"{field}.containers", f"must contain 1 to {MAX_CONTAINERS} containers.")
    if not 0 <= tasks.max_retries <= MAX_RETRIES:
        raise Violation(f"{field}.max_retries", f"must be between 0 and {MAX_RETRIES}.")
    if tasks.HasField("timeout"):
        check_timeout(f"{field}.timeout", tasks.timeout)
    volumes = [volume.name for volume in tasks.volumes]
    for number, volume in enumerate(tasks.volumes):
        if not _DNS_LABEL.fullmatch(volume.name) or volumes.index(volume.name) != number:
            raise Violation(f"{field}.volumes[{number}].name", "must be a unique DNS label.")
    for number, container in enumerate(tasks.containers):
        _check_container(f"{field}.containers[{number}]", container, volumes=volumes)
    _check_dependencies(field, tasks.containers)


def _check_container(field: str, container: pb.Container, *, volumes: list[str]) -> None:
    if container.name and not _DNS_LABEL.fullmatch(container.name):
        raise Violation(f"{field}.name", "must be a DNS label of RFC 1123.")
    if not _IMAGE.fullmatch(container.image):
        raise Violation(
            f"{field}.image",
            "must be a container image path in the form [hostname/]repo-path[:tag and/or @digest].",
        )
    _check_variables(f"{field}.env", container.env)
    if (problem := check_limits(container.resources.limits)) is not None:
        raise Violation(f"{field}.resources.limits.{problem.key}", problem.why)
    for number, mount in enumerate(container.volume_mounts):
        if mount.name not in volumes:
            raise Violation(
                f"{field}.volume_mounts[{number}].name", f'no volume has the name "{mount.name}".'
            )
        if not mount.mount_path.startswith("/"):
            raise Violation(f"{field}.volume_mounts[{number}].mount_path", "must be an absolute path.")


def _check_dependencies(field: str, containers: Iterable[pb.Container]) -> None:
    named = {container.name: container for container in containers}
    listed = list(containers)
    if len(listed) > 1 and (len(named) < len(listed) or "" in named):
        raise Violation(f"{field}.containers", "names must be set and unique where there are several.")
    for number, container in enumerate(listed):
        unknown = [name for name in container.depends_on if name not in named]
        if unknown:
            raise Violation(
                f"{field}.containers[{number}].depends_on", f'no container has the name "{unknown[0]}".'
            )
    waiting = listed
    begun: set[str] = set()
    while waiting:
        ready = {container.name for container in waiting if begun.issuperset(container.depends_on)}
        if not ready:
            raise Violation(f"{field}.containers", "depends_on must not form a circle.")
        begun |= ready
        waiting = [container for container in waiting if container.name not in ready]


def _check_variables(field: str, variables: Iterable[pb.EnvVar]) -> None:
    seen: set[str] = set()
    for number, variable in enumerate(variables):
        place = f"{field}[{number}]"
        if not variable.name or "=" in variable.name or len(variable.name) > MAX_VARIABLE_BYTES:
            raise Violation(f"{place}.name", "must not be empty and must not contain '='.")
        if variable.name in seen:
            raise Violation(f"{place}.name", f'"{variable.name}" is given twice.')
        if variable.name in RESERVED_VARIABLES:
            raise Violation(f"{place}.name", f'"{variable.name}" is reserved and set by the system.')
        if len(variable.value.encode()) > MAX_VARIABLE_BYTES:
            raise Violation(f"{place}.value", f"must be at most {MAX_VARIABLE_BYTES} bytes.")
        if variable.HasField("value_source"):
            reference = variable.value_source.secret_key_ref
            if not reference.secret:
                raise Violation(f"{place}.value_source.secret_key_ref.secret", "should be set.")
        seen.add(variable.name)
    if len(seen) > MAX_VARIABLES:
        raise Violation(field, f"must contain at most {MAX_VARIABLES} variables.")


def _check_metadata(field: str, labels: Mapping[str, str], *, annotations: Mapping[str, str]) -> None:
    if len(labels) > MAX_LABELS:
        raise Violation(field, f"must contain at most {MAX_LABELS} labels.")
    for place, keys in ((field, labels), (field.replace("labels", "annotations"), annotations)):
        for key in keys:
            namespace = key.rpartition("/")[0]
            if namespace.endswith(_RESERVED_NAMESPACES) and namespace:
                raise Violation(place, f'"{key}" is in a namespace that is reserved for the system.')
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key.rpartition("/")[2]) or not _LABEL_VALUE.fullmatch(value):
            raise Violation(field, f'"{key}": "{value}" does not meet the requirements for labels.')
