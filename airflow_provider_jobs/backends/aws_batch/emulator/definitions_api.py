"""RegisterJobDefinition, DeregisterJobDefinition, DescribeJobDefinitions.

It exists to answer these as Batch does. It must not know jobs.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import paging, properties, retries
from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused, rejected
from airflow_provider_jobs.backends.aws_batch.emulator.names import RESOURCE_NAME
from airflow_provider_jobs.backends.aws_batch.emulator.resources import JobDefinition
from airflow_provider_jobs.backends.aws_batch.emulator.tags_api import check_tags
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import World

MIN_TIMEOUT_SECONDS = 60
MAX_PRIORITY = 9999
_PAGE = 100


def check_timeout(timeout: dict[str, int]) -> None:
    """Raises StatusError for a timeout below the minimum."""
    if timeout.get("attemptDurationSeconds", 0) < MIN_TIMEOUT_SECONDS:
        raise refused(f"Job timeout must be at least {MIN_TIMEOUT_SECONDS} seconds.")


async def register(world: World, asked: Parameters) -> dict[str, Any]:
    """A further revision of a definition; numbers are never used twice, not even of inactive ones."""
    name = asked["jobDefinitionName"]
    if not RESOURCE_NAME.fullmatch(name):
        raise refused("Job definition name should match valid pattern")
    properties.check_definition(asked)
    if "retryStrategy" in asked:
        retries.check(asked["retryStrategy"])
    if "timeout" in asked:
        check_timeout(asked["timeout"])
    if not 0 <= asked.get("schedulingPriority", 0) <= MAX_PRIORITY:
        raise refused(f"Scheduling priority must be between 0 and {MAX_PRIORITY}")
    check_tags(asked.get("tags", {}))
    revisions = world.shelf.definitions.setdefault(name, [])
    revision = len(revisions) + 1
    arn = world.place.arn("job-definition", f"{name}:{revision}")
    revisions.append(JobDefinition(_detail(asked, arn=arn, revision=revision)))
    return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}


def _detail(asked: Parameters, *, arn: str, revision: int) -> dict[str, Any]:
    ranges = asked.get("nodeProperties", {}).get("nodeRangeProperties", ())
    on_eks = any("eksProperties" in each for each in (asked, *ranges))
    detail = {
        "parameters": {},
        "tags": {},
        **asked,
        "jobDefinitionArn": arn,
        "revision": revision,
        "status": "ACTIVE",
        "containerOrchestrationType": "EKS" if on_eks else "ECS",
    }
    if "retryStrategy" in asked:
        detail["retryStrategy"] = {"evaluateOnExit": [], **asked["retryStrategy"]}
    if not on_eks:
        detail.setdefault("platformCapabilities", ["EC2"])
    return detail


def find(world: World, reference: str) -> JobDefinition | None:
    """The definition that a name, a name and revision, or an ARN of either names; the latest active one."""
    short = world.place.short(reference, "job-definition")
    if short is None:
        return None
    name, _, revision = short.partition(":")
    revisions = world.shelf.definitions.get(name, [])
    if revision:
        return next((each for each in revisions if str(each.revision) == revision), None)
    return next((each for each in reversed(revisions) if each.active), None)


def for_submission(world: World, reference: str) -> JobDefinition:
    """The definition a job is to be made from. Raises StatusError unless it is there and active."""
    found = find(world, reference)
    if found is None or not found.active:
        if reference.startswith("arn:"):
            raise rejected(f"JobDefinition {reference} not found.")
        raise rejected(f"JobDefinition name {reference} does not exist or is not in ACTIVE status")
    return found


async def deregister(world: World, asked: Parameters) -> dict[str, Any]:
    """Make a revision inactive; doing so again changes nothing."""
    reference = asked["jobDefinition"]
    found = find(world, reference)
    if found is None or ":" not in (world.place.short(reference, "job-definition") or ""):
        raise rejected(f"JobDefinition {reference} does not exist.")
    found.detail["status"] = "INACTIVE"
    return {}


async def describe(world: World, asked: Parameters) -> dict[str, Any]:
    """Revisions by reference, by name, by status, or all; the latest of each name first."""
    wanted = asked.get("jobDefinitions")
    if wanted is not None:
        if len(wanted) > _PAGE:
            raise refused(f"Maximum number of job definitions supported is  {_PAGE}")
        named = [find(world, reference) for reference in wanted]
        return {"jobDefinitions": [each.detail for each in named if each is not None]}
    name, status = asked.get("jobDefinitionName"), asked.get("status")
    found = [
        each.detail
        for revisions in world.shelf.definitions.values()
        for each in reversed(revisions)
        if name in (None, each.name) and status in (None, each.detail["status"])
    ]
    size = min(asked.get("maxResults", _PAGE), _PAGE)
    page, token = paging.page(found, size=size, token=asked.get("nextToken"), context=(name, status))
    return {"jobDefinitions": page, "nextToken": token}
