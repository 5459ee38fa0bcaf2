"""Pools and nodes, seen through the vendor's client."""

from __future__ import annotations

import datetime as dt

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.azure_batch.emulator.conftest import (
    add_job,
    add_pool,
    ids,
    refused,
    run,
    shell,
    task,
    until_task,
)


def until_steady(batch: BatchClient, pool_id: str) -> models.BatchPool:
    while (pool := batch.get_pool(pool_id)).allocation_state != "steady":
        continue
    return pool


def test_there_is_a_pool_from_the_start_and_again_after_a_reset(batch: BatchClient, cloud: LocalCloud):
    pool = batch.get_pool("default")
    assert (pool.current_dedicated_nodes, pool.task_slots_per_node) == (4, 256)
    batch.begin_delete_pool("default", polling_interval=0).result()
    assert ids(batch.list_pools()) == []
    cloud.admin.reset()
    assert ids(batch.list_pools()) == ["default"]
    assert {node.state for node in batch.list_nodes("default")} == {"idle"}


def test_a_pool_grows_to_its_targets(batch: BatchClient):
    add_pool(batch, "p", 2, target_low_priority_nodes=1)
    pool = until_steady(batch, "p")
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (2, 1)
    assert pool.resize_errors is None
    nodes = list(batch.list_nodes("p"))
    assert sorted(node.is_dedicated for node in nodes) == [False, True, True]
    assert {node.affinity_id for node in nodes} == {f"TVM:{node.id}" for node in nodes}
    assert all(node.last_boot_time >= node.allocation_time for node in nodes)


def test_the_steps_of_a_pool_can_be_held(batch: BatchClient, cloud: LocalCloud):
    rules = {stage: cloud.admin.hold(stage, job="pools/p*") for stage in ("scheduled", "assigned", "running")}
    add_pool(batch, "p")
    assert batch.get_pool("p").allocation_state == "resizing"
    assert ids(batch.list_nodes("p")) == []
    for stage, state in (("scheduled", "creating"), ("assigned", "starting"), ("running", "idle")):
        cloud.admin.release(rules[stage])
        while [node.state for node in batch.list_nodes("p")] != [state]:
            continue
    assert batch.get_pool("p").allocation_state == "steady"


def test_a_resize_changes_the_size_and_excludes_another(batch: BatchClient, cloud: LocalCloud):
    add_pool(batch, "p", 1)
    until_steady(batch, "p")
    rule = cloud.admin.hold("scheduled", job="pools/p")
    poller = batch.begin_resize_pool(
        "p", models.BatchPoolResizeOptions(target_dedicated_nodes=3), polling_interval=0
    )
    assert batch.get_pool("p").target_dedicated_nodes == 3
    with pytest.raises(HttpResponseError) as error:
        batch.begin_resize_pool(
            "p", models.BatchPoolResizeOptions(target_dedicated_nodes=0), polling_interval=0
        )
    assert refused(error) == (409, "PoolBeingResized")
    cloud.admin.release(rule)
    poller.result()
    assert len(ids(batch.list_nodes("p"))) == 3


def test_a_shrinking_pool_requeues_what_runs_there(batch: BatchClient):
    add_pool(batch, "p", 1)
    add_job(batch, pool="p")
    batch.create_task("job", task("t", "sleep 600"))
    until_task(batch, state="running")
    batch.begin_resize_pool(
        "p", models.BatchPoolResizeOptions(target_dedicated_nodes=0), polling_interval=0
    ).result()
    assert ids(batch.list_nodes("p")) == []
    assert until_task(batch, state="active").execution_info.requeue_count == 1


def test_a_shrinking_pool_can_wait_for_what_runs_there(batch: BatchClient):
    add_pool(batch, "p", 1)
    add_job(batch, pool="p")
    batch.create_task("job", task("t", "sleep 600"))
    until_task(batch, state="running")
    options = models.BatchPoolResizeOptions(
        target_dedicated_nodes=0, node_deallocation_option="taskcompletion"
    )
    poller = batch.begin_resize_pool("p", options, polling_interval=0)
    assert [node.scheduling_state for node in batch.list_nodes("p")] == ["disabled"]
    assert batch.get_task("job", "t").state == "running"
    batch.terminate_task("job", "t")
    poller.result()
    assert ids(batch.list_nodes("p")) == []


def test_a_resize_can_be_stopped(batch: BatchClient, cloud: LocalCloud):
    rule = cloud.admin.hold("scheduled", job="pools/p")
    add_pool(batch, "p", 5)
    batch.begin_stop_pool_resize("p", polling_interval=0).result()
    cloud.admin.release(rule)
    pool = batch.get_pool("p")
    assert (pool.allocation_state, pool.target_dedicated_nodes) == ("steady", 0)
    assert [error.code for error in pool.resize_errors] == ["ResizeStopped"]


