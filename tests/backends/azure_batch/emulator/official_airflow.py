"""Airflow's own Azure provider against the local cloud, unchanged; run by ``test_official_airflow``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.microsoft.azure.hooks.batch import AzureBatchHook
from airflow.providers.microsoft.azure.operators.batch import AzureBatchOperator
from azure.batch import models

MACHINES = {
    "batch_pool_vm_size": "standard_d2_v3",
    "vm_node_agent_sku_id": "batch.node.ubuntu 22.04",
    "vm_publisher": "canonical",
    "vm_offer": "0001-com-ubuntu-server-jammy",
    "vm_sku": "22_04-lts",
    "target_dedicated_nodes": 1,
}


def operator(name: str, command: str, **more: Any) -> AzureBatchOperator:
    return AzureBatchOperator(
        task_id=name,
        batch_pool_id="official",
        batch_job_id=name,
        batch_task_id="only",
        batch_task_command_line=command,
        **MACHINES,
        **more,
    )


async def event_of(trigger: Any) -> dict[str, Any]:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def deferred(name: str, command: str) -> dict[str, Any]:
    """Run the operator as Airflow does when it defers; returns what came back."""
    made = operator(name, command, deferrable=True, poll_interval=0)
    try:
        made.execute({})
    except TaskDeferred as deferral:
        event = asyncio.run(event_of(deferral.trigger))
    try:
        made.execute_complete({}, event)
    except RuntimeError as error:
        return {"status": event["status"], "raised": str(error)}
    return {"status": event["status"]}


def waited(name: str, command: str) -> str:
    """Run the operator so that it waits itself. Its job is there already and has ended: it need not sleep."""
    try:
        operator(name, command).execute({})
    except RuntimeError as error:
        return str(error)[:8]
    return "done"


def main() -> None:
    hook = AzureBatchHook("azure_batch_default")
    told: dict[str, Any] = {"connection": hook.test_connection()[0]}
    told["good"] = deferred("good", "/bin/sh -c 'echo hello'")
    told["bad"] = deferred("bad", "/bin/sh -c 'exit 3'")
    told["good again"] = waited("good", "/bin/sh -c 'echo hello'")
    told["bad again"] = waited("bad", "/bin/sh -c 'exit 3'")
    latest = hook.configure_pool(
        "latest",
        "standard_d2_v3",
        "ignored",
        vm_publisher="canonical",
        vm_offer="0001-com-ubuntu-server-jammy",
        sku_starts_with="22_04",
        use_latest_image_and_sku=True,
        target_dedicated_nodes=0,
    )
    hook.create_pool(latest)
    hook.create_pool(latest)
    told["nodes"] = hook.wait_for_all_node_state("latest", {models.BatchNodeState.IDLE})
    told["agent"] = hook.connection.get_pool("latest").virtual_machine_configuration.node_agent_sku_id
    told["failed"] = [task.id for task in hook.wait_for_job_tasks_to_complete("bad", timeout=1)]
    text = b"".join(hook.connection.download_task_file("good", "only", "stdout.txt"))
    told["stdout"] = text.decode()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
