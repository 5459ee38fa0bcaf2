"""The variables that Batch gives to a task.

It exists to hold that list. https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables.
It must not run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_jobs.backends.azure_batch.emulator.properties import EnvironmentSetting
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import ApplicationPackage

if TYPE_CHECKING:
    from airflow_provider_jobs.backends.azure_batch.emulator.pools import Node

_FLATTENED = re.compile(r"[.\-#]")


def node_variables(node: Node, *, account: str, endpoint: str) -> dict[str, str]:
    """What every command on the node sees."""
    root = node.directory
    return {
        "AZ_BATCH_ACCOUNT_NAME": account,
        "AZ_BATCH_ACCOUNT_URL": f"{endpoint}/",
        "AZ_BATCH_POOL_ID": node.pool.body.id,
        "AZ_BATCH_NODE_ID": node.id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true" if node.dedicated else "false",
        "AZ_BATCH_NODE_ROOT_DIR": str(root),
        "AZ_BATCH_NODE_SHARED_DIR": str(root / "shared"),
        "AZ_BATCH_NODE_STARTUP_DIR": str(root / "startup"),
        "AZ_BATCH_NODE_STARTUP_WORKING_DIR": str(root / "startup" / "wd"),
        "AZ_BATCH_NODE_MOUNTS_DIR": str(root / "fsmounts"),
    }


def directory_variables(directory: Path) -> dict[str, str]:
    """Where a command finds its own directories."""
    return {
        "AZ_BATCH_TASK_DIR": str(directory),
        "AZ_BATCH_TASK_WORKING_DIR": str(directory / "wd"),
        "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES": "1000000",
        "AZ_BATCH_CERTIFICATES_DIR": str(directory / "certs"),
    }


def primary_variables(directory: Path) -> dict[str, str]:
    """What the primary of a multi-instance task sees beside; here it is alone."""
    return {
        "AZ_BATCH_NODE_LIST": "127.0.0.1",
        "AZ_BATCH_HOST_LIST": "127.0.0.1",
        "AZ_BATCH_MASTER_NODE": "127.0.0.1:0",
        "AZ_BATCH_IS_CURRENT_NODE_MASTER": "true",
        "AZ_BATCH_TASK_SHARED_DIR": str(directory),
    }


def package_variables(packages: Iterable[ApplicationPackage], node: Node) -> dict[str, str]:
    """Where a command finds its application packages; on Linux the name is flattened."""
    found = {}
    for package in packages:
        name = "_".join(part for part in (package.application_id, package.version) if part)
        found[f"AZ_BATCH_APP_PACKAGE_{_FLATTENED.sub('_', name)}"] = str(package_directory(package, node))
    return found


def package_directory(package: ApplicationPackage, node: Node) -> Path:
    """Where an application package lies on the node."""
    return node.directory / "applications" / package.application_id.lower() / (package.version or "default")


def own_variables(*settings: Iterable[EnvironmentSetting] | None) -> dict[str, str]:
    """What the caller asked for; a later list wins."""
    return {each.name: each.value or "" for group in settings for each in group or ()}
