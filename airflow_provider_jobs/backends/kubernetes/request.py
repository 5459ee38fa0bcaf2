"""From a job spec to the Job to create. Pure: the same spec and key give the same request.

The request is the API's own JSON. A ``manifest`` is where it starts, the arguments are laid on it, and
``native`` last. No vendor package is needed, so all of it is tried when a DAG is parsed.
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_jobs.backends.kubernetes.options import (
    MAX_JOB_BYTES,
    KubernetesOptions,
    KubernetesRules,
)
from airflow_provider_jobs.backends.kubernetes.pod import build_template, compact
from airflow_provider_jobs.core import ranges
from airflow_provider_jobs.core.arguments import build_model
from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import MAX_TEXT_BYTES
from airflow_provider_jobs.core.identity import JobKey, job_labels, job_name
from airflow_provider_jobs.core.merge import deep_merge
from airflow_provider_jobs.core.prelude import check_input, too_large
from airflow_provider_jobs.core.spec import JobSpec

KEY_LABEL = "airflow-job-key"
INDEXES_ANNOTATION = "airflow-provider-jobs/indexes"

# A pod of an Indexed Job is called <job>-<index>, and that must be a host name of 63 characters; the key
# does not tell how many indexes there are, so there is always room for the most.
_NAME_LENGTH = 63 - len("-99999")
_PER_INDEX = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")


def name_of(key: JobKey) -> str:
    """Return the name of the Job of this key."""
    return job_name(key, _NAME_LENGTH)


def digest_of(name: str) -> str:
    """Return the value of the key's label of a Job that we named."""
    return name.rpartition("-")[2]


def build_job(spec: JobSpec, key: JobKey, *, namespace: str | None = None) -> dict[str, Any]:
    """Return the Job to create.

    :param namespace: where it is created; ``None`` where that is not known yet
    :raises InvalidArgument: a value that the service would refuse, with the argument's name
    """
    build_model(KubernetesRules, spec.model_dump(include=set(KubernetesRules.model_fields)))
    options = build_model(KubernetesOptions, spec.options)
    manifest = _manifest(options, namespace)
    job_spec = {**manifest.get("spec", {}), **_job_spec(spec, options)}
    _settle_indexes(job_spec, spec)
    job_spec["template"] = build_template(
        spec, options, job_spec.get("template", {}), is_array=job_spec.get("completionMode") == "Indexed"
    )
    _settle_backoff(job_spec)
    job = {
        **manifest,
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": deep_merge(
            manifest.get("metadata", {}),
            compact({"labels": dict(spec.labels), "annotations": dict(options.annotations)}),
        ),
        "spec": job_spec,
    }
    job = deep_merge(job, spec.native)
    _mark(job, spec, key)
    _check(job, spec)
    return job


def is_indexed(job: dict[str, Any]) -> bool:
    """Return whether the pods of a Job have an index."""
    return job.get("spec", {}).get("completionMode") == "Indexed"


def task_count(job: dict[str, Any]) -> int:
    """Return how many indexes a Job has; one without any counts as one."""
    return int(job["spec"].get("completions") or 1) if is_indexed(job) else 1


def index_map(job: dict[str, Any]) -> tuple[int, ...] | None:
    """Return the original index of each index of a Job that we made, ``None`` where they are the same."""
    listed = (job["metadata"].get("annotations") or {}).get(INDEXES_ANNOTATION, "")
    return ranges.index_map(listed)


def _manifest(options: KubernetesOptions, namespace: str | None) -> dict[str, Any]:
    """Return the user's Job without its name and status, which are not the user's here."""
    manifest = {name: value for name, value in (options.manifest or {}).items() if name != "status"}
    metadata: dict[str, Any] = dict(manifest.get("metadata") or {})  # type: ignore[arg-type]
    told = metadata.pop("namespace", None)
    if told and namespace and told != namespace:
        raise InvalidArgument(
            "manifest",
            f"it names namespace {told!r}, and the task runs in {namespace!r}",
            remedy=f"Give namespace={told!r}, or leave it out of the manifest",
        )
    for name in ("name", "generateName", "uid", "resourceVersion", "creationTimestamp", "managedFields"):
        metadata.pop(name, None)
    return {**manifest, "metadata": metadata}


def _job_spec(spec: JobSpec, options: KubernetesOptions) -> dict[str, Any]:
    return compact(
        {
            "backoffLimit": options.backoff_limit,
            "backoffLimitPerIndex": options.backoff_limit_per_index,
            "maxFailedIndexes": options.max_failed_indexes,
            "podFailurePolicy": options.pod_failure_policy,
            "successPolicy": options.success_policy,
            "ttlSecondsAfterFinished": options.ttl_seconds_after_finished,
            "activeDeadlineSeconds": options.active_deadline_seconds,
            "suspend": options.suspend,
            "parallelism": spec.parallelism,
            "completions": spec.task_count if spec.array_size > 1 else None,
            "completionMode": "Indexed" if spec.array_size > 1 else None,
        }
    )


