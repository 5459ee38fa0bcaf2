"""Jobs and overrides as callers of version 1 write them, read into messages of version 2.

It exists so that one validation serves both versions. Fields: the discovery document of run v1. A field that
it does not have is refused; what a server fills in (``status`` and parts of ``metadata``) is ignored.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from airflow_provider_jobs.backends.cloud_run.emulator import messages as pb
from airflow_provider_jobs.backends.cloud_run.emulator.v1.system_annotations import Annotations, is_system
from airflow_provider_jobs.emulator.calls import StatusError

API_VERSION = "run.googleapis.com/v1"
ACCELERATOR = "run.googleapis.com/accelerator"
GCS_DRIVER = "gcsfuse.run.googleapis.com"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _SecretKey(_Model):
    name: str = ""
    key: str = ""
    optional: bool = False


class _ValueFrom(_Model):
    secret_key_ref: _SecretKey


class _Variable(_Model):
    name: str = ""
    value: str = ""
    value_from: _ValueFrom | None = None

    def message(self, secrets: dict[str, str]) -> dict[str, Any]:
        if self.value_from is None:
            return {"name": self.name, "value": self.value}
        key = self.value_from.secret_key_ref
        reference = {"secret": secrets.get(key.name, key.name), "version": key.key}
        return {"name": self.name, "valueSource": {"secretKeyRef": reference}}


class _Mount(_Model):
    name: str = ""
    mount_path: str = ""
    read_only: bool = False
    sub_path: str = ""

    def message(self) -> dict[str, Any]:
        return {"name": self.name, "mountPath": self.mount_path, "subPath": self.sub_path}


class _Resources(_Model):
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}


class _Container(_Model):
    name: str = ""
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[_Variable] = []
    resources: _Resources = _Resources()
    ports: list[dict[str, Any]] = []
    volume_mounts: list[_Mount] = []
    working_dir: str = ""
    startup_probe: dict[str, Any] | None = None
    image_pull_policy: str = ""

    def message(self, notes: Annotations) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "command": self.command,
            "args": self.args,
            "env": [variable.message(notes.secrets) for variable in self.env],
            "resources": {"limits": self.resources.limits},
            "volumeMounts": [mount.message() for mount in self.volume_mounts],
            "workingDir": self.working_dir,
            "dependsOn": notes.dependencies.get(self.name, []),
        }
        if self.startup_probe is not None:
            made["startupProbe"] = {
                key: value for key, value in self.startup_probe.items() if key != "successThreshold"
            }
        return made


class _SecretItem(_Model):
    key: str = ""
    path: str = ""
    mode: int = 0

    def message(self) -> dict[str, Any]:
        return {"version": self.key, "path": self.path, "mode": self.mode}


class _SecretVolume(_Model):
    secret_name: str = ""
    items: list[_SecretItem] = []
    default_mode: int = 0
    optional: bool = False


class _Csi(_Model):
    driver: str = ""
    read_only: bool = False
    volume_attributes: dict[str, str] = {}


class _Volume(_Model):
    name: str = ""
    secret: _SecretVolume | None = None
    empty_dir: dict[str, Any] | None = None
    nfs: dict[str, Any] | None = None
    csi: _Csi | None = None

    def message(self, notes: Annotations) -> dict[str, Any]:
        made: dict[str, Any] = {"name": self.name}
        if self.secret is not None:
            items = [item.message() for item in self.secret.items]
            name = notes.secrets.get(self.secret.secret_name, self.secret.secret_name)
            made["secret"] = {"secret": name, "items": items, "defaultMode": self.secret.default_mode}
        if self.empty_dir is not None:
            medium = self.empty_dir.get("medium", "").upper()
            made["emptyDir"] = {"medium": medium or 0, "sizeLimit": self.empty_dir.get("sizeLimit", "")}
        if self.nfs is not None:
            made["nfs"] = self.nfs
        if self.csi is not None:
            bucket = self.csi.volume_attributes.get("bucketName", "")
            made["gcs"] = {"bucket": bucket, "readOnly": self.csi.read_only}
        return made


class _TaskSpec(_Model):
    containers: list[_Container] = []
    volumes: list[_Volume] = []
    max_retries: int | None = None
    timeout_seconds: int | None = None
    service_account_name: str = ""
    node_selector: dict[str, str] = {}

    def message(self, notes: Annotations) -> dict[str, Any]:
        made: dict[str, Any] = {
            "containers": [container.message(notes) for container in self.containers],
            "volumes": [volume.message(notes) for volume in self.volumes],
            "serviceAccount": self.service_account_name,
            **notes.task_fields,
        }
        if self.max_retries is not None:
            made["maxRetries"] = self.max_retries
        if self.timeout_seconds is not None:
            made["timeout"] = f"{self.timeout_seconds}s"
        if self.node_selector:
            made["nodeSelector"] = {"accelerator": self.node_selector.get(ACCELERATOR, "")}
        return made


class _TaskTemplate(_Model):
    spec: _TaskSpec = _TaskSpec()


class _ExecutionSpec(_Model):
    parallelism: int = 0
    task_count: int = 0
    template: _TaskTemplate = _TaskTemplate()


class _Metadata(BaseModel):
    """Everything else in metadata is the server's to fill in."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @property
    def own_labels(self) -> dict[str, str]:
        return {key: value for key, value in self.labels.items() if not is_system(key)}


