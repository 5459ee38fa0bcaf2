"""The five backends on the local cloud, healthy or in trouble, and what their users call.

Nothing of the engine is in here but its rule for trouble: what was not done is sent again, and what may have
been done is looked for first.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_jobs.core.backend import Backend
from airflow_provider_jobs.core.errors import AmbiguousError, BackendError, is_trouble
from airflow_provider_jobs.core.identity import JobKey
from airflow_provider_jobs.core.models import BackendRef, JobHandle, LogCursor
from airflow_provider_jobs.core.registry import open_backend
from airflow_provider_jobs.core.spec import JobSpec
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.contract.world import Work, write_shell_spec

PATIENCE_SECONDS = 20.0
AILING = "ailing"
_MOST_TRIES = 10
# What hooks call the setting.
_PATIENCE = ("deadline_seconds", "timeout_seconds")


@dataclass(frozen=True)
class Subject:
    """One backend.

    :param conn_id: its connection of the local cloud
    :param speaks_grpc: whether it calls its service over gRPC, and not over HTTP/1.1
    :param errors: the service's own words by the names of this suite
    :param submits_with: the call that makes the job
    :param resends: whether that call is safe to send again under the id that we gave, so that an error of the
        service need not be looked into
    :param options: of its jobs
    """

    name: str
    conn_id: str
    scope: Mapping[str, str]
    errors: Mapping[str, str | int]
    submits_with: str
    resends: bool = False
    speaks_grpc: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def open(self, conn_id: str = "") -> Any:
        """Return a backend of its own; its hook reads the connection now."""
        return open_backend(
            BackendRef(backend=self.name, conn_id=conn_id or self.conn_id, scope=dict(self.scope))
        )

    def address(self, cloud: LocalCloud) -> str:
        """Return where the local cloud serves it."""
        return cloud.grpc if self.speaks_grpc else cloud.http.removeprefix("http://")

    @contextmanager
    def at(
        self, cloud: LocalCloud, address: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> Iterator[Any]:
        """Yield a backend that finds its service elsewhere and waits so long for an answer."""
        # The account's key is sent to this machine alone without TLS.
        is_plain = self.name != "azure_batch" or address.startswith("127.")
        url = f"{'http' if is_plain else 'https'}://{address}"
        text = json.dumps(cloud.connections[self.conn_id])
        connection = json.loads(text.replace(f"http://{self.address(cloud)}", url))
        if self.name == "aws_batch":
            times = dict.fromkeys(("connect_timeout", "read_timeout"), patience_seconds)
            connection["extra"]["config_kwargs"] = times
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(f"AIRFLOW_CONN_{AILING.upper()}", json.dumps(connection))
            backend = self.open(AILING)
            for setting in _PATIENCE:
                if hasattr(backend.hook, setting):
                    setattr(backend.hook, setting, patience_seconds)
            yield backend

    @staticmethod
    def patience_seconds(backend: Any) -> float:
        """Return how long the hook of a backend waits for an answer."""
        hook = backend.hook
        if found := [getattr(hook, setting) for setting in _PATIENCE if hasattr(hook, setting)]:
            return float(found[0])
        config = hook.batch.meta.config
        return float(max(config.connect_timeout, config.read_timeout))

    def write_spec(self) -> JobSpec:
        """Return a job that writes three lines and runs on."""
        return write_shell_spec(Work(lines=3, runs_on=True), options=dict(self.options))

    def jobs(self, cloud: LocalCloud, key: JobKey) -> int:
        """Return how many jobs the service has of a key, whose DAG no other has."""
        if self.name == "kubernetes":
            names = [job.metadata.name for job in self.open().hook.list_jobs()]
        else:
            names = [job["name"] for job in cloud.admin.jobs() if job["dialect"] == self.name]
        return sum(key.dag_id in name for name in names)


_GOOGLE = {
    "503": "UNAVAILABLE",
    "500": "INTERNAL",
    "429": "RESOURCE_EXHAUSTED",
    "expired": "UNAUTHENTICATED",
    "denied": "PERMISSION_DENIED",
}
_BY_STATUS: Mapping[str, str | int] = {"503": 503, "500": 500, "429": 429, "expired": 401, "denied": 403}

SUBJECTS = (
    Subject(
        "gcp_batch",
        "google_cloud_default",
        {"region": "europe-west1"},
        _GOOGLE,
        submits_with="CreateJob",
        speaks_grpc=True,
    ),
    Subject(
        "cloud_run",
        "google_cloud_default",
        {"region": "europe-west1"},
        _GOOGLE,
        submits_with="RunJob",
        speaks_grpc=True,
    ),
    Subject(
        "aws_batch",
        "aws_default",
        {"job_queue": "default"},
        {**_BY_STATUS, "expired": "ExpiredTokenException"},
        submits_with="SubmitJob",
    ),
    Subject(
        "azure_batch",
        "azure_batch_default",
        {},
        _BY_STATUS,
        submits_with="CreateJob",
        resends=True,
        options={"pool_id": "default"},
    ),
    Subject(
        "kubernetes",
        "kubernetes_default",
        {"namespace": "default"},
        _BY_STATUS,
        submits_with="create jobs",
    ),
)


def new_key() -> JobKey:
    """Return a key that no job has, of a DAG that no other key has."""
    return JobKey(dag_id=f"t{uuid.uuid4().hex[:10]}", run_id="r", task_id="t")


Operation = Callable[[Any, Subject, JobHandle], Any]

#: What the engine asks a backend for, by how a person would call it.
OPERATIONS: Mapping[str, Operation] = {
    "describe": lambda backend, _, handle: list(backend.describe([handle])),
    "find": lambda backend, _, handle: backend.find(new_key()),
    "read_logs": lambda backend, _, handle: backend.read_logs([LogCursor(handle=handle)]),
    "explain": lambda backend, _, handle: backend.explain(handle),
    "cancel": lambda backend, _, handle: backend.cancel(handle, "enough"),
    "submit": lambda backend, subject, _: backend.submit(subject.write_spec(), new_key()),
}


def error_of(call: Callable[[], Any]) -> BackendError | None:
    """Return the backend's error that a call raises, ``None`` where it raises none."""
    try:
        call()
    except BackendError as error:
        return error
    return None


def submit_as_the_engine(backend: Backend, spec: JobSpec, key: JobKey) -> JobHandle:
    """Return the handle of the job, submitted until there is an answer."""
    for _ in range(_MOST_TRIES):
        try:
            return backend.submit(spec, key)
        except BackendError as error:
            if not is_trouble(error):
                raise
            if isinstance(error, AmbiguousError) and (found := backend.find(key)):
                return found
        time.sleep(0.02)
    raise AssertionError(f"not submitted after {_MOST_TRIES} tries")


def until(met: Callable[[], Any], *, within_seconds: float = PATIENCE_SECONDS) -> Any:
    """Return what a condition holds, once it does."""
    deadline = time.monotonic() + within_seconds
    while not (found := met()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
