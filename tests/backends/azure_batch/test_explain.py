"""Why a task waits, in words that a person can act on."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.batch.models import BatchJob, BatchNode, BatchPool, BatchTask

from airflow_provider_jobs.backends.azure_batch.backend import AzureBatchBackend
from airflow_provider_jobs.backends.azure_batch.explain import (
    RESIZE_ADVICE,
    explain_job,
    explain_pool,
    explain_task,
)
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import JobHandle
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.test_hook import pool as new_pool


def pool(**values: Any) -> BatchPool:
    """Return a steady pool."""
    steady = {
        "id": "p",
        "state": "active",
        "allocationState": "steady",
        "currentDedicatedNodes": 0,
        "currentLowPriorityNodes": 0,
        "targetDedicatedNodes": 0,
        "targetLowPriorityNodes": 0,
        "taskSlotsPerNode": 1,
    }
    return BatchPool({**steady, **values})


def node(state: str, **values: Any) -> BatchNode:
    """Return a node in a state."""
    return BatchNode({"id": "n", "state": state, **values})


def resize_error(code: str) -> dict[str, Any]:
    """Return the values of a pool that could not be resized."""
    return {"resizeErrors": [{"code": code, "message": "No luck.\nRequestId:1"}], "currentDedicatedNodes": 2}


FAILED_START = {"state": "completed", "exitCode": 7, "retryCount": 0}
FAILED_DOWNLOAD = {**FAILED_START, "failureInfo": {"category": "u", "code": "BlobNotFound", "message": "no"}}
FORMULA = {"enableAutoScale": True, "autoScaleFormula": "$TargetDedicated = x"}
FORMULA_ERROR = {"autoScaleRun": {"error": {"code": "FormulaError", "message": "x is unknown"}}}


class TestPools:
    @pytest.mark.parametrize(
        ("values", "nodes", "words"),
        [
            ({"state": "deleting"}, [], ["is being deleted", "pool_id"]),
            ({}, [], ["Pool p has no nodes", "az batch pool resize --pool-id p"]),
            ({"targetDedicatedNodes": 3}, [], ["no nodes yet", "3 are being allocated"]),
            ({"allocationState": "resizing", "targetLowPriorityNodes": 2}, [], ["2 are being allocated"]),
            (FORMULA, [], ["its formula asks for none yet", "autoScaleEvaluationInterval"]),
            ({**FORMULA, **FORMULA_ERROR}, [], ["its formula fails: FormulaError: x is unknown"]),
            (resize_error("AccountCoreQuotaReached"), [], ["2 dedicated and 0 spot nodes", "higher quota"]),
            (resize_error("New"), [node("running")], ["New: No luck", "Look at the pool"]),
            (
                {},
                [node("unusable", errors=[{"code": "DiskFull", "message": "full"}])],
                ["DiskFull: full", "Reboot"],
            ),
            ({}, [node("starttaskfailed", startTaskInfo=FAILED_START)], ["start task exited with code 7"]),
            (
                {},
                [node("starttaskfailed", startTaskInfo=FAILED_DOWNLOAD)],
                ["BlobNotFound: no", "start task"],
            ),
            ({}, [node("unknown"), node("unknown")], ["(2 unknown)"]),
            (
                {},
                [node("running"), node("running")],
                ["All 2 nodes of pool p", "busy (1 slot each)", "resize"],
            ),
            ({}, [node("running"), node("starting")], ["All 1 nodes", "more nodes are coming"]),
            ({"allocationState": "resizing"}, [node("running")], ["All 1 nodes", "more nodes are coming"]),
            ({"taskSlotsPerNode": 4}, [node("running"), node("unusable")], ["busy (4 slots each)"]),
            ({}, [node("starting"), node("waitingforstarttask")], ["2 nodes of pool p are starting"]),
            ({}, [node("offline")], ["offline", "Enable scheduling"]),
            ({}, [node("preempted")], ["taken away", "dedicated nodes"]),
        ],
    )
    def test_what_the_service_says_is_told_with_what_to_do(
        self, values: dict[str, Any], nodes: list[BatchNode], words: list[str]
    ) -> None:
        told = explain_pool(pool(**values), nodes)
        assert told is not None
        assert [word for word in words if word not in told] == []
        assert "RequestId" not in told

    @pytest.mark.parametrize("code", RESIZE_ADVICE)
    def test_every_resize_error_has_advice(self, code: str) -> None:
        told = explain_pool(pool(**resize_error(code)), [])
        assert told is not None
        assert RESIZE_ADVICE[code] in told

    def test_a_pool_with_room_is_not_guessed_at(self) -> None:
        assert explain_pool(pool(), [node("idle"), node("running")]) is None


class TestJobs:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"state": "disabled"}, ["az batch job enable --job-id j"]),
            ({"state": "terminating"}, ["will not run"]),
            (
                {"state": "completed", "executionInfo": {"schedulingError": {"code": "C", "message": "m"}}},
                ["could not be started: C: m"],
            ),
        ],
    )
    def test_what_keeps_a_job_from_running_is_told(self, values: dict[str, Any], words: list[str]) -> None:
        told = explain_job(BatchJob({"id": "j", **values}))
        assert told is not None
        assert [word for word in words if word not in told] == []

    def test_a_job_that_is_active_is_no_reason(self) -> None:
        assert explain_job(BatchJob({"id": "j", "state": "active"})) is None


def waiting(backend: AzureBatchBackend, pool_id: str, **values: Any) -> JobHandle:
    """Submit a task that cannot run yet."""
    key = JobKey(dag_id="d", run_id=uuid.uuid4().hex, task_id="t")
    return backend.submit(JobSpec(command=("true",), options={"pool_id": pool_id}, **values), key)


class TestTasks:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"requiredSlots": 3}, ["needs 3 slots, and a node of pool p has 1", "taskSlotsPerNode"]),
            ({"dependsOn": {"taskIds": ["a"]}}, ["waits for those that it depends on"]),
            ({"dependsOn": {"taskIdRanges": [{"start": 1, "end": 2}]}}, ["depends on"]),
        ],
    )
    def test_what_a_task_waits_for_is_told(self, values: dict[str, Any], words: list[str]) -> None:
        told = explain_task(BatchTask({"id": "0", **values}), pool())
        assert told is not None
        assert [word for word in words if word not in told] == []

    def test_a_task_that_fits_is_no_reason(self) -> None:
        assert explain_task(BatchTask({"id": "0", "requiredSlots": 1}), pool()) is None


class TestOnTheLocalCloud:
    def test_a_task_that_fits_on_no_node(self, quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
        backend.hook.create_pool(new_pool("narrow", targetDedicatedNodes=1))
        told = backend.explain(waiting(backend, "narrow", native={"task": {"requiredSlots": 2}}))
        assert told is not None
        assert "needs 2 slots, and a node of pool narrow has 1" in told

    def test_a_pool_without_nodes(self, quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
        backend.hook.create_pool(new_pool("empty", targetDedicatedNodes=0))
        told = backend.explain(waiting(backend, "empty"))
        assert told is not None
        assert "Pool empty has no nodes" in told

    def test_a_pool_that_is_not_there(self, quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
        backend.hook.create_pool(new_pool("gone", targetDedicatedNodes=0))
        handle = waiting(backend, "gone")
        backend.hook.delete_pool("gone")
        told = backend.explain(handle)
        assert told == "There is no pool gone. Create it, or give another pool_id"

    def test_a_quota(self, quiet_cloud: LocalCloud, backend: AzureBatchBackend) -> None:
        large = {"vmSize": "standard_m2000", "targetDedicatedNodes": 1}
        backend.hook.create_pool({**new_pool("large"), **large})
        handle = waiting(backend, "large")
        while "CoreQuotaReached" not in (told := backend.explain(handle) or ""):
            pass
        assert "higher quota" in told
