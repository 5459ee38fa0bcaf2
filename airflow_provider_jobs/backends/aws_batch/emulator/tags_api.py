"""TagResource, UntagResource, ListTagsForResource, and what holds for tags anywhere.

It exists because jobs, definitions, queues, environments and policies are tagged alike. It must not know
what a tag means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator.errors import refused
from airflow_provider_jobs.backends.aws_batch.emulator.wire import Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import World

MAX_TAGS = 50
MAX_KEY, MAX_VALUE = 128, 256


def check_tags(tags: Mapping[str, str]) -> None:
    """Raises StatusError for too many tags, and for keys or values that cannot be."""
    if len(tags) > MAX_TAGS:
        raise refused(f"Too many tags: at most {MAX_TAGS} are supported")
    for key, value in tags.items():
        if not 1 <= len(key) <= MAX_KEY or len(value) > MAX_VALUE:
            raise refused(f"Tag keys have 1 to {MAX_KEY} characters and values up to {MAX_VALUE}")
        if key.lower().startswith("aws:"):
            raise refused("Tag keys cannot start with aws:")


async def tag(world: World, asked: Parameters) -> dict[str, Any]:
    tags = _tags_of(world, asked["resourceArn"])
    check_tags({**tags, **asked["tags"]})
    tags.update(asked["tags"])
    return {}


async def untag(world: World, asked: Parameters) -> dict[str, Any]:
    tags = _tags_of(world, asked["resourceArn"])
    for key in asked["tagKeys"]:
        tags.pop(key, None)
    return {}


async def list_tags(world: World, asked: Parameters) -> dict[str, Any]:
    return {"tags": dict(_tags_of(world, asked["resourceArn"]))}


def _tags_of(world: World, arn: str) -> dict[str, str]:
    """The tags of a resource, to be changed in place. Raises StatusError when there is no such resource."""
    shelf = world.shelf
    every: list[dict[str, Any]] = [
        *(each.detail for each in shelf.environments.values()),
        *(each.detail for each in shelf.queues.values()),
        *(each.detail for revisions in shelf.definitions.values() for each in revisions),
        *shelf.policies.values(),
    ]
    names = ("computeEnvironmentArn", "jobQueueArn", "jobDefinitionArn", "arn")
    for detail in every:
        if any(detail.get(name) == arn for name in names):
            return detail["tags"]
    job_id = world.place.short(arn, "job") if arn.startswith("arn:") else None
    record = world.job(job_id) if job_id else None
    if record is None:
        raise refused("Resource not found")
    return record.tags
