"""A real Airflow on this machine: migration, API server, scheduler, triggerer and DAG processor.

Every component is a process of its own with a log file of its own, because a TERM to ``airflow standalone``
leaves components behind. Everything binds to loopback on free ports, so that several can run side by side.
It must not touch the Airflow settings of its surroundings, nor read them.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from airflow_provider_jobs.demo.rest import AirflowApiError, AirflowRest, wait_until
from airflow_provider_jobs.demo.sessions import Leash, end_sessions, kill_session, start_session

LOOPBACK = "127.0.0.1"
USER = "admin"
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
_FOREIGN_PREFIXES = ("AIRFLOW_", "_AIRFLOW_")
_LOG_LINES_IN_AN_ERROR = 15
_WORKER_TITLE = "airflow worker -- LocalExecutor: "
_GRACE_SECONDS = 6.0
_RESTART_GRACE_SECONDS = 30.0


class AirflowDidNotStart(Exception):
    """A component ended or did not become healthy; the message ends with the last lines of its log."""


def loopback_host() -> str:
    """Airflow's ``hostname_callable`` here: no look-up of names, and no address beyond this machine."""
    return LOOPBACK


@dataclass(frozen=True)
class RunningTask:
    """The two processes of a task that runs.

    :param task_instance_id: as the REST API shows it, a new one for each try
    :param worker: runs the task's process below it, sends its heartbeats and tells its end
    :param runner: executes the operator
    """

    task_instance_id: str
    worker: int
    runner: int


