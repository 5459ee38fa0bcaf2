"""Why a task waits, as the real client hears it from the local cloud and a person is told it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.explain import RESIZE_ADVICE
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.states import JobState
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.test_explain import waiting
from tests.backends.azure_batch.test_hook import pool as new_pool


def on_pool(backend: AzureBatchBackend, **values: Any) -> JobHandle:
    """Submit a task to a new pool of one node that is made so."""
    pool_id = f"p-{uuid.uuid4().hex[:8]}"
    backend.hook.create_pool(new_pool(pool_id, **{"targetDedicatedNodes": 1, **values}))
    return waiting(backend, pool_id)


def told_with(backend: AzureBatchBackend, handle: JobHandle, word: str) -> str:
    """Return the explanation once it holds a word."""
    while word not in (told := backend.explain(handle) or ""):
        pass
    return told


@pytest.mark.parametrize(
    "code",
    [
        "AccountCoreQuotaReached",
        "AccountLowPriorityCoreQuotaReached",
        "AccountVMSeriesCoreQuotaReached",
        "AllocationFailed",
        "AllocationTimedout",
    ],
)
def test_a_pool_that_cannot_be_resized_is_told_with_what_to_do(
    quiet_cloud: LocalCloud, backend: AzureBatchBackend, code: str
) -> None:
    quiet_cloud.admin.hold("scheduled", job="pools/*", reason=code)
    told = told_with(backend, on_pool(backend), code)
    assert "has 0 dedicated and 0 spot nodes and could not be resized" in told
    assert told.endswith(RESIZE_ADVICE[code])


def test_a_pool_whose_resize_somebody_stopped_is_told(
    quiet_cloud: LocalCloud, backend: AzureBatchBackend
) -> None:
    quiet_cloud.admin.hold("scheduled", job="pools/*")
    backend.hook.create_pool(new_pool("stopped", targetDedicatedNodes=1))
    handle = waiting(backend, "stopped")
    backend.hook.connection.begin_stop_pool_resize("stopped", polling_interval=0).result()
    assert "Somebody stopped the resize. Resize the pool again" in told_with(backend, handle, "ResizeStopped")


def test_nodes_that_are_allocated_and_then_start_are_two_reasons(
    quiet_cloud: LocalCloud, backend: AzureBatchBackend
) -> None:
    allocating = quiet_cloud.admin.hold("scheduled", job="pools/*")
    quiet_cloud.admin.hold("running", job="pools/*/nodes/*")
    handle = on_pool(backend)
    assert "has no nodes yet. Wait some minutes: 1 are being allocated" in (backend.explain(handle) or "")
    quiet_cloud.admin.release(allocating)
    told_with(backend, handle, "1 nodes")
    assert "are starting" in (backend.explain(handle) or "")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("NodePreparationError", ["(1 unusable): NodePreparationError: ", "Reboot or remove them"]),
        ("DiskFull", ["(1 unusable): DiskFull: ", "look at image, network and disk"]),
        ("unusable", ["(1 unusable)", "Reboot or remove them"]),
        ("unknown", ["(1 unknown)", "Reboot or remove them"]),
        ("preempted", ["were taken away", "use dedicated nodes"]),
    ],
)
def test_nodes_that_cannot_be_used_are_told_with_what_to_do_until_they_can(
    quiet_cloud: LocalCloud, backend: AzureBatchBackend, reason: str, words: list[str]
) -> None:
    quiet_cloud.admin.hold("assigned", job="pools/*/nodes/*", reason=reason)
    handle = on_pool(backend)
    told = told_with(backend, handle, words[0])
    assert [word for word in words if word not in told] == []
    quiet_cloud.admin.release()
    while next(backend.describe([handle])).state is not JobState.SUCCEEDED:
        pass


def test_a_start_task_that_fails_is_told_with_its_exit_code(
    quiet_cloud: LocalCloud, backend: AzureBatchBackend
) -> None:
    start = {"commandLine": "/bin/sh -c 'exit 7'", "waitForSuccess": True, "maxTaskRetryCount": 0}
    told = told_with(backend, on_pool(backend, startTask=start), "starttaskfailed")
    assert "the start task exited with code 7" in told
    assert "Correct the pool's start task and reboot the nodes" in told


def test_nodes_that_take_no_tasks_are_offline(quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
    backend.hook.create_pool(new_pool("closed", targetDedicatedNodes=1))
    while not (nodes := list(backend.hook.list_nodes("closed"))) or nodes[0].state != "idle":
        pass
    backend.hook.connection.disable_node_scheduling(
        "closed", nodes[0].id, {"nodeDisableSchedulingOption": "requeue"}
    )
    told = told_with(backend, waiting(backend, "closed"), "offline")
    assert "Enable scheduling on them" in told


def test_a_formula_that_fails_is_told(quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
    formula = {"enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes = $Load * 2"}
    backend.hook.create_pool(new_pool("scaled", **formula))
    told = told_with(backend, waiting(backend, "scaled"), "formula fails")
    assert told.endswith("Correct the formula")
