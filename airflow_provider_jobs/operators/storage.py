"""The storage of a deployment: where jobs' files and large values lie, and where a job sees it.

Only what a parse may ask is loaded here; the storage itself is opened when a task runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.files import BUCKET_MOUNT, check_address

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

SECTION = "airflow_provider_jobs"


class Seen(NamedTuple):
    """Where a job sees a directory of the storage.

    :param directory: an absolute path
    :param bucket: what the service has to mount for it, empty where it is there already
    """

    directory: str
    bucket: str = ""


def storage_path() -> str:
    """Return the address below which files are kept; empty where none is configured.

    :raises InvalidArgument: the address holds a password
    """
    base: str = conf.get(SECTION, "storage_path", fallback="")
    check_address(f"[{SECTION}] storage_path", base)
    return base


def check_has_storage(argument: str) -> None:
    """Refuse an argument that needs a storage where none is configured.

    :raises InvalidArgument: names the option
    """
    if not storage_path():
        raise InvalidArgument(
            argument,
            f"[{SECTION}] storage_path is not set, so there is no place for files",
            remedy=f'Set AIRFLOW__{SECTION.upper()}__STORAGE_PATH, such as "s3://conn_id@bucket/jobs"',
        )


def open_address(argument: str, address: str) -> ObjectStoragePath:
    """Return a file or directory whose storage this process can open; nothing need be there.

    :param argument: what holds the address, for the error, which does not show the address itself
    :raises InvalidArgument: it cannot, mostly for want of a package
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        path = ObjectStoragePath(address)
        path.fs  # noqa: B018 - the package is loaded here
    except (ImportError, ValueError) as error:
        raise InvalidArgument(
            argument,
            f"{address.partition('://')[0]}:// cannot be opened: {error}",
            remedy="Install what is missing where tasks run; for s3, apache-airflow-providers-amazon[s3fs]",
        ) from error
    return path


def task_directory(ti: Any) -> ObjectStoragePath:
    """Return what belongs to a task instance in the storage; it need not be there yet."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    map_index = -1 if ti.map_index is None else ti.map_index
    return ObjectStoragePath(storage_path()) / ti.dag_id / ti.run_id / ti.task_id / str(map_index)


def seen_by_job(directory: ObjectStoragePath, *, service: str, mounts: tuple[str, ...]) -> Seen:
    """Return where a job sees a directory of the storage.

    :param service: the service's title, for the error
    :param mounts: the protocols of the storages that the service mounts itself
    :raises InvalidArgument: it sees the storage nowhere; names the option to set
    """
    protocol = directory.protocol or "file"
    if mount := conf.get(SECTION, "storage_mount", fallback=""):
        if not mount.startswith("/"):
            raise InvalidArgument(
                f"[{SECTION}] storage_mount", f"{mount!r} is no absolute path", remedy='Write "/mnt/jobs"'
            )
        base = _path_of_storage()
        return Seen(mount.rstrip("/") + str(directory.path).removeprefix(base))
    if protocol == "file":
        return Seen(str(directory.path))
    if protocol in mounts:
        return Seen(f"{BUCKET_MOUNT}/{directory.key}", bucket=directory.bucket)
    raise InvalidArgument(
        f"[{SECTION}] storage_mount",
        f"it is not set, and {service} does not mount {protocol}:// into a job by itself",
        remedy=f"Mount [{SECTION}] storage_path where the jobs run, and set storage_mount to the directory",
    )


def _path_of_storage() -> str:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return str(ObjectStoragePath(storage_path()).path).rstrip("/")
