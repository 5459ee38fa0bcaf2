"""Files that a task is given before it runs, and files that it gives away afterwards.

It exists to move them between a node's directory and HTTP on loopback: the local cloud reaches no other
machine. It must not know how a task stands.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from airflow_provider_jobs.backends.azure_batch.emulator.outcomes import (
    BLOB_ACCESS_DENIED,
    BLOB_ERROR,
    BLOB_NOT_FOUND,
    Failure,
)
from airflow_provider_jobs.backends.azure_batch.emulator.task_bodies import (
    ContainerDestination,
    OutputFile,
    ResourceFile,
)
from airflow_provider_jobs.emulator.jobs import AttemptRefused

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TIMEOUT_SECONDS = 30.0


async def fetch(files: Iterable[ResourceFile], directory: Path) -> None:
    """Bring every file below the directory. Raises AttemptRefused as the node would report it."""
    async with _client() as client:
        for file in files:
            if file.http_url is None or not _is_local(file.http_url):
                source = file.http_url or file.storage_container_url or file.auto_storage_container_name or ""
                message = f"the local cloud fetches from loopback alone, not from {_without_query(source)}"
                raise AttemptRefused(message, exit_code=BLOB_ERROR)
            content = await _get(client, file.http_url)
            _write(file, directory, content)


def _write(file: ResourceFile, directory: Path, content: bytes) -> None:
    path = directory / (file.file_path or "")
    if not path.resolve().is_relative_to(directory.resolve()):
        raise AttemptRefused(f"filePath {file.file_path} leaves the directory", exit_code=BLOB_ERROR)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(int(file.file_mode or "0770", 8))


async def _get(client: httpx.AsyncClient, url: str) -> bytes:
    shown = _without_query(url)
    try:
        answer = await client.get(url)
    except httpx.HTTPError as error:
        raise AttemptRefused(f"{shown}: {error}", exit_code=BLOB_ERROR) from error
    if answer.is_success:
        return answer.content
    code = {404: BLOB_NOT_FOUND, 401: BLOB_ACCESS_DENIED, 403: BLOB_ACCESS_DENIED}.get(
        answer.status_code, BLOB_ERROR
    )
    raise AttemptRefused(f"{shown}: {answer.status_code}", exit_code=code)


def to_upload(files: Iterable[OutputFile] | None, *, succeeded: bool) -> list[OutputFile]:
    """The output files that are due now and lie where the local cloud can bring them."""
    due = {"taskcompletion", "tasksuccess" if succeeded else "taskfailure"}
    return [
        file
        for file in files or ()
        if file.upload_options.upload_condition in due
        and file.destination.container is not None
        and _is_local(file.destination.container.container_url)
    ]


async def upload(files: Iterable[OutputFile], directory: Path, env: Mapping[str, str]) -> Failure | None:
    """Put what the patterns find into their containers. Returns why that failed, if it did."""
    async with _client() as client:
        for file in files:
            container = file.destination.container
            assert container is not None
            pattern = Template(file.file_pattern).safe_substitute(env)
            found = _matching(directory, pattern)
            if not found and not glob.has_magic(pattern):
                return _upload_failure(f"no file {pattern}")
            for path, name in found:
                blob = _blob_name(container.path, name, exact=not glob.has_magic(pattern))
                if (problem := await _put(client, container, blob, path.read_bytes())) is not None:
                    return _upload_failure(problem)
    return None


def _matching(directory: Path, pattern: str) -> list[tuple[Path, str]]:
    """Files of a pattern that starts in the working directory, with their names below its fixed part."""
    text = os.path.normpath(directory / pattern)
    fixed = Path(text)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    base = fixed if glob.has_magic(text) else fixed.parent
    found = base.glob(str(Path(text).relative_to(base))) if base.is_dir() else ()
    return [(path, str(path.relative_to(base))) for path in sorted(found) if path.is_file()]


def _blob_name(path: str | None, name: str, *, exact: bool) -> str:
    if path is None:
        return name
    return path if exact else f"{path.rstrip('/')}/{name}"


async def _put(
    client: httpx.AsyncClient, container: ContainerDestination, blob: str, content: bytes
) -> str | None:
    place = urlsplit(container.container_url)
    url = urlunsplit(place._replace(path=f"{place.path.rstrip('/')}/{quote(blob)}"))
    headers = {str(each.get("name")): str(each.get("value")) for each in container.upload_headers or ()}
    try:
        answer = await client.put(url, content=content, headers={"x-ms-blob-type": "BlockBlob", **headers})
    except httpx.HTTPError as error:
        return f"{_without_query(url)}: {error}"
    return None if answer.is_success else f"{_without_query(url)}: {answer.status_code}"


def _upload_failure(detail: str) -> Failure:
    return Failure(
        "FileUploadMiscError",
        "A miscellaneous error was encountered while uploading one of the output files",
        details=(("Message", detail),),
    )


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=_TIMEOUT_SECONDS)  # noqa: S501 - plain http


def _is_local(url: str) -> bool:
    place = urlsplit(url)
    return place.scheme == "http" and place.hostname in _LOOPBACK


def _without_query(url: str) -> str:
    """A URL without what may be a signature."""
    return url.partition("?")[0]