def _settle_indexes(job_spec: dict[str, Any], spec: JobSpec) -> None:
    """Make it an Indexed Job where something asks for one, all indexes at once unless told otherwise."""
    if any(job_spec.get(name) is not None for name in _PER_INDEX):
        job_spec.setdefault("completionMode", "Indexed")
    if job_spec.get("completionMode") != "Indexed":
        return
    completions = job_spec.setdefault("completions", spec.task_count)
    # More at once than there are indexes makes some controllers wait for pods that never come.
    job_spec["parallelism"] = min(job_spec.get("parallelism") or completions, completions)


def _settle_backoff(job_spec: dict[str, Any]) -> None:
    """Let every index fail alone, and once: trying again is Airflow's, unless somebody says otherwise."""
    if job_spec.get("maxFailedIndexes") is not None:
        job_spec.setdefault("backoffLimitPerIndex", 0)
    told = job_spec.get("backoffLimit") is not None or job_spec.get("backoffLimitPerIndex") is not None
    if told or job_spec["template"]["spec"].get("restartPolicy") != "Never":
        return
    is_array = job_spec.get("completionMode") == "Indexed"
    job_spec["backoffLimitPerIndex" if is_array else "backoffLimit"] = 0


def _mark(job: dict[str, Any], spec: JobSpec, key: JobKey) -> None:
    """Write what the job is found by, and how many indexes there are; native cannot unsay it."""
    metadata, template = job["metadata"], job["spec"]["template"]
    metadata["name"] = name_of(key)
    labels = job_labels(key, spec.stamp)
    metadata["labels"] = {**metadata.get("labels", {}), **labels}
    template["metadata"] = {
        **template.get("metadata", {}),
        "labels": {**template.get("metadata", {}).get("labels", {}), **labels},
    }
    if spec.indexes is not None:
        listed = ranges.format_indexes(spec.indexes)
        metadata["annotations"] = {**metadata.get("annotations", {}), INDEXES_ANNOTATION: listed}
        return
    for container in template["spec"]["containers"][:1]:
        for variable in container.get("env", ()):
            if variable.get("name") == "JOB_COUNT":
                variable["value"] = str(task_count(job))


def _check(job: dict[str, Any], spec: JobSpec) -> None:
    """Refuse what only shows in the whole request."""
    if not all(container.get("image") for container in job["spec"]["template"]["spec"]["containers"]):
        raise InvalidArgument(
            "image",
            "nothing says what to run",
            remedy="Give image, or a Job in manifest, template_file or native",
        )
    if spec.indexes is not None and task_count(job) != spec.task_count:
        raise InvalidArgument(
            "native",
            f"completions is {task_count(job)} where {spec.task_count} indexes are to run",
            remedy="Leave completions to array_size",
        )
    _check_limits(job["spec"])
    for name, text in _long_texts(spec):
        size = len(text.encode())
        if size > MAX_TEXT_BYTES:
            raise InvalidArgument(
                name,
                f"it is {size:,} bytes long, and a container takes {MAX_TEXT_BYTES:,} in one piece",
                remedy="Put it into a volume, a ConfigMap or a bucket and hand its address over",
            )
    check_input(spec, remedy="Put it into a volume, a ConfigMap or a bucket and hand its address over")
    size = len(json.dumps(job).encode())
    if size > MAX_JOB_BYTES:
        told = f"the Job is {size:,} bytes long, and the service takes {MAX_JOB_BYTES:,}"
        raise too_large(
            spec, told, remedy="Put the input into a volume or a bucket and hand its address over"
        )


def _check_limits(job_spec: dict[str, Any]) -> None:
    is_array, size = job_spec.get("completionMode") == "Indexed", int(job_spec.get("completions") or 1)
    per_index = next((name for name in _PER_INDEX if job_spec.get(name) is not None), None)
    if per_index and not is_array:
        raise InvalidArgument(
            "native",
            f"completionMode is {job_spec.get('completionMode')!r} beside {per_index}",
            remedy="Leave completionMode out, so that the Job is Indexed",
        )
    allowed = job_spec.get("maxFailedIndexes")
    if allowed is not None and allowed > size:
        raise InvalidArgument(
            "max_failed_indexes",
            f"it is {allowed} and there are {size} indexes",
            remedy="Write at most array_size",
        )
    restarts = job_spec["template"]["spec"].get("restartPolicy") != "Never"
    if restarts and (job_spec.get("podFailurePolicy") or job_spec.get("backoffLimitPerIndex") is not None):
        raise InvalidArgument(
            "restart_policy",
            "it is 'OnFailure', and pod_failure_policy and back-off per index need new pods",
            remedy="Leave it out, or write 'Never'",
        )


def _long_texts(spec: JobSpec) -> list[tuple[str, str]]:
    """Return what becomes one variable or one argument, with the argument's name."""
    texts = [("script", spec.script or "")]
    texts += [("command", word) for word in spec.command or ()]
    texts += [("env", value) for value in spec.env.values()]
    return texts
