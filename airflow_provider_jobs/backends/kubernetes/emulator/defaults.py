"""What the server fills in where an object says nothing.

It exists so that an object read back looks like one from a cluster. It changes the object it is given,
which nobody else holds yet. It must not refuse anything.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ and job-v1 of the same place.
"""

from __future__ import annotations

import base64
import random
from typing import Any

from airflow_provider_jobs.backends.kubernetes.emulator import images

UNLIMITED = 2_147_483_647
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
#: Letters of generated names: no vowels, nothing that is read as another.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_MAX_PREFIX = 58

Json = dict[str, Any]


def suffix() -> str:
    return "".join(random.choices(_LETTERS, k=5))  # noqa: S311 - names, not secrets


def generated_name(prefix: str) -> str:
    return prefix[:_MAX_PREFIX] + suffix()


def containers(spec: Json) -> list[Json]:
    """Every container of a pod, init containers first."""
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def default_pod_spec(spec: Json, *, restart_policy: str | None = "Always") -> None:
    """Defaults that hold in a pod and in a template."""
    for container in containers(spec):
        _default_container(container)
    for volume in spec.get("volumes", []):
        _default_volume(volume)
    if restart_policy:
        spec.setdefault("restartPolicy", restart_policy)
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _default_container(container: Json) -> None:
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {}).get("fieldRef")
        if source is not None:
            source.setdefault("apiVersion", "v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            defaults = {
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            }
            container[probe] = {**defaults, **container[probe]}
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    latest = images.tag(container.get("image", "")) == "latest"
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")


def _default_volume(volume: Json) -> None:
    for kind in ("configMap", "secret", "projected", "downwardAPI"):
        if kind in volume:
            volume[kind].setdefault("defaultMode", 420)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if len(volume) == 1:
        volume["emptyDir"] = {}


def default_pod(pod: Json) -> None:
    """Defaults of a pod alone: requests follow limits."""
    spec = pod["spec"]
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in containers(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **resources.get("requests", {})}


def default_job(job: Json) -> None:
    """Defaults of a job, before its selector is made."""
    spec = job["spec"]
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", UNLIMITED if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("manualSelector", False)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    for rule in spec.get("podFailurePolicy", {}).get("rules", []):
        for pattern in rule.get("onPodConditions", []):
            pattern.setdefault("status", "True")
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    # A template has no default of its own for the restart policy that a job would accept.
    default_pod_spec(template.setdefault("spec", {}))


def select_own_pods(job: Json) -> None:
    """Give the job a selector and its pods the labels it selects, unless the caller brings his own."""
    spec, meta = job["spec"], job["metadata"]
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for key, value in (
        (CONTROLLER_UID, meta["uid"]),
        (JOB_NAME, meta["name"]),
        ("controller-uid", meta["uid"]),
        ("job-name", meta["name"]),
    ):
        labels.setdefault(key, value)
    if not spec["manualSelector"]:
        selector = spec.setdefault("selector", {})
        selector.setdefault("matchLabels", {}).setdefault(CONTROLLER_UID, meta["uid"])
    if not meta.get("labels"):
        meta["labels"] = dict(labels)


def default_others(plural: str, made: Json) -> None:
    """Defaults of the kinds that have few."""
    if plural == "secrets":
        made.setdefault("type", "Opaque")
        plain = made.pop("stringData", {})
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        if encoded:
            made["data"] = {**made.get("data", {}), **encoded}
    elif plural == "namespaces":
        made["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = made["metadata"]["name"]
        made.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    elif plural == "persistentvolumeclaims":
        made.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        made["spec"].setdefault("storageClassName", "standard")
