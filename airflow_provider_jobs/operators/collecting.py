"""What a job has left in its output directory: found, checked, and copied where that is wanted. Blocking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.errors import JobsError
from airflow_provider_jobs.core.files import OUTPUT_FILES, check_output_files, matches
from airflow_provider_jobs.core.ranges import format_indexes
from airflow_provider_jobs.operators.staging import copy
from airflow_provider_jobs.operators.storage import open_address, task_directory

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from airflow_provider_jobs.core.models import ArrayCounts
    from airflow_provider_jobs.operators.task import JobTask

_AT_ONCE = 16


class OutputMissing(JobsError):
    """A job has succeeded, and a file that it was to leave is not there."""


def collect(task: JobTask, ti: Any, place: str, array: ArrayCounts) -> dict[str, Any]:
    """Return the addresses of the files that the job was to leave, by their relative paths.

    An array has them by index, for the indexes that have succeeded. Files with a destination are copied
    there, over what an earlier time has copied, and have their address there.

    :param place: the directory that was staged for the job
    :raises OutputMissing: nothing is there for a name or a pattern
    :raises OSError: the storage is in trouble
    """
    is_array = array.size > 1
    wanted = check_output_files(task.output_files, is_array=is_array)
    directory = task_directory(ti) / place / OUTPUT_FILES
    left = _left(directory, array)
    _check_complete(left, wanted, is_array=is_array)
    copies: list[tuple[ObjectStoragePath, ObjectStoragePath]] = []
    found: dict[str, dict[str, str]] = {str(index): {} for index in left}
    for index, name, to in _chosen(left, wanted):
        below = f"{index}/{name}" if is_array else name
        at = directory / below
        if to:
            copies.append((at, open_address("output_files", f"{to}{below}" if to.endswith("/") else to)))
            at = copies[-1][1]
        found[str(index)][name] = str(at)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="collecting") as pool:
        list(pool.map(lambda pair: copy(*pair), copies))
    return found if is_array else dict(found["0"])


def _left(directory: ObjectStoragePath, array: ArrayCounts) -> dict[int, list[str]]:
    """Return what each index that has succeeded left, as relative paths; the storage is listed once.

    A mounted bucket holds directories as objects whose names end with a slash; they are no files.
    """
    root = str(directory.path).rstrip("/")
    names = sorted(str(path)[len(root) + 1 :] for path in directory.fs.find(root))
    by_index: dict[str, list[str]] = defaultdict(list)
    for name in names:
        first, _, rest = name.partition("/") if array.size > 1 else ("0", "", name)
        if rest and not rest.endswith("/"):
            by_index[first].append(rest)
    failed = set(array.failed_indexes)
    return {index: by_index[str(index)] for index in range(array.size) if index not in failed}


def _chosen(left: Mapping[int, Sequence[str]], wanted: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Yield index, relative path and destination of the files that some name or pattern means."""
    for index, names in left.items():
        for name in names:
            pattern = next((each for each in wanted if matches(each, name)), None)
            if pattern is not None:
                yield index, name, wanted[pattern]


def _check_complete(left: Mapping[int, Sequence[str]], wanted: Mapping[str, str], *, is_array: bool) -> None:
    for pattern in wanted:
        lacking = [
            index for index, names in left.items() if not any(matches(pattern, name) for name in names)
        ]
        if lacking:
            where = f" of index {format_indexes(lacking)}" if is_array else ""
            raise OutputMissing(
                f"The job has succeeded, but there is no {pattern!r} in JOB_OUTPUT_DIR{where}. Let the job"
                " write it there, or take it out of output_files"
            )
