"""A service that answers what a test tells it to, for answers that the local cloud has no reason to give."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONN_ID = "spoken"


class Speaker:
    """Answers each request with the next of its answers, and with the last one from then on.

    :ivar heard: the bodies of all requests
    """

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._answers: list[tuple[int, bytes, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def connection(self) -> str:
        """An Airflow connection that points here."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        values = {"conn_type": "azure_batch", "login": "a", "password": "Z2VoZWlt"}
        return json.dumps({**values, "extra": {"account_url": url}})

    def say(self, *bodies: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Set the answers and forget what was heard.

        :param bodies: what is no bytes is written as JSON; a pair is a status of its own, and a body
        """
        told = {"Content-Type": "application/json", **(headers or {})}
        self._answers = []
        for each in bodies:
            of, body = each if isinstance(each, tuple) else (status, each)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self._answers.append((of, content, told))
        self.heard.clear()

    def answer(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Return the answer to a request."""
        self.heard.append(body)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def __enter__(self) -> Speaker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(speaker: Speaker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def say(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content, headers = speaker.answer(body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = say  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - a name of the base class
            """Say nothing."""

    return Handler
