"""Moto's server: AWS as others have written it, on this machine."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.conftest import service_is_absent

PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def moto_server(directory: Path) -> Iterator[str]:
    """Run a server that starts no containers, and yield its address.

    :param directory: for what it prints
    """
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        service_is_absent("moto's server is not installed: pip install 'moto[batch,logs,s3,server]'")
    output = directory / "server.log"
    with output.open("wb") as log:
        server = subprocess.Popen([str(program), "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log)
    try:
        address = _address(output, server)
        config = {"batch": {"use_docker": False}}
        httpx.post(f"{address}/moto-api/config", json=config, timeout=30, trust_env=False).raise_for_status()
        yield address
    finally:
        server.terminate()
        server.wait()


def _address(output: Path, server: subprocess.Popen[bytes]) -> str:
    """Return where the server listens, once it says so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while server.poll() is None and time.monotonic() < until:
        if found := re.search(r"http://127\.0\.0\.1:\d+", output.read_text()):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"moto's server does not serve: {output.read_text()}")
