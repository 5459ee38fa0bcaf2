from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from airflow_provider_jobs.emulator.process import LocalCloud

PROGRAM = Path(__file__).with_name("official_airflow.py")


def test_the_official_operators_sensors_and_waiters_work_unchanged(cloud: LocalCloud, tmp_path: Path):
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(cloud.connections["aws_default"]),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    *logged, told = done.stdout.splitlines()
    assert any("hello from the job" in line for line in logged)
    arn = "arn:aws:batch:eu-west-1:123456789012:compute-environment"
    assert json.loads(told) == {
        "connected": True,
        "plain": "SUCCEEDED",
        "waiters": True,
        "fails": True,
        "array": True,
        "deferred": "SUCCEEDED",
        "killed": "Task killed by the user",
        "events": ["hello from the job"],
        "environment": f"{arn}/now",
        "environment deferred": f"{arn}/later",
        "sensed": [True, True, True],
    }
