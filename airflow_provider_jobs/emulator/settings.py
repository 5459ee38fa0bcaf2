"""What can be set when the local cloud starts.

It exists so that the command line, the server and whoever starts it agree on names and defaults. It must
not open, read or write anything.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

#: The only address the local cloud listens on.
HOST = "127.0.0.1"


def default_ready_file() -> Path:
    """Where the ready file lies unless told otherwise; one per user of the machine."""
    return Path(tempfile.gettempdir()) / f"airflow-jobs-emulator-{os.getuid()}" / "ready.json"


@dataclass(frozen=True)
class Settings:
    """Settings of one server. Ports of 0 mean: any free one. No data directory means: a temporary one."""

    port_grpc: int = 0
    port_http: int = 0
    ready_file: Path = field(default_factory=default_ready_file)
    secrets_file: Path | None = None
    data_dir: Path | None = None
    project: str = "local-project"
    simulate_sleep: bool = False
    max_processes: int = 32
    kill_grace_seconds: float = 5.0
    dialects: tuple[str, ...] = ()
