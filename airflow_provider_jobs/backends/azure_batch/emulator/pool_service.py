"""The methods on pools, their nodes, and what the service knows of images and applications.

https://learn.microsoft.com/rest/api/batchservice/pool and ``/node``. It must not know how a request arrived.
"""

from __future__ import annotations

from airflow_provider_jobs.backends.azure_batch.emulator import pool_bodies, pool_life
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.errors import invalid_property, refusal
from airflow_provider_jobs.backends.azure_batch.emulator.images import SUPPORTED
from airflow_provider_jobs.backends.azure_batch.emulator.messages import (
    Answer,
    Call,
    among,
    changed,
    check_conditions,
    listing,
    version_headers,
)
from airflow_provider_jobs.backends.azure_batch.emulator.odata import compile_filter, select
from airflow_provider_jobs.backends.azure_batch.emulator.pool_life import PoolLife
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Pool
from airflow_provider_jobs.backends.azure_batch.emulator.wire import timestamp


class PoolService:
    """Pools over the account."""

    def __init__(self, account: Account, life: PoolLife) -> None:
        self._account = account
        self._life = life

    async def create_pool(self, call: Call) -> Answer:
        body = call.body(pool_bodies.PoolBody)
        if body.id.lower() in self._account.pools:
            raise refusal("PoolExists")
        check_pool(body)
        pool = self._life.add(body)
        place = f"{call.endpoint}/pools/{body.id}"
        headers = {**version_headers(pool), "DataServiceId": place, "Location": place}
        return Answer(201, headers=headers)

    async def get_pool(self, call: Call) -> Answer:
        pool = self._account.pool(call["poolId"])
        check_conditions(call, pool)
        told = pool.wire(call.endpoint)
        names = call.query.get("$select")
        return Answer(
            body=select(told, names) if names else told,
            headers=version_headers(pool),
            metadata="pools/@Element",
        )

    async def pool_exists(self, call: Call) -> Answer:
        pool = self._account.pool(call["poolId"])
        check_conditions(call, pool)
        return Answer(headers=version_headers(pool))

    async def list_pools(self, call: Call) -> Answer:
        pools = self._account.pools.values()
        return listing(call, among(pools), lambda pool, _: pool.wire(call.endpoint), metadata="pools")

    async def update_pool(self, call: Call) -> Answer:
        """PATCH: what is left out stays."""
        pool, body = self._open(call), call.body(pool_bodies.PoolPatch)
        for name in body.model_fields_set:
            if (value := getattr(body, name)) is not None:
                setattr(pool.body, name, value)
        pool.touch()
        return changed(pool, call)

    async def replace_pool(self, call: Call) -> Answer:
        """POST updateproperties: what is left out is taken away."""
        pool, body = self._open(call), call.body(pool_bodies.PoolReplacement)
        pool.body.start_task, pool.body.metadata = body.start_task, body.metadata
        pool.body.application_package_references = body.application_package_references
        pool.touch()
        return changed(pool, call, status=204)

    async def delete_pool(self, call: Call) -> Answer:
        self._life.delete(self._open(call))
        return Answer(202)

    async def resize_pool(self, call: Call) -> Answer:
        pool, body = self._steady(call), call.body(pool_bodies.PoolResize)
        if pool.body.enable_auto_scale:
            raise refusal("OperationInvalidForCurrentState", Reason="The pool has automatic scaling enabled.")
        dedicated, low_priority = body.target_dedicated_nodes, body.target_low_priority_nodes
        if dedicated is None and low_priority is None:
            raise refusal("MissingRequiredProperty", PropertyName="targetDedicatedNodes")
        pool.body.resize_timeout = body.resize_timeout
        self._life.resize(
            pool,
            dedicated=pool.body.target_dedicated_nodes if dedicated is None else dedicated,
            low_priority=pool.body.target_low_priority_nodes if low_priority is None else low_priority,
            option=body.node_deallocation_option,
        )
        return changed(pool, call, status=202)

    async def stop_resize(self, call: Call) -> Answer:
        pool = self._open(call)
        if pool.allocation != "resizing":
            raise refusal("OperationInvalidForCurrentState", Reason="The pool is not being resized.")
        self._life.stop_resize(pool)
        return changed(pool, call, status=202)

    async def enable_auto_scale(self, call: Call) -> Answer:
        pool, body = self._steady(call), call.body(pool_bodies.PoolAutoScale)
        formula = body.auto_scale_formula or pool.body.auto_scale_formula
        if not formula:
            raise refusal("MissingRequiredProperty", PropertyName="autoScaleFormula")
        pool.body.auto_scale_formula = formula
        pool.body.auto_scale_evaluation_interval = (
            body.auto_scale_evaluation_interval or pool.body.auto_scale_evaluation_interval
        )
        pool.body.enable_auto_scale = True
        self._life.scale(pool)
        self._life.resize(
            pool,
            dedicated=pool.body.target_dedicated_nodes,
            low_priority=pool.body.target_low_priority_nodes,
            option="requeue",
        )
        return changed(pool, call)

    async def disable_auto_scale(self, call: Call) -> Answer:
        pool = self._steady(call)
        pool.body.enable_auto_scale = False
        pool.body.auto_scale_formula = pool.body.auto_scale_evaluation_interval = None
        pool.auto_scale_run = None
        pool.touch()
        return changed(pool, call)

    async def evaluate_auto_scale(self, call: Call) -> Answer:
        pool, body = self._open(call), call.body(pool_bodies.FormulaToEvaluate)
        if not pool.body.enable_auto_scale:
            raise refusal("OperationInvalidForCurrentState", Reason="Automatic scaling is not enabled.")
        values, error = pool_life.evaluate(body.auto_scale_formula)
        told = {
            "timestamp": timestamp(pool.state_at),
            "results": pool_life.results(
                values.get("dedicated", pool.body.target_dedicated_nodes),
                values.get("lowpriority", pool.body.target_low_priority_nodes),
            ),
        }
        if error:
            raise refusal("InvalidAutoScalingSettings", Reason=error)
        return Answer(body=told, metadata="Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun")

    async def remove_nodes(self, call: Call) -> Answer:
        pool, body = self._steady(call), call.body(pool_bodies.NodeRemoval)
        nodes = [self._account.node(call["poolId"], node_id) for node_id in body.node_list]
        self._life.remove_nodes(pool, nodes, option=body.node_deallocation_option)
        return changed(pool, call, status=202)

    async def list_node_counts(self, call: Call) -> Answer:
        told = [pool.node_counts() for pool in self._account.pools.values()]
        if text := call.query.get("$filter"):
            holds = compile_filter(text).holds
            told = [each for each in told if holds(each)]
        return Answer(body={"value": told}, metadata="poolnodecounts")

    async def list_nodes(self, call: Call) -> Answer:
        nodes = list(self._account.pool(call["poolId"]).nodes.values())
        return listing(call, among(nodes), lambda node, _: node.wire(call.endpoint), metadata="nodes")

    async def get_node(self, call: Call) -> Answer:
        node = self._account.node(call["poolId"], call["nodeId"])
        told = node.wire(call.endpoint)
        names = call.query.get("$select")
        return Answer(body=select(told, names) if names else told, metadata="nodes/@Element")

    async def reboot_node(self, call: Call) -> Answer:
        return self._restart(call, "rebooting", "nodeRebootOption")

    async def reimage_node(self, call: Call) -> Answer:
        return self._restart(call, "reimaging", "nodeReimageOption")

    def _restart(self, call: Call, state: str, name: str) -> Answer:
        node = self._account.node(call["poolId"], call["nodeId"])
        option = str(call.json().get(name) or "requeue").lower()
        self._life.reboot(node, option=option, state=state)
        return Answer(202, headers={"DataServiceId": f"{call.endpoint}{node.path}"})

    async def disable_scheduling(self, call: Call) -> Answer:
        node = self._account.node(call["poolId"], call["nodeId"])
        option = str(call.json().get("nodeDisableSchedulingOption") or "requeue").lower()
        self._life.let_go(node, option=option, schedulable=False)
        return Answer(headers={"DataServiceId": f"{call.endpoint}{node.path}"})

    async def enable_scheduling(self, call: Call) -> Answer:
        node = self._account.node(call["poolId"], call["nodeId"])
        self._life.let_go(node, option="taskcompletion", schedulable=True)
        return Answer(headers={"DataServiceId": f"{call.endpoint}{node.path}"})

    async def list_supported_images(self, call: Call) -> Answer:
        asked = compile_filter(call.query["$filter"]) if call.query.get("$filter") else None
        told = [image for image in SUPPORTED if asked is None or asked.holds(image)]
        return Answer(body={"value": told}, metadata="supportedimages")

    def _open(self, call: Call) -> Pool:
        """The pool, unless a condition does not hold or it is being deleted."""
        pool = self._account.pool(call["poolId"])
        check_conditions(call, pool)
        if pool.state == "deleting":
            raise refusal("PoolBeingDeleted")
        return pool

    def _steady(self, call: Call) -> Pool:
        pool = self._open(call)
        if pool.allocation != "steady":
            raise refusal("PoolBeingResized")
        return pool


def check_pool(body: pool_bodies.PoolSpecification) -> None:
    """Raise StatusError for what no pool can be."""
    if pool_life.cores(body.vm_size) is None:
        raise invalid_property("vmSize", body.vm_size, "The specified vmSize is not supported.")
    if body.virtual_machine_configuration is None:
        raise refusal("MissingRequiredProperty", PropertyName="virtualMachineConfiguration")
    for name in ("imageReference", "nodeAgentSKUId"):
        if name not in body.virtual_machine_configuration:
            raise refusal("MissingRequiredProperty", PropertyName=f"virtualMachineConfiguration.{name}")
    sized = body.model_fields_set & {"target_dedicated_nodes", "target_low_priority_nodes"}
    if body.enable_auto_scale:
        if not body.auto_scale_formula:
            raise refusal("MissingRequiredProperty", PropertyName="autoScaleFormula")
        if sized:
            reason = "The number of nodes cannot be specified with enableAutoScale."
            raise invalid_property("targetDedicatedNodes", body.target_dedicated_nodes, reason)
    elif body.auto_scale_formula:
        raise invalid_property("autoScaleFormula", body.auto_scale_formula, "enableAutoScale is false.")
