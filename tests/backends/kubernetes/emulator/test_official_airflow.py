from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_jobs.emulator.process import LocalCloud

PROGRAM = Path(__file__).with_name("official_airflow.py")


@pytest.mark.timeout(400)
def test_the_official_operators_work_unchanged(cloud: LocalCloud, tmp_path: Path):
    dags = tmp_path / "dags"
    dags.mkdir()
    program = shutil.copy(PROGRAM, dags)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(cloud.connections["kubernetes_default"]),
    }
    airflow = str(Path(sys.executable).with_name("airflow"))
    for command in ([airflow, "db", "migrate"], [sys.executable, program]):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=190, check=False
        )
        assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "waited": "success",
        "deferred": "success",
        "failing": "failed",
        "failing_deferred": "failed",
        "suspended": "success",
        "resumed": "success",
        "deleted": "success",
        "pod": "success",
        "pod_deferred": "success",
    }
    for line in ("hello from waited", "from a pod", "hi", "BackoffLimitExceeded"):
        assert line in told
