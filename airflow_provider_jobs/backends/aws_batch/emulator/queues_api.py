"""Job queues: create, update, delete, describe, and a look at their front.

It exists to answer these as Batch does. It must not place jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import outcomes, paging
from airflow_provider_jobs.backends.aws_batch.emulator.environments_api import (
    TRANSITION_SECONDS,
    find_environment,
)
from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused, rejected
from airflow_provider_jobs.backends.aws_batch.emulator.lifecycle import Lifecycle
from airflow_provider_jobs.backends.aws_batch.emulator.names import RESOURCE_NAME
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement
from airflow_provider_jobs.backends.aws_batch.emulator.records import Stop, milliseconds
from airflow_provider_jobs.backends.aws_batch.emulator.resources import ComputeEnvironment, JobQueue
from airflow_provider_jobs.backends.aws_batch.emulator.tags_api import check_tags
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import World

MAX_ENVIRONMENTS = 3
_PAGE = 100


def find_queue(world: World, reference: str) -> JobQueue | None:
    """The queue of this name or ARN."""
    return world.shelf.queues.get(world.place.short(reference, "job-queue") or "")


class Queues:
    """Makes and changes job queues."""

    def __init__(self, *, lifecycle: Lifecycle, placement: Placement) -> None:
        self._lifecycle = lifecycle
        self._placement = placement

    async def create(self, world: World, asked: Parameters) -> dict[str, Any]:
        name = asked["jobQueueName"]
        if not RESOURCE_NAME.fullmatch(name):
            raise refused("JobQueue name should match valid pattern")
        if name in world.shelf.queues:
            raise rejected("Object already exists")
        check_tags(asked.get("tags", {}))
        order = asked.get("computeEnvironmentOrder", [])
        environments = _environments(world, order)
        _check_policy(world, asked.get("schedulingPolicyArn"))
        arn = world.place.arn("job-queue", name)
        detail = {
            "state": "ENABLED",
            "serviceEnvironmentOrder": [],
            "jobStateTimeLimitActions": [],
            "tags": {},
            "jobQueueType": _type(environments),
            **asked,
            "computeEnvironmentOrder": _written_out(order, environments),
            "jobQueueArn": arn,
            "status": "CREATING",
            "statusReason": "JobQueue Creating",
        }
        queue = world.shelf.queues[name] = JobQueue(detail, environments)
        self._settle(queue)
        return {"jobQueueName": name, "jobQueueArn": arn}

    async def update(self, world: World, asked: Parameters) -> dict[str, Any]:
        queue = _queue(world, asked["jobQueue"])
        if "schedulingPolicyArn" in asked and not queue.fair_share:
            raise rejected("A scheduling policy cannot be added to a job queue that has none.")
        _check_policy(world, asked.get("schedulingPolicyArn"))
        if "computeEnvironmentOrder" in asked:
            queue.environments = _environments(world, asked["computeEnvironmentOrder"])
            asked["computeEnvironmentOrder"] = _written_out(
                asked["computeEnvironmentOrder"], queue.environments
            )
        queue.detail |= {key: value for key, value in asked.items() if key != "jobQueue"}
        queue.detail |= {"status": "UPDATING", "statusReason": "JobQueue Updating"}
        self._settle(queue)
        return {"jobQueueName": queue.name, "jobQueueArn": queue.arn}

    async def delete(self, world: World, asked: Parameters) -> dict[str, Any]:
        """Terminate what is in the queue, then forget it; it must be disabled before."""
        queue = find_queue(world, asked["jobQueue"])
        if queue is None:
            return {}
        if queue.detail["state"] != "DISABLED":
            raise rejected("Cannot delete, resource is in ENABLED state.")
        queue.detail |= {"status": "DELETING", "statusReason": "JobQueue Deleting"}
        for job in world.listed(queue)[:]:
            self._lifecycle.stop(job.data, None, Stop(outcomes.QUEUE_DELETED, terminated=True))
        loop = asyncio.get_running_loop()
        loop.call_later(TRANSITION_SECONDS, world.shelf.queues.pop, queue.name, None)
        return {}

    async def describe(self, world: World, asked: Parameters) -> dict[str, Any]:
        wanted = asked.get("jobQueues")
        if wanted:
            found = [find_queue(world, reference) for reference in wanted]
            return {"jobQueues": [each.detail for each in found if each is not None]}
        details = [each.detail for each in world.shelf.queues.values()]
        size = min(asked.get("maxResults") or _PAGE, _PAGE)
        page, token = paging.page(details, size=size, token=asked.get("nextToken"), context="queues")
        return {"jobQueues": page, "nextToken": token}

    async def snapshot(self, world: World, asked: Parameters) -> dict[str, Any]:
        """The first hundred jobs of a queue that are RUNNABLE, in the order in which they came."""
        queue = _queue(world, asked["jobQueue"])
        front: list[dict[str, Any]] = []
        waiting = (job.data for job in world.listed(queue) if not job.ended)
        for record in waiting:
            if len(front) == _PAGE:
                break
            since = milliseconds(record.job.created_at)
            for task in record.job.tasks:
                if record.status_of(task) == "RUNNABLE" and len(front) < _PAGE:
                    arn = world.place.arn("job", record.id_of(task.index))
                    front.append({"jobArn": arn, "earliestTimeAtPosition": since})
        now = max((each["earliestTimeAtPosition"] for each in front), default=0)
        return {"frontOfQueue": {"jobs": front, "lastUpdatedAt": now}}

    def _settle(self, queue: JobQueue) -> None:
        """A change takes a moment; jobs may find room afterwards."""

        def settled() -> None:
            if queue.detail["status"] in ("CREATING", "UPDATING"):
                queue.detail |= {"status": "VALID", "statusReason": "JobQueue Healthy"}
                self._placement.changed()

        asyncio.get_running_loop().call_later(TRANSITION_SECONDS, settled)


def _queue(world: World, reference: str) -> JobQueue:
    queue = find_queue(world, reference)
    if queue is None:
        raise rejected(f"{reference} does not exist")
    return queue


def _environments(world: World, order: Sequence[dict[str, Any]]) -> list[ComputeEnvironment]:
    """The environments of a queue in their order. Raises StatusError for a mixture that cannot be."""
    if not 1 <= len(order) <= MAX_ENVIRONMENTS:
        raise rejected(f"A job queue must have between 1 and {MAX_ENVIRONMENTS} compute environments.")
    if len({each.get("order") for each in order}) != len(order):
        raise rejected("Compute environments must have different orders.")
    found: list[ComputeEnvironment] = []
    for each in sorted(order, key=lambda each: each["order"]):
        environment = find_environment(world, each["computeEnvironment"])
        if environment is None:
            raise rejected(f"{each['computeEnvironment']} does not exist")
        if environment.detail["status"] != "VALID":
            raise rejected(f"{environment.arn} is not in VALID status.")
        found.append(environment)
    if len({_kind(each) for each in found}) > 1:
        raise rejected("EC2, Fargate and EKS compute environments cannot be mixed in a job queue.")
    return found


def _written_out(
    order: Sequence[dict[str, Any]], environments: Sequence[ComputeEnvironment]
) -> list[dict[str, Any]]:
    numbers = sorted(each["order"] for each in order)
    return [
        {"order": number, "computeEnvironment": environment.arn}
        for number, environment in zip(numbers, environments, strict=True)
    ]


def _kind(environment: ComputeEnvironment) -> str:
    if environment.on_eks:
        return "EKS"
    return "ECS_FARGATE" if environment.on_fargate else "ECS"


def _type(environments: Sequence[ComputeEnvironment]) -> str:
    return _kind(environments[0])


def _check_policy(world: World, arn: str | None) -> None:
    if arn is not None and not any(policy["arn"] == arn for policy in world.shelf.policies.values()):
        raise rejected(f"{arn} does not exist")
