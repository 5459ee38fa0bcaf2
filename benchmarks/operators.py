"""The operators of both sides for the same job: made as their documentation shows it, deferrable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_jobs.core.registry import backend_entry, load
from benchmarks.services import PROJECT, REGION, Service

_IMAGE = "docker.io/library/busybox:1.37"
#: What the official operators do not make themselves: a Cloud Run job, an AWS job definition.
MADE_BEFORE = "benchmark"


def our_operator(
    service: Service, *, task_id: str, command: Sequence[str], interval_seconds: float | None, **values: Any
) -> Any:
    """Return ours."""
    kind: Any = load(backend_entry(service.name).operator)
    return kind(
        task_id=task_id,
        image=_IMAGE,
        command=list(command),
        prelude=False,
        deferrable=True,
        poll_interval=interval_seconds,
        **service.operator_arguments,
        **values,
    )


def official_operator(
    service: Service, *, task_id: str, job: str, command: Sequence[str], interval_seconds: float | None
) -> Any:
    """Return the official one; for Azure there is none here, whose pool has to stand still first.

    :param job: a name that no other job has
    :param interval_seconds: between two looks, ``None`` for its default
    """
    return OFFICIAL[service.name](service, task_id, job, command, interval_seconds)


def prepare_official(service: Service, command: Sequence[str]) -> None:
    """Make once what the official operator finds in place, as whoever uses it has done."""
    if service.name == "cloud_run":
        from benchmarks.official_google import sync_client

        container = {"image": _IMAGE, "command": list(command)}
        deployed = {"template": {"template": {"containers": [container]}}}
        parent = f"projects/{PROJECT}/locations/{REGION}"
        client = sync_client("run_v2", "JobsClient")
        client.create_job({"parent": parent, "job_id": MADE_BEFORE, "job": deployed}).result()
    elif service.name == "aws_batch":
        from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook

        resources = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
        properties = {"image": _IMAGE, "command": list(command), "resourceRequirements": resources}
        hook = BatchClientHook(aws_conn_id=service.conn_id, region_name=service.scope["region_name"])
        batch: Any = hook.client
        batch.register_job_definition(
            jobDefinitionName=MADE_BEFORE, type="container", containerProperties=properties
        )


def _given(name: str, value: float | None) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _gcp_batch(
    _service: Service, task_id: str, job: str, command: Sequence[str], interval_seconds: float | None
) -> Any:
    from benchmarks.official_google import BatchOperator

    runnable = {"container": {"image_uri": _IMAGE, "commands": list(command)}}
    return BatchOperator(
        task_id=task_id,
        job_name=job,
        job={"task_groups": [{"task_count": 1, "task_spec": {"runnables": [runnable]}}]},
        project_id=PROJECT,
        region=REGION,
        deferrable=True,
        **_given("polling_period_seconds", interval_seconds),
    )


def _cloud_run(
    _service: Service, task_id: str, _job: str, _command: Sequence[str], interval_seconds: float | None
) -> Any:
    from benchmarks.official_google import RunOperator

    return RunOperator(
        task_id=task_id,
        job_name=MADE_BEFORE,
        project_id=PROJECT,
        region=REGION,
        deferrable=True,
        **_given("polling_period_seconds", interval_seconds),
    )


def _aws_batch(
    service: Service, task_id: str, job: str, _command: Sequence[str], interval_seconds: float | None
) -> Any:
    from airflow.providers.amazon.aws.operators.batch import BatchOperator

    return BatchOperator(
        task_id=task_id,
        job_name=job,
        job_queue=service.scope["job_queue"],
        job_definition=MADE_BEFORE,
        aws_conn_id=service.conn_id,
        region_name=service.scope["region_name"],
        deferrable=True,
        **_given("poll_interval", interval_seconds),
    )


def _kubernetes(
    service: Service, task_id: str, job: str, command: Sequence[str], interval_seconds: float | None
) -> Any:
    from airflow.providers.cncf.kubernetes.operators.job import KubernetesJobOperator

    return KubernetesJobOperator(
        task_id=task_id,
        name=job,
        namespace=service.scope["namespace"],
        image=_IMAGE,
        cmds=list(command),
        parallelism=1,
        wait_until_job_complete=True,
        # It looks for the pod without a pause, and fails where the service has not made it yet.
        discover_pods_retry_number=1000,
        deferrable=True,
        **_given("job_poll_interval", interval_seconds),
    )


#: By service, where there is one to measure.
OFFICIAL: dict[str, Callable[[Service, str, str, Sequence[str], float | None], Any]] = {
    "gcp_batch": _gcp_batch,
    "cloud_run": _cloud_run,
    "aws_batch": _aws_batch,
    "kubernetes": _kubernetes,
}
