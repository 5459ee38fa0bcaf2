"""Bytes from a pipe into a file, exactly as a command wrote them.

It exists for services that serve a command's output as files. It must not cut lines or know whose file it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

from airflow_provider_jobs.emulator.logstore import LogStore

_CHUNK_BYTES = 64 * 1024


def create(files: Iterable[Path]) -> None:
    """Let the files be there, empty, also for a command that never comes to write."""
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


async def copy(reader: asyncio.StreamReader, path: Path, logs: LogStore) -> None:
    """Append the stream to the file as it arrives, until the stream ends.

    Bytes reach the file as late as lines reach a reader of ``logs``: after its delay, in their order.
    """
    loop = asyncio.get_running_loop()
    due = 0.0
    while data := await reader.read(_CHUNK_BYTES):
        due = max(due, loop.time() + logs.delay_seconds)
        if due > loop.time():
            loop.call_at(due, _append, path, data)
        else:
            _append(path, data)
        # A reader that has data does not wait; others must get their turn all the same.
        await asyncio.sleep(0)


def _append(path: Path, data: bytes) -> None:
    """Write what is still wanted: the file's directory may have been removed meanwhile."""
    with contextlib.suppress(FileNotFoundError), path.open("ab") as file:
        file.write(data)
