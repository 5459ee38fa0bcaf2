"""Which service a connection leads to, so that a DAG can move between clouds by its connection alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_jobs.core.errors import InvalidArgument
from airflow_provider_jobs.core.registry import backend_entry, backends
from airflow_provider_jobs.hooks.base import known_connection

BACKEND_KEY = "job_backend"
TARGET_KEY = "job_target"


class Place(NamedTuple):
    """A service, and what its target is where the DAG gives none."""

    backend: str
    target: Mapping[str, Any]


def read_place(conn_id: str) -> Place:
    """Return where a connection leads: ``job_backend`` in its extra, else what its type says.

    :raises InvalidArgument: there is no such connection, or it leads to no service or to several
    """
    from airflow.providers.common.compat.sdk import BaseHook

    with known_connection(conn_id, argument="conn_id"):
        connection = BaseHook.get_connection(conn_id)
    extra = connection.extra_dejson
    target = extra.get(TARGET_KEY) or {}
    if not isinstance(target, Mapping):
        raise InvalidArgument(
            "conn_id",
            f"{TARGET_KEY} in the extra of connection {conn_id!r} is no object",
            remedy='Write an object such as {"job_queue": "q"}',
        )
    name = extra.get(BACKEND_KEY) or _by_type(connection.conn_type)
    if name is None:
        raise InvalidArgument(
            "conn_id",
            f"connection {conn_id!r} of type {connection.conn_type!r} does not say which service it leads to",
            remedy=f'Put {{"{BACKEND_KEY}": "gcp_batch"}} or another into its extra, or give backend',
        )
    return Place(backend_entry(name).name, target)


def _by_type(conn_type: str | None) -> str | None:
    return next((entry.name for entry in backends() if conn_type in entry.conn_types), None)
