"""One local cloud for all tests of the dialect, emptied before each, and clients that nobody here wrote."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError

from airflow_provider_jobs.emulator.process import LocalCloud

VERSION = "2025-06-01"
POOL = "default"


@pytest.fixture(scope="session")
def server() -> Iterator[LocalCloud]:
    with LocalCloud("--dialect", "azure_batch", "--kill-grace-seconds", "0.3", "--simulate-sleep") as cloud:
        yield cloud


@pytest.fixture
def cloud(server: LocalCloud) -> LocalCloud:
    server.admin.reset()
    return server


def open_client(cloud: LocalCloud, **options: Any) -> BatchClient:
    """The vendor's client as a user makes it from the connection; it tries once."""
    connection = cloud.connections["azure_batch_default"]
    credential = AzureNamedKeyCredential(connection["login"], connection["password"])
    return BatchClient(connection["extra"]["account_url"], credential, retry_total=0, **options)


@pytest.fixture(scope="session")
def session_client(server: LocalCloud) -> Iterator[BatchClient]:
    with open_client(server) as client:
        yield client


@pytest.fixture
def batch(cloud: LocalCloud, session_client: BatchClient) -> BatchClient:
    return session_client


@pytest.fixture
def wire(cloud: LocalCloud) -> Iterator[httpx.Client]:
    """Plain HTTP with a token, for what the vendor's client hides: ``wire.get("/jobs/a")``."""
    headers = {"Authorization": "Bearer any", "client-request-id": "c"}
    with httpx.Client(
        base_url=cloud.http, headers=headers, params={"api-version": VERSION}, trust_env=False
    ) as client:
        yield client


def task(task_id: str, command: str = "true", **more: Any) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=task_id, command_line=command, **more)


def shell(text: str) -> str:
    """A command line that runs a text in a shell."""
    return f"/bin/sh -c '{text}'"


def add_job(batch: BatchClient, job_id: str = "job", *, pool: str = POOL, **more: Any) -> str:
    info = more.pop("pool_info", None) or models.BatchPoolInfo(pool_id=pool)
    batch.create_job(models.BatchJobCreateOptions(id=job_id, pool_info=info, **more))
    return job_id


def machines() -> models.VirtualMachineConfiguration:
    image = models.BatchVmImageReference(
        publisher="canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts"
    )
    return models.VirtualMachineConfiguration(
        image_reference=image, node_agent_sku_id="batch.node.ubuntu 22.04"
    )


def add_pool(batch: BatchClient, pool_id: str, nodes: int = 1, **more: Any) -> str:
    more.setdefault("vm_size", "standard_d2s_v5")
    if not more.get("enable_auto_scale"):
        more["target_dedicated_nodes"] = nodes
    made = models.BatchPoolCreateOptions(id=pool_id, virtual_machine_configuration=machines(), **more)
    batch.create_pool(made)
    return pool_id


def until_task(batch: BatchClient, task_id: str = "t", job_id: str = "job", state: str = "completed") -> Any:
    """Poll until the task is in the state."""
    while (found := batch.get_task(job_id, task_id)).state != state:
        assert found.state != "completed", found.as_dict()
    return found


def until_job(batch: BatchClient, job_id: str = "job", state: str = "completed") -> Any:
    while (found := batch.get_job(job_id)).state != state:
        assert found.state != "completed", found.as_dict()
    return found


def terminate_job(batch: BatchClient, job_id: str = "job", reason: str = "enough") -> None:
    """End a job and wait for it. Without options the vendor's client cannot send its own request."""
    options: Any = {"terminateReason": reason}
    batch.begin_terminate_job(job_id, options, polling_interval=0).result()


def run(batch: BatchClient, command: str, task_id: str = "t", **more: Any) -> Any:
    """Run one task of a job that is there already, to its end."""
    batch.create_task("job", task(task_id, command, **more))
    return until_task(batch, task_id)


def text_of(batch: BatchClient, name: str = "stdout.txt", task_id: str = "t", **more: Any) -> bytes:
    return b"".join(batch.download_task_file("job", task_id, name, **more))


def ids(things: Any) -> list[str]:
    return [thing.id for thing in things]


def refused(error: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int, str]:
    """Status and code of an error, as the vendor's client read them."""
    error.value.response.read()
    return error.value.status_code, json.loads(error.value.response.text())["code"]


class Files:
    """A server of files on loopback, as a storage account would be: GET gives, PUT takes."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.put_headers: dict[str, dict[str, str]] = {}
        self.url = ""


@pytest.fixture
def files() -> Iterator[Files]:
    store = Files()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = store.content.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def do_PUT(self) -> None:
            if self.path.startswith("/closed"):
                self.send_response(403)
            else:
                store.content[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
                store.put_headers[self.path] = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - a name of the base class
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    store.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
