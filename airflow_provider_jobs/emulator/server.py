"""The server process: both ports, the ready file, and an orderly end.

It exists to hold the pieces together for as long as the process lives. It must not know a dialect's wire or
listen on anything but loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc

from airflow_provider_jobs.emulator import admin, dialects, http_server, readyfile
from airflow_provider_jobs.emulator.cloud import Cloud
from airflow_provider_jobs.emulator.dialects import Addresses, Dialect
from airflow_provider_jobs.emulator.settings import HOST, Settings

log = logging.getLogger(__name__)

#: How long answers under way may still take when the server ends.
_LAST_ANSWERS_SECONDS = 0.3
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class PortTaken(Exception):
    """A port that was asked for cannot be listened on."""


async def serve(settings: Settings) -> None:
    """Serve until TERM or INT, then end every command and remove the ready file.

    Raises PortTaken, and SecretFileError when the secrets file cannot be read.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    with _data_dir(settings.data_dir) as data_dir:
        cloud = Cloud(settings, data_dir=data_dir, temporary=settings.data_dir is None)
        try:
            await _serve(cloud, settings=settings, ending=ending)
        finally:
            await cloud.stop()


async def _serve(cloud: Cloud, *, settings: Settings, ending: asyncio.Event) -> None:
    served = _load_dialects(cloud, settings.dialects)
    grpc_server, grpc_port = _grpc_server(served, settings.port_grpc)
    try:
        listener = http_server.bind(settings.port_http)
    except OSError as error:
        raise PortTaken(f"cannot listen on {HOST}:{settings.port_http}: {error.strerror}") from error
    addresses = Addresses(f"{HOST}:{grpc_port}", f"http://{HOST}:{listener.getsockname()[1]}")
    app = http_server.make_app([handler for dialect in served for handler in dialect.http_handlers()])
    app.include_router(admin.make_router(cloud))
    http_server.serve_everything_else(app)
    http = http_server.make_server(app)
    await grpc_server.start()
    http_task = asyncio.ensure_future(http.serve(sockets=[listener]))
    try:
        serving = asyncio.ensure_future(http.serving.wait())
        await asyncio.wait({serving, http_task}, return_when=asyncio.FIRST_COMPLETED)
        connections = {
            key: value for dialect in served for key, value in dialect.connections(addresses).items()
        }
        readyfile.write(settings.ready_file, addresses, connections=connections)
        log.info(
            "ready: gRPC %s, HTTP %s, ready file %s", addresses.grpc, addresses.http, settings.ready_file
        )
        ended = asyncio.ensure_future(ending.wait())
        await asyncio.wait({ended, http_task}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
    finally:
        readyfile.remove(settings.ready_file)
        http.should_exit = True
        await asyncio.gather(
            asyncio.wait({http_task}, timeout=_LAST_ANSWERS_SECONDS), grpc_server.stop(_LAST_ANSWERS_SECONDS)
        )
        http_server.cut_everything()
        await http_task


def _load_dialects(cloud: Cloud, names: tuple[str, ...]) -> list[Dialect]:
    """Load what was asked for by name, all of it; else whatever is installed, at least one.

    Raises DialectMissing where that cannot be.
    """
    if names:
        return [dialects.load(name, cloud) for name in names]
    served: list[Dialect] = []
    missing: list[dialects.DialectMissing] = []
    for name in dialects.DIALECTS:
        try:
            served.append(dialects.load(name, cloud))
        except dialects.DialectMissing as error:
            missing.append(error)
    if missing and not served:
        raise missing[0]
    for absent in missing:
        log.warning("%s", absent)
    return served


def _grpc_server(served: list[Dialect], port: int) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(
        options=[
            # Without this a second server could take the same port and share its calls.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ]
    )
    for dialect in served:
        server.add_generic_rpc_handlers(tuple(dialect.grpc_handlers()))
    try:
        return server, server.add_insecure_port(f"{HOST}:{port}")
    except RuntimeError as error:
        raise PortTaken(f"cannot listen on {HOST}:{port}") from error


@contextlib.contextmanager
def _data_dir(wanted: Path | None) -> Iterator[Path]:
    """The directory for lines and scripts; a temporary one is removed at the end."""
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted
        return
    temporary = Path(tempfile.mkdtemp(prefix="airflow-jobs-emulator-"))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
