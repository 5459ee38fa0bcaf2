"""One Airflow and one local cloud for all end-to-end tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_jobs.demo.local_airflow import LocalAirflow
from airflow_provider_jobs.demo.rest import AirflowRest
from airflow_provider_jobs.demo.sessions import Leash
from airflow_provider_jobs.emulator.process import LocalCloud
from tests.conftest import REPOSITORY


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example DAGs and those of the tests in one folder."""
    folder = tmp_path_factory.mktemp("dags")
    for source in (REPOSITORY / "dags", Path(__file__).parent / "dags"):
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A running local cloud."""
    with Leash() as leash, LocalCloud() as cloud:
        leash.hold_process(cloud.pid)
        leash.hold_directory(cloud.ready_file.parent)
        yield cloud


PASSWORD, API_KEY = "hunter2-of-the-connection", "hunter2-of-the-variable"
# So that a second triggerer takes over within seconds what a dead or deaf one has left.
SETTINGS = {
    "triggerer": {
        "job_heartbeat_sec": 1,
        "triggerer_health_check_threshold": 6,
        "runner_health_check_threshold": 6,
    }
}


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, dags_folder: Path, cloud: LocalCloud
) -> Iterator[LocalAirflow]:
    """A running Airflow whose connections point at the local cloud."""
    directory = tmp_path_factory.mktemp("airflow")
    with (
        Leash() as leash,
        LocalAirflow(
            directory / "home", dags_folder, logs=directory / "logs", leash=leash, settings=SETTINGS
        ) as airflow,
    ):
        secrets = {
            f"e2e_secret_{submit_from}": {"conn_type": "http", "password": f"{PASSWORD}-{submit_from}"}
            for submit_from in ("worker", "triggerer")
        }
        airflow.start({**cloud.connections, **secrets})
        yield airflow


@pytest.fixture
def rest(airflow: LocalAirflow) -> AirflowRest:
    """The client of a logged-in user."""
    return airflow.rest
