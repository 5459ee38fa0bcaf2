"""A local cloud in a process of its own, for tests, demos and benchmarks.

It exists so that whoever needs a local cloud starts the real one and waits until it really serves. It must
not import the server: the caller's process stays free of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any


class LocalCloudFailed(Exception):
    """The server did not become ready, or an admin request was refused; the message says what it said."""


class Admin:
    """A small client of the admin API. Every method is one request; see ``docs/local-cloud.md``."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_admin"

    def call(self, verb: str, path: str, body: Any = None) -> Any:
        """One request; returns the parsed answer. Raises LocalCloudFailed on an error answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=verb)  # noqa: S310 - loopback
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=30
            ) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise LocalCloudFailed(
                f"{verb} {path}: {error.code} {error.read().decode(errors='replace')}"
            ) from None

    def health(self) -> dict[str, Any]:
        return self.call("GET", "/health")

    def jobs(self) -> list[dict[str, Any]]:
        return self.call("GET", "/jobs")

    def job(self, uid: str) -> dict[str, Any]:
        return self.call("GET", f"/jobs/{uid}")

    def cancel(self, uid: str) -> None:
        self.call("POST", f"/jobs/{uid}/cancel")

    def remove(self, uid: str) -> None:
        """Stop a job if need be and forget it, as if it had been deleted or its record had expired."""
        self.call("DELETE", f"/jobs/{uid}")

    def interrupt(self, uid: str, index: int, *, reason: str) -> None:
        """End a running attempt as its machine would: "preempted", "lost", "rebooted" ..."""
        self.call("POST", f"/jobs/{uid}/tasks/{index}/interrupt", {"reason": reason})

    def process(self) -> dict[str, float]:
        """CPU seconds since the start, memory and threads of the server's own process."""
        return self.call("GET", "/process")

    def counters(self) -> dict[str, dict[str, Any]]:
        return self.call("GET", "/counters")

    def calls(self, method: str) -> int:
        """How many calls of a method have ended since start or reset; full name or its last part."""
        counted = self.counters().items()
        return sum(entry["calls"] for name, entry in counted if method in (name, name.rpartition("/")[2]))

    def clear_counters(self) -> None:
        self.call("DELETE", "/counters")

    def add_fault(self, **rule: Any) -> int:
        """Add a fault rule (see FaultRule for the fields); returns its id."""
        return self.call("POST", "/faults", rule)["id"]

    def clear_faults(self) -> None:
        self.call("DELETE", "/faults")

    def hold(
        self,
        stage: str,
        *,
        job: str = "*",
        dialect: str = "*",
        delay_seconds: float | None = None,
        reason: str | None = None,
    ) -> int:
        """Delay a step of matching jobs, or hold them there until released; returns the rule's id.

        :param reason: what the service says meanwhile, a word of its page in ``docs/local-cloud``
        """
        rule = {"stage": stage, "job": job, "dialect": dialect, "delay_seconds": delay_seconds}
        rule["reason"] = reason
        return self.call("POST", "/progress", rule)["id"]

    def release(self, rule_id: int | None = None) -> None:
        """Remove one progress rule, or all."""
        self.call("DELETE", "/progress" if rule_id is None else f"/progress/{rule_id}")

    def set_log_delay(self, delay_seconds: float, *, one_in: int = 1) -> None:
        """Lines written from now on can be read so much later; all of them, or every ``one_in``-th."""
        self.call("PUT", "/logs", {"delay_seconds": delay_seconds, "one_in": one_in})

    def write_lines(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Let tasks write lines that no process writes: ``job`` (uid), ``index``, ``stream``, ``text`` each.

        Not on Azure Batch, whose logs are files.
        """
        self.call("POST", "/logs", list(lines))

    def set_listing_delay(self, seconds: float) -> None:
        """Jobs appear in listings only so long after their creation; by their id they are found at once."""
        self.call("PUT", "/listings", {"delay_seconds": seconds})

    def reset(self) -> None:
        """Remove all jobs, lines and rules, and set the counters to zero."""
        self.call("POST", "/reset")


class LocalCloud:
    """Context manager: starts ``python -m airflow_provider_jobs.emulator`` and ends it.

    After entering: ``grpc`` (host:port), ``http`` (URL), ``connections`` (Airflow connections by id),
    ``admin``, ``pid``, ``ready_file``. ``secrets`` are written to a private file that goes with the server.
    """

    def __init__(
        self,
        *arguments: str,
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        start_timeout_seconds: float = 60,
    ) -> None:
        self._arguments: Sequence[str] = arguments
        self._secrets = secrets
        self._env = env
        self._timeout = start_timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> LocalCloud:
        """Start the server and wait until it serves. Raises LocalCloudFailed with what it printed."""
        self._directory = tempfile.TemporaryDirectory(prefix="local-cloud-")
        home = Path(self._directory.name)
        self.ready_file = home / "ready.json"
        command = [
            sys.executable,
            "-m",
            "airflow_provider_jobs.emulator",
            "--ready-file",
            str(self.ready_file),
        ]
        if self._secrets is not None:
            secrets_file = home / "secrets.json"
            secrets_file.touch(mode=0o600)
            secrets_file.write_text(json.dumps(dict(self._secrets)), encoding="utf-8")
            command += ["--secrets-file", str(secrets_file)]
        self._output = home / "server.log"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **(self._env or {}),
        }
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )
        try:
            self._take(self._wait())
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self) -> dict[str, Any]:
        assert self._process is not None
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            if self.ready_file.exists():
                return json.loads(self.ready_file.read_text(encoding="utf-8"))
            if self._process.poll() is not None:
                raise LocalCloudFailed(f"ended with {self._process.returncode}:\n{self.output()}")
            time.sleep(0.02)
        raise LocalCloudFailed(f"not ready after {self._timeout} s:\n{self.output()}")

    def _take(self, ready: Mapping[str, Any]) -> None:
        self.pid: int = ready["pid"]
        self.grpc: str = ready["grpc"]
        self.http: str = ready["http"]
        self.connections: dict[str, dict[str, Any]] = ready["connections"]
        self.admin = Admin(self.http)

    def output(self) -> str:
        """What the server has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int | None:
        """TERM to the server, KILL if it does not end. Idempotent; returns its exit code."""
        code = None
        if self._process is not None:
            self._process.terminate()
            try:
                code = self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
            self._process = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None
        return code

    def kill(self) -> None:
        """SIGKILL to the server: the end that leaves it no chance to clean up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> LocalCloud:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
