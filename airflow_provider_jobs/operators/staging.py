"""Files of a task: put where its job finds them before it is submitted, and collected after it has ended.

They lie below ``[airflow_provider_jobs] storage_path``, in a directory whose name follows from what is asked
for: from the jobs' specs, from the files' contents, and from how often the task was cleared. So a job that a
retry takes over, and a part of an array that runs again, see the same directory; and what has changed, or was
cleared, begins with an empty one.

Everything here blocks. Every step may be done again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from airflow_provider_jobs.core.errors import InputTooLarge, InvalidArgument
from airflow_provider_jobs.core.files import (
    EACH_INPUT,
    INPUT_FILES,
    MAX_INPUT_BYTES,
    ONE_INPUT,
    OUTPUT_FILES,
    JobFiles,
    check_input_files,
    check_output_files,
)
from airflow_provider_jobs.core.registry import backend_entry, load
from airflow_provider_jobs.core.target import Target
from airflow_provider_jobs.operators.storage import (
    SECTION,
    open_address,
    seen_by_job,
    storage_path,
    task_directory,
)

if TYPE_CHECKING:
    from airflow_provider_jobs.core.models import BackendRef
    from airflow_provider_jobs.core.spec import JobSpec
    from airflow_provider_jobs.operators.base import JobOperator
    from airflow_provider_jobs.operators.task import JobTask

_DIGEST_LENGTH = 16
_AT_ONCE = 16
_BLOCK_BYTES = 1024 * 1024
# Written last: what it stands beside is complete.
_COMPLETE = "complete"


class Staged(NamedTuple):
    """Where a job may go, with its files.

    :param targets: as they are submitted
    :param place: the directory below the task instance's own, empty where there are no files
    :param address: of that directory
    """

    targets: list[Target]
    place: str = ""
    address: str = ""


def stage(task: JobTask, ti: Any, targets: Sequence[Target], *, generation: int) -> Staged:
    """Bring the task's input files, and an input that is too large for a service, to where the job sees them.

    :param ti: the task instance, as a worker or a triggerer knows it
    :param generation: changes when a user clears the task
    :raises InvalidArgument: a source is missing, a storage cannot be opened, or a job sees it nowhere
    :raises OSError: the storage is in trouble
    """
    inputs = any(target.spec.input is not None or target.spec.inputs is not None for target in targets)
    if not (task.input_files or task.output_files or (inputs and storage_path())):
        return Staged(list(targets))
    sources = check_input_files(task.input_files)
    wanted = check_output_files(task.output_files, is_array=any(target.spec.is_array for target in targets))
    place = _place(targets, {name: _digest(name, source) for name, source in sources.items()}, generation)
    with_place = at_place(task, ti, targets, place)
    if not any(target.spec.files for target in with_place):
        return Staged(with_place)
    for to in filter(None, wanted.values()):
        open_address("output_files", to)
    open_address(f"[{SECTION}] storage_path", storage_path())
    directory = task_directory(ti) / place
    if not (directory / _COMPLETE).exists():
        if task.output_files:
            (directory / OUTPUT_FILES).mkdir(parents=True, exist_ok=True)
        _fill(directory, sources, _inputs(targets, with_place))
    return Staged(with_place, place, str(directory))


def at_place(task: JobTask, ti: Any, targets: Sequence[Target], place: str) -> list[Target]:
    """Return the targets with the files that :func:`stage` has put at a place.

    :raises InvalidArgument: a job sees the storage nowhere
    """
    return [_at(target, task, ti, place) for target in targets]


def _at(target: Target, task: JobTask, ti: Any, place: str) -> Target:
    kind, spec = _operator(target.ref), target.spec
    brings, collects = bool(task.input_files), bool(task.output_files)
    is_large = _is_too_large(kind, spec)
    if not (brings or collects or is_large):
        return target
    title = backend_entry(target.ref.backend).title
    seen = seen_by_job(task_directory(ti) / place, service=title, mounts=kind.mounts_storage)
    files = JobFiles(directory=seen.directory, bucket=seen.bucket, brings=brings, collects=collects)
    made = spec.model_copy(update={"files": files})
    if is_large or _is_too_large(kind, made):
        made = _without_input(made, files)
    kind.check_spec(made)
    return target._replace(spec=made)


def _without_input(spec: JobSpec, files: JobFiles) -> JobSpec:
    """Return the spec with its input in a file."""
    values = [spec.input] if spec.inputs is None else spec.inputs
    files = files.model_copy(
        update={
            "input": "one" if spec.inputs is None else "each",
            "input_fits": all(len(json.dumps(value)) <= MAX_INPUT_BYTES for value in values),
        }
    )
    return spec.model_copy(update={"input": None, "inputs": None, "files": files})


def _is_too_large(kind: type[JobOperator], spec: JobSpec) -> bool:
    if spec.input is None and spec.inputs is None:
        return False
    try:
        kind.check_request(spec)
    except InputTooLarge:
        return True
    except InvalidArgument:
        return False  # the submission says so, in its own place
    return False


def _operator(ref: BackendRef) -> type[JobOperator]:
    return cast("type[JobOperator]", load(backend_entry(ref.backend).operator))


# The directory


def _place(targets: Sequence[Target], digests: Mapping[str, str], generation: int) -> str:
    """Return the name of the directory; it differs where anything that is asked for does."""
    deployment = conf.get(SECTION, "deployment", fallback="")
    parts = [deployment, generation, [target.spec.fingerprint for target in targets], dict(digests)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGEST_LENGTH]


def _digest(name: str, source: str) -> str:
    """Return what changes with the content of a source: of a local file its hash, else what its storage says.

    :raises InvalidArgument: it is no file; the address is not shown
    """
    path = open_address("input_files", source)
    if not path.is_file():
        problem = "is a directory" if path.is_dir() else "is not there"
        raise InvalidArgument(
            "input_files", f"the source of {name!r} {problem}", remedy="Give the path or address of a file"
        )
    if (path.protocol or "file") != "file":
        return str(path.checksum())
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _inputs(targets: Sequence[Target], staged: Sequence[Target]) -> Iterator[tuple[str, Any]]:
    """Yield each input that some job reads from a file, with the file's name."""
    for target, made in zip(targets, staged, strict=True):
        files = made.spec.files
        if files is not None and files.input == "one":
            yield ONE_INPUT, target.spec.input
        elif files is not None and files.input == "each":
            yield from ((f"{EACH_INPUT}/{n}.json", value) for n, value in enumerate(target.spec.inputs or ()))


def _fill(
    directory: ObjectStoragePath, sources: Mapping[str, str], inputs: Iterator[tuple[str, Any]]
) -> None:
    """Write all files of a job, many at a time, and say so at the end."""
    steps = [partial(copy, ObjectStoragePath(at), directory / INPUT_FILES / to) for to, at in sources.items()]
    # One line with its end, so that a shell reads all of it.
    steps += [partial(_write, directory / to, f"{json.dumps(value)}\n") for to, value in dict(inputs).items()]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="staging") as pool:
        for done in [pool.submit(step) for step in steps]:
            done.result()
    _write(directory / _COMPLETE, "")


def copy(source: ObjectStoragePath, to: ObjectStoragePath) -> None:
    """Copy one file, from whatever storage to whatever other; what was there is replaced."""
    to.parent.mkdir(parents=True, exist_ok=True)
    source.copy(to)


def _write(to: ObjectStoragePath, text: str) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(text)
