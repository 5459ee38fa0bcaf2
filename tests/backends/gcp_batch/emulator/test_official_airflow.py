from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from airflow_provider_jobs.emulator.process import LocalCloud

PROGRAM = Path(__file__).with_name("official_airflow.py")


def test_the_official_hook_and_trigger_work_unchanged(cloud: LocalCloud, tmp_path: Path):
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(cloud.connections["google_cloud_default"]),
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), cloud.grpc],
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "listed": ["bad", "good"],
        "tasks": 2,
        "good": "success",
        "bad": "error",
        "left": ["bad"],
    }
