"""The template of a Job's pods: one container for the job, and whatever the user puts beside it. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_jobs.backends.kubernetes.options import KubernetesOptions
from airflow_provider_jobs.backends.kubernetes.words import EmptyDir, EnvFrom, Volume
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.merge import deep_merge
from airflow_provider_jobs.core.prelude import input_variables, wrap
from airflow_provider_jobs.core.spec import JobSpec

MAIN_CONTAINER = "main"
# The container that kubectl takes where none is named, and the one that we take for the job's own.
DEFAULT_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"

# https://kubernetes.io/docs/tasks/job/indexed-parallel-processing-static/
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
# https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-index-failure-count
FAILURES_ANNOTATION = "batch.kubernetes.io/job-index-failure-count"
_FAILURES_VARIABLE = "JOB_INDEX_FAILURE_COUNT"
_DEFAULT_GPU = "nvidia.com/gpu"

Json = dict[str, Any]


def build_template(spec: JobSpec, options: KubernetesOptions, base: Json, *, is_array: bool) -> Json:
    """Return the template, laid on that of the user's manifest.

    :param base: the manifest's template, empty where there is none
    """
    pod: Json = dict(base.get("spec") or {})
    metadata: Json = dict(base.get("metadata") or {})
    containers = [dict(each) for each in pod.get("containers") or [{}]]
    position = _main_position(containers, metadata)
    main = _main_container(spec, options, containers[position], is_array=is_array)
    # The job's own container stands first, so that native reaches it there.
    further = containers[:position] + containers[position + 1 :] + list(options.containers)
    _check_names([main, *further])
    annotations = {**(metadata.get("annotations") or {}), **options.annotations}
    if further:
        annotations.setdefault(DEFAULT_CONTAINER_ANNOTATION, main["name"])
    metadata |= compact(
        {"labels": {**(metadata.get("labels") or {}), **spec.labels}, "annotations": annotations}
    )
    pod = {**deep_merge(pod, _fields(spec, options, pod)), **_lists(options, pod)}
    return {**base, "metadata": metadata, "spec": {**pod, "containers": [main, *further]}}


def _fields(spec: JobSpec, options: KubernetesOptions, base: Json) -> Json:
    """Return what a pod has once."""
    return compact(
        {
            "serviceAccountName": options.service_account,
            "nodeSelector": dict(options.node_selector),
            "affinity": options.affinity,
            "securityContext": options.pod_security_context,
            "priorityClassName": options.priority_class,
            "restartPolicy": options.restart_policy or base.get("restartPolicy") or "Never",
            "activeDeadlineSeconds": spec.max_run_seconds,
            "terminationGracePeriodSeconds": options.termination_grace_seconds,
        }
    )


def _lists(options: KubernetesOptions, base: Json) -> Json:
    """Return what a pod may have several of: the manifest's and the arguments'."""
    ours: dict[str, list[Any]] = {
        "initContainers": options.init_containers,
        "volumes": _volumes(options.volumes),
        "tolerations": options.tolerations,
        "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
    }
    return compact({name: [*(base.get(name) or ()), *listed] for name, listed in ours.items()})


def main_container(template: Json) -> Json:
    """Return the container of a pod, or of a template, that is the job's own."""
    containers: list[Json] = template["spec"]["containers"]
    return containers[_main_position(containers, template.get("metadata") or {})]


def compact(value: Any) -> Any:
    """Leave out what was not given, so that the service's own defaults hold."""
    return {name: item for name, item in value.items() if item is not None and item not in ({}, [], ())}


def _main_position(containers: list[Json], metadata: Json) -> int:
    wanted = (metadata.get("annotations") or {}).get(DEFAULT_CONTAINER_ANNOTATION)
    names = [container.get("name") for container in containers]
    return names.index(wanted) if wanted in names else 0


def _check_names(containers: Iterable[Json]) -> None:
    names = [str(container.get("name")) for container in containers]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidArgument(
            "containers",
            f"{doubled[0]!r} is the name of two containers of the pod",
            remedy=f"Give it another name; the job's own is {names[0]!r}",
        )


