"""A real Airflow in a directory of its own, for what puts load on one; it goes with its owner."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.sessions import Leash


class TemporaryAirflow(NamedTuple):
    """An Airflow that has not started yet.

    :param directory: what is in it goes when the Airflow goes
    :param leash: ends what it holds, also where the process that holds it dies
    """

    airflow: LocalAirflow
    directory: Path
    leash: Leash


@contextmanager
def temporary_airflow(
    dags_folder: Path, database: str, *, settings: Mapping[str, Mapping[str, Any]]
) -> Iterator[TemporaryAirflow]:
    """Make an Airflow on an empty database; its user starts it, when its connections are known.

    :param database: SQLAlchemy's URL
    :param settings: options by section of ``airflow.cfg``
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="temporary-airflow-")))
        leash = stack.enter_context(Leash())
        leash.hold_directory(directory)
        airflow = LocalAirflow(
            directory / "home",
            dags_folder,
            logs=directory / "logs",
            leash=leash,
            sql_alchemy_conn=database,
            settings=settings,
        )
        yield TemporaryAirflow(stack.enter_context(airflow), directory, leash)
