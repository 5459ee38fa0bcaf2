"""From what was asked for to what a node runs: command, directory, variables, files.

It exists as the one place that puts these together. It must not run anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable

from airflow_provider_jobs.backends.azure_batch.emulator import environment, staging
from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.job_bodies import JobPreparationTask, JobReleaseTask
from airflow_provider_jobs.backends.azure_batch.emulator.jobs import BatchJob
from airflow_provider_jobs.backends.azure_batch.emulator.outcomes import BAD_IMAGE, NO_CONTAINERS
from airflow_provider_jobs.backends.azure_batch.emulator.pool_bodies import StartTask
from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node
from airflow_provider_jobs.backends.azure_batch.emulator.runs import Order
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import (
    ApplicationPackage,
    ResourceFile,
    Work,
)
from airflow_provider_jobs.backends.azure_batch.emulator.tasks import Task, task_root
from airflow_provider_jobs.backends.azure_batch.emulator.wire import duration_seconds
from airflow_provider_jobs.emulator.jobs import AttemptRefused

#: A name as Docker takes it: host and path in small letters, then a tag or a digest.
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@\w+:[0-9a-f]{32,})?"
)


def for_task(account: Account, task: Task, node: Node) -> Order:
    """A task of a job."""
    body, directory = task.body, node.directory / task.root
    packages = body.application_package_references or []
    env = _variables(account, node)
    env |= environment.directory_variables(directory)
    env |= {"AZ_BATCH_JOB_ID": task.job.body.id, "AZ_BATCH_TASK_ID": body.id}
    if (preparation := task.job.body.job_preparation_task) is not None:
        prepared = node.directory / task_root(task.job.body.id, preparation.id)
        env |= {"AZ_BATCH_JOB_PREP_DIR": str(prepared), "AZ_BATCH_JOB_PREP_WORKING_DIR": str(prepared / "wd")}
    several = body.multi_instance_settings
    if several is not None:
        env |= environment.primary_variables(directory)
    if body.authentication_token_settings is not None:
        env["AZ_BATCH_AUTHENTICATION_TOKEN"] = "local"  # noqa: S105 - any token will do here
    env |= environment.package_variables(packages, node)
    env |= environment.own_variables(task.job.body.common_environment_settings, body.environment_settings)
    files = [*(body.resource_files or ()), *((several and several.common_resource_files) or ())]
    return Order(
        name=task.engine_name,
        command_line=body.command_line,
        directory=directory,
        env=env,
        limit_seconds=duration_seconds(body.constraints.max_wall_clock_time),
        coordination=None if several is None else several.coordination_command_line,
        prepare=_prepare(body, node, files=files, packages=packages, where=task.root),
        images=_images(body),
    )


def for_job_task(
    account: Account, job: BatchJob, node: Node, work: JobPreparationTask | JobReleaseTask
) -> Order:
    """A job's preparation or release task."""
    root = task_root(job.body.id, work.id)
    directory = node.directory / root
    env = _variables(account, node)
    env |= environment.directory_variables(directory)
    env |= {"AZ_BATCH_JOB_ID": job.body.id, "AZ_BATCH_TASK_ID": work.id}
    env |= environment.own_variables(job.body.common_environment_settings, work.environment_settings)
    if isinstance(work, JobReleaseTask):
        limit = work.max_wall_clock_time
    else:
        limit = work.constraints.max_wall_clock_time
    return Order(
        name=f"jobs/{job.body.id}/{work.id}/{node.id}",
        command_line=work.command_line,
        directory=directory,
        env=env,
        limit_seconds=duration_seconds(limit),
        prepare=_prepare(work, node, files=work.resource_files or [], packages=[], where=root),
        images=_images(work),
    )


def for_start_task(account: Account, node: Node, work: StartTask) -> Order:
    """What a node runs when it joins its pool."""
    directory = node.directory / "startup"
    env = _variables(account, node) | environment.directory_variables(directory)
    env |= environment.own_variables(work.environment_settings)
    return Order(
        name=f"pools/{node.pool.body.id}/nodes/{node.id}/starttask",
        command_line=work.command_line,
        directory=directory,
        env=env,
        prepare=_prepare(work, node, files=work.resource_files or [], packages=[], where="startup"),
        images=_images(work),
    )


def _variables(account: Account, node: Node) -> dict[str, str]:
    packages = node.pool.body.application_package_references or []
    shared = environment.node_variables(node, account=account.name, endpoint=account.endpoint)
    return shared | environment.package_variables(packages, node)


def _check_container(work: Work, node: Node) -> None:
    """Raise AttemptRefused for a container that the node cannot make."""
    if work.container_settings is None:
        return
    if not node.pool.takes_containers:
        message = f"pool {node.pool.body.id} has no containerConfiguration"
        raise AttemptRefused(message, exit_code=NO_CONTAINERS)
    if _IMAGE.fullmatch(work.container_settings.image_name) is None:
        raise AttemptRefused(
            f"invalid reference format: {work.container_settings.image_name}", exit_code=BAD_IMAGE
        )


def _images(work: Work) -> tuple[str, ...]:
    return () if work.container_settings is None else (work.container_settings.image_name,)


def _prepare(
    work: Work,
    node: Node,
    *,
    files: Iterable[ResourceFile],
    packages: Iterable[ApplicationPackage],
    where: str,
) -> Callable[[], Awaitable[None]] | None:
    """What the node does before the command; None where that is nothing."""
    wanted = list(files)
    if not wanted and not packages and work.container_settings is None:
        return None

    async def prepare() -> None:
        _check_container(work, node)
        for package in packages:
            environment.package_directory(package, node).mkdir(parents=True, exist_ok=True)
        if wanted:
            await staging.fetch(wanted, node.directory / where / "wd")

    return prepare
