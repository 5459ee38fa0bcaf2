"""The vendor's clients, made once per hook and shared by its threads.

It decides how the services are called: with which timeouts, and never twice. It makes no call itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from airflow_provider_jobs import __version__

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0


def client_config(configured: Config | None, *, connect_seconds: float, read_seconds: float) -> Config:
    """Return the configuration of every client.

    :param configured: the connection's own, which may set all but how often a call is tried
    """
    config = Config(connect_timeout=connect_seconds, read_timeout=read_seconds)
    if configured is not None:
        config = config.merge(configured)
    agent = f"{config.user_agent_extra or ''} airflow-provider-jobs/{__version__}".strip()
    # The engine is the one place where calls are repeated.
    return config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"}, user_agent_extra=agent))


class Clients:
    """One client per service and region, each made at its first use.

    Clients may be used from several threads at once, sessions may not:
    https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients

    :param make_session: called once
    :param make_client: makes a client of a session, a service and a region
    """

    def __init__(
        self,
        make_session: Callable[[], boto3.session.Session],
        make_client: Callable[[boto3.session.Session, str, str | None], Any],
    ) -> None:
        self._make_session = make_session
        self._make_client = make_client
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service, in the session's region where none is given."""
        with self._lock:
            if (service, region) not in self._clients:
                if self._session is None:
                    self._session = self._make_session()
                self._clients[service, region] = self._make_client(self._session, service, region)
            return self._clients[service, region]