def _main_container(spec: JobSpec, options: KubernetesOptions, base: Json, *, is_array: bool) -> Json:
    container = {"name": MAIN_CONTAINER, **base}
    words = _words(spec, base)
    if words is not None:
        container["command"] = words
        container.pop("args", None)
    ours = compact(
        {
            "image": spec.image,
            "imagePullPolicy": options.image_pull_policy,
            "resources": _resources(spec, options),
            "securityContext": options.security_context,
        }
    )
    container = deep_merge(container, ours)
    variables = _variables(spec)
    if words is None or not spec.prelude:
        # Without the lines in front of the command the service itself says which index it is.
        variables += (
            [_from_annotation("JOB_INDEX", INDEX_ANNOTATION)] if is_array and not spec.indexes else []
        )
    elif options.backoff_limit_per_index:
        variables.append(_from_annotation(_FAILURES_VARIABLE, FAILURES_ANNOTATION))
    container["env"] = _by_name(base.get("env") or (), variables)
    lists = {
        "envFrom": [*(base.get("envFrom") or ()), *map(_env_from, options.env_from)],
        "volumeMounts": [*(base.get("volumeMounts") or ()), *_mounts(options.volumes)],
    }
    return {**container, **compact(lists)}


def _words(spec: JobSpec, base: Json) -> list[str] | None:
    """Return the words to run, ``None`` for those of the manifest or the image."""
    if spec.command is None and spec.script is None and spec.indexes is not None and base.get("command"):
        # Some indexes of an array run again: only the lines in front of the command know which.
        own = tuple(map(str, [*base["command"], *(base.get("args") or ())]))
        spec = spec.model_copy(update={"command": own, "prelude": True})
    return wrap(spec, index_variable=_INDEX_VARIABLE, attempt_variable=_FAILURES_VARIABLE)


def _variables(spec: JobSpec) -> list[Json]:
    plain: list[Json] = [
        {"name": name, "value": value} for name, value in {**spec.env, **input_variables(spec)}.items()
    ]
    for name, reference in spec.secrets.items():
        secret, _, key = reference.partition("/")
        plain.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
    return plain


def _from_annotation(name: str, annotation: str) -> Json:
    """https://kubernetes.io/docs/concepts/workloads/pods/downward-api/"""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}}}


def _by_name(base: Iterable[Json], over: Iterable[Json]) -> list[Json]:
    """Return both lists of variables, a name of the second in place of the same of the first."""
    variables = {each.get("name"): dict(each) for each in base}
    variables.update((each["name"], dict(each)) for each in over)
    return list(variables.values())


def _resources(spec: JobSpec, options: KubernetesOptions) -> Json | None:
    same: Json = {}
    if spec.cpu is not None:
        same["cpu"] = f"{round(spec.cpu * 1000)}m" if spec.cpu % 1 else str(int(spec.cpu))
    if spec.memory is not None:
        same["memory"] = spec.memory.replace(" ", "")
    if spec.gpu is not None:
        same[spec.gpu.type or _DEFAULT_GPU] = str(spec.gpu.count)
    told = options.container_resources
    requests = {**same, **(told.requests if told else {})}
    limits = {**same, **(told.limits if told else {})}
    return compact({"requests": requests, "limits": limits}) or None


def _env_from(source: EnvFrom) -> Json:
    kind, name = ("configMapRef", source.configmap) if source.configmap else ("secretRef", source.secret)
    return compact(
        {"prefix": source.prefix, kind: compact({"name": name, "optional": source.optional or None})}
    )


def _volumes(volumes: Iterable[Volume]) -> list[Json]:
    return [{"name": _volume_name(volume, n), **_source(volume)} for n, volume in enumerate(volumes)]


def _volume_name(volume: Volume, position: int) -> str:
    return volume.name or f"volume-{position}"


def _source(volume: Volume) -> Json:
    if volume.pvc:
        return {"persistentVolumeClaim": {"claimName": volume.pvc}}
    if volume.configmap:
        return {"configMap": {"name": volume.configmap}}
    if volume.secret:
        return {"secret": {"secretName": volume.secret}}
    if volume.host_path:
        return {"hostPath": {"path": volume.host_path}}
    if volume.source:
        return dict(volume.source)
    told = volume.empty_dir if isinstance(volume.empty_dir, EmptyDir) else EmptyDir()
    return {"emptyDir": compact({"medium": told.medium, "sizeLimit": told.size_limit})}


def _mounts(volumes: Iterable[Volume]) -> list[Json]:
    return [
        compact(
            {
                "name": _volume_name(volume, n),
                "mountPath": volume.mount_path,
                "subPath": volume.sub_path,
                "readOnly": volume.read_only or None,
            }
        )
        for n, volume in enumerate(volumes)
    ]