class _ExecutionTemplate(_Model):
    metadata: _Metadata = _Metadata()
    spec: _ExecutionSpec = _ExecutionSpec()


class _JobSpec(_Model):
    template: _ExecutionTemplate = _ExecutionTemplate()
    start_execution_token: str = ""
    run_execution_token: str = ""


class JobManifest(_Model):
    """A job in the body of a create or replace."""

    api_version: str = API_VERSION
    kind: str = "Job"
    metadata: _Metadata = _Metadata()
    spec: _JobSpec = _JobSpec()
    status: Any = Field(default=None)

    def message(self) -> pb.Job:
        """The job as version 2 has it. Raises StatusError for what that cannot hold."""
        template = self.spec.template
        notes = Annotations.of_template(template.metadata.annotations)
        own = Annotations.of_template(self.metadata.annotations)
        made: dict[str, Any] = {
            "labels": self.metadata.own_labels,
            "annotations": own.user,
            "launchStage": own.launch_stage,
            "client": own.client,
            "clientVersion": own.client_version,
            "template": {
                "labels": template.metadata.own_labels,
                "annotations": notes.user,
                "parallelism": template.spec.parallelism,
                "taskCount": template.spec.task_count,
                "template": template.spec.template.spec.message(notes),
            },
        }
        for key in ("start_execution_token", "run_execution_token"):
            if token := getattr(self.spec, key):
                made[key] = token
        return _parsed(made, pb.Job())


class _Override(_Model):
    name: str = ""
    args: list[str] = []
    env: list[_Variable] = []
    clear_args: bool = False


class _Overrides(_Model):
    container_overrides: list[_Override] = []
    task_count: int = 0
    timeout_seconds: int | None = None


class RunManifest(_Model):
    """The body of a run."""

    overrides: _Overrides = _Overrides()

    def message(self) -> pb.Overrides:
        """The overrides as version 2 has them."""
        made: dict[str, Any] = {
            "taskCount": self.overrides.task_count,
            "containerOverrides": [
                {
                    "name": override.name,
                    "args": override.args,
                    "clearArgs": override.clear_args,
                    "env": [variable.message({}) for variable in override.env],
                }
                for override in self.overrides.container_overrides
            ],
        }
        if self.overrides.timeout_seconds is not None:
            made["timeout"] = f"{self.overrides.timeout_seconds}s"
        return _parsed(made, pb.Overrides())


def read_job(body: bytes) -> JobManifest:
    """The job in a request's body. Raises StatusError when it is none."""
    return _read(JobManifest, body)


def read_run(body: bytes) -> RunManifest:
    """The overrides in a request's body, which may be empty. Raises StatusError when they are none."""
    return _read(RunManifest, body or b"{}")


def _read(model: type[Any], body: bytes) -> Any:
    try:
        return model.model_validate(json.loads(body))
    except ValidationError as error:
        raise StatusError("INVALID_ARGUMENT", _complaint(error)) from None
    except ValueError as error:
        raise StatusError("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None


def _complaint(error: ValidationError) -> str:
    """The first error in the words that Google services use; never the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    *place, name = (str(part) for part in first["loc"]) if first["loc"] else ("",)
    if first["type"] == "extra_forbidden":
        where = ".".join(place)
        return f"""Invalid JSON payload received. Unknown name "{name}" at '{where}': Cannot find field."""
    return f"Invalid value at '{'.'.join([*place, name])}': {first['msg']}"


def _parsed(value: dict[str, Any], message: Any) -> Any:
    try:
        return json_format.ParseDict(value, message)
    except json_format.ParseError as error:
        raise StatusError(
            "INVALID_ARGUMENT", f"Invalid JSON payload received. {str(error).splitlines()[0]}"
        ) from None
