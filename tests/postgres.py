"""An empty PostgreSQL database for a while: SQLite is locked as soon as many tasks run at once."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def temporary_database() -> Iterator[str]:
    """SQLAlchemy's URL of an empty database, which is dropped afterwards.

    The server is at 127.0.0.1:5432 with user postgres, unless the variables PGHOST, PGPORT, PGUSER and
    PGPASSWORD say otherwise.

    :raises psycopg.OperationalError: nobody answers there
    """
    host, port = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGPORT", "5432")
    user, password = os.environ.get("PGUSER", "postgres"), os.environ.get("PGPASSWORD", "")
    name = f"airflow_jobs_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(
        host=host,
        port=port,
        user=user,
        password=password,
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    ) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            credentials = f"{user}:{password}".rstrip(":")
            yield f"postgresql+psycopg2://{credentials}@{host}:{port}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
