"""Every operation of the dialect: its name, and what does its work.

It exists as the one table of what is served; an operation that is not in it is refused by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from airflow_provider_jobs.backends.aws_batch.emulator import (
    definitions_api,
    environments_api,
    sts_api,
    tags_api,
)
from airflow_provider_jobs.backends.aws_batch.emulator.descriptions import Describer
from airflow_provider_jobs.backends.aws_batch.emulator.environments_api import Environments
from airflow_provider_jobs.backends.aws_batch.emulator.jobs_api import Jobs
from airflow_provider_jobs.backends.aws_batch.emulator.lifecycle import Lifecycle
from airflow_provider_jobs.backends.aws_batch.emulator.logs_api import Logs
from airflow_provider_jobs.backends.aws_batch.emulator.placement import Placement
from airflow_provider_jobs.backends.aws_batch.emulator.queues_api import Queues
from airflow_provider_jobs.backends.aws_batch.emulator.signature import Caller
from airflow_provider_jobs.backends.aws_batch.emulator.submission import Submission
from airflow_provider_jobs.backends.aws_batch.emulator.wire import AwsService, Operation, Parameters
from airflow_provider_jobs.backends.aws_batch.emulator.worlds import World, Worlds
from airflow_provider_jobs.emulator.cloud import Cloud

Work = Callable[[World, Parameters], Awaitable[dict[str, Any]]]


def batch(
    cloud: Cloud, *, worlds: Worlds, lifecycle: Lifecycle, placement: Placement, describer: Describer
) -> AwsService:
    """AWS Batch."""
    jobs = Jobs(describer=describer, lifecycle=lifecycle, listings=cloud.listings)
    queues = Queues(lifecycle=lifecycle, placement=placement)
    environments = Environments(placement)
    work: dict[str, Work] = {
        "SubmitJob": Submission(cloud, lifecycle).submit,
        "DescribeJobs": jobs.describe,
        "ListJobs": jobs.list_jobs,
        "CancelJob": jobs.cancel,
        "CancelJobs": jobs.cancel_many,
        "TerminateJob": jobs.terminate,
        "TerminateJobs": jobs.terminate_many,
        "RegisterJobDefinition": definitions_api.register,
        "DeregisterJobDefinition": definitions_api.deregister,
        "DescribeJobDefinitions": definitions_api.describe,
        "CreateJobQueue": queues.create,
        "UpdateJobQueue": queues.update,
        "DeleteJobQueue": queues.delete,
        "DescribeJobQueues": queues.describe,
        "GetJobQueueSnapshot": queues.snapshot,
        "CreateComputeEnvironment": environments.create,
        "UpdateComputeEnvironment": environments.update,
        "DeleteComputeEnvironment": environments.delete,
        "DescribeComputeEnvironments": environments.describe,
        "CreateSchedulingPolicy": environments_api.create_policy,
        "UpdateSchedulingPolicy": environments_api.update_policy,
        "DeleteSchedulingPolicy": environments_api.delete_policy,
        "DescribeSchedulingPolicies": environments_api.describe_policies,
        "ListSchedulingPolicies": environments_api.list_policies,
        "TagResource": tags_api.tag,
        "UntagResource": tags_api.untag,
        "ListTagsForResource": tags_api.list_tags,
    }
    return AwsService("batch", {name: _in_world(worlds, each) for name, each in work.items()}, label="Batch")


def logs(reader: Logs) -> AwsService:
    """The reading side of CloudWatch Logs."""
    operations: dict[str, Operation] = {
        "GetLogEvents": reader.get_log_events,
        "FilterLogEvents": reader.filter_log_events,
        "DescribeLogGroups": reader.describe_log_groups,
        "DescribeLogStreams": reader.describe_log_streams,
    }
    return AwsService("logs", operations, label="CloudWatchLogs")


def sts() -> AwsService:
    """Who am I, and let me be somebody else: what clients ask when they connect."""
    operations = {"GetCallerIdentity": sts_api.get_caller_identity, "AssumeRole": sts_api.assume_role}
    return AwsService("sts", operations, label="STS")


def _in_world(worlds: Worlds, work: Work) -> Operation:
    async def operation(caller: Caller, parameters: Parameters) -> Mapping[str, Any]:
        return await work(worlds.of(caller), parameters)

    return operation
