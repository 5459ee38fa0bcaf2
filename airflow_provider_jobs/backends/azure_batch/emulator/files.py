"""Files of nodes and tasks: listed, told about, read in whole or in part, deleted.

It exists to answer from what lies on disk, byte for byte. https://learn.microsoft.com/rest/api/batchservice/file.
It must not reach outside a node's directory.
"""

from __future__ import annotations

import contextlib
import itertools
import mimetypes
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pendulum

from airflow_provider_jobs.backends.azure_batch.emulator.account import Account
from airflow_provider_jobs.backends.azure_batch.emulator.errors import refusal
from airflow_provider_jobs.backends.azure_batch.emulator.messages import Answer, Call, among, here, listing
from airflow_provider_jobs.backends.azure_batch.emulator.wire import http_date, timestamp

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: Files that every task has as soon as it runs.
_STREAMS = ("stdout.txt", "stderr.txt")


class Found:
    """One file or directory below a root, as it was when it was found, in the order of the listing."""

    def __init__(self, path: Path, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self._path = path
        self._status = path.stat()

    def wire(self, base: str) -> dict[str, Any]:
        directory = stat.S_ISDIR(self._status.st_mode)
        told: dict[str, Any] = {"name": self.name, "url": f"{base}/{self.name}", "isDirectory": directory}
        if not directory:
            told["properties"] = {
                "creationTime": timestamp(pendulum.from_timestamp(self._status.st_ctime)),
                "lastModified": timestamp(pendulum.from_timestamp(self._status.st_mtime)),
                "contentLength": str(self._status.st_size),
                "contentType": _content_type(self._path),
                "fileMode": _mode(self._status),
            }
        return told


class FileService:
    """The methods on files, of tasks and of nodes."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def list_task_files(self, call: Call) -> Answer:
        return self._list(call, self._task_directory(call))

    async def get_task_file(self, call: Call) -> Answer:
        return _read(call, _inside(self._task_directory(call), call["filePath"]))

    async def get_task_file_properties(self, call: Call) -> Answer:
        return _properties(call, _inside(self._task_directory(call), call["filePath"]))

    async def delete_task_file(self, call: Call) -> Answer:
        return _delete(call, _inside(self._task_directory(call), call["filePath"]))

    async def list_node_files(self, call: Call) -> Answer:
        return self._list(call, self._account.node(call["poolId"], call["nodeId"]).directory)

    async def get_node_file(self, call: Call) -> Answer:
        return _read(call, self._node_file(call))

    async def get_node_file_properties(self, call: Call) -> Answer:
        return _properties(call, self._node_file(call))

    async def delete_node_file(self, call: Call) -> Answer:
        return _delete(call, self._node_file(call))

    def _node_file(self, call: Call) -> Path:
        node = self._account.node(call["poolId"], call["nodeId"])
        return _inside(node.directory, call["filePath"])

    def _list(self, call: Call, root: Path) -> Answer:
        found = _walk(root, recursive=call.query.get("recursive", "").lower() == "true")
        base = here(call)
        return listing(call, among(found), lambda each, _: each.wire(base), metadata="files")

    def _task_directory(self, call: Call) -> Path:
        """Where the task's files lie. Raises StatusError while there are none."""
        task = self._account.task(call["jobId"], call["taskId"])
        directory = task.directory
        if directory is None or task.outcome.started_at is None:
            if task.state == "completed":
                raise refusal("FileNotFound")
            reason = (
                "The files of the specified task cannot be accessed as the task state is still " + task.state
            )
            raise refusal("OperationInvalidForCurrentState", Reason=reason)
        if task.node is not None and task.node.id not in task.node.pool.nodes:
            raise refusal("TaskFilesUnavailable")
        if not directory.exists():
            # A sleep that is simulated has no process, and so has written nothing.
            (directory / "wd").mkdir(parents=True)
            for name in _STREAMS:
                (directory / name).touch()
        return directory


def _inside(root: Path, name: str) -> Path:
    """The file of that name below the root. Raises StatusError when there is none."""
    path = (root / name.replace("\\", "/").lstrip("/")).resolve()
    if not path.is_relative_to(root.resolve()) or not path.exists():
        raise refusal("FileNotFound")
    return path


def _walk(root: Path, *, recursive: bool) -> Iterator[Found]:
    places = itertools.islice(os.walk(root), None if recursive else 1)
    paths = [Path(where, name) for where, inner, files in places for name in (*inner, *files)]
    for number, path in enumerate(sorted(paths), start=1):
        # A running task may take its files away meanwhile.
        with contextlib.suppress(FileNotFoundError):
            yield Found(path, path.relative_to(root).as_posix(), number)


def _mode(status: os.stat_result) -> str:
    return f"{status.st_mode:07o}"


def _content_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _headers(call: Call, path: Path) -> dict[str, str]:
    status = path.stat()
    return {
        "Content-Type": _content_type(path),
        "Last-Modified": http_date(pendulum.from_timestamp(status.st_mtime)),
        "ocp-batch-file-isdirectory": str(path.is_dir()),
        "ocp-batch-file-url": quote(here(call), safe=""),
        "ocp-batch-file-mode": _mode(status),
        "ocp-creation-time": http_date(pendulum.from_timestamp(status.st_ctime)),
    }


def _properties(call: Call, path: Path) -> Answer:
    size = 0 if path.is_dir() else path.stat().st_size
    return Answer(headers={**_headers(call, path), "Content-Length": str(size)})


def _read(call: Call, path: Path) -> Answer:
    """The file, or the part that ``ocp-range`` asks for. Both are a 200: no client takes anything else."""
    if path.is_dir():
        raise refusal("FileNotFound")
    size = path.stat().st_size
    first, last = _bounds(call, size)
    with path.open("rb") as file:
        file.seek(first)
        content = file.read(last - first + 1)
    return Answer(content=content, headers=_headers(call, path))


def _bounds(call: Call, size: int) -> tuple[int, int]:
    """First and last byte to be read. Raises StatusError when the range does not meet the file."""
    text = call.headers.get("ocp-range") or call.headers.get("range")
    if not text:
        return 0, size - 1
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        raise refusal("InvalidHeaderValue", HeaderName="ocp-range", HeaderValue=text)
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if first >= size or last < first:
        raise refusal("InvalidRange")
    return first, min(last, size - 1)


def _delete(call: Call, path: Path) -> Answer:
    if path.is_dir():
        if call.query.get("recursive", "").lower() != "true" and any(path.iterdir()):
            raise refusal("OperationInvalidForCurrentState", Reason="The directory is not empty.")
        shutil.rmtree(path)
    else:
        path.unlink()
    return Answer()
