from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud
from tests.backends.cloud_run.emulator.conftest import PARENT, Clients

DAG = Path(__file__).with_name("official_dag.py")


@pytest.fixture
def airflow_home(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    shutil.copy(DAG, tmp_path / "dags" / DAG.name)
    return tmp_path


def airflow(home: Path, cloud: LocalCloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(cloud.connections["google_cloud_default"]),
        "LOCAL_CLOUD": cloud.grpc,
        "REPORT": str(home / "report.json"),
    }
    return subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=190,
        check=False,
    )


@pytest.mark.timeout(400)
def test_the_official_operators_work_unchanged(cloud: LocalCloud, run: Clients, airflow_home: Path):
    migrated = airflow(airflow_home, cloud, "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    tested = airflow(airflow_home, cloud, "dags", "test", "official")
    report = airflow_home / "report.json"
    assert report.exists(), tested.stdout + tested.stderr
    told: dict[str, Any] = json.loads(report.read_text())
    assert told["updated"]["generation"] == "2"
    assert [job["name"].rpartition("/")[2] for job in told["listed"]] == ["bad", "good", "long"]
    for name in ("good", "good_deferred"):
        assert told[name]["name"] == f"{PARENT}/jobs/good"
    assert told["bad"] is told["bad_deferred"] is None
    assert "cancelled_count=1" in told["cancelled"]
    assert [job.name.rpartition("/")[2] for job in run.jobs.list_jobs(parent=PARENT)] == ["bad", "long"]
    executions = run.executions.list_executions(parent=f"{PARENT}/jobs/bad")
    assert [execution.failed_count for execution in executions] == [1, 1]
