"""What a vendor's client really sends: a server between it and the local cloud that writes requests down."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PER_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """One request as it was sent; names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


class Recorder:
    """Forwards every request to ``upstream`` unchanged, its Host header too, and keeps it.

    Answers are passed on when they are complete, so it is not for streams.
    """

    def __init__(self, upstream: str) -> None:
        self.requests: list[Request] = []
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), _handler(urlsplit(upstream).netloc, self.requests)
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """Where a client reaches the recorder."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def sent(self, path: str, method: str = "POST") -> Request:
        """Return the last request of a method whose path ends so; fails where there was none."""
        found = [each for each in self.requests if each.method == method and each.path.endswith(path)]
        assert found, f"no {method} of {path} among {[(each.method, each.path) for each in self.requests]}"
        return found[-1]

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(upstream: str, requests: list[Request]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = parse_qs(address.query, keep_blank_values=True)
            requests.append(Request(self.command, address.path, query, headers, body))
            kept = {name: value for name, value in headers.items() if name not in _PER_CONNECTION}
            connection = http.client.HTTPConnection(upstream, timeout=60)
            connection.request(self.command, self.path, body or None, {**kept, "host": upstream})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _PER_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - a name of the base class
            """Say nothing."""

    return Handler
