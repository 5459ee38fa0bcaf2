"""The vendor's own words of a Kubernetes task and the rules they keep.

Checked when a DAG is parsed, so nothing here imports a vendor package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from airflow_provider_jobs.backends.kubernetes.words import (
    Annotations,
    Containers,
    DnsLabel,
    Document,
    EnvFrom,
    KubernetesLabels,
    NodeLabels,
    ObjectName,
    PodFailurePolicy,
    Resources,
    SecretReferences,
    SuccessPolicy,
    Tolerations,
    Volume,
)
from airflow_provider_jobs.core.arguments import Seconds

# Above it the service asks for more fields than there are arguments here:
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/#JobSpec
MAX_INDEXES = 100_000
# What etcd takes in one write: https://etcd.io/docs/latest/dev-guide/limit/#request-size-limit
MAX_JOB_BYTES = 1_500_000


def read_manifest(value: Any) -> Any:
    """Return a Job as a dict, from a dict or from YAML.

    :raises ValueError: it is no single Job of ``batch/v1``; never shows values, an ``env`` may hold anything
    """
    if isinstance(value, str):
        try:
            # JSON's types are the API's: a date that YAML makes of a text becomes that text again.
            documents = [each for each in yaml.load_all(value, Loader=_TextDates) if each is not None]
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise ValueError(f"it is no YAML{where}. Write one Job of batch/v1") from None
        if len(documents) != 1:
            raise ValueError(f"it holds {len(documents)} documents. Write one Job of batch/v1")
        (value,) = documents
    if not isinstance(value, Mapping):
        raise ValueError("it is no Job. Write a dict, or YAML, of one Job of batch/v1")
    kind, version = value.get("kind", "Job"), value.get("apiVersion", "batch/v1")
    if (kind, version) != ("Job", "batch/v1"):
        raise ValueError(f"it is a {kind!r} of {version!r}. Write one Job of batch/v1")
    if not isinstance(_at(value, "spec", "template", "spec"), Mapping):
        raise ValueError("it has no spec.template.spec. Write the pod's template there")
    return json.loads(json.dumps(value))


class _TextDates(yaml.SafeLoader):
    """YAML's plain types without its dates, as in JSON."""


_TextDates.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _no_spot(value: Any) -> Any:
    if value is True:
        raise ValueError(
            "Kubernetes has no word for machines that can be taken away. Name your cluster's own with "
            'node_selector and tolerations, such as node_selector={"cloud.google.com/gke-spot": "true"}'
        )
    return value


def _extended_resource(value: Any) -> Any:
    """Refuse a model of an accelerator where the name of a resource is meant."""
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if isinstance(kind, str) and "/" not in kind:
        raise ValueError(
            f'{kind!r} is no resource of a node. Write one such as "nvidia.com/gpu" or "amd.com/gpu", and '
            "choose the model with node_selector"
        )
    return value


Manifest = Annotated[Document, BeforeValidator(read_manifest)]
NotNegative = Annotated[int, Field(ge=0)]


class KubernetesOptions(BaseModel):
    """What only Kubernetes has; every field is an argument of the operator, described there."""

    model_config = ConfigDict(extra="forbid")

    manifest: Manifest | None = None
    service_account: ObjectName | None = None
    backoff_limit: NotNegative | None = None
    backoff_limit_per_index: NotNegative | None = None
    max_failed_indexes: NotNegative | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    ttl_seconds_after_finished: NotNegative | None = None
    active_deadline_seconds: Seconds | None = None
    suspend: bool | None = None
    restart_policy: Literal["Never", "OnFailure"] | None = None
    termination_grace_seconds: NotNegative | None = None
    env_from: list[EnvFrom] = []
    container_resources: Resources | None = None
    node_selector: NodeLabels = {}
    tolerations: Tolerations = []
    affinity: Document | None = None
    volumes: list[Volume] = []
    security_context: Document | None = None
    pod_security_context: Document | None = None
    image_pull_secrets: list[ObjectName] = []
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    priority_class: ObjectName | None = None
    annotations: Annotations = {}
    containers: Containers = []
    init_containers: Containers = []

    @model_validator(mode="after")
    def _together(self) -> KubernetesOptions:
        per_index = self.backoff_limit_per_index is not None or self.max_failed_indexes is not None
        if self.restart_policy == "OnFailure" and (per_index or self.pod_failure_policy):
            raise ValueError(
                "restart_policy is 'OnFailure', and back-off per index and pod_failure_policy need new pods. "
                "Leave it out"
            )
        names = [each["name"] for each in (*self.containers, *self.init_containers)]
        if doubled := sorted({str(name) for name in names if names.count(name) > 1}):
            raise ValueError(f"containers has {doubled[0]!r} twice. Give every container its own name")
        mounts = [volume.mount_path for volume in self.volumes]
        if doubled := sorted({path for path in mounts if mounts.count(path) > 1}):
            raise ValueError(f"volumes has {doubled[0]} twice as mount_path. Give every volume its own")
        return self


class KubernetesScope(BaseModel):
    """Where a job runs; the texts of a backend reference's scope."""

    model_config = ConfigDict(extra="forbid")

    namespace: DnsLabel | None = None
    cluster_context: str | None = None


class KubernetesRules(BaseModel):
    """What Kubernetes asks of the portable arguments beyond what every service does."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    secrets: SecretReferences = {}
    labels: KubernetesLabels = {}
    gpu: Annotated[Any, BeforeValidator(_extended_resource)] = None
    spot: Annotated[bool, BeforeValidator(_no_spot)] = False
    array_size: Annotated[int, Field(le=MAX_INDEXES)] = 1
    parallelism: Annotated[int, Field(le=MAX_INDEXES)] | None = None
