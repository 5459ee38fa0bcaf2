"""An API server on a socket that answers lists and watches of Jobs as it is told.

For what a real one does rarely, and the local cloud not at all.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """The answer to one watch.

    :param events: its lines; text goes out as it is
    :param then: whether it ends in good order, breaks off, or stays silent until the server is stopped
    """

    events: Sequence[Json | str] = ()
    then: Literal["end", "break", "silence"] = "end"


@dataclass(frozen=True)
class Refused:
    """A Status as the answer to one request."""

    code: int
    reason: str


@dataclass
class ScriptedApi:
    """What the server answers, each once and in this order, and what it was asked.

    :param lists: each the Jobs of a list, whose version is 100 times its number
    :param asked: the queries of all requests for many Jobs
    :param is_silent: set when a watch has become silent
    """

    lists: deque[list[Json] | Refused] = field(default_factory=deque)
    watches: deque[Watched | Refused] = field(default_factory=deque)
    asked: list[Json] = field(default_factory=list)
    is_silent: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    config: Json = field(default_factory=dict)

    @property
    def listed(self) -> int:
        """How many lists were asked for."""
        return len(self.asked) - len(self.watched_from)

    @property
    def watched_from(self) -> list[str]:
        """The versions from which watches were asked for."""
        return [query["resourceVersion"] for query in self.asked if "watch" in query]


def event(kind: str, found: Json) -> Json:
    """Return a line of a watch."""
    return {"type": kind, "object": found}


def bookmark(version: int) -> Json:
    """Return the line that tells how far the watch has come."""
    return event("BOOKMARK", {"kind": "Job", "metadata": {"resourceVersion": str(version)}})


def status(code: int, reason: str) -> Json:
    """Return a Status that says no."""
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": f"{reason}!"}


@contextmanager
def scripted_api(
    *, lists: Sequence[list[Json] | Refused], watches: Sequence[Watched | Refused], tls_in: Path | None = None
) -> Iterator[ScriptedApi]:
    """Serve a script; its ``config`` is a kube config that points at it.

    :param tls_in: a directory for a certificate, where it is served over TLS
    """
    script = ScriptedApi(deque(lists), deque(watches))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": script}))
    cluster: Json = {"server": f"http://127.0.0.1:{server.server_port}"}
    if tls_in:
        cluster = {
            "server": f"https://127.0.0.1:{server.server_port}",
            "certificate-authority": str(_secure(server, tls_in)),
        }
    script.config = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        script.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: ScriptedApi

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        self.script.asked.append(query)
        told = (self.script.watches if "watch" in query else self.script.lists).popleft()
        if isinstance(told, Refused):
            self._send(told.code, status(told.code, told.reason))
        elif isinstance(told, Watched):
            self._watch(told)
        else:
            version = str(self.script.listed * 100)
            self._send(200, {"metadata": {"resourceVersion": version}, "items": told})

    def _send(self, code: int, told: Json) -> None:
        body = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _watch(self, told: Watched) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in told.events:
            text = line if isinstance(line, str) else json.dumps(line)
            self._chunk(text.encode() + b"\n")
        if told.then == "end":
            self._chunk(b"")
            return
        if told.then == "silence":
            self.script.is_silent.set()
            self.script.stopping.wait()
        self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: Any) -> None:
        pass


def _secure(server: ThreadingHTTPServer, directory: Path) -> Path:
    """Serve over TLS, and return the file of the certificate that a client must trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kept, trusted = directory / "server.pem", directory / "ca.pem"
    kept.write_bytes(private + public)
    trusted.write_bytes(public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kept)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return trusted
