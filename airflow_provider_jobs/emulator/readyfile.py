"""The file that says where a local cloud listens, and the exports that point Airflow at it.

It exists for everyone who did not start the server himself. Written whole or not at all.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_jobs.emulator.dialects import Addresses


class NotReady(Exception):
    """There is no local cloud behind the ready file."""


def write(path: Path, addresses: Addresses, *, connections: Mapping[str, Any]) -> None:
    """Write the ready file, readable by its owner alone, and never half."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    content = {"pid": os.getpid(), "grpc": addresses.grpc, "http": addresses.http, "connections": connections}
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    partial.replace(path)


def read(path: Path) -> dict[str, Any]:
    """The content of the ready file. Raises NotReady when there is none, or its server is gone.

    A file of another user is not believed: the default place is a directory that everybody can write to.
    """
    try:
        if path.stat().st_uid != os.getuid():
            raise NotReady(f"{path} belongs to another user")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotReady(f"no local cloud is ready: {path} does not exist") from None
    except ValueError:
        raise NotReady(f"{path} is not a ready file of the local cloud") from None
    try:
        os.kill(content["pid"], 0)
    except ProcessLookupError:
        raise NotReady(f"the local cloud of {path} (process {content['pid']}) is gone") from None
    return content


def remove(path: Path) -> None:
    """Remove the ready file if it is this process's own."""
    try:
        own = json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid()
    except (FileNotFoundError, ValueError):
        return
    if own:
        path.unlink(missing_ok=True)


def exports(content: Mapping[str, Any]) -> list[str]:
    """Shell lines, one per connection."""
    return [
        f"export AIRFLOW_CONN_{connection_id.upper()}={shlex.quote(json.dumps(connection))}"
        for connection_id, connection in content["connections"].items()
    ]