class LocalAirflow:
    """One Airflow, from an empty directory to a logged-in client; a context manager.

    :param home: empty directory that becomes AIRFLOW_HOME; it holds secrets, and its owner removes it
    :param dags_folder: the DAG files
    :param logs: directory for ``components/<name>.log`` and for the logs of tasks, below ``tasks/``
    :param leash: ends the components when this process dies
    :param sql_alchemy_conn: the metadata database; SQLite below ``home`` when not given
    :param settings: options by section of ``airflow.cfg``, beside those that are set here and above them

    Entering starts the migration and returns at once; :meth:`start` starts the components.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        logs: Path,
        leash: Leash,
        sql_alchemy_conn: str | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.home = home.absolute()
        self.logs = logs.absolute()
        self.task_logs = self.logs / "tasks"
        self.password = secrets.token_urlsafe(12)
        self._dags_folder = dags_folder.absolute()
        self._leash = leash
        self._sql_alchemy_conn = sql_alchemy_conn or f"sqlite:///{self.home}/airflow.db"
        self._more_settings = settings or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._component_environment: dict[str, str] = {}
        self._sockets = contextlib.ExitStack()
        # Bound and never listening: the port that Airflow believes to serve logs refuses every connection,
        # and no other program can take it. Logs are read from the directory that all components share.
        self._closed_port = self._bind().getsockname()[1]
        self._api_port = _free_port()
        self.address = f"http://{LOOPBACK}:{self._api_port}"
        self.rest = AirflowRest(self.address, user=USER, password=self.password)

    def __enter__(self) -> LocalAirflow:
        for directory in (self.home, self.task_logs, self.logs / "components"):
            directory.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        self._launch("migration", ["db", "migrate"], environment=self._environment({}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, connections: Mapping[str, Mapping[str, Any]], *, timeout_seconds: float = 120.0) -> None:
        """Start all components with these connections, wait until each is healthy, and log in.

        :param connections: by connection id, in the words of Airflow's JSON form of a connection
        :raises AirflowDidNotStart: with the end of the log of the component that failed
        """
        self._component_environment = self._environment(connections)
        self._finish_migration(timeout_seconds)
        for name in self._arguments():
            self.start_component(name)
        try:
            wait_until(
                self._is_healthy,
                describe=lambda: f"health is {self.rest.health()}",
                timeout_seconds=timeout_seconds,
            )
        except AirflowApiError as late:
            raise AirflowDidNotStart(f"{late}\n{self._log_tail('api-server')}") from late
        self.rest.log_in()

    def stop(self) -> None:
        """End every component and all that it started; does nothing the second time."""
        self.rest.close()
        end_sessions([process.pid for process in self._processes.values()], grace_seconds=_GRACE_SECONDS)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        self._sockets.close()

    def start_component(self, name: str, *, as_name: str | None = None) -> None:
        """Start one component again, or one more of its kind, with the environment of the first.

        :param name: ``api-server``, ``scheduler``, ``triggerer`` or ``dag-processor``
        :param as_name: what a second one of its kind is called here and in the names of log files
        """
        arguments = [name, *self._arguments()[name]]
        self._launch(as_name or name, arguments, environment=self._component_environment)

    def kill_component(self, name: str) -> None:
        """Send KILL to a component and all that it started, as a machine that fails ends them."""
        process = self._processes.pop(name)
        kill_session(process.pid)
        process.wait()

    def stop_component(self, name: str) -> None:
        """Send TERM to a component, as a deployment restarts it, and wait until all of it has ended."""
        process = self._processes.pop(name)
        end_sessions([process.pid], grace_seconds=_RESTART_GRACE_SECONDS)
        process.wait()

    def start_what_has_ended(self) -> None:
        """Start components again that have ended by themselves, as a deployment's supervisor does."""
        for name, process in list(self._processes.items()):
            if name in self._arguments() and process.poll() is not None:
                end_sessions([process.pid], grace_seconds=_GRACE_SECONDS)
                self.start_component(name)

    def running_tasks(self) -> list[RunningTask]:
        """The processes of the tasks that LocalExecutor runs now."""
        scheduler = self._processes.get("scheduler")
        return [] if scheduler is None else list(_running_tasks(scheduler.pid))

    @property
    def component_pids(self) -> dict[str, int]:
        """Process id by component name; each leads a session of its own."""
        return {name: process.pid for name, process in self._processes.items()}

    def task_log_file(self, dag_id: str, run_id: str, task_id: str) -> Path:
        """Directory in which Airflow keeps the logs of all tries of a task."""
        return self.task_logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"

    def _arguments(self) -> dict[str, list[str]]:
        return {
            "api-server": ["--host", LOOPBACK, "--port", str(self._api_port), "--workers", "1"],
            "scheduler": ["--skip-serve-logs"],
            "triggerer": ["--skip-serve-logs"],
            "dag-processor": [],
        }

    def _launch(self, name: str, arguments: Sequence[str], *, environment: Mapping[str, str]) -> None:
        process = start_session(
            [sys.executable, "-m", "airflow", *arguments],
            environment,
            log_file=self._component_log(name),
            directory=self.home,
        )
        self._leash.hold_session(process.pid)
        self._processes[name] = process

    def _finish_migration(self, timeout_seconds: float) -> None:
        try:
            code = self._processes["migration"].wait(timeout_seconds)
        except subprocess.TimeoutExpired as late:
            raise AirflowDidNotStart(f"migration took over {timeout_seconds:g} s") from late
        if code != 0:
            raise AirflowDidNotStart(f"migration ended with code {code}\n{self._log_tail('migration')}")
        del self._processes["migration"]

    def _is_healthy(self) -> bool:
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                raise AirflowDidNotStart(f"{name} ended with code {code}\n{self._log_tail(name)}")
        health = self.rest.health()
        return all(health.get(component) == "healthy" for component in COMPONENTS)

    def _component_log(self, name: str) -> Path:
        return self.logs / "components" / f"{name}.log"

    def _log_tail(self, name: str) -> str:
        lines = self._component_log(name).read_text(errors="replace").splitlines()
        return "\n".join([f"last lines of {self._component_log(name)}:", *lines[-_LOG_LINES_IN_AN_ERROR:]])

    def _environment(self, connections: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)
        }
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "PYTHONUNBUFFERED": "1",
            **dict(connection_variables(connections)),
        }

    def _write_settings(self) -> None:
        settings = RawConfigParser()
        settings.read_dict(self._settings())
        settings.read_dict(self._more_settings)
        path = self.home / "airflow.cfg"
        path.touch(mode=0o600)
        with path.open("w") as file:
            settings.write(file)
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: self.password}))

    def _settings(self) -> dict[str, dict[str, Any]]:
        return {
            "core": {
                "dags_folder": self._dags_folder,
                "load_examples": False,
                "executor": "LocalExecutor",
                "parallelism": 8,
                "dags_are_paused_at_creation": False,
                "execution_api_server_url": f"{self.address}/execution/",
                "hostname_callable": f"{__name__}.{loopback_host.__name__}",
                "simple_auth_manager_users": f"{USER}:admin",
                "simple_auth_manager_passwords_file": self.home / "passwords.json",
                "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            },
            "database": {"sql_alchemy_conn": self._sql_alchemy_conn.replace("%", "%%")},
            "api": {"base_url": self.address, "secret_key": secrets.token_urlsafe(32)},
            "api_auth": {"jwt_secret": secrets.token_urlsafe(64)},
            "logging": {
                "base_log_folder": self.task_logs,
                "worker_log_server_port": self._closed_port,
                "trigger_log_server_port": self._closed_port,
            },
            "dag_processor": {"parsing_processes": 1},
            "airflow_provider_jobs": {"storage_path": f"file://{self.home}/storage"},
        }

    def _bind(self) -> socket.socket:
        bound = self._sockets.enter_context(socket.socket())
        bound.bind((LOOPBACK, 0))
        return bound


def _running_tasks(scheduler: int) -> Iterator[RunningTask]:
    """LocalExecutor's workers are children of the scheduler, titled with the id of their task instance."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for worker in psutil.Process(scheduler).children():
            with contextlib.suppress(psutil.Error):
                before, found, title = " ".join(worker.cmdline()).partition(_WORKER_TITLE)
                if found and not before:
                    for runner in worker.children():
                        yield RunningTask(title.strip(), worker=worker.pid, runner=runner.pid)


def connection_variables(connections: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The ``AIRFLOW_CONN_*`` variables of these connections."""
    for connection_id, connection in connections.items():
        yield f"AIRFLOW_CONN_{connection_id.upper()}", json.dumps(connection)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
