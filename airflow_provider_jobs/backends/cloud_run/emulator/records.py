"""Jobs and executions as the dialect keeps them: as admitted, with every default filled in.

It exists so that what is written once (by the caller or by the service's defaults) is apart from what is
computed at every look (states, counts, conditions). It must not compute the latter.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import pendulum
from google.api.launch_stage_pb2 import LaunchStage
from google.cloud import run_v2

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.names import ExecutionName
from airflow_provider_jobs.backends.cloud_run.emulator.resources import DEFAULT_CPU, DEFAULT_MEMORY
from airflow_provider_jobs.emulator.jobs import Job
from airflow_provider_jobs.google_cloud.emulator.messages import timestamp
from airflow_provider_jobs.google_cloud.emulator.names import Place

DEFAULT_TASK_COUNT = 1
DEFAULT_MAX_RETRIES = 3
DEFAULT_TIMEOUT_SECONDS = 600
#: How long a deleted resource can still be listed.
KEPT_AFTER_DELETE = pendulum.duration(days=30)
_CREATOR = "user@example.com"
#: What a caller may set in a job; the rest of a request's job is ignored or refused.
_SETTABLE = (
    "labels",
    "annotations",
    "client",
    "client_version",
    "launch_stage",
    "binary_authorization",
    "template",
)


@dataclass
class Deletion:
    """When a resource was deleted, and until when it can be listed."""

    at: pendulum.DateTime

    @property
    def expires(self) -> pendulum.DateTime:
        return self.at + KEPT_AFTER_DELETE


@dataclass
class JobRecord:
    """A job: the message as admitted, and what became of it.

    ``system_annotations`` are those that only version 1 of the API shows: of the "job" and of its "template".
    ``latest`` is the execution that was created last, ``tokens`` are the execution tokens used so far.
    """

    message: pb.Job
    place: Place
    job_id: str
    system_annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    observed_generation: int = 0
    execution_count: int = 0
    latest: Job | None = None
    tokens: set[str] = field(default_factory=set)
    deletion: Deletion | None = None

    @property
    def name(self) -> str:
        return self.place.job(self.job_id)

    @property
    def etag(self) -> str:
        return etag(self.message.uid, self.message.generation)


@dataclass
class ExecutionRecord:
    """An execution: the message as created, where it belongs, and the future that is done at its end."""

    message: pb.Execution
    name: ExecutionName
    job_uid: str
    ended: asyncio.Future[None]
    system_annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    deletion: Deletion | None = None


def new_job(requested: pb.Job, *, place: Place, job_id: str, number: str) -> JobRecord:
    """The job as it is kept: output fields set, defaults filled in."""
    message = _settable(requested, number=number)
    message.name = place.job(job_id)
    message.uid = str(uuid.uuid4())
    message.generation = 1
    message.creator = message.last_modifier = _CREATOR
    message.create_time.CopyFrom(timestamp(pendulum.now("UTC")))
    message.update_time.CopyFrom(message.create_time)
    return JobRecord(message, place, job_id)


def changed(message: pb.Job, requested: pb.Job, *, number: str) -> pb.Job:
    """The job after an update; the same generation when nothing changes."""
    after = pb.Job()
    after.CopyFrom(message)
    wanted = _settable(requested, number=number)
    for name in _SETTABLE:
        after.ClearField(name)
    after.MergeFrom(wanted)
    if after != message:
        after.generation += 1
        after.last_modifier = _CREATOR
        after.update_time.CopyFrom(timestamp(pendulum.now("UTC")))
    return after


def new_execution(job: JobRecord, template: pb.ExecutionTemplate, *, name: ExecutionName) -> ExecutionRecord:
    """An execution of the job with this template, which has the overrides in it."""
    message = pb.Execution(
        name=name.name,
        uid=str(uuid.uuid4()),
        creator=_CREATOR,
        generation=1,
        observed_generation=1,
        labels={**job.message.labels, **template.labels},
        annotations={**job.message.annotations, **template.annotations},
        launch_stage=job.message.launch_stage,
        job=job.job_id,
        parallelism=template.parallelism or template.task_count,
        task_count=template.task_count,
        template=template.template,
    )
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    return ExecutionRecord(message, name, job.message.uid, ended, dict(job.system_annotations))


def etag(*parts: object) -> str:
    """A fingerprint in quotes, as the service writes it."""
    return f'"{base64.urlsafe_b64encode("/".join(map(str, parts)).encode()).decode()}"'


def _settable(requested: pb.Job, *, number: str) -> pb.Job:
    """What the caller set, with the service's defaults."""
    message = pb.Job()
    message.CopyFrom(requested)
    for descriptor, _ in requested.ListFields():
        if descriptor.name not in _SETTABLE:
            message.ClearField(descriptor.name)
    message.launch_stage = message.launch_stage or LaunchStage.GA
    template = message.template
    template.task_count = template.task_count or DEFAULT_TASK_COUNT
    _fill_tasks(template.template, number=number)
    return message


def _fill_tasks(tasks: pb.TaskTemplate, *, number: str) -> None:
    if tasks.WhichOneof("retries") is None:
        tasks.max_retries = DEFAULT_MAX_RETRIES
    if not tasks.HasField("timeout"):
        tasks.timeout.seconds = DEFAULT_TIMEOUT_SECONDS
    if not tasks.service_account:
        tasks.service_account = f"{number}-compute@developer.gserviceaccount.com"
    if not tasks.execution_environment:
        tasks.execution_environment = run_v2.ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2
    for container in tasks.containers:
        limits = container.resources.limits
        for key, default in (("cpu", DEFAULT_CPU), ("memory", DEFAULT_MEMORY)):
            if key not in limits:
                limits[key] = default
        for variable in container.env:
            reference = variable.value_source.secret_key_ref
            if variable.HasField("value_source") and not reference.version:
                reference.version = "latest"