@pytest.mark.parametrize(
    ("targets", "code"),
    [
        ({"target_dedicated_nodes": 11}, "AccountCoreQuotaReached"),
        ({"target_low_priority_nodes": 11}, "AccountLowPriorityCoreQuotaReached"),
    ],
)
def test_more_cores_than_the_quota_are_not_to_be_had(batch: BatchClient, targets: dict[str, int], code: str):
    add_pool(batch, "big", 0, vm_size="standard_d96s_v5")
    until_steady(batch, "big")
    batch.begin_resize_pool("big", models.BatchPoolResizeOptions(**targets), polling_interval=0).result()
    pool = batch.get_pool("big")
    assert [error.code for error in pool.resize_errors] == [code]
    assert pool.current_dedicated_nodes + pool.current_low_priority_nodes == 10
    batch.begin_resize_pool(
        "big",
        models.BatchPoolResizeOptions(target_dedicated_nodes=0, target_low_priority_nodes=0),
        polling_interval=0,
    ).result()
    assert batch.get_pool("big").resize_errors is None


def test_nodes_that_do_not_come_in_time_are_an_error_of_the_resize(batch: BatchClient, cloud: LocalCloud):
    cloud.admin.hold("scheduled", job="pools/slow")
    add_pool(batch, "slow", 1, resize_timeout=dt.timedelta(seconds=0.2))
    pool = until_steady(batch, "slow")
    assert [error.code for error in pool.resize_errors] == ["AllocationTimedout"]
    assert pool.current_dedicated_nodes == 0


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"vm_size": "a-big-one"}, "InvalidPropertyValue"),
        ({"enable_auto_scale": True}, "MissingRequiredProperty"),
        ({"auto_scale_formula": "$TargetDedicatedNodes=1"}, "InvalidPropertyValue"),
        ({"task_slots_per_node": 300}, "InvalidPropertyValue"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(batch: BatchClient, more: dict[str, object], code: str):
    with pytest.raises(HttpResponseError) as error:
        add_pool(batch, "p", **more)
    assert refused(error) == (400, code)


def test_a_pool_without_machines_is_refused(batch: BatchClient):
    with pytest.raises(HttpResponseError) as error:
        batch.create_pool(models.BatchPoolCreateOptions(id="p", vm_size="standard_d2s_v5"))
    assert refused(error) == (400, "MissingRequiredProperty")


def test_a_pool_is_made_once(batch: BatchClient):
    add_pool(batch, "p")
    with pytest.raises(HttpResponseError) as error:
        add_pool(batch, "P")
    assert refused(error) == (409, "PoolExists")
    assert batch.pool_exists("p")
    with pytest.raises(HttpResponseError) as error:
        batch.pool_exists("q")
    assert error.value.status_code == 404


def test_a_deleted_pool_is_deleting_until_it_is_gone(batch: BatchClient, cloud: LocalCloud):
    add_pool(batch, "p")
    until_steady(batch, "p")
    rule = cloud.admin.hold("deleted", job="pools/p")
    poller = batch.begin_delete_pool("p", polling_interval=0)
    assert batch.get_pool("p").state == "deleting"
    with pytest.raises(HttpResponseError) as error:
        batch.begin_delete_pool("p", polling_interval=0)
    assert refused(error) == (409, "PoolBeingDeleted")
    cloud.admin.release(rule)
    poller.result()
    with pytest.raises(HttpResponseError) as error:
        batch.get_pool("p")
    assert refused(error) == (404, "PoolNotFound")


def test_a_formula_that_assigns_numbers_scales_the_pool(batch: BatchClient):
    formula = "$TargetDedicatedNodes = 2; $NodeDeallocationOption = taskcompletion;"
    add_pool(batch, "p", enable_auto_scale=True, auto_scale_formula=formula)
    pool = until_steady(batch, "p")
    assert (pool.current_dedicated_nodes, pool.auto_scale_run.error) == (2, None)
    assert "$TargetDedicatedNodes=2" in pool.auto_scale_run.results
    with pytest.raises(HttpResponseError) as error:
        batch.begin_resize_pool(
            "p", models.BatchPoolResizeOptions(target_dedicated_nodes=1), polling_interval=0
        )
    assert refused(error) == (409, "OperationInvalidForCurrentState")
    options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes=7")
    assert "$TargetDedicatedNodes=7" in batch.evaluate_pool_auto_scale("p", options).results
    batch.disable_pool_auto_scale("p")
    assert until_steady(batch, "p").enable_auto_scale is False
    batch.enable_pool_auto_scale(
        "p", models.BatchPoolEnableAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes=0")
    )
    assert until_steady(batch, "p").current_dedicated_nodes == 0


def test_a_formula_that_looks_at_something_is_an_error_of_its_run(batch: BatchClient):
    add_pool(
        batch,
        "p",
        enable_auto_scale=True,
        auto_scale_formula="$TargetDedicatedNodes=$PendingTasks.GetSample(1)",
    )
    assert until_steady(batch, "p").auto_scale_run.error.code == "AutoScalingFormulaEvaluationError"


def test_nodes_are_counted_by_their_states(batch: BatchClient):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 600"))
    until_task(batch, state="running")
    (counts,) = batch.list_pool_node_counts(filter="poolId eq 'default'")
    assert (counts.dedicated.running, counts.dedicated.idle, counts.dedicated.total) == (1, 3, 4)
    assert counts.low_priority.total == 0


def test_a_node_tells_what_it_is_doing(batch: BatchClient):
    add_job(batch)
    batch.create_task("job", task("t", "sleep 600", required_slots=5))
    node_id = until_task(batch, state="running").node_info.node_id
    node = batch.get_node("default", node_id)
    assert (node.state, node.running_tasks_count, node.running_task_slots_count) == ("running", 1, 5)
    batch.terminate_task("job", "t")
    while batch.get_node("default", node_id).state != "idle":
        continue


def test_removed_nodes_are_gone_and_the_target_is_lower(batch: BatchClient):
    add_pool(batch, "p", 2)
    until_steady(batch, "p")
    first, second = ids(batch.list_nodes("p"))
    batch.begin_remove_nodes(
        "p", models.BatchNodeRemoveOptions(node_ids=[first]), polling_interval=0
    ).result()
    assert ids(batch.list_nodes("p")) == [second]
    assert batch.get_pool("p").target_dedicated_nodes == 1


def test_a_rebooted_node_requeues_and_comes_back(batch: BatchClient):
    add_pool(batch, "p", 1)
    add_job(batch, pool="p")
    batch.create_task("job", task("t", "sleep 600"))
    node = until_task(batch, state="running").node_info.node_id
    batch.begin_reboot_node("p", node, {"nodeRebootOption": "requeue"}, polling_interval=0).result()
    while batch.get_task("job", "t").execution_info.requeue_count != 1:
        continue
    assert until_task(batch, state="running").node_info.node_id == node


def test_a_node_can_be_taken_out_of_scheduling(batch: BatchClient):
    add_pool(batch, "p", 1)
    until_steady(batch, "p")
    (node,) = ids(batch.list_nodes("p"))
    batch.disable_node_scheduling(
        "p", node, models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    )
    add_job(batch, pool="p")
    batch.create_task("job", task("t"))
    assert batch.get_node("p", node).scheduling_state == "disabled"
    assert batch.get_task("job", "t").state == "active"
    batch.enable_node_scheduling("p", node)
    until_task(batch)


def test_properties_of_a_pool_can_be_changed(batch: BatchClient):
    add_pool(batch, "p", 1, metadata=[models.BatchMetadataItem(name="a", value="b")])
    batch.update_pool("p", models.BatchPoolUpdateOptions(display_name="P", task_slots_per_node=2))
    pool = batch.get_pool("p")
    assert (pool.display_name, pool.task_slots_per_node, len(pool.metadata)) == ("P", 2, 1)
    batch.replace_pool_properties(
        "p", models.BatchPoolReplaceOptions(application_package_references=[], metadata=[])
    )
    assert not batch.get_pool("p").metadata


def test_supported_images_can_be_looked_up(batch: BatchClient):
    verified = list(batch.list_supported_images(filter="verificationType eq 'verified'"))
    assert any(image.node_agent_sku_id == "batch.node.ubuntu 22.04" for image in verified)
    assert all(image.verification_type == "verified" for image in verified)


def test_the_account_has_no_applications_and_no_schedules(batch: BatchClient):
    assert list(batch.list_applications()) == []
    assert list(batch.list_job_schedules()) == []


def test_the_same_pool_takes_commands_and_containers(batch: BatchClient):
    add_job(batch)
    assert run(batch, shell("exit 0")).execution_info.result == "success"
    container = models.BatchTaskContainerSettings(image_name="busybox")
    assert run(batch, "true", "u", container_settings=container).execution_info.result == "success"
