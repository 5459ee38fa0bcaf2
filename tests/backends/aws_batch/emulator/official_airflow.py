"""Airflow's own Amazon provider against the local cloud; run as a program by ``test_official_airflow``.

Everything is the provider's own code on the connection that the local cloud prints.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from airflow.exceptions import AirflowException
from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook
from airflow.providers.amazon.aws.hooks.batch_waiters import BatchWaitersHook
from airflow.providers.amazon.aws.hooks.logs import AwsLogsHook
from airflow.providers.amazon.aws.operators.batch import (
    BatchCreateComputeEnvironmentOperator,
    BatchOperator,
)
from airflow.providers.amazon.aws.sensors.batch import (
    BatchComputeEnvironmentSensor,
    BatchJobQueueSensor,
    BatchSensor,
)
from airflow.providers.common.compat.sdk import TaskDeferred

REGION = {"aws_conn_id": "aws_default", "region_name": "eu-west-1"}
RESOURCES = {
    "type": "EC2",
    "minvCpus": 0,
    "maxvCpus": 4,
    "instanceTypes": ["optimal"],
    "subnets": ["subnet-1"],
    "instanceRole": "ecsInstanceRole",
}


def operator(name: str, script: str = "echo hello from the job", **more: Any) -> BatchOperator:
    return BatchOperator(
        task_id=name,
        job_name=name,
        job_queue="default",
        job_definition="work",
        container_overrides={"command": ["sh", "-c", script]},
        awslogs_enabled=True,
        awslogs_fetch_interval=timedelta(seconds=0.1),
        do_xcom_push=False,
        **{"deferrable": False, "poll_interval": 1, **REGION, **more},
    )


def finish_deferred(deferring: Any) -> str:
    """Run an operator that defers, what it waits for, and its end."""
    try:
        deferring.execute({})
    except TaskDeferred as deferred:
        trigger = deferred.trigger
    else:
        raise AssertionError("did not defer")
    return deferring.execute_complete({}, asyncio.run(_fire(trigger)))


async def _fire(trigger: Any) -> dict[str, Any]:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def fails(failing: BatchOperator) -> bool:
    try:
        failing.execute({})
    except AirflowException:
        return True
    return False


def waiters() -> BatchWaitersHook:
    """The provider's own waiters, less patient."""
    config = BatchWaitersHook(**REGION).default_config
    for each in config["waiters"].values():
        each["delay"] = 1
    return BatchWaitersHook(waiter_config=config, **REGION)


def main() -> None:
    # "To modify the global defaults for the range of jitter", says the hook.
    BatchClientHook.DEFAULT_DELAY_MIN = BatchClientHook.DEFAULT_DELAY_MAX = 0
    hook = BatchClientHook(**REGION)
    told: dict[str, Any] = {"connected": hook.test_connection()[0]}
    hook.client.register_job_definition(
        jobDefinitionName="work",
        type="container",
        containerProperties={
            "image": "busybox",
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
        },
    )
    done = operator("plain").execute({})
    told["plain"] = hook.get_job_description(done)["status"]
    told["waiters"] = bool(operator("waited", waiters=waiters()).execute({}))
    told["fails"] = fails(operator("bad", "exit 3"))
    told["array"] = bool(operator("array", array_properties={"size": 2}).execute({}))
    deferred = finish_deferred(operator("deferred", "sleep 0.2; echo deferred", deferrable=True))
    told["deferred"] = hook.get_job_description(deferred)["status"]
    killed = operator("killed", "exec sleep 600", wait_for_completion=False)
    killed.execute({})
    killed.on_kill()
    hook.poll_for_job_complete(killed.job_id, delay=0)
    told["killed"] = hook.get_job_description(killed.job_id)["statusReason"]

    stream = hook.get_job_awslogs_info(done)
    assert stream is not None
    events = AwsLogsHook(**REGION).get_log_events(stream["awslogs_group"], stream["awslogs_stream_name"])
    told["events"] = [event["message"] for event in events]

    environment = {"environment_type": "MANAGED", "state": "ENABLED", "compute_resources": RESOURCES}
    now = BatchCreateComputeEnvironmentOperator(
        task_id="now", compute_environment_name="now", deferrable=False, **environment, **REGION
    )
    told["environment"] = now.execute({})
    later = BatchCreateComputeEnvironmentOperator(
        task_id="later", compute_environment_name="later", deferrable=True, poll_interval=1,
        **environment, **REGION,
    )  # fmt: skip
    told["environment deferred"] = finish_deferred(later)
    told["sensed"] = [
        BatchSensor(task_id="a", job_id=done, deferrable=False, **REGION).poke({}),
        BatchComputeEnvironmentSensor(task_id="b", compute_environment="later", **REGION).poke({}),
        BatchJobQueueSensor(task_id="c", job_queue="default", **REGION).poke({}),
    ]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
